/** Masks of a rectangle of the image as bytes, 0 or 1, and their boxes, regions and distances. */
import { type Box, EMPTY_BOX } from "../bitmap";
import type { Size } from "../camera";

export interface Grid extends Size {
  data: Uint8Array; // row by row
}
export type Pixel = readonly [x: number, y: number];

// Lengths of a step to the side, to a corner and by a knight's move: the distance transform of OpenCV with a 5x5 mask.
const SIDE_STEP = 1;
const CORNER_STEP = 1.4;
const KNIGHT_STEP = 2.1969;
const STEP_REACH = 2; // pixels

export function emptyGrid(width: number, height: number): Grid {
  return { width, height, data: new Uint8Array(width * height) };
}

export function gridOf({ width, height }: Size, value: (i: number) => unknown): Grid {
  const grid = emptyGrid(width, height);
  for (let i = 0; i < grid.data.length; i++) grid.data[i] = value(i) ? 1 : 0;
  return grid;
}

export function count({ data }: Grid): number {
  let total = 0;
  for (let i = 0; i < data.length; i++) total += data[i];
  return total;
}

export function isAny({ data }: Grid): boolean {
  return data.includes(1);
}

/** Return the smallest box of all pixels for which `test` holds. */
export function bounds({ width, height }: Size, test: (i: number) => unknown): Box {
  let [left, top, right, bottom] = [width, -1, -1, -1];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!test(i)) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (top < 0) top = y;
      bottom = y;
    }
  }
  return top < 0 ? EMPTY_BOX : [left, top, right + 1, bottom + 1];
}

/** Return the smallest box around a mask. */
export function boundsOf({ width, data }: Grid): Box {
  const first = data.indexOf(1);
  if (first < 0) return EMPTY_BOX;
  const [top, bottom] = [Math.floor(first / width), Math.floor(data.lastIndexOf(1) / width)];
  let [left, right] = [width, 0];
  for (let y = top; y <= bottom; y++) {
    const row = data.subarray(y * width, (y + 1) * width);
    const from = row.indexOf(1);
    if (from < 0) continue;
    left = Math.min(left, from);
    right = Math.max(right, row.lastIndexOf(1) + 1);
  }
  return [left, top, right, bottom + 1];
}

export function crop(grid: Grid, [x0, y0, x1, y1]: Box): Grid {
  const part = emptyGrid(x1 - x0, y1 - y0);
  for (let y = y0, to = 0; y < y1; y++, to += part.width)
    part.data.set(grid.data.subarray(y * grid.width + x0, y * grid.width + x1), to);
  return part;
}

export function sizeOf([x0, y0, x1, y1]: Box): Size {
  return { width: x1 - x0, height: y1 - y0 };
}

/** Return a box with a margin, clipped to the image. */
export function expand([x0, y0, x1, y1]: Box, margin: number, { width, height }: Size): Box {
  const box: Box = [
    Math.max(0, Math.floor(x0 - margin)),
    Math.max(0, Math.floor(y0 - margin)),
    Math.min(width, Math.ceil(x1 + margin)),
    Math.min(height, Math.ceil(y1 + margin)),
  ];
  return box[0] < box[2] && box[1] < box[3] ? box : EMPTY_BOX;
}

/** Return the connected regions of a mask at some of its pixels. */
export function regionsAt(grid: Grid, seeds: Iterable<Pixel>, neighbors: 4 | 8 = 8): Grid {
  const { width, height, data } = grid;
  const found = emptyGrid(width, height);
  const stack: number[] = [];
  const visit = (x: number, y: number) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    const i = y * width + x;
    if (!data[i] || found.data[i]) return;
    found.data[i] = 1;
    stack.push(i);
  };
  for (const [x, y] of seeds) {
    visit(x, y);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      const column = i % width;
      const row = (i - column) / width;
      for (let dy = -1; dy <= 1; dy++)
        for (let dx = -1; dx <= 1; dx++) if (neighbors === 8 || dx === 0 || dy === 0) visit(column + dx, row + dy);
    }
  }
  return found;
}

