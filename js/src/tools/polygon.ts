import type { Point } from "../cover";
import { adds, pointOf, tone, type Ctx, type Ev, type Tool } from "./tool";

const NEAR = 8; // CSS pixels from which a corner or an edge is taken hold of
const DRAG = 4; // CSS pixels: what moves less is a click
const LEAST = 3; // corners

export const polygon: Tool = {
  id: "polygon",
  title: "Polygon: click corners, Enter or the first one closes",
  steps: true,
  *gesture(ctx, down) {
    const points: Point[] = [pointOf(down)], add = adds(ctx, down);
    let held: number | null = 0, at = down, moved = false; // the corner that the pointer drags
    for (let event = yield; ; event = yield) {
      if (event.key === "Enter" && points.length >= LEAST) break;
      if (event.key === "Backspace") {
        points.pop();
        held = null;
        if (!points.length) return;
      } else if (event.type === "down") {
        at = event;
        moved = false;
        held = grab(ctx, points, event);
        if (event.double && held === points.length - 1 && points.length >= LEAST) break;
      } else if (event.type === "key") {
        continue; // too early to close it
      } else if (event.type === "move") {
        moved ||= held !== null && distance(ctx, pointOf(event), pointOf(at)) > DRAG;
        if (held !== null && moved) points[held] = pointOf(event);
      } else {
        if (held === 0 && !moved && points.length >= LEAST && at !== down) break; // the first corner, clicked again
        held = null;
      }
      show(ctx, points, event, held, add);
    }
    ctx.preview({ kind: "path", points, handles: [], tone: tone(add), closed: true });
    ctx.commit({ type: "polygon", points, add });
  },
};

function distance(ctx: Ctx, [ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(ax - bx, ay - by) * ctx.scale;
}

/** The corner at a point; -1: there is none. */
function cornerAt(ctx: Ctx, points: Point[], here: Point): number {
  return points.findIndex((corner) => distance(ctx, corner, here) <= NEAR);
}

/** The corner at the pointer: one that is there, one put into the edge there, or a new one at the end. */
function grab(ctx: Ctx, points: Point[], event: Ev): number {
  const here = pointOf(event), corner = cornerAt(ctx, points, here);
  if (corner >= 0) return corner;
  const edge = edgeAt(ctx, points, here), place = edge === null ? points.length : edge + 1;
  points.splice(place, 0, here);
  return place;
}

/** The edge at a point, by its first corner; the one that closes the polygon is not drawn yet, and none. */
function edgeAt(ctx: Ctx, points: Point[], [x, y]: Point): number | null {
  for (let i = 0; i + 1 < points.length; i++) {
    const [ax, ay] = points[i], dx = points[i + 1][0] - ax, dy = points[i + 1][1] - ay;
    const t = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0), 1);
    if (distance(ctx, [ax + t * dx, ay + t * dy], [x, y]) <= NEAR) return i;
  }
  return null;
}

function show(ctx: Ctx, points: Point[], event: Ev, held: number | null, add: boolean) {
  const here = pointOf(event), corner = cornerAt(ctx, points, here);
  const onEdge = held === null && corner < 0 && edgeAt(ctx, points, here) !== null;
  const follows = held === null && corner < 0 && !onEdge && event.type !== "key" && event.pointerType !== "touch";
  const closes = held === null && corner === 0 && points.length >= LEAST;
  ctx.preview({
    kind: "path", points: follows ? [...points, here] : [...points], handles: [...points], tone: tone(add), closed: closes,
    hot: held ?? (corner < 0 ? undefined : corner), extra: onEdge ? here : undefined,
  });
}
