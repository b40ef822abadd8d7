/** The superpixel of every image pixel. The kernel computes the map once, on a reduced image. */
import { type Box, EMPTY_BOX, type Patch, union } from "./bitmap";
import { copyBuffer } from "./buffers";
import type { Size } from "./camera";
import type { Kernel } from "./kernel";
import { Outline } from "./outline";
import type { ImageInfo } from "./traits";

export class LabelMap {
  private readonly boxes: Box[] = []; // box of each segment, in map cells
  private readonly columns: Int32Array; // image column -> map column
  private readonly rows: Int32Array; // image row -> map row
  private readonly outlines = new Map<number, Outline>(); // outlines of segments that were hovered

  constructor(
    private readonly labels: Int32Array,
    private readonly size: Size,
    image: Size,
    readonly count: number,
  ) {
    this.columns = Int32Array.from({ length: image.width }, (_, x) =>
      Math.floor(((x + 0.5) * size.width) / image.width),
    );
    this.rows = Int32Array.from({ length: image.height }, (_, y) =>
      Math.floor(((y + 0.5) * size.height) / image.height),
    );
    for (let y = 0, i = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++, i++)
        this.boxes[labels[i]] = union(this.boxes[labels[i]] ?? EMPTY_BOX, [x, y, x + 1, y + 1]);
    }
  }

  /** The segment of an image pixel; undefined outside the image. */
  at(x: number, y: number): number | undefined {
    const column = this.columns[Math.floor(x)];
    const row = this.rows[Math.floor(y)];
    return column === undefined || row === undefined ? undefined : this.labels[row * this.size.width + column];
  }

  /** The image pixels of a segment. */
  patch(segment: number): Patch {
    const [left, top, right, bottom] = this.boxes[segment];
    const x0 = first(this.columns, left);
    const x1 = first(this.columns, right);
    const y0 = first(this.rows, top);
    const y1 = first(this.rows, bottom);
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

/** Loads the map of an image, for one number of superpixels at a time. */
export class SuperpixelLoader {
  private requested: { count: number; map: LabelMap | null; loaded: Promise<void> } | null = null;

  constructor(
    private readonly load: (count: number) => Promise<LabelMap | null>,
    private readonly changed: () => void,
  ) {}

  /** The map of about `count` superpixels; null while it is being loaded, which the first call starts. */
  get(count: number): LabelMap | null {
    if (this.requested?.count !== count) {
      const requested = { count, map: null as LabelMap | null, loaded: Promise.resolve() };
      this.requested = requested;
      requested.loaded = this.load(count).then((map) => {
        requested.map = map;
        this.changed();
      });
    }
    return this.requested.map;
  }

  /** Settles when the map is loaded or loading has failed. */
  get loaded(): Promise<unknown> {
    return Promise.resolve(this.requested?.loaded);
  }

  clear() {
    this.requested = null;
  }
}

/** Return the first index in a sorted list with at least `value`. */
function first(sorted: Int32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Load the superpixels of the image that is shown; null if that fails, or another image is shown by then. */
export async function loadLabelMap(
  doc: { readonly kernel: Kernel; readonly image: ImageInfo },
  count: number,
): Promise<LabelMap | null> {
  const { key, width, height } = doc.image;
  const reply = await doc.kernel.load<Size>("superpixels", { count });
  if (!reply || key !== doc.image.key) return null;
  const labels = new Int32Array(copyBuffer(reply.buffers[0]));
  return new LabelMap(labels, reply.result, { width, height }, count);
}
