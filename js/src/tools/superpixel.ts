import type { LabelMap } from "../superpixels";
import { flips, isInside, tone, type Ctx, type Ev, type Preview, type Tool } from "./tool";

const STEP = 3; // CSS pixels: a quick drag leaves out no segment wider than this

/** A segment that is in the object is taken out, and one that is not is put in; the option and Alt say what to do instead. */
function adding(ctx: Ctx, event: Ev): boolean {
  if (!ctx.settings.add || flips(event)) return !ctx.settings.add && flips(event);
  return !ctx.pixels?.at(Math.floor(event.x), Math.floor(event.y));
}

function notYet({ x, y }: Ev): Preview {
  return { kind: "label", x, y, text: "finding superpixels…" };
}

/** The segments on the way from one event to the next. */
function* passed(ctx: Ctx, map: LabelMap, from: Ev, to: Ev) {
  const steps = Math.max(1, Math.ceil((Math.hypot(to.x - from.x, to.y - from.y) * ctx.scale) / STEP));
  for (let i = 1; i <= steps; i++) {
    const segment = map.at(from.x + ((to.x - from.x) * i) / steps, from.y + ((to.y - from.y) * i) / steps);
    if (segment !== undefined) yield segment;
  }
}

export const superpixel: Tool = {
  id: "superpixel",
  title: "Superpixels: click or drag over segments",
  enter: (ctx) => (ctx.superpixels ? undefined : ctx.arrival()), // asks for them
  *gesture(ctx, down) {
    if (!ctx.superpixels && isInside(ctx.image, down)) {
      ctx.preview(notYet(down));
      yield ctx.arrival();
      ctx.preview(null);
    }
    const map = ctx.superpixels;
    if (map?.at(down.x, down.y) === undefined) return;
    const add = adding(ctx, down), segments = new Set<number>();
    let last = down;
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      for (const segment of passed(ctx, map, last, event)) {
        if (segments.has(segment)) continue;
        segments.add(segment);
        ctx.paint(map.patch(segment), add);
      }
      last = event;
      if (event.type === "up") break;
    }
    ctx.commit({ type: "superpixel", segments: [...segments], count: map.count, add });
  },
  hover(ctx, event) {
    if (!ctx.superpixels && isInside(ctx.image, event)) return notYet(event);
    const segment = ctx.superpixels?.at(event.x, event.y);
    if (segment === undefined) return null;
    return { kind: "region", outline: ctx.superpixels!.outline(segment), tone: tone(adding(ctx, event)) };
  },
};
