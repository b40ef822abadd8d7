import { extend } from "./stroke";
import { pointOf, type Ctx, type Tool } from "./tool";

const STEP = 2; // CSS pixels between two points of the band

const radius = (ctx: Ctx) => Math.max(1, ctx.settings.brush_size / 2);

export const matte: Tool = {
  id: "matte",
  title: "Matte: smear along a soft border, such as hair",
  cursor: "none",
  *gesture(ctx, down) {
    const points = [pointOf(down)], wide = radius(ctx);
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      extend(ctx, points, event, STEP);
      ctx.preview({ kind: "line", points, radius: wide, tone: "matte" });
      if (event.type === "up") break;
    }
    ctx.commit({ type: "matte", points, radius: wide });
  },
  hover: (ctx, event) => ({ kind: "ring", x: event.x, y: event.y, radius: radius(ctx), tone: "matte" }),
};
