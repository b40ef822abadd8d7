/** The pixels under a brush stroke, by the same arithmetic as cdwidget/tools/brush.py; tests/brush_cases.json tests both. */
import { EMPTY_BOX, type Patch } from "./bitmap";
import type { Size } from "./camera";

export type Point = readonly [x: number, y: number]; // image pixels

/** Round a coordinate to 1/64 pixel, as it is drawn and sent: differences are then exact. */
export function onGrid(value: number): number {
  return Math.round(value * 64) / 64;
}

/** Return the pixels inside the image that a round brush covers from `a` to `b`. The area is convex, so each row holds one run. */
export function cover([ax, ay]: Point, [bx, by]: Point, radius: number, image: Size): Patch {
  const x0 = Math.max(0, Math.floor(Math.min(ax, bx) - radius));
  const x1 = Math.min(image.width, Math.ceil(Math.max(ax, bx) + radius));
  const y0 = Math.max(0, Math.floor(Math.min(ay, by) - radius));
  const y1 = Math.min(image.height, Math.ceil(Math.max(ay, by) + radius));
  if (x0 >= x1 || y0 >= y1) return { box: EMPTY_BOX, bits: new Uint8Array(0) };
  const dx = bx - ax;
  const dy = by - ay;
  const squaredLength = dx * dx + dy * dy;
  const squaredRadius = radius * radius;
  const across = radius / Math.sqrt(squaredLength);
  const covered = (px: number, py: number) => {
    const t = squaredLength === 0 ? 0 : Math.min(Math.max(((px - ax) * dx + (py - ay) * dy) / squaredLength, 0), 1);
    const ex = ax + t * dx - px;
    const ey = ay + t * dy - py;
    return ex * ex + ey * ey <= squaredRadius;
  };
  const bits = new Uint8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    const py = y + 0.5;
    // Approximate the run: the row intersects the disks around a and b and the two sides that join them.
    let left = Infinity;
    let right = -Infinity;
    const include = (x: number) => {
      left = Math.min(left, x);
      right = Math.max(right, x);
    };
    for (const [cx, cy] of [
      [ax, ay],
      [bx, by],
    ]) {
      const reach = Math.sqrt(squaredRadius - (cy - py) ** 2);
      if (reach >= 0) {
        include(cx - reach);
        include(cx + reach);
      }
    }
    if (dy !== 0) {
      for (const side of [-across, across]) {
        const along = (py - ay - side * dx) / dy;
        if (along >= 0 && along <= 1) include(ax - side * dy + along * dx);
      }
    }
    if (left > right) continue;
    // Make it exact: start one column outside each end and move inward until the pixel is covered.
    let start = Math.ceil(left - 0.5) - 1;
    let end = Math.floor(right - 0.5) + 1;
    for (let i = 0; i < 2; i++) {
      if (!covered(start + 0.5, py)) start++;
      if (!covered(end + 0.5, py)) end--;
    }
    const row = (y - y0) * (x1 - x0) - x0;
    if (start <= end && start < x1 && end >= x0) bits.fill(1, row + Math.max(start, x0), row + Math.min(end + 1, x1));
  }
  return { box: [x0, y0, x1, y1], bits };
}
