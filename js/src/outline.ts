/** From pixels to closed outlines. Drawn as paths, a mask is sharp at every zoom and costs nothing for the pixels inside. */
import type { Patch } from "./bitmap";

export interface Outline {
  smooth: Path2D; // corners cut at half a pixel: diagonals look like lines
  exact: Path2D; // every pixel step, for when pixels are large on the screen
}

const MOST_CORNERS = 400_000; // of a speckled mask; beyond it every second pixel is drawn

export function outline(patch: Patch): Outline {
  let { bits } = patch, step = 1;
  const [x0, y0, x1, y1] = patch.box;
  let width = x1 - x0, height = y1 - y0;
  let loops = trace(bits, width, height);
  while (loops.reduce((sum, loop) => sum + loop.length / 2, 0) > MOST_CORNERS) {
    bits = everySecond(bits, width, height);
    width = (width + 1) >> 1;
    height = (height + 1) >> 1;
    step *= 2;
    loops = trace(bits, width, height);
  }
  const smooth = new Path2D(), exact = new Path2D();
  for (const loop of loops) addLoop(loop, x0, y0, step, smooth, exact);
  return { smooth, exact };
}

/**
 * Closed loops along the pixel edges, as [x, y, x, y, ...] of the corners, the inside on the right hand.
 * Pixels that touch at a corner only belong to different loops. Outer borders and holes together fill by the even-odd rule.
 */
export function trace(bits: Uint8Array, width: number, height: number): number[][] {
  const inside = (x: number, y: number) => x >= 0 && y >= 0 && x < width && y < height && bits[y * width + x] === 1;
  const seen = new Uint8Array(width * height); // the pixel's upper edge has been walked
  const loops: number[][] = [];
  for (let start = 0; start < bits.length; start++) {
    if (!bits[start] || seen[start]) continue;
    const startX = start % width, startY = (start - startX) / width;
    if (inside(startX, startY - 1)) continue;
    const loop: number[] = [];
    let x = startX, y = startY, dx = 1, dy = 0;
    do {
      if (dx === 1) seen[y * width + x] = 1;
      x += dx;
      y += dy;
      // The pixels ahead of the corner (x, y), on the right and on the left of the way.
      const right = inside(x + ((dx - dy - 1) >> 1), y + ((dx + dy - 1) >> 1));
      const left = inside(x + ((dx + dy - 1) >> 1), y + ((dy - dx - 1) >> 1));
      if (!right) [dx, dy] = [-dy, dx];
      else if (left) [dx, dy] = [dy, -dx];
      else continue;
      loop.push(x, y);
    } while (x !== startX || y !== startY || dx !== 1);
    loops.push(loop);
  }
  return loops;
}

function addLoop(loop: number[], x0: number, y0: number, step: number, smooth: Path2D, exact: Path2D) {
  for (let i = 0; i < loop.length; i += 2) {
    const j = (i + 2) % loop.length;
    const ax = x0 + loop[i] * step, ay = y0 + loop[i + 1] * step, bx = x0 + loop[j] * step, by = y0 + loop[j + 1] * step;
    const ux = (Math.sign(bx - ax) * step) / 2, uy = (Math.sign(by - ay) * step) / 2;
    if (i === 0) {
      exact.moveTo(ax, ay);
      smooth.moveTo(ax + ux, ay + uy);
    } else {
      exact.lineTo(ax, ay);
      smooth.lineTo(ax + ux, ay + uy);
    }
    if (bx - ax !== 2 * ux || by - ay !== 2 * uy) smooth.lineTo(bx - ux, by - uy);
  }
  exact.closePath();
  smooth.closePath();
}

function everySecond(bits: Uint8Array, width: number, height: number): Uint8Array {
  const w = (width + 1) >> 1, h = (height + 1) >> 1;
  const out = new Uint8Array(w * h);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) out[y * w + x] = bits[2 * y * width + 2 * x];
  return out;
}
