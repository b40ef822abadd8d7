import type { LabelMap } from "../superpixels";
import { isInside, isInverted, type Preview, type Tool, type ToolContext, type ToolEvent, toneOf } from "./tool";

declare module "../actions" {
  interface Actions {
    superpixel: { type: "superpixel"; segments: number[]; count: number; add: boolean };
  }
}

const STEP_PX = 3; // CSS pixels: a quick drag skips no segment wider than this

/** A segment inside the object is removed, one outside is added; the option and Alt override this. */
function adding(context: ToolContext, event: ToolEvent): boolean {
  const inverted = isInverted(event);
  if (!context.settings.add || inverted) return !context.settings.add && inverted;
  return !context.pixels?.at(Math.floor(event.x), Math.floor(event.y));
}

function loadingLabel({ x, y }: ToolEvent): Preview {
  return { kind: "label", x, y, text: "finding superpixels…" };
}

/** The segments on the line from one event to the next. */
function* segmentsBetween(context: ToolContext, map: LabelMap, from: ToolEvent, to: ToolEvent) {
  const steps = Math.max(1, Math.ceil((Math.hypot(to.x - from.x, to.y - from.y) * context.scale) / STEP_PX));
  for (let i = 1; i <= steps; i++) {
    const segment = map.at(from.x + ((to.x - from.x) * i) / steps, from.y + ((to.y - from.y) * i) / steps);
    if (segment !== undefined) yield segment;
  }
}

export const superpixel: Tool = {
  name: "superpixel",
  hint: "click or drag over segments",
  icon: '<path d="M3.5 5.5L8 3.5l4 2.25L16.5 4v6l-3.25 2.25.75 4.25H8.5L3.5 14z"/><path d="M8 3.5L7.5 9 3.5 11M7.5 9l3.25 2.5L12 5.75M10.75 11.5l-2.25 5M10.75 11.5l2.5.75"/>',
  options: ["add", "superpixels"],
  color: "#10b981",
  selected: (context) => (context.superpixels ? undefined : context.superpixelsLoaded()), // reading the map starts loading it
  *gesture(context, down) {
    if (!context.superpixels && isInside(context.image, down)) {
      context.preview(loadingLabel(down));
      yield context.superpixelsLoaded();
      context.preview(null);
    }
    const map = context.superpixels;
    if (map?.at(down.x, down.y) === undefined) return;
    if (context.pendingEdits) yield context.pendingEdits; // whether it adds depends on them
    const add = adding(context, down);
    const segments = new Set<number>();
    let last = down;
    for (let event = down; ; event = yield) {
      if (event.type === "key") continue;
      for (const segment of segmentsBetween(context, map, last, event)) {
        if (segments.has(segment)) continue;
        segments.add(segment);
        context.paint(map.patch(segment), add);
      }
      last = event;
      if (event.type === "up") break;
    }
    context.commit({ type: "superpixel", segments: [...segments], count: map.count, add });
  },
  hover(context, event) {
    const map = context.superpixels;
    if (!map) return isInside(context.image, event) ? loadingLabel(event) : null;
    const segment = map.at(event.x, event.y);
    if (segment === undefined) return null;
    return { kind: "region", outline: map.outline(segment), tone: toneOf(adding(context, event)) };
  },
};
