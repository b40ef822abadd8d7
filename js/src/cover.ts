/** The pixels near a line, by the arithmetic of cdwidget/tools/brush.py; tests/brush_cases.json holds both to it. */
import { NOWHERE, type Patch } from "./bitmap";
import type { Size } from "./camera";

export type Point = readonly [x: number, y: number]; // image pixels

/** A coordinate as it is drawn and sent: to 1/64 pixel, so that differences are exact. */
export function onGrid(value: number): number {
  return Math.round(value * 64) / 64;
}

/** The pixels that the segment from `a` to `b` covers, as far as the image goes. For what is near a segment is convex: a run in each row. */
export function cover([ax, ay]: Point, [bx, by]: Point, radius: number, image: Size): Patch {
  const x0 = Math.max(0, Math.floor(Math.min(ax, bx) - radius)), x1 = Math.min(image.width, Math.ceil(Math.max(ax, bx) + radius));
  const y0 = Math.max(0, Math.floor(Math.min(ay, by) - radius)), y1 = Math.min(image.height, Math.ceil(Math.max(ay, by) + radius));
  if (x0 >= x1 || y0 >= y1) return { box: NOWHERE, bits: new Uint8Array(0) };
  const dx = bx - ax, dy = by - ay, l = dx * dx + dy * dy, square = radius * radius, across = radius / Math.sqrt(l);
  const covered = (px: number, py: number) => {
    const t = l === 0 ? 0 : Math.min(Math.max(((px - ax) * dx + (py - ay) * dy) / l, 0), 1);
    const ex = ax + t * dx - px, ey = ay + t * dy - py;
    return ex * ex + ey * ey <= square;
  };
  const bits = new Uint8Array((x1 - x0) * (y1 - y0));
  for (let y = y0; y < y1; y++) {
    const py = y + 0.5;
    // Approximately: where the row meets the disk round a, that round b, and the two sides that join them.
    let left = Infinity, right = -Infinity;
    const meets = (x: number) => {
      left = Math.min(left, x);
      right = Math.max(right, x);
    };
    for (const [cx, cy] of [[ax, ay], [bx, by]]) {
      const reach = Math.sqrt(square - (cy - py) ** 2);
      if (reach >= 0) [cx - reach, cx + reach].forEach(meets);
    }
    if (dy !== 0) {
      for (const side of [-across, across]) {
        const along = (py - ay - side * dx) / dy;
        if (along >= 0 && along <= 1) meets(ax - side * dy + along * dx);
      }
    }
    if (left > right) continue;
    // Exactly: begin one column outside each end and move in until the rule covers it.
    let start = Math.ceil(left - 0.5) - 1, end = Math.floor(right - 0.5) + 1;
    for (let i = 0; i < 2; i++) {
      if (!covered(start + 0.5, py)) start++;
      if (!covered(end + 0.5, py)) end--;
    }
    const row = (y - y0) * (x1 - x0) - x0;
    if (start <= end && start < x1 && end >= x0) bits.fill(1, row + Math.max(start, x0), row + Math.min(end + 1, x1));
  }
  return { box: [x0, y0, x1, y1], bits };
}
