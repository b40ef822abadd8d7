import type { Point } from "../cover";
import { adds, nearest, tone, type Ctx, type Ev, type Tool } from "./tool";

const NEAR = 9; // CSS pixels from the first point, where a click closes
const DRAG = 6; // CSS pixels: a press that moves further puts a point down where it ends, too
const WINDOW = 640; // CSS pixels round a point, in which edges are followed
const NARROWEST = 32; // image pixels of that, as the kernel allows
const COOLS = 0.4; // of the window: what is further behind the pointer stays as it is

export const lasso: Tool = {
  id: "lasso",
  title: "Lasso: follows edges; click to hold it, Enter closes",
  steps: true,
  *gesture(ctx, down) {
    const add = adds(ctx, down), window = Math.max(NARROWEST, 2 ** Math.ceil(Math.log2(WINDOW / ctx.scale)));
    const start = inside(ctx, down), pieces: Point[][] = []; // each goes on where the one before ends
    let proposal: Point[] = [], at = down, alive = true;
    const anchor = () => pieces[pieces.length - 1]?.at(-1) ?? start;
    const near = (a: Point, b: Point, css: number) => Math.hypot(a[0] - b[0], a[1] - b[1]) * ctx.scale <= css;
    const closes = (here: Point) => pieces.length > 1 && near(here, start, NEAR);

    function show(closed = false) {
      const points = [start, ...pieces.flat(), ...proposal];
      ctx.preview({ kind: "path", points, handles: closed ? [] : [start, ...pieces.map((piece) => piece.at(-1)!)], tone: tone(add), closed,
        hot: !closed && proposal.length && closes(proposal.at(-1)!) ? 0 : undefined });
    }

    /** Propose a path to the pointer: straight until the kernel has found a better one. */
    async function propose(event: Ev) {
      const here = inside(ctx, event), from = anchor();
      if (!proposal.length || event.shift || ctx.settings.straight) proposal = [here];
      show();
      if (event.shift || ctx.settings.straight || near(here, from, 1)) return;
      const reply = await ctx.ask("scissors", { points: [from, here], window });
      if (!alive || !reply || anchor() !== from) return;
      proposal = reply.result.path.slice(1);
      const far = Math.max(Math.abs(here[0] - from[0]), Math.abs(here[1] - from[1])) > COOLS * window, half = proposal.length >> 1;
      if (far && half) pieces.push(proposal.splice(0, half));
      show();
    }

    /** Hold what is proposed; says whether that closes it. */
    function hold(event: Ev): boolean {
      const here = inside(ctx, event), last = proposal.at(-1) ?? anchor(), closing = closes(here);
      const piece = near(last, here, 0) ? proposal : [...proposal, here];
      if (piece.length && !near(anchor(), here, 1)) pieces.push(piece);
      proposal = [];
      return closing;
    }

    try {
      for (let event = yield; ; event = yield) {
        if (event.type === "move") void propose(event);
        else if (event.key === "Enter") {
          if (pieces.flat().length > 1) break; // else it is too early
        } else if (event.type === "key") {
          if (!pieces.pop()) return;
          proposal = [];
        } else if (event.type === "down") {
          if (event.double && pieces.length > 1) break;
          at = event;
          if (hold(event)) break;
        } else if (!near(inside(ctx, event), inside(ctx, at), DRAG) && hold(event)) break;
        if (event.type !== "move") show();
      }
    } finally {
      alive = false;
    }
    const points = [start, ...pieces.flat()];
    if (points.length < 3) return;
    proposal = [];
    show(true);
    ctx.commit({ type: "lasso", points, add });
  },
};

/** The kernel follows edges only in the image. */
function inside(ctx: Ctx, event: Ev): Point { return nearest(ctx.image, event, 1); }
