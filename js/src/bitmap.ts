/** The pixels of one object, stored only for its bounding box, so that a small object in a 48-megapixel image needs little memory. */

export type Box = readonly [x0: number, y0: number, x1: number, y1: number]; // half-open, image pixels
export const EMPTY_BOX: Box = [0, 0, 0, 0];

export interface Patch {
  box: Box;
  bits: Uint8Array; // one byte per pixel, row by row: 0 or 1, unless stated otherwise
}

// A box grows by these pixels plus half its side, so that a brush stroke seldom copies it.
const GROWTH_PX = 64;

/** Unpack the bits of numpy.packbits: the first pixel is in the highest bit of the first byte. */
export function unpack(box: Box, packed: DataView): Patch {
  const bits = new Uint8Array((box[2] - box[0]) * (box[3] - box[1]));
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  for (let i = 0, at = 0; at < bits.length; i++, at += 8) {
    if (bytes[i] === 0) continue;
    if (bytes[i] === 255) bits.fill(1, at, at + 8);
    else for (let bit = 0; bit < 8 && at + bit < bits.length; bit++) bits[at + bit] = (bytes[i] >> (7 - bit)) & 1;
  }
  return { box, bits };
}

export function isEmpty(box: Box): boolean {
  return box[0] >= box[2] || box[1] >= box[3];
}

export function union(a: Box, b: Box): Box {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

export const ADDED = 1;
export const REMOVED = 2;

/** Return the difference of two contents of one box, as ADDED and REMOVED in the smallest box; null if they are equal. */
export function difference(box: Box, before: Uint8Array, after: Uint8Array): Patch | null {
  const width = box[2] - box[0];
  let left = width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let start = 0, y = 0; start < after.length; start += width, y++) {
    let first = start;
    let last = start + width - 1;
    while (first <= last && before[first] === after[first]) first++;
    if (first > last) continue;
    while (before[last] === after[last]) last--;
    left = Math.min(left, first - start);
    right = Math.max(right, last - start);
    if (top < 0) top = y;
    bottom = y;
  }
  if (top < 0) return null;
  const found: Box = [box[0] + left, box[1] + top, box[0] + right + 1, box[1] + bottom + 1];
  const bits = new Uint8Array((found[2] - found[0]) * (found[3] - found[1]));
  for (let y = top, i = 0; y <= bottom; y++) {
    for (let at = y * width + left; at <= y * width + right; at++, i++) {
      if (before[at] !== after[at]) bits[i] = after[at] ? ADDED : REMOVED;
    }
  }
  return { box: found, bits };
}

export class Bitmap {
  bits: Uint8Array;

  constructor(public box: Box = EMPTY_BOX) {
    this.bits = new Uint8Array(this.width * this.height);
  }

  get width() {
    return this.box[2] - this.box[0];
  }
  get height() {
    return this.box[3] - this.box[1];
  }

  at(x: number, y: number): boolean {
    const [x0, y0, x1, y1] = this.box;
    return x >= x0 && x < x1 && y >= y0 && y < y1 && this.bits[(y - y0) * (x1 - x0) + x - x0] === 1;
  }

  /** Return the pixels in a box; pixels outside this bitmap are 0. */
  read(box: Box): Uint8Array {
    const bits = new Uint8Array(Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]));
    this.rows(box, (mine, from, to) => bits.set(this.bits.subarray(mine, mine + to - from), from));
    return bits;
  }

  write(patch: Patch) {
    this.grow(patch.box);
    this.rows(patch.box, (mine, from, to) => this.bits.set(patch.bits.subarray(from, to), mine));
  }

  /** Set every pixel of the patch to a value. */
  paint(patch: Patch, value: number) {
    this.grow(patch.box);
    this.rows(patch.box, (mine, from, to) => {
      for (let i = from; i < to; i++, mine++) if (patch.bits[i]) this.bits[mine] = value;
    });
  }

  /** Call `each` for every row that this bitmap and the box share, within a third box: its start here, its start and end in the box. */
  rows(box: Box, each: (mine: number, from: number, to: number) => void, within: Box = box) {
    const x0 = Math.max(box[0], this.box[0], within[0]);
    const x1 = Math.min(box[2], this.box[2], within[2]);
    const y0 = Math.max(box[1], this.box[1], within[1]);
    const y1 = Math.min(box[3], this.box[3], within[3]);
    if (x0 >= x1) return;
    for (let y = y0; y < y1; y++) {
      const theirs = (y - box[1]) * (box[2] - box[0]) - box[0];
      each((y - this.box[1]) * this.width + x0 - this.box[0], theirs + x0, theirs + x1);
    }
  }

  private grow(box: Box) {
    if (isEmpty(box)) return;
    const { box: old, bits } = this;
    const all = union(old, box);
    if (all.every((side, i) => side === old[i])) return;
    const more = (side: number, i: number) =>
      side === old[i] ? side : side + (i < 2 ? -1 : 1) * (GROWTH_PX + ((old[2 + (i % 2)] - old[i % 2]) >> 1));
    this.box = isEmpty(old) ? box : (all.map(more) as unknown as Box);
    this.bits = new Uint8Array(this.width * this.height);
    this.rows(old, (mine, from, to) => this.bits.set(bits.subarray(from, to), mine));
  }
}
