/** The painted map: points, the ring around a point, and the lasso. Points are pixels: writing a hundred thousand discs into one picture is faster than as many canvas calls. */
import { type Camera, toScreen } from "../camera";
import type { Point } from "../cover";
import type { Points, Rgb } from "./points";

export interface PointStyle {
  background: Rgb;
  opacity: number;
  diameter: number; // device pixels
}

const ADD_COLOR = "#2f7de1";
const REMOVE_COLOR = "#d8433a";
const FILL_ALPHA = "26"; // hexadecimal
const UNSELECTED_OPACITY = 0.16; // factor, while other points are selected

/** Paint the points under a camera into a picture; ratio: device pixels per CSS pixel. */
export function paintPoints(
  picture: ImageData,
  points: Pick<Points, "positions" | "classes" | "palette" | "isSelected" | "selected">,
  camera: Camera,
  ratio: number,
  style: PointStyle,
) {
  const { positions, classes, palette, isSelected } = points;
  const hasSelection = points.selected.length > 0;
  const { data, width, height } = picture;
  const [red, green, blue] = style.background;
  const words = new Uint32Array(data.buffer);
  words.fill((255 << 24) | (blue << 16) | (green << 8) | red);
  const { cover, side } = disc(style.diameter);
  const scale = camera.scale * ratio;
  const left = camera.x * ratio - side / 2;
  const top = camera.y * ratio - side / 2;
  // Selected points are painted over the others.
  for (const turn of hasSelection ? [0, 1] : [0]) {
    for (let i = 0; i < positions.count; i++) {
      if (hasSelection && isSelected[i] !== turn) continue;
      const x = Math.round(positions.x[i] * scale + left);
      const y = Math.round(positions.y[i] * scale + top);
      if (x <= -side || y <= -side || x >= width || y >= height) continue;
      const [r, g, b] = palette[classes[i]];
      const weight = hasSelection && !turn ? style.opacity * UNSELECTED_OPACITY : style.opacity;
      const x1 = Math.min(side, width - x);
      const y1 = Math.min(side, height - y);
      for (let row = Math.max(0, -y); row < y1; row++) {
        for (let column = Math.max(0, -x), at = 4 * ((y + row) * width + x + column); column < x1; column++, at += 4) {
          const share = cover[row * side + column] * weight;
          data[at] += (r - data[at]) * share;
          data[at + 1] += (g - data[at + 1]) * share;
          data[at + 2] += (b - data[at + 2]) * share;
        }
      }
    }
  }
}

/** Return the covered fraction of each pixel of a disc, in a square of `side` pixels. */
export function disc(diameter: number): { cover: Float32Array; side: number } {
  const side = Math.ceil(diameter) + 1;
  const middle = (side - 1) / 2;
  const cover = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++)
      cover[y * side + x] = Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(x - middle, y - middle)));
  }
  return { cover, side };
}

/** Return the automatic diameter of points in CSS pixels: large if there are few, and growing slowly with the zoom. */
export function diameterOf(count: number, zoom: number): number {
  const many = Math.min(1, Math.max(0, (Math.log10(Math.max(1, count)) - 2) / 3)); // 0 for a hundred points, 1 for a hundred thousand
  return Math.min(18, (9 - 6.2 * many) * Math.max(1, zoom) ** 0.35);
}

/** Paint a ring around a point. */
export function paintRing(ctx: CanvasRenderingContext2D, [x, y]: Point, diameter: number) {
  ctx.beginPath();
  ctx.arc(x, y, diameter / 2 + 3, 0, 2 * Math.PI);
  strokePath(ctx, "#000", 4);
  strokePath(ctx, "#fff", 2);
}

/** Paint a lasso; its corners are map units. */
export function paintLasso(ctx: CanvasRenderingContext2D, corners: Point[], camera: Camera, isRemoving: boolean) {
  const color = isRemoving ? REMOVE_COLOR : ADD_COLOR;
  ctx.beginPath();
  for (const [x, y] of corners) ctx.lineTo(...toScreen(camera, x, y));
  ctx.closePath();
  ctx.fillStyle = color + FILL_ALPHA;
  ctx.fill("evenodd");
  strokePath(ctx, "rgba(255, 255, 255, 0.9)", 3);
  ctx.setLineDash([5, 4]);
  strokePath(ctx, color, 1.5);
  ctx.setLineDash([]);
}

function strokePath(ctx: CanvasRenderingContext2D, color: string, width: number) {
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.stroke();
}

/** Convert a CSS color to bytes. */
export function rgbOf(ctx: CanvasRenderingContext2D, color: string): Rgb {
  ctx.fillStyle = color;
  ctx.fillRect(0, 0, 1, 1);
  const [red, green, blue] = ctx.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}
