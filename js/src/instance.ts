/** One object: its pixels as the kernel has them, and over them what the hand has painted and the kernel not yet answered. */
import { Bitmap, difference, NOWHERE, type Box, type Patch } from "./bitmap";
import { Outline } from "./outline";

const IN = 1, OUT = 2; // what a draft says of a pixel; 0: nothing

/** What one gesture paints, until the kernel has answered. */
export class Draft {
  readonly pixels = new Bitmap();
  constructor(readonly instance: number) {}
}

export class Instance {
  readonly bitmap = new Bitmap();
  private painted: Bitmap | null = null; // the bitmap with the drafts over it
  private readonly border = new Outline(this.bitmap);

  constructor(readonly id: number, public label: string, readonly drafts: Draft[] = []) {}

  /** What is shown. */
  get pixels(): Bitmap { return this.painted ?? this.bitmap; }

  /** Round what is shown; null: it has no pixels. */
  get outline(): Outline | null { return this.border.empty ? null : this.border; }

  /** Take over what the kernel says; the answer is where that changed what is shown. */
  write(patch: Patch): Patch | null {
    const before = this.pixels.read(patch.box);
    this.bitmap.write(patch);
    if (this.drafts.length) this.compose(patch.box);
    return this.changed(patch.box, before);
  }

  /** Let a draft say of every pixel that the patch holds whether it is in the object. */
  paint(draft: Draft, patch: Patch, add: boolean) {
    if (!this.drafts.includes(draft)) this.drafts.push(draft);
    draft.pixels.paint(patch, add ? IN : OUT);
    this.painted ??= this.bitmap.copy();
    this.painted.paint(patch, add ? 1 : 0);
    this.border.touch(patch.box, this.painted);
  }

  /** Forget a draft: the kernel has answered, or the gesture was given up. */
  drop(draft: Draft) {
    const at = this.drafts.indexOf(draft), { box } = draft.pixels;
    if (at < 0) return;
    const before = this.pixels.read(box);
    this.drafts.splice(at, 1);
    if (this.drafts.length) this.compose(box);
    else this.painted = null;
    this.changed(box, before);
  }

  /** Make what is shown in a box from the kernel's pixels and the drafts, oldest first. */
  private compose(box: Box) {
    this.painted ??= this.bitmap.copy();
    this.painted.write({ box, bits: this.bitmap.read(box) });
    for (const { pixels } of this.drafts) {
      const said = pixels.read(box);
      this.painted.paint({ box, bits: said.map((value) => Number(value === IN)) }, 1);
      this.painted.paint({ box, bits: said.map((value) => Number(value === OUT)) }, 0);
    }
  }

  private changed(box: Box, before: Uint8Array): Patch | null {
    const change = difference(box, before, this.pixels.read(box));
    this.border.touch(change?.box ?? NOWHERE, this.pixels);
    return change;
  }
}