/** Return the number of each pixel's connected part, from 1, 0 outside the mask, and the area of each part. */
export function parts(grid: Grid): { owner: Int32Array; areas: number[] } {
  const { width, height, data } = grid;
  const owner = new Int32Array(data.length);
  const areas = [0];
  const stack: number[] = [];
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || owner[start]) continue;
    const part = areas.length;
    areas.push(0);
    owner[start] = part;
    stack.push(start);
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      areas[part]++;
      const column = i % width;
      const row = (i - column) / width;
      for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++) {
        for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) {
          const next = y * width + x;
          if (!data[next] || owner[next]) continue;
          owner[next] = part;
          stack.push(next);
        }
      }
    }
  }
  return { owner, areas };
}

/** Return each pixel's distance to the nearest 0, approximate as cv2.distanceTransform with a 5x5 mask. */
export function distanceToOutside({ width, height, data }: Grid): Float32Array {
  const line = width + 2 * STEP_REACH;
  const distance = new Float32Array(line * (height + 2 * STEP_REACH)).fill(Infinity); // with a margin, so that all steps are inside
  const start = (y: number) => (y + STEP_REACH) * line + STEP_REACH; // of a row
  for (let y = 0, from = 0; y < height; y++)
    for (let x = 0; x < width; x++, from++) if (!data[from]) distance[start(y) + x] = 0;
  const relax = (i: number, sign: number) => {
    const [row, above] = [sign, sign * line];
    distance[i] = Math.min(
      distance[i],
      distance[i - row] + SIDE_STEP,
      distance[i - above] + SIDE_STEP,
      distance[i - above - row] + CORNER_STEP,
      distance[i - above + row] + CORNER_STEP,
      distance[i - above - 2 * row] + KNIGHT_STEP,
      distance[i - above + 2 * row] + KNIGHT_STEP,
      distance[i - 2 * above - row] + KNIGHT_STEP,
      distance[i - 2 * above + row] + KNIGHT_STEP,
    );
  };
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) relax(start(y) + x, 1);
  for (let y = height - 1; y >= 0; y--) for (let x = width - 1; x >= 0; x--) relax(start(y) + x, -1);
  const inner = new Float32Array(width * height);
  for (let y = 0; y < height; y++) inner.set(distance.subarray(start(y), start(y) + width), y * width);
  return inner;
}

/** Return each pixel's exact squared distance to the nearest pixel of a mask; Infinity if there is none (Felzenszwalb, 2012). */
export function squaredDistanceTo({ width, height, data }: Grid): Float64Array {
  const squared = Float64Array.from(data, (inside) => (inside ? 0 : Infinity));
  const line = (start: number, step: number, length: number) => {
    const values = Float64Array.from({ length }, (_, i) => squared[start + i * step]);
    const corners: number[] = []; // positions of the parabolas of the lower envelope
    const from: number[] = []; // where each becomes the lowest
    for (let q = 0; q < length; q++) {
      if (values[q] === Infinity) continue;
      let at = -Infinity;
      while (corners.length) {
        const p = corners[corners.length - 1];
        at = (values[q] + q * q - values[p] - p * p) / (2 * (q - p));
        if (at > from[from.length - 1]) break;
        corners.pop();
        from.pop();
        at = -Infinity;
      }
      corners.push(q);
      from.push(at);
    }
    if (!corners.length) return;
    for (let i = 0, k = 0; i < length; i++) {
      while (k + 1 < corners.length && from[k + 1] < i) k++;
      squared[start + i * step] = (i - corners[k]) ** 2 + values[corners[k]];
    }
  };
  for (let x = 0; x < width; x++) line(x, width, height);
  for (let y = 0; y < height; y++) line(y * width, 1, width);
  return squared;
}
