import { onGrid, type Point } from "../cover";
import { adds, extendLine, linePointOf, type Tool, toneOf } from "./tool";

declare module "../actions" {
  interface Prompts {
    stroke: { type: "stroke"; points: Point[]; positive: boolean; radius: number };
  }
}

const RADIUS_PX = 5; // CSS pixels
const STEP_PX = 2; // CSS pixels between two points

export const stroke: Tool = {
  name: "stroke",
  hint: "scribble on the object; right-drag on background",
  icon: '<path d="M3.5 13.5c2-6 4-8 5.25-7.25S8 11 9.25 12s3.25-4.5 5-4"/><path d="M14.5 13v4M12.5 15h4"/>',
  options: ["add"],
  *gesture(context, down) {
    const positive = adds(context, down);
    const radius = Math.max(1, onGrid(RADIUS_PX / context.scale));
    const points = [linePointOf(context, down)];
    const action = () => ({ type: "stroke" as const, points, positive, radius });
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      extendLine(context, points, linePointOf(context, event), STEP_PX);
      context.preview({ kind: "line", points, radius, tone: toneOf(positive) });
      context.previewAction({ ...action(), points: [...points] });
      if (event.type === "up") break;
    }
    context.commit(action());
  },
  // The middle line, which hides little of the image, and a sign at the start.
  trace(prompt) {
    if (prompt.type !== "stroke") return [];
    const { points, positive } = prompt;
    const [[x, y]] = points;
    return [
      { kind: "line", points, radius: 0, tone: toneOf(positive) },
      { kind: "dot", x, y, positive },
    ];
  },
};
