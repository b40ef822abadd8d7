import { onGrid, type Point } from "../cover";
import { nearest, tone, type Ctx, type Ev, type Tool } from "./tool";

const RADIUS = 5, STEP = 2; // CSS pixels: half the width of the stroke, and between two points of it
const INSIDE = 1 / 64; // image pixels: a stroke stays in the image, whose right and lower edge are not

export const stroke: Tool = {
  id: "stroke",
  title: "Stroke: scribble on the object, with right on what is not in it",
  *gesture(ctx, down) {
    const positive = !down.secondary, radius = Math.max(1, onGrid(RADIUS / ctx.scale)), points = [point(ctx, down)];
    const action = () => ({ type: "stroke" as const, points, positive, radius });
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      extend(ctx, points, event, STEP);
      ctx.preview({ kind: "line", points, radius, tone: tone(positive) });
      ctx.look({ ...action(), points: [...points] });
      if (event.type === "up") break;
    }
    ctx.commit(action());
  },
};

function point(ctx: Ctx, event: Ev): Point {
  const [x, y] = nearest(ctx.image, event, INSIDE);
  return [onGrid(x), onGrid(y)];
}

/** Let a line go on to where the pointer is, once that is some CSS pixels away. */
export function extend(ctx: Ctx, points: Point[], event: Ev, step: number) {
  const last = points[points.length - 1], next = point(ctx, event);
  if (Math.hypot(next[0] - last[0], next[1] - last[1]) * ctx.scale >= step) points.push(next);
}
