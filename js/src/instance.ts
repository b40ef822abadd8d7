/** One object: its pixels as the kernel has them, and over them what the hand has painted and the kernel not yet answered. */
import { Bitmap, difference, isEmpty, NOWHERE, union, type Box, type Patch } from "./bitmap";
import type { Size } from "./camera";
import { Outline } from "./outline";

const MOST_SOFT = 16_000_000; // pixels whose alpha is shown
const IN = 1, OUT = 2; // what a draft says of a pixel; 0: nothing

/** What one gesture paints, until the kernel has answered. */
export class Draft {
  box = NOWHERE;
  private readonly pixels: Bitmap; // as large as the image: memory is taken where it is painted, and nothing is copied on the way

  constructor(readonly instance: number, image: Size) { this.pixels = new Bitmap([0, 0, image.width, image.height]); }

  paint(patch: Patch, add: boolean) {
    this.box = union(this.box, patch.box);
    this.pixels.paint(patch, add ? IN : OUT);
  }

  /** Write what it says about the pixels in a box. */
  over(bitmap: Bitmap, box: Box) {
    const { bits } = this.pixels;
    this.pixels.rows(bitmap.box, (mine, from, to) => {
      for (let i = from; i < to; i++, mine++) if (bits[mine]) bitmap.bits[i] = bits[mine] === IN ? 1 : 0;
    }, box);
  }
}

export class Instance {
  readonly bitmap = new Bitmap();
  private painted: Bitmap | null = null; // the bitmap with the drafts over it, once the hand has painted
  private stale = NOWHERE; // where the painted one is out of date
  private counted: number | null = null;
  private alpha: Bitmap | null = null; // how much of each pixel is the object's, up to 255; null: all of what is in it
  private tinted: { picture: OffscreenCanvas; box: Box; color: string } | null = null;
  private readonly border = new Outline(this.bitmap);

  constructor(readonly id: number, public label: string, private readonly image: Size, readonly drafts: Draft[] = []) {}

  /** What is shown. */
  get pixels(): Bitmap { return this.painted ?? this.bitmap; }

  /** Round what is shown; null: it has no pixels. */
  get outline(): Outline | null { return this.border.empty ? null : this.border; }

  /** How many pixels it has, for the kernel. */
  get area(): number {
    if (this.counted === null) {
      const { bits } = this.bitmap;
      this.counted = 0;
      for (let i = 0; i < bits.length; i++) this.counted += bits[i];
    }
    return this.counted;
  }

  /** What a matte has left half in, in a colour; null: the mask says it all, or the hand is changing it. */
  soft(color: string): { picture: OffscreenCanvas; box: Box } | null {
    const { alpha } = this;
    if (!alpha || this.drafts.length || alpha.bits.length > MOST_SOFT) return null;
    if (this.tinted?.color !== color) {
      const picture = new OffscreenCanvas(alpha.width, alpha.height), ctx = picture.getContext("2d")!, pixels = ctx.createImageData(alpha.width, alpha.height);
      alpha.bits.forEach((value, i) => { pixels.data[4 * i + 3] = value; });
      ctx.putImageData(pixels, 0, 0);
      ctx.globalCompositeOperation = "source-in";
      ctx.fillStyle = color;
      ctx.fillRect(0, 0, alpha.width, alpha.height);
      this.tinted = { picture, box: alpha.box, color };
    }
    return this.tinted;
  }

  /** Take over what the kernel says; the answer is where that changed what is shown. */
  write(patch: Patch, alpha: DataView | null = null): Patch | null {
    this.counted = null;
    this.soften(patch.box, alpha);
    if (this.drafts.length || this.painted) {
      this.bitmap.write(patch);
      return this.settle(patch.box);
    }
    const before = this.bitmap.read(patch.box);
    this.bitmap.write(patch);
    return this.changed(difference(patch.box, before, patch.bits));
  }

  /** Let a draft say of every pixel that the patch holds whether it is in the object. */
  paint(draft: Draft, patch: Patch, add: boolean) {
    if (!this.drafts.includes(draft)) this.drafts.push(draft);
    draft.paint(patch, add);
    this.painted ??= this.copy();
    this.painted.paint(patch, add ? 1 : 0);
    this.border.touch(patch.box, this.painted);
  }

  /** Forget a draft; what it painted is taken back by the next `settle` or `write`. */
  forget(draft: Draft) {
    if (!this.drafts.includes(draft)) return;
    this.drafts.splice(this.drafts.indexOf(draft), 1);
    this.stale = union(this.stale, draft.box);
  }

  /** Make what is shown, where it is out of date, from the kernel's pixels and the drafts, oldest first. */
  settle(box: Box = NOWHERE): Patch | null {
    const all = union(this.stale, box);
    this.stale = NOWHERE;
    if (isEmpty(all)) return null;
    this.painted ??= this.copy();
    const before = this.painted.read(all);
    this.painted.write({ box: all, bits: this.bitmap.read(all) });
    for (const draft of this.drafts) draft.over(this.painted, all);
    return this.changed(difference(all, before, this.painted.read(all)));
  }

  /** One pixel with an alpha gives all of them one, and one without takes it from all. */
  private soften(box: Box, alpha: DataView | null) {
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

  private copy(): Bitmap {
    const copy = new Bitmap([0, 0, this.image.width, this.image.height]);
    copy.write(this.bitmap);
    return copy;
  }

  private changed(change: Patch | null): Patch | null {
    this.border.touch(change?.box ?? NOWHERE, this.pixels);
    return change;
  }
}
