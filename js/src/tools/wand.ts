import { adds, isInside, type Tool } from "./tool";

declare module "../actions" {
  interface Actions {
    wand: { type: "wand"; x: number; y: number; tolerance: number; add: boolean };
  }
}

const TOLERANCE_PER_PX = 0.25; // gray levels per CSS pixel of the drag
const MAX_TOLERANCE = 255; // gray levels

export const wand: Tool = {
  name: "wand",
  hint: "click on a color, drag right to raise the tolerance",
  icon: '<path d="M3.5 16.5l8.25-8.25M10.25 6.75l3 3"/><path d="M14.75 2.75v3.5M13 4.5h3.5M7.5 3.5v2.25M6.4 4.6h2.2M16 11.5v2.25M14.9 12.6h2.2"/>',
  options: ["add", "tolerance"],
  color: "#facc15",
  *gesture(context, down) {
    if (!isInside(context.image, down)) return;
    const { x, y } = down;
    const add = adds(context, down);
    const initial = context.settings.tolerance;
    let tolerance = initial;
    const action = () => ({ type: "wand" as const, x, y, tolerance, add });
    for (let event = down, previewed = -1; event.type !== "up"; event = yield) {
      if (event.type === "key") continue;
      const dragged = (event.x - x - (event.y - y)) * context.scale;
      tolerance = Math.round(Math.min(Math.max(initial + dragged * TOLERANCE_PER_PX, 0), MAX_TOLERANCE));
      if (tolerance === previewed) continue;
      previewed = tolerance;
      context.preview({ kind: "label", x, y, text: `tolerance ${tolerance}` });
      context.previewAction(action(), true);
    }
    context.commit(action());
    if (tolerance !== initial) context.set("tolerance", tolerance);
  },
};
