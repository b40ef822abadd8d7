/** The part of the image that the network sees: the crop around an object, and the focus view around a change. */
import type { Prompt } from "../actions";
import { type Box, union } from "../bitmap";
import type { Size } from "../camera";
import { boundsOf, type Grid, gridOf, isAny, regionsAt } from "./grid";
import { adds, boxOfPixels, pixelsOf } from "./prompts";
import { roundHalfEven } from "./resize";

const EXPANSION = 2; // side of a crop relative to the object's box
const MIN_CROP_PX = 16; // image pixels
const MAX_CROP_FRACTION = 0.6; // a larger crop would gain nothing
const CROP_STEPS = 8; // crop borders are rounded to 1/8 of the crop, so that a slightly larger object has the same one
const LARGEST_MAGNIFICATION = 8; // of the view at granularity 0, relative to the whole image
const FOCUS_EXPANSION = 2.5; // side of a focus view relative to the longer side of the change
const MIN_FOCUS_PX = 64; // image pixels
const MAX_FOCUS_FRACTION = 0.5; // of the object's longer side, for the focus view and for the change
const MIN_FOCUS_GAIN = 1.25; // magnification relative to the view of the prediction

/** Return the crop around an object and its prompts, as `crop_around_object` in cdwidget/model/view.py; the whole image if it is large. */
export function objectCrop({ width, height }: Size, object: Box | null, prompts: readonly Prompt[]): Box {
  const whole: Box = [0, 0, width, height];
  const boxes = prompts.flatMap((prompt): Box[] =>
    prompt.type === "box" ? [[prompt.x0, prompt.y0, prompt.x1, prompt.y1]] : [],
  );
  if (object?.[2]) boxes.push(object);
  if (!boxes.length) return whole;
  for (const prompt of prompts) {
    if (prompt.type === "click" && prompt.positive) boxes.push([prompt.x, prompt.y, prompt.x + 1, prompt.y + 1]);
  }
  const [x0, y0, x1, y1] = boxes.reduce(union);
  const [wide, tall] = [EXPANSION * (x1 - x0), EXPANSION * (y1 - y0)];
  const w = Math.max(wide, tall / 2, MIN_CROP_PX);
  const h = Math.max(tall, wide / 2, MIN_CROP_PX);
  const [left, right] = roundOutward((x0 + x1 - w) / 2, (x0 + x1 + w) / 2, w / CROP_STEPS, width);
  const [top, bottom] = roundOutward((y0 + y1 - h) / 2, (y0 + y1 + h) / 2, h / CROP_STEPS, height);
  const isSmall = Math.max((right - left) / width, (bottom - top) / height) <= MAX_CROP_FRACTION;
  return isSmall ? [left, top, right, bottom] : whole;
}

/** Return the view of a granularity, 0 (part) to 1 (whole), as `granularity_view` in cdwidget/model/granularity.py. */
export function granularityView({ width, height }: Size, prompts: readonly Prompt[], granularity: number): Box {
  const positive = prompts.filter(adds);
  const [x0, y0, x1, y1] = (positive.length ? positive : prompts).map(extent).reduce(union);
  const side = Math.max(
    MIN_CROP_PX,
    roundHalfEven(Math.max(width, height) * LARGEST_MAGNIFICATION ** (granularity - 1)),
  );
  const [left, right] = interval((x0 + x1) / 2, Math.max(side, EXPANSION * (x1 - x0)), width);
  const [top, bottom] = interval((y0 + y1) / 2, Math.max(side, EXPANSION * (y1 - y0)), height);
  return [left, top, right, bottom];
}

/** Return the focus view of the newest prompt, as cdwidget/model/focus.py; null if it corrects nothing or a closer view gains nothing. */
export function focusBox(before: Grid, after: Grid, prompt: Prompt, size: number, scale: number): Box | null {
  if (prompt.type === "box" || !isAny(before)) return null;
  const { width, height } = before;
  const { positive } = prompt;
  const object = boundsOf(before);
  const objectSide = longer(positive ? union(object, boundsOf(after)) : object);
  const pixels = pixelsOf(prompt);
  const [less, more] = positive ? [before, after] : [after, before];
  const changed = gridOf(before, (i) => more.data[i] > less.data[i]);
  const change = boundsOf(regionsAt(changed, pixels));
  if (longer(change) > MAX_FOCUS_FRACTION * objectSide) return null;
  const [x0, y0, x1, y1] = union(boxOfPixels(pixels), change);
  const longest = Math.max(x1 - x0, y1 - y0);
  const largest = Math.max(MAX_FOCUS_FRACTION * objectSide, MIN_FOCUS_PX);
  const wanted = Math.min(Math.max(FOCUS_EXPANSION * longest, MIN_FOCUS_PX), largest);
  const side = Math.min(roundHalfEven(wanted), height, width);
  if (longest > side || size < MIN_FOCUS_GAIN * scale * side) return null;
  const left = Math.min(Math.max(roundHalfEven((x0 + x1 - side) / 2), 0), width - side);
  const top = Math.min(Math.max(roundHalfEven((y0 + y1 - side) / 2), 0), height - side);
  return [left, top, left + side, top + side];
}

/** Return an interval of a length around a center, moved and shortened to lie within 0 to `limit`. */
function interval(center: number, length: number, limit: number): [number, number] {
  const shortened = Math.min(length, limit);
  const start = Math.min(Math.max(roundHalfEven(center - shortened / 2), 0), limit - shortened);
  return [start, start + shortened];
}

function extent(prompt: Prompt): Box {
  if (prompt.type !== "box") return boxOfPixels(pixelsOf(prompt));
  return [Math.floor(prompt.x0), Math.floor(prompt.y0), Math.ceil(prompt.x1), Math.ceil(prompt.y1)];
}

function longer([x0, y0, x1, y1]: Box): number {
  return Math.max(x1 - x0, y1 - y0);
}

/** Widen an interval to multiples of `step`, within 0 to `limit`. */
function roundOutward(low: number, high: number, step: number, limit: number): [number, number] {
  const to = Math.ceil(Math.ceil(high / step) * step);
  return [Math.max(0, Math.floor(Math.floor(low / step) * step)), Math.min(limit, to)];
}
