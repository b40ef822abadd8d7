/** One object: its pixels in the kernel, and the drafts over them that a tool has painted and the kernel not yet confirmed. */

import type { Attributes } from "./actions";
import { Bitmap, type Box, difference, EMPTY_BOX, isEmpty, type Patch, union } from "./bitmap";
import type { Size } from "./camera";
import { context2d } from "./dom";
import { Outline } from "./outline";
import type { Update } from "./traits";

const MAX_SOFT_PIXELS = 16_000_000; // a larger matte is shown as its mask
const INSIDE = 1; // values of a draft; 0 is unpainted
const OUTSIDE = 2;

/** The pixels that one gesture paints, until the reply of the kernel. */
export class Draft {
  box = EMPTY_BOX;
  private readonly pixels: Bitmap; // as large as the image: it never grows, and unpainted pages take no memory

  constructor(
    readonly instance: number,
    image: Size,
  ) {
    this.pixels = new Bitmap([0, 0, image.width, image.height]);
  }

  paint(patch: Patch, add: boolean) {
    this.box = union(this.box, patch.box);
    this.pixels.paint(patch, add ? INSIDE : OUTSIDE);
  }

  /** Write the painted pixels of a box into a bitmap. */
  writeTo(bitmap: Bitmap, box: Box) {
    const { bits } = this.pixels;
    this.pixels.rows(
      bitmap.box,
      (mine, from, to) => {
        for (let i = from; i < to; i++, mine++) if (bits[mine]) bitmap.bits[i] = bits[mine] === INSIDE ? 1 : 0;
      },
      box,
    );
  }
}

export class Instance {
  readonly bitmap = new Bitmap();
  attributes: Attributes = {};
  score?: number; // certainty of the model that has drawn it, 0 to 1
  confirmed = true; // false: it was followed into the image and not yet edited or accepted
  private painted: Bitmap | null = null; // the bitmap with the drafts over it, once there was a draft
  private stale = EMPTY_BOX; // where `painted` is out of date
  private measured: { area: number; bounds: Box } | null = null;
  private alpha: Bitmap | null = null; // opacity of each pixel, 0 to 255; null: the mask is hard
  private tinted: { picture: OffscreenCanvas; box: Box; color: string } | null = null;
  private readonly border = new Outline(this.bitmap);

  constructor(
    readonly id: number,
    public label: string,
    private readonly image: Size,
    readonly drafts: Draft[] = [],
  ) {}

  /** The visible pixels: with the drafts. */
  get pixels(): Bitmap {
    return this.painted ?? this.bitmap;
  }

  /** The outline of the visible pixels; null if there are none. */
  get outline(): Outline | null {
    return this.border.empty ? null : this.border;
  }

  /** The number of pixels in the kernel. */
  get area(): number {
    return this.measure().area;
  }

  /** The smallest box around the pixels in the kernel. */
  get bounds(): Box {
    return this.measure().bounds;
  }

  /** Return the soft mask as a picture in a color; null if the mask is hard or is being painted. */
  soft(color: string): { picture: OffscreenCanvas; box: Box } | null {
    const { alpha } = this;
    if (!alpha || this.drafts.length || alpha.bits.length > MAX_SOFT_PIXELS) return null;
    if (this.tinted?.color !== color) {
      const picture = new OffscreenCanvas(alpha.width, alpha.height);
      const ctx = context2d(picture);
      const pixels = ctx.createImageData(alpha.width, alpha.height);
      for (let i = 0; i < alpha.bits.length; i++) pixels.data[4 * i + 3] = alpha.bits[i];
      ctx.putImageData(pixels, 0, 0);
      ctx.globalCompositeOperation = "source-in";
      ctx.fillStyle = color;
      ctx.fillRect(0, 0, alpha.width, alpha.height);
      this.tinted = { picture, box: alpha.box, color };
    }
    return this.tinted;
  }

