import { cover, type Point } from "../cover";
import { adds, isInverted, pointOf, type Tool, type ToolContext, type ToolEvent, toneOf } from "./tool";

declare module "../actions" {
  interface Actions {
    brush: { type: "brush"; points: Point[]; radius: number; add: boolean };
  }
}

export const DIAMETER_RANGE = { min: 1, max: 500 }; // image pixels that the slider offers; Python allows more
const MIN_RADIUS = 0.5; // image pixels, the same as in Python
const STEP_PX = 0.5; // CSS pixels between two points of a line

function radiusOf(context: ToolContext, pressure = 1): number {
  return Math.max(MIN_RADIUS, (context.settings.brush_size / 2) * pressure);
}

/** The common part of brush and eraser, which differ only in their effect without Alt. */
function painter(paints: boolean): Pick<Tool, "cursor" | "gesture" | "hover"> {
  const adding = (context: ToolContext, event: ToolEvent) => (paints ? adds(context, event) : isInverted(event));
  return {
    cursor: "none",
    *gesture(context, down) {
      const add = adding(context, down);
      const points = [pointOf(down)];
      const usesPressure = context.settings.pressure && down.pointerType === "pen";
      let radius = radiusOf(context, usesPressure ? down.pressure : 1);
      context.paint(cover(points[0], points[0], radius, context.image), add);
      for (let event = yield; ; event = yield) {
        if (event.type === "key") continue;
        const last = points[points.length - 1];
        const next = pointOf(event);
        const distance = Math.hypot(next[0] - last[0], next[1] - last[1]) * context.scale;
        if (distance >= STEP_PX || (distance > 0 && event.type === "up")) {
          points.push(next);
          context.paint(cover(last, next, radius, context.image), add);
        }
        const pressed = usesPressure ? radiusOf(context, event.pressure) : radius;
        if (pressed > radius) {
          radius = pressed; // the whole stroke is as wide as its highest pressure
          for (const [i, to] of points.entries()) {
            context.paint(cover(points[Math.max(0, i - 1)], to, radius, context.image), add);
          }
        }
        if (event.type === "up") break;
      }
      context.commit({ type: "brush", points, radius, add });
    },
    hover: (context, event) => ({
      kind: "ring",
      x: event.x,
      y: event.y,
      radius: radiusOf(context),
      tone: toneOf(adding(context, event)),
    }),
  };
}

export const brush: Tool = {
  ...painter(true),
  name: "brush",
  hint: "paint the object (Alt erases)",
  icon: '<path d="M16.5 3.5c-3.2 1.5-6 4-8 7l1.6 1.6c3-2 5.5-4.8 6.4-8.6z"/><path d="M8 11.2c-1.9-.1-2.9 1-3.2 2.6-.15.9-.6 1.7-1.5 2.2 2.6.8 5.9.2 6.1-3.2"/>',
  options: ["add", "size", "pressure"],
  color: "#f59e0b",
};

export const eraser: Tool = {
  ...painter(false),
  name: "eraser",
  hint: "remove from the object (Alt paints)",
  icon: '<path d="M8.2 16.25l-4.1-4.1a1.3 1.3 0 010-1.85l6.4-6.4a1.3 1.3 0 011.85 0l3.75 3.75a1.3 1.3 0 010 1.85l-6.75 6.75z"/><path d="M7.2 7.2l5.6 5.6M7.5 16.25h9"/>',
  options: ["size", "pressure"],
};
