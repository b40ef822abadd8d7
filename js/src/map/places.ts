/** Where points are, and which of them a place or a lasso means; in units of the map, of which the longer side has a thousand. */
import type { Size } from "../camera";

const SIDE = 1000, MARGIN = 30;
const CELLS = 128; // a side of the grid by which a near point is found

export type Point = readonly [x: number, y: number];

export class Places {
  readonly size: Size;
  private readonly starts: Uint32Array; // of each cell, in `order`
  private readonly order: Uint32Array;

  /** x, y: one number each for a point; changed to units of the map. */
  constructor(readonly x: Float32Array, readonly y: Float32Array) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < x.length; i++) {
      left = Math.min(left, x[i]);
      right = Math.max(right, x[i]);
      top = Math.min(top, y[i]);
      bottom = Math.max(bottom, y[i]);
    }
    const extent = Math.max(right - left, bottom - top), scale = extent > 0 ? SIDE / extent : 0;
    const width = Math.max((right - left) * scale, SIDE / 3) || SIDE, height = Math.max((bottom - top) * scale, SIDE / 3) || SIDE;
    this.size = { width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    const across = this.size.width / 2 - ((left + right) / 2) * scale, down = this.size.height / 2 - ((top + bottom) / 2) * scale;
    for (let i = 0; i < x.length; i++) {
      x[i] = x[i] * scale + across;
      y[i] = y[i] * scale + down;
    }
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    this.order = new Uint32Array(x.length);
    for (let i = 0; i < x.length; i++) this.starts[this.cell(x[i], y[i]) + 1]++;
    for (let cell = 0; cell < CELLS * CELLS; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    for (let i = 0; i < x.length; i++) this.order[next[this.cell(x[i], y[i])]++] = i;
  }

  get count() { return this.x.length; }

  /** The point nearest to a place, within a radius; undefined: there is none. */
  nearest(x: number, y: number, radius: number): number | undefined {
    let best: number | undefined, least = radius * radius;
    const [left, right] = [this.column(x - radius), this.column(x + radius)];
    for (let row = this.row(y - radius); row <= this.row(y + radius); row++) {
      for (let at = this.starts[row * CELLS + left]; at < this.starts[row * CELLS + right + 1]; at++) {
        const i = this.order[at], distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
        if (distance <= least) [best, least] = [i, distance];
      }
    }
    return best;
  }

  /** The points inside a closed path, where it runs over itself by the even-odd rule. */
  inside(path: readonly Point[]): number[] {
    const xs = Float64Array.from(path, ([x]) => x), ys = Float64Array.from(path, ([, y]) => y), found: number[] = [];
    if (path.length < 3) return found;
    const reduce = (values: Float64Array, pick: (a: number, b: number) => number) => values.reduce((a, b) => pick(a, b));
    const left = this.column(reduce(xs, Math.min)), right = this.column(reduce(xs, Math.max));
    for (let row = this.row(reduce(ys, Math.min)); row <= this.row(reduce(ys, Math.max)); row++) {
      const from = this.starts[row * CELLS + left], to = this.starts[row * CELLS + right + 1];
      if (from === to) continue;
      const edges = this.edgesOf(row, xs, ys); // few of a long path
      for (let at = from; at < to; at++) if (isInside(edges, this.x[this.order[at]], this.y[this.order[at]])) found.push(this.order[at]);
    }
    return found.sort((a, b) => a - b);
  }

  /** The edges of a closed path that a line through a row of cells may cross: x, y, x, y of each. */
  private edgesOf(row: number, xs: Float64Array, ys: Float64Array): Float64Array {
    const edges: number[] = [];
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      if (this.row(Math.min(ys[i], ys[j])) <= row && this.row(Math.max(ys[i], ys[j])) >= row) edges.push(xs[i], ys[i], xs[j], ys[j]);
    }
    return Float64Array.from(edges);
  }

  private column(x: number) { return Math.min(CELLS - 1, Math.max(0, Math.floor((x / this.size.width) * CELLS))); }
  private row(y: number) { return Math.min(CELLS - 1, Math.max(0, Math.floor((y / this.size.height) * CELLS))); }
  private cell(x: number, y: number) { return this.row(y) * CELLS + this.column(x); }
}

/** Whether a line from a place to the right crosses an odd number of edges. */
function isInside(edges: Float64Array, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0; i < edges.length; i += 4) {
    const ya = edges[i + 1], yb = edges[i + 3];
    if (ya > y !== yb > y && x < ((edges[i + 2] - edges[i]) * (y - ya)) / (yb - ya) + edges[i]) inside = !inside;
  }
  return inside;
}

/** Leave out of a drawn path what is nearer than `least` to the point before. */
export function thinned(path: readonly Point[], least: number): Point[] {
  const kept: Point[] = [];
  for (const [x, y] of path) {
    const last = kept.at(-1);
    if (!last || Math.hypot(x - last[0], y - last[1]) >= least) kept.push([x, y]);
  }
  return kept;
}
