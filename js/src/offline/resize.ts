/** Resizing as OpenCV does it, to the last bit for byte images: area averaging if an image shrinks, bilinear if it grows. */
import type { Size } from "../camera";

export interface Plane extends Size {
  data: Float32Array | Uint8Array;
  channels: number; // values per pixel, next to each other
}

/** The source pixel of each target pixel along one side, and the weight of the following one. */
interface Steps {
  first: Int32Array; // may be outside the source by one pixel
  weight: Float32Array;
}

/** The range of source pixels of each target pixel along one side, and their weights. */
interface Taps {
  start: Int32Array; // first source pixel
  end: Int32Array; // of its weights
  weights: Float32Array; // of all target pixels, one after the other
}

const WEIGHT_BITS = 11; // of the whole-number weights for byte images
const WEIGHT_ONE = 1 << WEIGHT_BITS;

/** Resize to a square, as `resize_to_square` in cdwidget/model/view.py. */
export function resizeToSquare(source: Plane, size: number): Float32Array {
  const shrinks = source.width * source.height > size * size;
  const target = { width: size, height: size };
  if (!shrinks) return resizeLinear(source, target);
  if (source.width >= size && source.height >= size) return resizeArea(source, target);
  return resizeLinear(source, target, areaSteps); // OpenCV's area averaging of an image that grows along one side
}

/** Resize as cv2.INTER_LINEAR does. */
export function resizeLinear(source: Plane, target: Size, steps = linearSteps): Float32Array {
  const { channels, data } = source;
  const isBytes = data instanceof Uint8Array;
  const columns = steps(source.width, target.width);
  const rows = steps(source.height, target.height);
  const line = target.width * channels;
  const result = new Float32Array(line * target.height);
  const narrow = new Map<number, Float32Array | Int32Array>(); // source rows, resized horizontally
  const clip = (i: number, size: number) => Math.min(Math.max(i, 0), size - 1);

  const lineOf = (y: number) => {
    const known = narrow.get(y);
    if (known) return known;
    const made = isBytes ? new Int32Array(line) : new Float32Array(line);
    const from = y * source.width * channels;
    for (let x = 0, to = 0; x < target.width; x++) {
      const first = columns.first[x];
      const isInside = first >= 0 && first < source.width - 1;
      const weight = isInside ? columns.weight[x] : 0;
      const a = isBytes ? wholeWeight(1 - weight) : 1 - weight;
      const b = isBytes ? wholeWeight(weight) : weight;
      const at = from + clip(first, source.width) * channels;
      const next = isInside ? channels : 0;
      for (let c = 0; c < channels; c++, to++) made[to] = data[at + c] * a + data[at + next + c] * b;
    }
    narrow.set(y, made);
    return made;
  };

  for (let y = 0, to = 0; y < target.height; y++) {
    const first = rows.first[y];
    const [upper, lower] = [clip(first, source.height), clip(first + 1, source.height)];
    for (const old of narrow.keys()) if (old < upper) narrow.delete(old);
    const [above, below] = [lineOf(upper), lineOf(lower)];
    const weight = rows.weight[y];
    const a = isBytes ? wholeWeight(1 - weight) : 1 - weight;
    const b = isBytes ? wholeWeight(weight) : weight;
    if (isBytes)
      for (let x = 0; x < line; x++, to++)
        result[to] = (((a * (above[x] >> 4)) >> 16) + ((b * (below[x] >> 4)) >> 16) + 2) >> 2;
    else for (let x = 0; x < line; x++, to++) result[to] = a * above[x] + b * below[x];
  }
  return result;
}

/** Resize as cv2.INTER_AREA does for an image that shrinks along both sides, in single precision. */
function resizeArea(source: Plane, target: Size): Float32Array {
  const { channels, data } = source;
  const columns = areaTaps(source.width, target.width);
  const rows = areaTaps(source.height, target.height);
  const line = target.width * channels;
  const result = new Float32Array(line * target.height);
  let [narrow, row] = [new Float32Array(line), -1]; // the source row that was resized last: the next target row may need it, too

  const lineOf = (y: number) => {
    if (y === row) return narrow;
    narrow = new Float32Array(line);
    row = y;
    for (let x = 0, i = 0; x < target.width; x++) {
      const end = columns.end[x];
      for (let at = (y * source.width + columns.start[x]) * channels; i < end; i++, at += channels) {
        const weight = columns.weights[i];
        for (let c = 0; c < channels; c++) narrow[x * channels + c] += Math.fround(data[at + c] * weight);
      }
    }
    return narrow;
  };

  for (let y = 0, i = 0, to = 0; y < target.height; y++, to += line) {
    const end = rows.end[y];
    for (let from = rows.start[y]; i < end; i++, from++) {
      const values = lineOf(from);
      const weight = rows.weights[i];
      for (let x = 0; x < line; x++) result[to + x] += Math.fround(weight * values[x]);
    }
  }
  const isHalved = source.width === 2 * target.width && source.height === 2 * target.height;
  return data instanceof Uint8Array ? result.map(isHalved ? Math.round : roundHalfEven) : result;
}

function linearSteps(source: number, target: number): Steps {
  const scale = 1 / (target / source);
  const position = Float32Array.from({ length: target }, (_, i) => (i + 0.5) * scale - 0.5);
  const first = Int32Array.from(position, Math.floor);
  return { first, weight: position.map((value, i) => value - first[i]) };
}

function areaSteps(source: number, target: number): Steps {
  const inverse = target / source;
  const first = Int32Array.from({ length: target }, (_, i) => Math.floor(i * (1 / inverse)));
  const position = Float32Array.from(first, (value, i) => i + 1 - (value + 1) * inverse);
  return { first, weight: position.map((value) => (value <= 0 ? 0 : value - Math.floor(value))) };
}

function areaTaps(source: number, target: number): Taps {
  const scale = 1 / (target / source);
  const [start, end] = [new Int32Array(target), new Int32Array(target)];
  const weights: number[] = [];
  for (let i = 0; i < target; i++) {
    const from = i * scale;
    const to = from + scale;
    const cell = Math.min(scale, source - from);
    const last = Math.min(Math.floor(to), source - 1);
    const first = Math.min(Math.ceil(from), last);
    const isCut = first - from > 1e-3;
    if (isCut) weights.push((first - from) / cell);
    for (let x = first; x < last; x++) weights.push(1 / cell);
    if (to - last > 1e-3) weights.push(Math.min(to - last, 1, cell) / cell);
    start[i] = isCut ? first - 1 : first;
    end[i] = weights.length;
  }
  return { start, end, weights: Float32Array.from(weights) };
}

/** Return the weight of a byte as a whole number. */
function wholeWeight(weight: number): number {
  return roundHalfEven(weight * WEIGHT_ONE);
}

/** Round as Python and OpenCV do: halves to the even neighbor. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
