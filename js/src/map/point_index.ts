/** The positions of points with a spatial index for clicks and lassos. Units of the map: its longer side has a thousand. */
import type { Size } from "../camera";
import type { Point } from "../cover";

const LONG_SIDE = 1000; // map units
const MARGIN = 30; // map units
const GRID_SIDE = 128; // cells

export class PointIndex {
  readonly size: Size;
  private readonly starts: Uint32Array; // start of each cell in `order`
  private readonly order: Uint32Array; // points, sorted by cell

  /** x, y: coordinates of each point; scaled in place to units of the map. */
  constructor(
    readonly x: Float32Array,
    readonly y: Float32Array,
  ) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < x.length; i++) {
      left = Math.min(left, x[i]);
      right = Math.max(right, x[i]);
      top = Math.min(top, y[i]);
      bottom = Math.max(bottom, y[i]);
    }
    const extent = Math.max(right - left, bottom - top);
    const scale = extent > 0 ? LONG_SIDE / extent : 0;
    const width = Math.max((right - left) * scale, LONG_SIDE / 3) || LONG_SIDE;
    const height = Math.max((bottom - top) * scale, LONG_SIDE / 3) || LONG_SIDE;
    this.size = { width: width + 2 * MARGIN, height: height + 2 * MARGIN };
    const across = this.size.width / 2 - ((left + right) / 2) * scale;
    const down = this.size.height / 2 - ((top + bottom) / 2) * scale;
    for (let i = 0; i < x.length; i++) {
      x[i] = x[i] * scale + across;
      y[i] = y[i] * scale + down;
    }
    this.starts = new Uint32Array(GRID_SIDE * GRID_SIDE + 1);
    this.order = new Uint32Array(x.length);
    for (let i = 0; i < x.length; i++) this.starts[this.cell(x[i], y[i]) + 1]++;
    for (let cell = 0; cell < GRID_SIDE * GRID_SIDE; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    for (let i = 0; i < x.length; i++) this.order[next[this.cell(x[i], y[i])]++] = i;
  }

  get count() {
    return this.x.length;
  }

  /** Return the point nearest to a position, within a radius; undefined if there is none. */
  nearest(x: number, y: number, radius: number): number | undefined {
    let best: number | undefined;
    let least = radius * radius;
    const [left, right] = [this.column(x - radius), this.column(x + radius)];
    for (let row = this.row(y - radius); row <= this.row(y + radius); row++) {
      for (let at = this.starts[row * GRID_SIDE + left]; at < this.starts[row * GRID_SIDE + right + 1]; at++) {
        const i = this.order[at];
        const distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
        if (distance <= least) [best, least] = [i, distance];
      }
    }
    return best;
  }

  /** Return the points inside a closed path, by the even-odd rule. */
  inside(path: readonly Point[]): number[] {
    const xs = Float64Array.from(path, ([x]) => x);
    const ys = Float64Array.from(path, ([, y]) => y);
    const found: number[] = [];
    if (path.length < 3) return found;
    const reduce = (values: Float64Array, pick: (a: number, b: number) => number) =>
      values.reduce((a, b) => pick(a, b));
    const left = this.column(reduce(xs, Math.min));
    const right = this.column(reduce(xs, Math.max));
    for (let row = this.row(reduce(ys, Math.min)); row <= this.row(reduce(ys, Math.max)); row++) {
      const from = this.starts[row * GRID_SIDE + left];
      const to = this.starts[row * GRID_SIDE + right + 1];
      if (from === to) continue;
      const edges = this.edgesInRow(row, xs, ys);
      for (let at = from; at < to; at++)
        if (isInside(edges, this.x[this.order[at]], this.y[this.order[at]])) found.push(this.order[at]);
    }
    return found.sort((a, b) => a - b);
  }

  /** Return the edges of a closed path that may cross a row of cells; each edge is x, y, x, y. */
  private edgesInRow(row: number, xs: Float64Array, ys: Float64Array): Float64Array {
    const edges: number[] = [];
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      if (this.row(Math.min(ys[i], ys[j])) <= row && this.row(Math.max(ys[i], ys[j])) >= row)
        edges.push(xs[i], ys[i], xs[j], ys[j]);
    }
    return Float64Array.from(edges);
  }

  private column(x: number) {
    return Math.min(GRID_SIDE - 1, Math.max(0, Math.floor((x / this.size.width) * GRID_SIDE)));
  }
  private row(y: number) {
    return Math.min(GRID_SIDE - 1, Math.max(0, Math.floor((y / this.size.height) * GRID_SIDE)));
  }
  private cell(x: number, y: number) {
    return this.row(y) * GRID_SIDE + this.column(x);
  }
}

/** Whether a horizontal ray from a position to the right crosses an odd number of edges. */
function isInside(edges: Float64Array, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0; i < edges.length; i += 4) {
    const ya = edges[i + 1];
    const yb = edges[i + 3];
    if (ya > y !== yb > y && x < ((edges[i + 2] - edges[i]) * (y - ya)) / (yb - ya) + edges[i]) inside = !inside;
  }
  return inside;
}

/** Drop the points of a path that are closer than `minDistance` to the previous one. */
export function simplify(path: readonly Point[], minDistance: number): Point[] {
  const kept: Point[] = [];
  for (const [x, y] of path) {
    const last = kept.at(-1);
    if (!last || Math.hypot(x - last[0], y - last[1]) >= minDistance) kept.push([x, y]);
  }
  return kept;
}
