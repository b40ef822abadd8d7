import { cover } from "../cover";
import { adds, flips, pointOf, tone, type Ctx, type Ev, type Tool } from "./tool";

export const DIAMETER = { min: 1, max: 500 }; // image pixels that can be chosen here; Python allows more
const SMALLEST = 0.5; // radius in image pixels, as the kernel has it
const STEP = 0.5; // CSS pixels between two points of a line

function radius(ctx: Ctx, pressure = 1): number {
  return Math.max(SMALLEST, (ctx.settings.brush_size / 2) * pressure);
}

/** Brush and eraser paint alike; Alt turns one into the other. */
function painter(id: string, title: string, paints: boolean): Tool {
  const adding = (ctx: Ctx, event: Ev) => (paints ? adds(ctx, event) : flips(event));
  return {
    id,
    title,
    cursor: "none",
    *gesture(ctx, down) {
      const add = adding(ctx, down), points = [pointOf(down)], pressed = ctx.settings.pressure && down.pointerType === "pen";
      let wide = radius(ctx, pressed ? down.pressure : 1);
      ctx.paint(cover(points[0], points[0], wide, ctx.image), add);
      for (let event = yield; ; event = yield) {
        if (event.type === "key") continue;
        const last = points[points.length - 1], next = pointOf(event);
        const far = Math.hypot(next[0] - last[0], next[1] - last[1]) * ctx.scale;
        if (far >= STEP || (far > 0 && event.type === "up")) {
          points.push(next);
          ctx.paint(cover(last, next, wide, ctx.image), add);
        }
        const harder = pressed ? radius(ctx, event.pressure) : wide;
        if (harder > wide) { // a stroke is as wide all along as the pen pressed at most
          wide = harder;
          points.forEach((to, i) => ctx.paint(cover(points[Math.max(0, i - 1)], to, wide, ctx.image), add));
        }
        if (event.type === "up") break;
      }
      ctx.commit({ type: "brush", points, radius: wide, add });
    },
    hover: (ctx, event) => ({ kind: "ring", x: event.x, y: event.y, radius: radius(ctx), tone: tone(adding(ctx, event)) }),
  };
}

export const brush = painter("brush", "Brush: paint the object (Alt erases)", true);
export const eraser = painter("eraser", "Eraser: take away (Alt paints)", false);
