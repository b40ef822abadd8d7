/** Progressive merge: how the prediction for a new prompt changes a mask, as cdwidget/session/merge.py. */
import type { Prompt, Prompts } from "../actions";
import { type Box, EMPTY_BOX, isEmpty, union } from "../bitmap";
import type { Size } from "../camera";
import {
  bounds,
  boundsOf,
  count,
  crop,
  distanceToOutside,
  emptyGrid,
  type Grid,
  gridOf,
  isAny,
  type Pixel,
  regionsAt,
  sizeOf,
} from "./grid";
import type { RgbImage } from "./predictor";
import { adds, drawPrompt, pixelsOf, windowOf } from "./prompts";
import { roundHalfEven } from "./resize";
import { similarSpot } from "./spot";

const OTHER_OBJECT_RATIO = 1.1; // ratio of areas
// Fractions of the side of a square with the mask's area.
const BORDER_CLICK_DISTANCE = 0.03;
const MAX_BORDER_SHIFT = 0.15;

type Click = Prompts["click"];

/** New values of some pixels inside one box. */
export interface PixelEdit {
  box: Box;
  where: Uint8Array; // 1: the pixel is set
  pixels: Uint8Array; // its new value in the mask
}

export const NO_EDIT: PixelEdit = { box: EMPTY_BOX, where: new Uint8Array(0), pixels: new Uint8Array(0) };

export interface MergeOptions {
  locked: Grid | null; // pixels that stay
  isModelOnly: boolean; // only the model has drawn the mask
  restrictsBorderClicks: boolean;
}

/** Return the radius of the disk around a click, in image pixels. */
export function clickRadius({ width, height }: Size): number {
  return Math.max(2, roundHalfEven(Math.max(width, height) / 200));
}

/** Whether a mask agrees with a prompt; never with a box. */
export function agrees(mask: Grid, prompt: Prompt): boolean {
  if (prompt.type === "box") return false;
  const wanted = prompt.positive ? 1 : 0;
  const box = windowOf(prompt, mask, 0);
  if (prompt.type === "click") return mask.data[box[1] * mask.width + box[0]] === wanted;
  const drawn = covered(prompt, box);
  const part = crop(mask, box);
  return drawn.data.every((on, i) => !on || part.data[i] === wanted);
}

/** Return the pixels of a mask that a prediction changes; those of a click or stroke always change. */
export function merge(
  image: RgbImage,
  mask: Grid,
  predicted: Grid,
  prompt: Prompt,
  older: readonly Prompt[],
  { locked, isModelOnly, restrictsBorderClicks }: MergeOptions,
): PixelEdit {
  if (agrees(mask, prompt)) return NO_EDIT;
  const value = adds(prompt) ? 1 : 0;
  const radius = clickRadius(mask);
  const changes = (i: number) => predicted.data[i] === value && mask.data[i] !== value;
  const box = union(bounds(mask, changes), windowOf(prompt, mask, 4 * radius));
  const protectedPixels = protect(prompt, older, box, radius);
  const kept = locked && crop(locked, box);
  const before = crop(mask, box);
  const after = crop(predicted, box);
  const editable = gridOf(before, (i) => before.data[i] !== value && !protectedPixels.data[i] && !kept?.data[i]);
  const proposed = gridOf(before, (i) => after.data[i] === value && editable.data[i]);
  let changed: Grid;
  if (prompt.type === "click") {
    const pixel = pixelIn(prompt, box);
    changed = atClick(image, box, proposed, editable, pixel, radius);
    if (isModelOnly && meansOtherObject(mask, predicted, value === 1)) changed = either(changed, proposed);
    if (isModelOnly && restrictsBorderClicks) changed = restrictBorderClick(mask, changed, box, prompt);
  } else if (prompt.type === "stroke") {
    const line = covered(prompt, box);
    const drawn = gridOf(before, (i) => line.data[i] && before.data[i] !== value && !kept?.data[i]);
    changed = regionsAt(either(proposed, drawn), pixelsIn(drawn));
  } else {
    const [x0, y0, x1, y1] = windowOf(prompt, mask, 0);
    const inside = (x: number, y: number) => x + box[0] >= x0 && x + box[0] < x1 && y + box[1] >= y0 && y + box[1] < y1;
    changed = gridOf(proposed, (i) => proposed.data[i] && inside(i % proposed.width, Math.floor(i / proposed.width)));
  }
  return editOf(changed, box, value);
}

/** Return the edit that sets the pixels of a grid at a box to a value. */
export function editOf(changed: Grid, [left, top]: Box, value: number): PixelEdit {
  const inner = boundsOf(changed);
  if (isEmpty(inner)) return NO_EDIT;
  const where = crop(changed, inner).data;
  const box: Box = [left + inner[0], top + inner[1], left + inner[2], top + inner[3]];
  return { box, where, pixels: new Uint8Array(where.length).fill(value) };
}

/** Whether a prediction is so much larger or smaller that it means another object. */
function meansOtherObject(mask: Grid, predicted: Grid, isAdded: boolean): boolean {
  const [less, more] = (isAdded ? [mask, predicted] : [predicted, mask]).map(count);
  return 0 < less && OTHER_OBJECT_RATIO * less < more;
}

