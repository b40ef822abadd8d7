/**
 * Outlines of pixels as closed paths: sharp at every zoom, and their cost does not depend on the area. After a change only the loops
 * that touch it are traced again, so that the outline keeps up with a brush.
 */
import { type Box, EMPTY_BOX, isEmpty, type Patch, union } from "./bitmap";

type Style = "smooth" | "exact"; // smooth: corners cut at half a pixel, so that diagonals look straight; exact: for large pixels
interface Loop {
  corners: number[];
  smooth?: Path2D;
  exact?: Path2D;
}

const MAX_CORNERS = 400_000; // a speckled mask with more is drawn at a lower resolution

let changeCount = 0;

export class Outline {
  version = ++changeCount; // changes whenever the outline may look different
  private loops: Loop[] = [];
  private stale: Box;
  private paths: { [style in Style]?: Path2D } = {};

  constructor(private bitmap: Patch) {
    this.stale = bitmap.box;
  }

  get empty() {
    this.settle();
    return this.loops.length === 0;
  }
  get smooth() {
    return this.path("smooth");
  }
  get exact() {
    return this.path("exact");
  }

  /** Mark the pixels of a box as changed; `bitmap` holds them. */
  touch(box: Box, bitmap: Patch = this.bitmap) {
    if (!isEmpty(box)) this.version = ++changeCount;
    this.stale = union(this.stale, box);
    this.bitmap = bitmap;
  }

  private settle() {
    if (isEmpty(this.stale)) return;
    this.loops = this.loops.filter((loop) => !touchesBox(loop.corners, this.stale));
    for (const corners of trace(this.bitmap, this.stale)) this.loops.push({ corners });
    this.stale = EMPTY_BOX;
    this.paths = {};
  }

  private path(style: Style): Path2D {
    this.settle();
    this.paths[style] ??= this.build(style);
    return this.paths[style];
  }

  private build(style: Style): Path2D {
    const path = new Path2D();
    const corners = this.loops.reduce((sum, loop) => sum + loop.corners.length / 2, 0);
    if (corners > MAX_CORNERS) addCoarseLoops(this.bitmap, style, path);
    else
      for (const loop of this.loops) {
        loop[style] ??= addLoop(new Path2D(), loop.corners, style);
        path.addPath(loop[style]);
      }
    return path;
  }
}

/**
 * Trace the closed loops along pixel edges that touch a box. Each is a list [x, y, x, y, ...] of corners with the inside on the right.
 * Pixels that touch only at a corner belong to different loops. Outer borders and holes together fill by the even-odd rule.
 */
export function trace({ box, bits }: Patch, within: Box = box): number[][] {
  const [x0, y0, x1, y1] = box;
  const width = x1 - x0;
  const inside = (x: number, y: number) =>
    x >= x0 && y >= y0 && x < x1 && y < y1 && bits[(y - y0) * width + x - x0] === 1;
  // An edge that touches `within` belongs to a pixel in it or next to it. If it covers everything, each loop has an upper edge in it.
  const all = within[0] <= x0 && within[1] <= y0 && within[2] >= x1 && within[3] >= y1;
  const left = Math.max(x0, within[0] - 1);
  const top = Math.max(y0, within[1] - 1);
  const right = Math.min(x1, within[2] + 1);
  const bottom = Math.min(y1, within[3] + 1);
  const span = Math.max(0, right - left);
  const seen = new Uint8Array(span * Math.max(0, bottom - top)); // the traced edges of each pixel, one bit each
  const touches = (x: number, y: number) => x >= within[0] && x <= within[2] && y >= within[1] && y <= within[3];
  const loops: number[][] = [];

  function follow(startX: number, startY: number, startDx: number, startDy: number) {
    const loop: number[] = [];
    let x = startX;
    let y = startY;
    let dx = startDx;
    let dy = startDy;
    do {
      const px = x + ((dx - dy - 1) >> 1);
      const py = y + ((dx + dy - 1) >> 1); // the pixel on the right of this edge
      if (px >= left && px < right && py >= top && py < bottom) seen[(py - top) * span + px - left] |= edgeBit(dx, dy);
      x += dx;
      y += dy;
      // The two pixels ahead of the corner (x, y), right and left of the path.
      const isRight = inside(x + ((dx - dy - 1) >> 1), y + ((dx + dy - 1) >> 1));
      const isLeft = inside(x + ((dx + dy - 1) >> 1), y + ((dy - dx - 1) >> 1));
      if (!isRight) [dx, dy] = [-dy, dx];
      else if (isLeft) [dx, dy] = [dy, -dx];
      else continue;
      loop.push(x, y);
    } while (x !== startX || y !== startY || dx !== startDx || dy !== startDy);
    loops.push(loop);
  }

  for (let y = top; y < bottom; y++) {
    const row = (y - y0) * width - x0;
    for (let x = left; x < right; x++) {
      if (!bits[row + x]) continue;
      const isBelow = y > y0 && bits[row + x - width] === 1; // another pixel of the mask
      if (all && isBelow) continue;
      if (!isBelow && !(seen[(y - top) * span + x - left] & 1) && (all || touches(x, y) || touches(x + 1, y)))
        follow(x, y, 1, 0);
      if (all) continue;
      if (!(seen[(y - top) * span + x - left] & 2) && !inside(x + 1, y) && (touches(x + 1, y) || touches(x + 1, y + 1)))
        follow(x + 1, y, 0, 1);
      if (!(seen[(y - top) * span + x - left] & 4) && !inside(x, y + 1) && (touches(x, y + 1) || touches(x + 1, y + 1)))
        follow(x + 1, y + 1, -1, 0);
      if (!(seen[(y - top) * span + x - left] & 8) && !inside(x - 1, y) && (touches(x, y) || touches(x, y + 1)))
        follow(x, y + 1, 0, -1);
    }
  }
  return loops;
}

