import type { Point } from "../cover";
import { adds, pointOf, type Tool, type ToolContext, type ToolEvent, toneOf } from "./tool";

declare module "../actions" {
  interface Actions {
    polygon: { type: "polygon"; points: Point[]; add: boolean };
  }
}

const GRAB_RADIUS_PX = 8; // CSS pixels from a corner or an edge
const DRAG_THRESHOLD_PX = 4; // CSS pixels: a shorter movement is a click
const MIN_CORNERS = 3;

export const polygon: Tool = {
  name: "polygon",
  hint: "click the corners; Enter or a click on the first corner closes it",
  icon: '<path d="M5 14.5L4.25 6.5 11 4l5 5.5-3.5 6.25z"/><g fill="currentColor" stroke="none"><circle cx="5" cy="14.5" r="1.5"/><circle cx="4.25" cy="6.5" r="1.5"/><circle cx="11" cy="4" r="1.5"/><circle cx="16" cy="9.5" r="1.5"/><circle cx="12.5" cy="15.75" r="1.5"/></g>',
  options: ["add"],
  color: "#a855f7",
  hasSteps: true,
  *gesture(context, down) {
    const points: Point[] = [pointOf(down)];
    const add = adds(context, down);
    let dragged: number | null = 0;
    let pressed = down;
    let moved = false; // whether the pointer drags the corner
    for (let event = yield; ; event = yield) {
      if (event.key === "Enter" && points.length >= MIN_CORNERS) break;
      if (event.key === "Backspace") {
        points.pop();
        dragged = null;
        if (!points.length) return;
      } else if (event.type === "down") {
        pressed = event;
        moved = false;
        dragged = grab(context, points, event);
        if (event.double && dragged === points.length - 1 && points.length >= MIN_CORNERS) break;
      } else if (event.type === "key") {
        continue; // too few corners to close it
      } else if (event.type === "move") {
        moved ||= dragged !== null && distance(context, pointOf(event), pointOf(pressed)) > DRAG_THRESHOLD_PX;
        if (dragged !== null && moved) points[dragged] = pointOf(event);
      } else {
        if (dragged === 0 && !moved && points.length >= MIN_CORNERS && pressed !== down) break; // the second click on the first corner
        dragged = null;
      }
      show(context, points, event, dragged, add);
    }
    context.preview({ kind: "path", points, handles: [], tone: toneOf(add), closed: true });
    context.commit({ type: "polygon", points, add });
  },
};

function distance(context: ToolContext, [ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(ax - bx, ay - by) * context.scale;
}

/** The index of the corner at a point; -1 if there is none. */
function cornerAt(context: ToolContext, points: Point[], here: Point): number {
  return points.findIndex((corner) => distance(context, corner, here) <= GRAB_RADIUS_PX);
}

/** Return the corner at the pointer: an existing one, a new one on the edge there, or a new one at the end. */
function grab(context: ToolContext, points: Point[], event: ToolEvent): number {
  const here = pointOf(event);
  const corner = cornerAt(context, points, here);
  if (corner >= 0) return corner;
  const edge = edgeAt(context, points, here);
  const index = edge === null ? points.length : edge + 1;
  points.splice(index, 0, here);
  return index;
}

/** The edge at a point, by the index of its first corner. The closing edge is not drawn yet and does not count. */
function edgeAt(context: ToolContext, points: Point[], [x, y]: Point): number | null {
  for (let i = 0; i + 1 < points.length; i++) {
    const [ax, ay] = points[i];
    const dx = points[i + 1][0] - ax;
    const dy = points[i + 1][1] - ay;
    const t = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0), 1);
    if (distance(context, [ax + t * dx, ay + t * dy], [x, y]) <= GRAB_RADIUS_PX) return i;
  }
  return null;
}

function show(context: ToolContext, points: Point[], event: ToolEvent, dragged: number | null, add: boolean) {
  const here = pointOf(event);
  const corner = cornerAt(context, points, here);
  const onEdge = dragged === null && corner < 0 && edgeAt(context, points, here) !== null;
  const follows = dragged === null && corner < 0 && !onEdge && event.type !== "key" && event.pointerType !== "touch";
  const closes = dragged === null && corner === 0 && points.length >= MIN_CORNERS;
  context.preview({
    kind: "path",
    points: follows ? [...points, here] : [...points],
    handles: [...points],
    tone: toneOf(add),
    closed: closes,
    hot: dragged ?? (corner < 0 ? undefined : corner),
    extra: onEdge ? here : undefined,
  });
}
