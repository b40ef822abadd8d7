import { adds, isInside, type Tool, type ToolContext, type ToolEvent } from "./tool";

declare module "../actions" {
  interface Prompts {
    click: { type: "click"; x: number; y: number; positive: boolean };
  }
}

const dotAt = (context: ToolContext, event: ToolEvent) => ({ x: event.x, y: event.y, positive: adds(context, event) });

export const click: Tool = {
  name: "click",
  hint: "left-click adds, right-click removes",
  icon: '<path d="M4 3l4.5 12.5 1.9-5.1 5.1-1.9z"/><path d="M14.5 13v4M12.5 15h4"/>',
  options: ["add", "preview"],
  *gesture(context, down) {
    if (!isInside(context.image, down)) return;
    context.preview({ kind: "dot", ...dotAt(context, down) });
    let event = yield;
    while (event.type !== "up") event = yield;
    context.commit({ type: "click", ...dotAt(context, down) });
  },
  hover(context, event) {
    if (event.type === "move" && isInside(context.image, event))
      context.previewAction({ type: "click", ...dotAt(context, event) });
    return null;
  },
  trace: (prompt) => (prompt.type === "click" ? [{ ...prompt, kind: "dot" }] : []),
};
