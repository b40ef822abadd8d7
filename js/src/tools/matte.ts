import type { Point } from "../cover";
import { extendLine, linePointOf, pointOf, type Tool, type ToolContext } from "./tool";

declare module "../actions" {
  interface Actions {
    matte: { type: "matte"; points: Point[]; radius: number };
  }
}

const STEP_PX = 2; // CSS pixels between two points of the band

const radiusOf = (context: ToolContext) => Math.max(1, context.settings.brush_size / 2);

export const matte: Tool = {
  name: "matte",
  hint: "paint along a soft border, such as hair",
  icon: '<path d="M10 3.5a6.5 6.5 0 100 13z" fill="currentColor"/><path d="M12.5 4.1v.1M12.5 8v.1M12.5 12v.1M12.5 15.9v.1M14.75 6v.1M14.75 10v.1M14.75 14v.1M16.6 8v.1M16.6 12v.1" stroke-width="1.9"/>',
  options: ["size"],
  color: "#22d3ee",
  cursor: "none",
  *gesture(context, down) {
    const points = [pointOf(down)];
    const radius = radiusOf(context);
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      extendLine(context, points, linePointOf(context, event), STEP_PX);
      context.preview({ kind: "line", points, radius, tone: "matte" });
      if (event.type === "up") break;
    }
    context.commit({ type: "matte", points, radius });
  },
  hover: (context, event) => ({ kind: "ring", x: event.x, y: event.y, radius: radiusOf(context), tone: "matte" }),
};