  /** Write pixels from the kernel. Returns the visible change. */
  write(patch: Patch, alpha: DataView | null = null): Patch | null {
    this.measured = null;
    this.writeAlpha(patch.box, alpha);
    if (this.drafts.length || this.painted) {
      this.bitmap.write(patch);
      return this.settle(patch.box);
    }
    const before = this.bitmap.read(patch.box);
    this.bitmap.write(patch);
    return this.markChanged(difference(patch.box, before, patch.bits));
  }

  /** Add the pixels of a patch to a draft. */
  paint(draft: Draft, patch: Patch, add: boolean) {
    if (!this.drafts.includes(draft)) this.drafts.push(draft);
    draft.paint(patch, add);
    this.painted ??= this.copy();
    this.painted.paint(patch, add ? 1 : 0);
    this.border.touch(patch.box, this.painted);
  }

  /** Drop a draft; the next `settle` or `write` removes its paint. */
  forget(draft: Draft) {
    if (!this.drafts.includes(draft)) return;
    this.drafts.splice(this.drafts.indexOf(draft), 1);
    this.stale = union(this.stale, draft.box);
  }

  /** Recompute the outdated visible pixels from the kernel's pixels and the drafts, oldest first. */
  settle(box: Box = EMPTY_BOX): Patch | null {
    const all = union(this.stale, box);
    this.stale = EMPTY_BOX;
    if (isEmpty(all)) return null;
    this.painted ??= this.copy();
    const before = this.painted.read(all);
    this.painted.write({ box: all, bits: this.bitmap.read(all) });
    for (const draft of this.drafts) draft.writeTo(this.painted, all);
    return this.markChanged(difference(all, before, this.painted.read(all)));
  }

  /** A soft patch makes the whole mask soft, a hard one makes it hard. */
  private writeAlpha(box: Box, alpha: DataView | null) {
    if (isEmpty(box) || (!alpha && !this.alpha)) return;
    if (alpha) {
      if (!this.alpha) {
        this.alpha = new Bitmap(this.bitmap.box);
        this.alpha.bits = this.bitmap.bits.map((bit) => 255 * bit);
      }
      this.alpha.write({ box, bits: new Uint8Array(alpha.buffer, alpha.byteOffset, alpha.byteLength) });
    } else this.alpha = null;
    this.tinted = null;
    this.border.touch(box);
  }

  private measure() {
    if (this.measured) return this.measured;
    const { bits, width, box } = this.bitmap;
    let area = 0;
    let [left, top, right, bottom] = [width, -1, -1, -1];
    for (let start = 0, y = 0; start < bits.length; start += width, y++) {
      for (let x = 0; x < width; x++) {
        if (!bits[start + x]) continue;
        area++;
        if (x < left) left = x;
        if (x > right) right = x;
        if (top < 0) top = y;
        bottom = y;
      }
    }
    const bounds: Box = area ? [box[0] + left, box[1] + top, box[0] + right + 1, box[1] + bottom + 1] : EMPTY_BOX;
    this.measured = { area, bounds };
    return this.measured;
  }

  private copy(): Bitmap {
    const copy = new Bitmap([0, 0, this.image.width, this.image.height]);
    copy.write(this.bitmap);
    return copy;
  }

  private markChanged(change: Patch | null): Patch | null {
    this.border.touch(change?.box ?? EMPTY_BOX, this.pixels);
    return change;
  }
}

/** Return the objects after an update, before its patches are written: those that it keeps, and new ones. */
export function updateInstances(
  instances: Instance[],
  { whole, order, instances: rows }: Update,
  image: Size,
): Instance[] {
  const known = new Map(instances.map((instance) => [instance.id, instance]));
  const changed = new Map(rows.map((row) => [row.id, row]));
  const ids = [...(whole ? changed : known).keys()];
  if (order) ids.splice(order.start, order.removed, ...order.ids);
  return ids.map((id) => {
    const old = known.get(id);
    const row = changed.get(id);
    const instance = old && !whole ? old : new Instance(id, "", image, old?.drafts);
    if (row) {
      const { label, attributes = {}, score, confirmed = true } = row;
      Object.assign(instance, { label, attributes, score, confirmed });
    }
    return instance;
  });
}
