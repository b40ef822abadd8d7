/** COCO run lengths: the pixels of a mask column by column, in turn outside and inside the object. */
import type { Size } from "../camera";
import { NO_PIXELS, type Pixels, trim } from "./pixels";

export interface Rle {
  size: [height: number, width: number];
  counts: number[];
}

export function encodeRle({ box: [x0, y0, x1, y1], mask }: Pixels, { width, height }: Size): Rle {
  const counts: number[] = [];
  let [value, start] = [0, 0];
  const turn = (at: number) => {
    counts.push(at - start);
    start = at;
    value = 1 - value;
  };
  for (let x = x0; x < x1; x++) {
    if (value && y0 > 0) turn(x * height); // a run that ended at the bottom of the last column
    for (let y = y0; y < y1; y++) if (mask[(y - y0) * (x1 - x0) + x - x0] !== value) turn(x * height + y);
    if (value && y1 < height) turn(x * height + y1);
  }
  if (value && x1 < width) turn(x1 * height);
  counts.push(width * height - start);
  return { size: [height, width], counts };
}

/** Return the pixels of run lengths, all from one source. */
export function decodeRle({ counts }: Rle, { width, height }: Size, source: number): Pixels {
  if (!counts.length) return NO_PIXELS;
  const mask = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < counts.length; at += counts[i], i++) {
    if (i % 2) for (let k = at; k < at + counts[i]; k++) mask[(k % height) * width + Math.floor(k / height)] = 1;
  }
  return trim({ box: [0, 0, width, height], mask, sources: mask.map((inside) => inside * source) });
}
