import { adds, isInside, type Tool } from "./tool";

const SPEED = 0.25; // of tolerance for each CSS pixel of the drag
const MOST = 255;

export const wand: Tool = {
  id: "wand",
  title: "Wand: click on a colour, drag right for more of it",
  *gesture(ctx, down) {
    if (!isInside(ctx.image, down)) return;
    const { x, y } = down, add = adds(ctx, down), set = ctx.settings.tolerance;
    let tolerance = set;
    const action = () => ({ type: "wand" as const, x, y, tolerance, add });
    for (let event = down, asked = -1; event.type !== "up"; event = yield) {
      if (event.type === "key") continue;
      const dragged = (event.x - x - (event.y - y)) * ctx.scale;
      tolerance = Math.round(Math.min(Math.max(set + dragged * SPEED, 0), MOST));
      if (tolerance === asked) continue;
      asked = tolerance;
      ctx.preview({ kind: "label", x, y, text: `tolerance ${tolerance}` });
      ctx.look(action(), true);
    }
    ctx.commit(action());
    if (tolerance !== set) ctx.set("tolerance", tolerance);
  },
};
