/** The geometry of prompts: their pixels in the image, and their maps in a view of the network. */
import type { Prompt, Prompts } from "../actions";
import { type Box, type Patch, union } from "../bitmap";
import type { Size } from "../camera";
import { cover, type Point } from "../cover";
import { expand, type Grid, type Pixel } from "./grid";

export type Pointed = Prompts["click"] | Prompts["stroke"];

const BOX_GAP_PX = 2; // view pixels between a box and the frame around it

/** Whether a prompt adds pixels: all but negative clicks and strokes. */
export function adds(prompt: Prompt): boolean {
  return prompt.type === "box" || prompt.positive;
}

/** Return the pixels of the points of a prompt. */
export function pixelsOf(prompt: Pointed): Pixel[] {
  const points: readonly Point[] = prompt.type === "click" ? [[prompt.x, prompt.y]] : prompt.points;
  return points.map(([x, y]) => [Math.floor(x), Math.floor(y)]);
}

/** Return the box of some pixels. */
export function boxOfPixels(pixels: readonly Pixel[]): Box {
  return pixels.map(([x, y]): Box => [x, y, x + 1, y + 1]).reduce(union);
}

/** Return the box of a prompt with a margin, clipped to the image; a box has no margin. */
export function windowOf(prompt: Prompt, image: Size, margin: number): Box {
  if (prompt.type === "box") return expand([prompt.x0, prompt.y0, prompt.x1, prompt.y1], 0, image);
  const more = prompt.type === "stroke" ? Math.ceil(prompt.radius) : 0;
  return expand(boxOfPixels(pixelsOf(prompt)), margin + more, image);
}

/** Set the pixels of a box on or near a prompt to a value. */
export function drawPrompt(canvas: Grid, prompt: Pointed, box: Box, radius: number, value = 1) {
  const pixels = pixelsOf(prompt).map(([x, y]): Pixel => [x - box[0], y - box[1]]);
  if (pixels.length > 1) return drawLine(canvas, pixels, Math.max(1, Math.round(2 * radius)), value);
  const [[column, row]] = pixels;
  const reach = Math.ceil(radius);
  for (let y = Math.max(0, row - reach); y <= Math.min(canvas.height - 1, row + reach); y++) {
    for (let x = Math.max(0, column - reach); x <= Math.min(canvas.width - 1, column + reach); x++)
      if ((x - column) ** 2 + (y - row) ** 2 <= radius * radius) canvas.data[y * canvas.width + x] = value;
  }
}

/** Return the map of positive and of negative prompts in a square view, as `prompt_maps` in cdwidget/model/prompt_maps.py. */
export function promptMaps(prompts: readonly Prompt[], box: Box, size: number, radius: number): [Grid, Grid] {
  const [scaleX, scaleY] = [size / (box[2] - box[0]), size / (box[3] - box[1])];
  const toView = ([x, y]: Point): Point => [(x - box[0]) * scaleX, (y - box[1]) * scaleY];
  const map = (): Grid => ({ width: size, height: size, data: new Uint8Array(size * size) });
  const maps: [Grid, Grid] = [map(), map()];
  for (const prompt of prompts) {
    if (prompt.type === "box") {
      drawFrame(maps[1], [...toView([prompt.x0, prompt.y0]), ...toView([prompt.x1, prompt.y1])], radius);
      continue;
    }
    const canvas = maps[prompt.positive ? 0 : 1];
    if (prompt.type === "click") {
      const [x, y] = toView([Math.floor(prompt.x) + 0.5, Math.floor(prompt.y) + 0.5]);
      if (x >= 0 && x < size && y >= 0 && y < size) paste(canvas, cover([x, y], [x, y], radius, canvas), 1);
    } else {
      const thickness = Math.max(1, Math.round(2 * Math.max(radius, (prompt.radius * (scaleX + scaleY)) / 2)));
      const pixels = prompt.points.map(toView).map(([x, y]): Pixel => [Math.round(x), Math.round(y)]);
      drawLine(canvas, pixels, thickness, 1);
    }
  }
  return maps;
}

/** Draw a line through the centers of pixels. */
function drawLine(canvas: Grid, pixels: readonly Pixel[], thickness: number, value: number) {
  const points = pixels.map(([x, y]): Point => [x + 0.5, y + 0.5]);
  for (const [i, point] of points.entries())
    paste(canvas, cover(points[Math.max(0, i - 1)], point, thickness / 2, canvas), value);
}

function drawFrame(canvas: Grid, [x0, y0, x1, y1]: number[], radius: number) {
  const gap = BOX_GAP_PX + radius / 2;
  const [left, top, right, bottom] = [x0 - gap, y0 - gap, x1 + gap, y1 + gap].map(Math.round);
  const corners: Pixel[] = [
    [left, top],
    [right, top],
    [right, bottom],
    [left, bottom],
    [left, top],
  ];
  drawLine(canvas, corners, Math.max(1, Math.round(radius)), 1);
}

function paste(canvas: Grid, { box, bits }: Patch, value: number) {
  for (let y = box[1], i = 0; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++, i++) if (bits[i]) canvas.data[y * canvas.width + x] = value;
  }
}
