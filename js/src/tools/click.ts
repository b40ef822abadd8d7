import { isInside, type Ev, type Tool } from "./tool";

const dot = (event: Ev) => ({ x: event.x, y: event.y, positive: !event.secondary });

export const click: Tool = {
  id: "click",
  title: "Click: left adds, right takes away",
  *gesture(ctx, down) {
    if (!isInside(ctx.image, down)) return;
    ctx.preview({ kind: "dot", ...dot(down) });
    let event = yield;
    while (event.type !== "up") event = yield;
    ctx.commit({ type: "click", ...dot(down) });
  },
  hover(ctx, event) {
    if (event.type === "move" && isInside(ctx.image, event)) ctx.look({ type: "click", ...dot(event) });
    return null;
  },
};
