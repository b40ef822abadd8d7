/** Names of objects over the image, each at the upper left corner of its object. Sizes are CSS pixels at every zoom. */
import type { Box } from "./bitmap";
import { type Camera, toScreen } from "./camera";

export interface Tag {
  text: string;
  color: string;
  box: Box; // of the object, image pixels
}

const HEIGHT_PX = 18;
const PADDING_PX = 6;
const SWATCH_PX = 8;

export function paintTags(ctx: CanvasRenderingContext2D, tags: readonly Tag[], camera: Camera, ratio: number) {
  if (!tags.length) return;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;
  ctx.font = "11.5px system-ui, sans-serif";
  ctx.textBaseline = "middle";
  const width = ctx.canvas.width / ratio;
  const height = ctx.canvas.height / ratio;
  for (const { text, color, box } of tags) {
    const [left, top] = toScreen(camera, box[0], box[1]);
    const [right, bottom] = toScreen(camera, box[2], box[3]);
    if (right < 0 || bottom < 0 || left > width || top > height) continue; // out of view
    const length = ctx.measureText(text).width + SWATCH_PX + 3 * PADDING_PX - 2;
    const x = Math.min(Math.max(left, 2), Math.max(width - length - 2, 2));
    const y = Math.min(Math.max(top - HEIGHT_PX - 2, 2), Math.max(height - HEIGHT_PX - 2, 2));
    ctx.beginPath();
    ctx.roundRect(x, y, length, HEIGHT_PX, 5);
    ctx.fillStyle = "rgba(17, 20, 24, 0.82)";
    ctx.fill();
    ctx.beginPath();
    ctx.roundRect(x + PADDING_PX, y + (HEIGHT_PX - SWATCH_PX) / 2, SWATCH_PX, SWATCH_PX, 2);
    ctx.fillStyle = color;
    ctx.fill();
    ctx.fillStyle = "#fff";
    ctx.fillText(text, x + 2 * PADDING_PX + SWATCH_PX - 2, y + HEIGHT_PX / 2 + 0.5);
  }
}
