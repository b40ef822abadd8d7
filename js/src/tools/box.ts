import { isInside, type Ctx, type Ev, type Tool } from "./tool";

const LEAST = 4; // CSS pixels: a smaller box was not meant

const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);

function between(ctx: Ctx, a: Ev, b: Ev) {
  const { width, height } = ctx.image;
  const [x0, x1] = [within(a.x, width), within(b.x, width)].sort((one, other) => one - other);
  const [y0, y1] = [within(a.y, height), within(b.y, height)].sort((one, other) => one - other);
  return { x0, y0, x1, y1 };
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
