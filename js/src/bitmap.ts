/** The pixels of one object, kept only for the box that holds them, so that an object in a 48-megapixel image stays small. */

export type Box = readonly [x0: number, y0: number, x1: number, y1: number]; // half-open, image pixels

export interface Patch { box: Box; bits: Uint8Array } // one byte a pixel, 0 or 1, row by row

/** numpy.packbits, undone: the first pixel is in the highest bit of the first byte. */
export function unpack(box: Box, packed: DataView): Patch {
  const bits = new Uint8Array((box[2] - box[0]) * (box[3] - box[1]));
  for (let i = 0; i < bits.length; i++) bits[i] = (packed.getUint8(i >> 3) >> (7 - (i & 7))) & 1;
  return { box, bits };
}

export class Bitmap {
  box: Box = [0, 0, 0, 0];
  bits = new Uint8Array(0);

  get width() { return this.box[2] - this.box[0]; }
  get height() { return this.box[3] - this.box[1]; }

  at(x: number, y: number): boolean {
    const [x0, y0, x1, y1] = this.box;
    return x >= x0 && x < x1 && y >= y0 && y < y1 && this.bits[(y - y0) * (x1 - x0) + x - x0] === 1;
  }

  /** What writing the patch would add and take away, as patches of the same box. */
  compare(patch: Patch): { added: Patch; removed: Patch } {
    const [x0, y0, x1, y1] = patch.box;
    const added = { box: patch.box, bits: new Uint8Array(patch.bits.length) };
    const removed = { box: patch.box, bits: new Uint8Array(patch.bits.length) };
    let i = 0;
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++, i++) {
        const old = this.at(x, y) ? 1 : 0;
        added.bits[i] = patch.bits[i] & ~old;
        removed.bits[i] = old & ~patch.bits[i];
      }
    }
    return { added, removed };
  }

  write(patch: Patch) {
    const [x0, y0, x1, y1] = patch.box;
    this.grow(patch.box);
    for (let y = y0; y < y1; y++) {
      const row = patch.bits.subarray((y - y0) * (x1 - x0), (y - y0 + 1) * (x1 - x0));
      this.bits.set(row, (y - this.box[1]) * this.width + x0 - this.box[0]);
    }
  }

  private grow(box: Box) {
    if (box[0] >= box[2] || box[1] >= box[3]) return;
    const old = this.box, empty = this.bits.length === 0;
    if (!empty && box[0] >= old[0] && box[1] >= old[1] && box[2] <= old[2] && box[3] <= old[3]) return;
    const width = this.width, previous = this.bits;
    this.box = empty ? box : [Math.min(old[0], box[0]), Math.min(old[1], box[1]), Math.max(old[2], box[2]), Math.max(old[3], box[3])];
    this.bits = new Uint8Array(this.width * this.height);
    for (let y = old[1]; y < old[3]; y++) {
      const row = (y - old[1]) * width;
      this.bits.set(previous.subarray(row, row + width), (y - this.box[1]) * this.width + old[0] - this.box[0]);
    }
  }
}
