/** Small pictures of objects for the list, painted when their row is visible and kept until the object or the image changes. */
import type { Box } from "../bitmap";
import type { ImageDocument } from "../document";
import { context2d, h } from "../dom";
import type { Instance } from "../instance";
import { stroke } from "../layers";
import type { Outline } from "../outline";

const SIDE_PX = 22; // CSS pixels
const MARGIN = 0.12; // fraction of the object's longer side around it
const MIN_SIDE = 12; // image pixels

export class Thumbnails {
  private readonly painted = new WeakMap<HTMLCanvasElement, string>(); // describes the painted object

  constructor(private readonly doc: ImageDocument) {}

  create(): HTMLCanvasElement {
    const side = Math.round(SIDE_PX * Math.max(1, devicePixelRatio || 1));
    return h("canvas", { class: "cdw-miniature", width: String(side), height: String(side), "aria-hidden": "true" });
  }

  /** Paint an object into a canvas, unless it is there already. */
  paint(canvas: HTMLCanvasElement, instance: Instance, color: string) {
    const { outline } = instance;
    if (!this.doc.picture || !outline) return;
    const state = `${this.doc.image.key} ${instance.id} ${outline.version} ${color}`;
    if (this.painted.get(canvas) === state) return;
    this.painted.set(canvas, state);
    paintOutlined(canvas, this.doc, instance.bounds, outline, color);
  }
}

/** Paint the image around a box into a square canvas, with an outline over it. */
export function paintOutlined(
  canvas: HTMLCanvasElement,
  { picture, image }: ImageDocument,
  [x0, y0, x1, y1]: Box,
  outline: Outline,
  color: string,
) {
  if (!picture) return;
  const side = Math.max(Math.max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN), MIN_SIDE);
  const left = (x0 + x1 - side) / 2;
  const top = (y0 + y1 - side) / 2;
  const scale = canvas.width / side;
  const level = picture.level(image.width * scale);
  const ctx = context2d(canvas);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  ctx.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  ctx.imageSmoothingQuality = "high";
  const ratio = level.width / image.width; // pixels of the level per image pixel
  const [fromX, fromY] = [Math.max(left, 0), Math.max(top, 0)];
  const width = Math.min(left + side, image.width) - fromX;
  const height = Math.min(top + side, image.height) - fromY;
  const source = [fromX, fromY, width, height].map((value) => value * ratio) as [number, number, number, number];
  ctx.drawImage(level, ...source, fromX, fromY, width, height);
  stroke(ctx, outline.smooth, { scale, x: 0, y: 0 }, color, 3);
}
