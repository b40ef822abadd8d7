import type { Tool } from "./tool";

export const click: Tool = {
  id: "click",
  title: "Click: left adds, right takes away",
  *gesture(ctx, down) {
    const dot = { x: down.x, y: down.y, positive: !down.secondary };
    ctx.preview({ dot });
    let event = yield;
    while (event.type !== "up") event = yield;
    ctx.commit({ type: "click", ...dot });
  },
};
