import type { Tool } from "./tool";

export const select: Tool = {
  name: "select",
  hint: "click on an object to edit it; Shift+click selects several",
  icon: '<path d="M5 3l10.5 6.75-4.75 1.1-2.6 4.15z"/><path d="M3 16.75h14" stroke-dasharray="2 1.8"/>',
  cursor: "default",
  *gesture(context, down) {
    let event = yield;
    while (event.type !== "up") event = yield;
    context.choose(down.x, down.y, !!down.shift);
  },
};
