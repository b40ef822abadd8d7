/** Resizing as OpenCV does it: area averaging if an image shrinks, bilinear if it grows. */
import type { Size } from "../camera";

/** For each target pixel, the first source pixel and the weights of it and the following ones. */
type Taps = { start: number; weights: Float32Array }[];

export interface Plane extends Size {
  data: Float32Array | Uint8ClampedArray | Uint8Array;
  channels: number; // values per pixel, next to each other
}

/** Resize a part of an image to a square, as `resize_to_square` in cdwidget/model/view.py; byte images are rounded to whole numbers. */
export function resizeToSquare(source: Plane, size: number): Float32Array {
  const shrinks = source.width * source.height > size * size;
  return resize(source, { width: size, height: size }, shrinks);
}

/** Resize an image; `area` is cv2.INTER_AREA, else cv2.INTER_LINEAR. */
export function resize(source: Plane, target: Size, area: boolean): Float32Array {
  const { width, height, channels, data } = source;
  const isArea = area && width >= target.width && height >= target.height;
  const taps = isArea ? areaTaps : area ? areaLikeLinearTaps : linearTaps;
  const columns = taps(width, target.width);
  const rows = taps(height, target.height);
  const line = target.width * channels;
  const narrow = new Map<number, Float32Array>(); // source rows, resized horizontally
  const lineOf = (y: number) => {
    const known = narrow.get(y);
    if (known) return known;
    const made = new Float32Array(line);
    const from = y * width * channels;
    for (let x = 0, to = 0; x < columns.length; x++, to += channels) {
      const { start, weights } = columns[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = 0, at = from + start * channels + c; i < weights.length; i++, at += channels)
          sum += data[at] * weights[i];
        made[to + c] = sum;
      }
    }
    narrow.set(y, made);
    return made;
  };
  const result = new Float32Array(line * target.height);
  for (const [y, { start, weights }] of rows.entries()) {
    for (const old of narrow.keys()) if (old < start) narrow.delete(old);
    const out = result.subarray(y * line, (y + 1) * line);
    for (const [i, weight] of weights.entries()) {
      const values = lineOf(start + i);
      for (let x = 0; x < line; x++) out[x] += weight * values[x];
    }
  }
  if (!(data instanceof Float32Array)) for (let i = 0; i < result.length; i++) result[i] = Math.round(result[i]);
  return result;
}

function linearTaps(source: number, target: number): Taps {
  const scale = source / target;
  return Array.from({ length: target }, (_, i) => {
    const position = (i + 0.5) * scale - 0.5;
    const start = Math.floor(position);
    return pair(start, position - start, source);
  });
}

/** OpenCV's area averaging of an image that grows along one side. */
function areaLikeLinearTaps(source: number, target: number): Taps {
  const scale = source / target;
  return Array.from({ length: target }, (_, i) => {
    const start = Math.floor(i * scale);
    const weight = i + 1 - (start + 1) * (target / source);
    return pair(start, weight <= 0 ? 0 : weight - Math.floor(weight), source);
  });
}

function areaTaps(source: number, target: number): Taps {
  const scale = source / target;
  return Array.from({ length: target }, (_, i) => {
    const from = i * scale;
    const to = from + scale;
    const cell = Math.min(scale, source - from);
    const last = Math.min(Math.floor(to), source - 1);
    const first = Math.min(Math.ceil(from), last);
    const weights = [];
    const isCut = first - from > 1e-3;
    if (isCut) weights.push((first - from) / cell);
    for (let x = first; x < last; x++) weights.push(1 / cell);
    if (to - last > 1e-3) weights.push(Math.min(to - last, 1, cell) / cell);
    return { start: isCut ? first - 1 : first, weights: Float32Array.from(weights) };
  });
}

function pair(start: number, weight: number, size: number) {
  if (start < 0) return { start: 0, weights: Float32Array.of(1) };
  if (start >= size - 1) return { start: size - 1, weights: Float32Array.of(1) };
  return { start, weights: Float32Array.of(1 - weight, weight) };
}
