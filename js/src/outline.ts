/**
 * From pixels to closed outlines. Drawn as paths, a mask is sharp at every zoom and costs nothing for the pixels inside.
 * Where pixels change, only the loops that pass there are walked again, so that the outline follows a brush.
 */
import { isEmpty, NOWHERE, union, type Box, type Patch } from "./bitmap";

type Kind = "smooth" | "exact"; // corners cut at half a pixel, so that diagonals look like lines; every step, for large pixels
interface Loop { corners: number[]; smooth?: Path2D; exact?: Path2D }

const MOST_CORNERS = 400_000; // of a speckled mask; beyond it every second pixel is drawn

let changes = 0;

export class Outline {
  version = ++changes; // another number whenever it may look different
  private loops: Loop[] = [];
  private stale: Box;
  private paths: { [kind in Kind]?: Path2D } = {};

  constructor(private bitmap: Patch) { this.stale = bitmap.box; }

  get empty() {
    this.settle();
    return this.loops.length === 0;
  }
  get smooth() { return this.path("smooth"); }
  get exact() { return this.path("exact"); }

  /** Pixels of the box may have changed; they are in `bitmap` now. */
  touch(box: Box, bitmap: Patch = this.bitmap) {
    if (!isEmpty(box)) this.version = ++changes;
    this.stale = union(this.stale, box);
    this.bitmap = bitmap;
  }

  private settle() {
    if (isEmpty(this.stale)) return;
    this.loops = this.loops.filter((loop) => !passes(loop.corners, this.stale));
    for (const corners of trace(this.bitmap, this.stale)) this.loops.push({ corners });
    this.stale = NOWHERE;
    this.paths = {};
  }

  private path(kind: Kind): Path2D {
    this.settle();
    return this.paths[kind] ??= this.build(kind);
  }

  private build(kind: Kind): Path2D {
    const path = new Path2D(), corners = this.loops.reduce((sum, loop) => sum + loop.corners.length / 2, 0);
    if (corners > MOST_CORNERS) coarse(this.bitmap, kind, path);
    else for (const loop of this.loops) path.addPath(loop[kind] ??= addLoop(new Path2D(), loop.corners, kind));
    return path;
  }
}

/**
 * Closed loops along the pixel edges that touch the box, as [x, y, x, y, ...] of their corners, the inside on the right hand.
 * Pixels that touch at a corner only belong to different loops. Outer borders and holes together fill by the even-odd rule.
 */
export function trace({ box, bits }: Patch, within: Box = box): number[][] {
  const [x0, y0, x1, y1] = box, width = x1 - x0;
  const inside = (x: number, y: number) => x >= x0 && y >= y0 && x < x1 && y < y1 && bits[(y - y0) * width + x - x0] === 1;
  // An edge that touches `within` belongs to a pixel of `within` or beside it. Every loop that lies in it all has an upper edge.
  const all = within[0] <= x0 && within[1] <= y0 && within[2] >= x1 && within[3] >= y1;
  const left = Math.max(x0, within[0] - 1), top = Math.max(y0, within[1] - 1);
  const right = Math.min(x1, within[2] + 1), bottom = Math.min(y1, within[3] + 1), span = Math.max(0, right - left);
  const seen = new Uint8Array(span * Math.max(0, bottom - top)); // which edges of a pixel have been walked, one bit each
  const touches = (x: number, y: number) => x >= within[0] && x <= within[2] && y >= within[1] && y <= within[3];
  const loops: number[][] = [];

  function walk(startX: number, startY: number, startDx: number, startDy: number) {
    const loop: number[] = [];
    let x = startX, y = startY, dx = startDx, dy = startDy;
    do {
      const px = x + ((dx - dy - 1) >> 1), py = y + ((dx + dy - 1) >> 1); // the pixel on the right of this edge
      if (px >= left && px < right && py >= top && py < bottom) seen[(py - top) * span + px - left] |= edge(dx, dy);
      x += dx;
      y += dy;
      // The pixels ahead of the corner (x, y), on the right and on the left of the way.
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
      if (!isBelow && !(seen[(y - top) * span + x - left] & 1) && (all || touches(x, y) || touches(x + 1, y))) walk(x, y, 1, 0);
      if (all) continue;
      if (!(seen[(y - top) * span + x - left] & 2) && !inside(x + 1, y) && (touches(x + 1, y) || touches(x + 1, y + 1))) walk(x + 1, y, 0, 1);
      if (!(seen[(y - top) * span + x - left] & 4) && !inside(x, y + 1) && (touches(x, y + 1) || touches(x + 1, y + 1))) walk(x + 1, y + 1, -1, 0);
      if (!(seen[(y - top) * span + x - left] & 8) && !inside(x - 1, y) && (touches(x, y) || touches(x, y + 1))) walk(x, y + 1, 0, -1);
    }
  }
  return loops;
}

/** One bit for each side of a pixel: upper, right, lower, left, by the way it is walked. */
function edge(dx: number, dy: number): number {
  return dx ? (dx > 0 ? 1 : 4) : dy > 0 ? 2 : 8;
}

/** Whether a loop touches a box. */
function passes(corners: number[], box: Box): boolean {
  let ax = corners[corners.length - 2], ay = corners[corners.length - 1];
  for (let i = 0; i < corners.length; i += 2) {
    const bx = corners[i], by = corners[i + 1];
    if (Math.max(ax, bx) >= box[0] && Math.min(ax, bx) <= box[2] && Math.max(ay, by) >= box[1] && Math.min(ay, by) <= box[3]) return true;
    ax = bx;
    ay = by;
  }
  return false;
}

function addLoop(path: Path2D, loop: number[], kind: Kind, x0 = 0, y0 = 0, step = 1): Path2D {
  for (let i = 0; i < loop.length; i += 2) {
    const j = (i + 2) % loop.length;
    const ax = x0 + loop[i] * step, ay = y0 + loop[i + 1] * step, bx = x0 + loop[j] * step, by = y0 + loop[j + 1] * step;
    const cut = kind === "smooth" ? step / 2 : 0, ux = Math.sign(bx - ax) * cut, uy = Math.sign(by - ay) * cut;
    if (i === 0) path.moveTo(ax + ux, ay + uy);
    else path.lineTo(ax + ux, ay + uy);
    if (cut && (bx - ax !== 2 * ux || by - ay !== 2 * uy)) path.lineTo(bx - ux, by - uy);
  }
  path.closePath();
  return path;
}

/** The outline of every second pixel, or of every fourth ..., until it has few enough corners. */
function coarse({ box, bits }: Patch, kind: Kind, path: Path2D) {
  let width = box[2] - box[0], height = box[3] - box[1], step = 1, loops: number[][];
  do {
    bits = everySecond(bits, width, height);
    width = (width + 1) >> 1;
    height = (height + 1) >> 1;
    step *= 2;
    loops = trace({ box: [0, 0, width, height], bits });
  } while (loops.reduce((sum, loop) => sum + loop.length / 2, 0) > MOST_CORNERS);
  for (const loop of loops) addLoop(path, loop, kind, box[0], box[1], step);
}

function everySecond(bits: Uint8Array, width: number, height: number): Uint8Array {
  const w = (width + 1) >> 1, h = (height + 1) >> 1;
  const out = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[y * w + x] = bits[2 * y * width + 2 * x];
  return out;
}
