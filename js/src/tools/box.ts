import { isInside, nearestInside, type Tool, type ToolContext, type ToolEvent } from "./tool";

declare module "../actions" {
  interface Prompts {
    box: { type: "box"; x0: number; y0: number; x1: number; y1: number };
  }
}

const MIN_SIDE_PX = 4; // CSS pixels: a smaller box is an accident

function boxBetween({ image }: ToolContext, a: ToolEvent, b: ToolEvent) {
  const [ax, ay] = nearestInside(image, a);
  const [bx, by] = nearestInside(image, b);
  return { x0: Math.min(ax, bx), y0: Math.min(ay, by), x1: Math.max(ax, bx), y1: Math.max(ay, by) };
}

export const box: Tool = {
  name: "box",
  hint: "drag a box around the object",
  icon: '<path d="M4.5 5.5h11v9h-11z" stroke-dasharray="2.4 2"/><path d="M3.25 4.25h2.5v2.5h-2.5zM14.25 13.25h2.5v2.5h-2.5z" fill="currentColor" stroke="none"/>',
  *gesture(context, down) {
    let event = down;
    let box = boxBetween(context, down, down);
    const isLarge = () => Math.min(box.x1 - box.x0, box.y1 - box.y0) * context.scale >= MIN_SIDE_PX;
    while (event.type !== "up") {
      event = yield;
      if (event.type === "key") continue;
      box = boxBetween(context, down, event);
      context.preview({ kind: "box", ...box });
      if (isLarge()) context.previewAction({ type: "box", ...box });
    }
    if (isLarge()) context.commit({ type: "box", ...box });
  },
  hover: (context, event) => (isInside(context.image, event) ? { kind: "cross", x: event.x, y: event.y } : null),
  trace: (prompt) => (prompt.type === "box" ? [{ ...prompt, kind: "box" }] : []),
};