/** Restrict a click near the border of the mask to the pixels no farther from it than the border. */
function restrictBorderClick(mask: Grid, changed: Grid, box: Box, click: Click): Grid {
  const side = Math.sqrt(count(mask));
  const value = click.positive ? 1 : 0;
  const [column, row] = pixelsOf(click)[0];
  const squared = nearest(mask, [column, row], Math.ceil(BORDER_CLICK_DISTANCE * side), value)?.squared;
  if (squared === undefined || squared > (BORDER_CLICK_DISTANCE * side) ** 2) return changed;
  if (changesFarFromBorder(mask, changed, box, value, MAX_BORDER_SHIFT * side)) return changed;
  const [x0, y0] = pixelIn(click, box);
  const isNear = (i: number) => (Math.floor(i / changed.width) - y0) ** 2 + ((i % changed.width) - x0) ** 2 <= squared;
  const spot = gridOf(changed, (i) => changed.data[i] && isNear(i));
  return spot.data[y0 * spot.width + x0] ? regionsAt(spot, [[x0, y0]]) : changed;
}

/** Whether a changed pixel is farther than `limit` from the border of the mask; distances are accurate to 1/32 of the limit. */
function changesFarFromBorder(mask: Grid, changed: Grid, box: Box, value: number, limit: number): boolean {
  const step = Math.max(1, Math.floor(limit) >> 5);
  const margin = Math.ceil(limit);
  const [x0, y0, x1, y1] = boundsOf(changed);
  const left = Math.floor(Math.min(margin, box[0] + x0) / step);
  const top = Math.floor(Math.min(margin, box[1] + y0) / step);
  const firstColumn = box[0] + x0 - left * step;
  const firstRow = box[1] + y0 - top * step;
  const width = Math.ceil((Math.min(mask.width, box[0] + x1 + margin) - firstColumn) / step);
  const height = Math.ceil((Math.min(mask.height, box[1] + y1 + margin) - firstRow) / step);
  const at = (i: number) => (firstRow + step * Math.floor(i / width)) * mask.width + firstColumn + step * (i % width);
  const distance = distanceToOutside(gridOf({ width, height }, (i) => mask.data[at(i)] !== value));
  for (let y = y0, row = top; y < y1; y += step, row++) {
    for (let x = x0, column = left; x < x1; x += step, column++)
      if (changed.data[y * changed.width + x] && step * distance[row * width + column] > limit) return true;
  }
  return false;
}

/** Return the pixels that a click changes: the proposed region at or near it, else a spot of similar color. */
function atClick(image: RgbImage, box: Box, proposed: Grid, editable: Grid, pixel: Pixel, radius: number): Grid {
  if (proposed.data[pixel[1] * proposed.width + pixel[0]]) return regionsAt(proposed, [pixel]);
  const found = nearest(proposed, pixel, radius, 1);
  if (!found || found.squared > radius ** 2) return similarSpot(image, box, editable, pixel, 4 * radius);
  return either(regionsAt(proposed, [found.pixel]), similarSpot(image, box, editable, pixel, radius));
}

/** Return the pixel with a value that is nearest to another one, in the square of a radius around it. */
function nearest({ width, height, data }: Grid, [column, row]: Pixel, radius: number, value: number) {
  let found: { pixel: Pixel; squared: number } | null = null;
  for (let y = Math.max(0, row - radius); y <= Math.min(height - 1, row + radius); y++) {
    for (let x = Math.max(0, column - radius); x <= Math.min(width - 1, column + radius); x++) {
      const squared = (x - column) ** 2 + (y - row) ** 2;
      if (data[y * width + x] === value && (!found || squared < found.squared)) found = { pixel: [x, y], squared };
    }
  }
  return found;
}

/** Return the pixels of a box near older prompts of the opposite sign; a click still has an effect next to them. */
function protect(prompt: Prompt, older: readonly Prompt[], box: Box, radius: number): Grid {
  const { width, height } = sizeOf(box);
  const protectedPixels = emptyGrid(width, height);
  const opposite = older.flatMap((other) => (other.type !== "box" && other.positive !== adds(prompt) ? [other] : []));
  for (const other of opposite)
    if (other.type === "stroke") drawPrompt(protectedPixels, other, box, Math.max(radius, other.radius));
  if (prompt.type === "click") drawPrompt(protectedPixels, prompt, box, radius, 0);
  for (const other of opposite) {
    if (other.type !== "click") continue;
    const [[x, y]] = pixelsOf(other);
    const [from] = prompt.type === "click" ? pixelsOf(prompt) : [];
    const half = from ? Math.hypot(x - from[0], y - from[1]) / 2 : radius;
    if (half > 0) drawPrompt(protectedPixels, other, box, Math.min(radius, half));
  }
  return protectedPixels;
}

function covered(stroke: Prompts["stroke"], box: Box): Grid {
  const { width, height } = sizeOf(box);
  const canvas = emptyGrid(width, height);
  drawPrompt(canvas, stroke, box, stroke.radius);
  return canvas;
}

function pixelIn(click: Click, [left, top]: Box): Pixel {
  const [[x, y]] = pixelsOf(click);
  return [x - left, y - top];
}

function* pixelsIn({ width, data }: Grid): Iterable<Pixel> {
  for (let i = 0; i < data.length; i++) if (data[i]) yield [i % width, Math.floor(i / width)];
}

function either(a: Grid, b: Grid): Grid {
  return isAny(b) ? gridOf(a, (i) => a.data[i] || b.data[i]) : a;
}
