import type { Point } from "../cover";
import { adds, nearestInside, type Tool, type ToolContext, type ToolEvent, toneOf } from "./tool";

declare module "../actions" {
  interface Actions {
    lasso: { type: "lasso"; points: Point[]; add: boolean };
  }
}

const CLOSE_RADIUS_PX = 9; // CSS pixels around the first point, where a click closes the path
const DRAG_THRESHOLD_PX = 6; // CSS pixels: a longer drag also fixes a point at its end
const WINDOW_PX = 640; // CSS pixels, side of the window around a point in which edges are followed
const SNAP_PX = 10; // CSS pixels up to which a point moves to an edge
const MAX_SNAP = 256; // image pixels, the largest distance that Python allows
const MIN_WINDOW = 32; // image pixels, the smallest window that Python allows
const FIXED_PATH_DISTANCE = 0.4; // fraction of the window: older parts of the path stay as they are

export const lasso: Tool = {
  name: "lasso",
  hint: "follows edges; click to fix a point, Enter closes",
  icon: '<path d="M10 3.75c4 0 6.75 1.9 6.75 4.25S14 12.25 10 12.25 3.25 10.35 3.25 8 6 3.75 10 3.75z" stroke-dasharray="2.6 1.9"/><path d="M6.75 11.75c-1.7.2-2.6 1.2-2 2.2s.5 2-1 2.5"/><circle cx="6.75" cy="11.75" r="1.25" fill="currentColor"/>',
  options: ["add", "straight"],
  color: "#ec4899",
  hasSteps: true,
  *gesture(context, down) {
    const add = adds(context, down);
    const window = Math.max(MIN_WINDOW, 2 ** Math.ceil(Math.log2(WINDOW_PX / context.scale)));
    const snap = Math.min(MAX_SNAP, SNAP_PX / context.scale);
    const isFree = (event: ToolEvent) => event.shift || context.settings.straight;
    let start = inImage(context, down);
    const pieces: Point[][] = []; // fixed parts of the path; each continues where the previous one ends
    let proposal: Point[] = [];
    let proposedFor: Point | null = null; // the pointer for which the kernel has found the proposal, whose end may be at an edge near it
    let pressed = down;
    let isActive = true;
    const anchor = () => pieces[pieces.length - 1]?.at(-1) ?? start;
    const isNear = (a: Point, b: Point, css: number) => Math.hypot(a[0] - b[0], a[1] - b[1]) * context.scale <= css;
    const closes = (here: Point) => pieces.length > 1 && isNear(here, start, CLOSE_RADIUS_PX);

    function show(closed = false) {
      const points = [start, ...pieces.flat(), ...proposal];
      const end = proposal.at(-1);
      context.preview({
        kind: "path",
        points,
        handles: closed ? [] : [start, ...pieces.flatMap((piece) => piece.slice(-1))],
        tone: toneOf(add),
        closed,
        hot: !closed && end && closes(end) ? 0 : undefined,
      });
    }

    /** Propose a path to the pointer: a straight line until the kernel has found one along edges. */
    async function propose(event: ToolEvent) {
      const here = inImage(context, event);
      const from = anchor();
      if (!proposal.length || isFree(event)) proposal = [here];
      show();
      if (isFree(event) || isNear(here, from, 1)) return;
      const reply = await context.requestLatest<{ path: Point[] }>("scissors", { points: [from, here], window, snap });
      if (!isActive || !reply || anchor() !== from) return;
      proposal = reply.result.path.slice(1);
      proposedFor = here;
      const far = Math.max(Math.abs(here[0] - from[0]), Math.abs(here[1] - from[1])) > FIXED_PATH_DISTANCE * window;
      const half = proposal.length >> 1;
      if (far && half) pieces.push(proposal.splice(0, half));
      show();
    }

    /** Move the first point to an edge near it. */
    async function snapStart() {
      const reply = await context.requestLatest<{ path: Point[] }>("scissors", {
        points: [start, start],
        window,
        snap,
      });
      if (!isActive || !reply || pieces.length) return;
      start = reply.result.path.at(-1) ?? start;
      show();
    }

    /** Fix the proposed path, and return whether the path is now closed. */
    function fix(event: ToolEvent): boolean {
      const here = inImage(context, event);
      const last = proposal.at(-1) ?? anchor();
      const closing = closes(here);
      const isSnapped = !isFree(event) && proposedFor !== null && isNear(proposedFor, here, SNAP_PX);
      const piece = isSnapped || isNear(last, here, 0) ? proposal : [...proposal, here];
      if (piece.length && !isNear(anchor(), here, 1)) pieces.push(piece);
      proposal = [];
      proposedFor = null;
      return closing;
    }

    if (!isFree(down)) void snapStart();
    try {
      for (let event = yield; ; event = yield) {
        if (event.type === "move") void propose(event);
        else if (event.key === "Enter") {
          if (pieces.flat().length > 1) break;
        } else if (event.type === "key") {
          if (!pieces.pop()) return;
          proposal = [];
        } else if (event.type === "down") {
          if (event.double && pieces.length > 1) break;
          pressed = event;
          if (fix(event)) break;
        } else if (!isNear(inImage(context, event), inImage(context, pressed), DRAG_THRESHOLD_PX) && fix(event)) break;
        if (event.type !== "move") show();
      }
    } finally {
      isActive = false;
    }
    const points = [start, ...pieces.flat()];
    if (points.length < 3) return;
    proposal = [];
    show(true);
    context.commit({ type: "lasso", points, add });
  },
};

/** The nearest point inside the image: the kernel follows edges only there. */
function inImage(context: ToolContext, event: ToolEvent): Point {
  return nearestInside(context.image, event, 1);
}