/** Return one bit for each side of a pixel (upper, right, lower, left), by the direction of the path. */
function edgeBit(dx: number, dy: number): number {
  return dx ? (dx > 0 ? 1 : 4) : dy > 0 ? 2 : 8;
}

/** Whether a loop touches a box. */
function touchesBox(corners: number[], box: Box): boolean {
  let ax = corners[corners.length - 2];
  let ay = corners[corners.length - 1];
  for (let i = 0; i < corners.length; i += 2) {
    const bx = corners[i];
    const by = corners[i + 1];
    if (
      Math.max(ax, bx) >= box[0] &&
      Math.min(ax, bx) <= box[2] &&
      Math.max(ay, by) >= box[1] &&
      Math.min(ay, by) <= box[3]
    )
      return true;
    ax = bx;
    ay = by;
  }
  return false;
}

function addLoop(path: Path2D, loop: number[], style: Style, x0 = 0, y0 = 0, step = 1): Path2D {
  for (let i = 0; i < loop.length; i += 2) {
    const j = (i + 2) % loop.length;
    const ax = x0 + loop[i] * step;
    const ay = y0 + loop[i + 1] * step;
    const bx = x0 + loop[j] * step;
    const by = y0 + loop[j + 1] * step;
    const cut = style === "smooth" ? step / 2 : 0;
    const ux = Math.sign(bx - ax) * cut;
    const uy = Math.sign(by - ay) * cut;
    if (i === 0) path.moveTo(ax + ux, ay + uy);
    else path.lineTo(ax + ux, ay + uy);
    if (cut && (bx - ax !== 2 * ux || by - ay !== 2 * uy)) path.lineTo(bx - ux, by - uy);
  }
  path.closePath();
  return path;
}

/** Add the outline of every second pixel, or every fourth, and so on, until it has at most MAX_CORNERS. */
function addCoarseLoops({ box, bits }: Patch, style: Style, path: Path2D) {
  let width = box[2] - box[0];
  let height = box[3] - box[1];
  let step = 1;
  let loops: number[][];
  let pixels = bits;
  do {
    pixels = everySecond(pixels, width, height);
    width = (width + 1) >> 1;
    height = (height + 1) >> 1;
    step *= 2;
    loops = trace({ box: [0, 0, width, height], bits: pixels });
  } while (loops.reduce((sum, loop) => sum + loop.length / 2, 0) > MAX_CORNERS);
  for (const loop of loops) addLoop(path, loop, style, box[0], box[1], step);
}

function everySecond(bits: Uint8Array, width: number, height: number): Uint8Array {
  const w = (width + 1) >> 1;
  const h = (height + 1) >> 1;
  const out = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[y * w + x] = bits[2 * y * width + 2 * x];
  return out;
}
