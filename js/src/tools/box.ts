import { isInside, nearest, type Ctx, type Ev, type Tool } from "./tool";

const LEAST = 4; // CSS pixels: a smaller box was not meant

function between({ image }: Ctx, a: Ev, b: Ev) {
  const [ax, ay] = nearest(image, a), [bx, by] = nearest(image, b);
  return { x0: Math.min(ax, bx), y0: Math.min(ay, by), x1: Math.max(ax, bx), y1: Math.max(ay, by) };
}

export const box: Tool = {
  id: "box",
  title: "Box: drag round the object",
  *gesture(ctx, down) {
    let event = down, box = between(ctx, down, down);
    const isLarge = () => Math.min(box.x1 - box.x0, box.y1 - box.y0) * ctx.scale >= LEAST;
    while (event.type !== "up") {
      event = yield;
      if (event.type === "key") continue;
      box = between(ctx, down, event);
      ctx.preview({ kind: "box", ...box });
      if (isLarge()) ctx.look({ type: "box", ...box });
    }
    if (isLarge()) ctx.commit({ type: "box", ...box });
  },
  hover: (ctx, event) => (isInside(ctx.image, event) ? { kind: "cross", x: event.x, y: event.y } : null),
};
