/** Which superpixel every pixel belongs to, as the kernel computed it on a reduced image; looked up here without asking again. */
import { union, NOWHERE, type Box, type Patch } from "./bitmap";
import type { Size } from "./camera";
import { Outline } from "./outline";

export class LabelMap {
  private readonly boxes: Box[] = []; // of each segment, in cells of the map
  private readonly columns: Int32Array; // of the image -> of the map
  private readonly rows: Int32Array;
  private readonly outlines = new Map<number, Outline>(); // of the segments that were pointed at

  constructor(private readonly labels: Int32Array, private readonly size: Size, image: Size, readonly count: number) {
    this.columns = Int32Array.from({ length: image.width }, (_, x) => Math.floor(((x + 0.5) * size.width) / image.width));
    this.rows = Int32Array.from({ length: image.height }, (_, y) => Math.floor(((y + 0.5) * size.height) / image.height));
    for (let y = 0, i = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++, i++) this.boxes[labels[i]] = union(this.boxes[labels[i]] ?? NOWHERE, [x, y, x + 1, y + 1]);
    }
  }

  /** The segment of an image pixel; undefined outside the image. */
  at(x: number, y: number): number | undefined {
    const column = this.columns[Math.floor(x)], row = this.rows[Math.floor(y)];
    return column === undefined || row === undefined ? undefined : this.labels[row * this.size.width + column];
  }

  /** The image pixels of a segment. */
  patch(segment: number): Patch {
    const [left, top, right, bottom] = this.boxes[segment];
    const x0 = first(this.columns, left), x1 = first(this.columns, right), y0 = first(this.rows, top), y1 = first(this.rows, bottom);
    const bits = new Uint8Array((x1 - x0) * (y1 - y0));
    for (let y = y0, i = 0; y < y1; y++) {
      const row = this.rows[y] * this.size.width;
      for (let x = x0; x < x1; x++, i++) bits[i] = this.labels[row + this.columns[x]] === segment ? 1 : 0;
    }
    return { box: [x0, y0, x1, y1], bits };
  }

  outline(segment: number): Outline {
    const outline = this.outlines.get(segment) ?? new Outline(this.patch(segment));
    this.outlines.set(segment, outline);
    return outline;
  }
}

/** The first place in a rising list whose value is at least `value`. */
function first(rising: Int32Array, value: number): number {
  let low = 0, high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** zlib, undone: how Python sends label maps and sources. */
export async function inflate(packed: DataView<ArrayBuffer>): Promise<ArrayBuffer> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
