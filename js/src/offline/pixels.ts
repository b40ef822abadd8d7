/** The pixels of one object inside a box, with the source of each, and packed patches of them; as cdwidget/session/document.py. */
import { type Box, EMPTY_BOX, isEmpty, union, unpack } from "../bitmap";
import { bounds, sizeOf } from "./grid";
import type { PixelEdit } from "./merge";

export interface Pixels {
  box: Box;
  mask: Uint8Array; // 0 or 1, row by row
  sources: Uint8Array; // numbers of the sources; inside the mask never 0
}

/** Pixels of a box in little memory: undo steps and saved documents hold them. */
export interface Patch {
  box: Box;
  bits: Uint8Array<ArrayBuffer>; // the mask as numpy.packbits writes it
  sources: Uint32Array; // runs: source and length in turn
}

export interface Difference {
  instance: number;
  before: Patch;
  after: Patch;
}

export const NO_PIXELS: Pixels = { box: EMPTY_BOX, mask: new Uint8Array(0), sources: new Uint8Array(0) };
export const NO_PATCH: Patch = { box: EMPTY_BOX, bits: new Uint8Array(0), sources: new Uint32Array(0) };

/** Return the pixels inside another box, which may extend beyond this one. */
export function cropPixels(pixels: Pixels, box: Box): Pixels {
  return { box, mask: move(pixels.mask, pixels.box, box), sources: move(pixels.sources, pixels.box, box) };
}

/** Return the pixels in the smallest box that holds all that have a source. */
export function trim(pixels: Pixels): Pixels {
  return cropPixels(
    pixels,
    shifted(
      bounds(sizeOf(pixels.box), (i) => pixels.sources[i]),
      pixels.box,
    ),
  );
}

export function patchOf({ box, mask, sources }: Pixels): Patch {
  if (!mask.length) return NO_PATCH;
  const runs: number[] = [];
  for (let start = 0, i = 1; i <= sources.length; i++) {
    if (i < sources.length && sources[i] === sources[start]) continue;
    runs.push(sources[start], i - start);
    start = i;
  }
  return { box, bits: packBits(mask), sources: Uint32Array.from(runs) };
}

export function pixelsOfPatch({ box, bits, sources }: Patch): Pixels {
  const mask = unpack(box, new DataView(bits.buffer, bits.byteOffset, bits.byteLength)).bits;
  const flat = new Uint8Array(mask.length);
  for (let i = 0, at = 0; i < sources.length; at += sources[i + 1], i += 2)
    flat.fill(sources[i], at, at + sources[i + 1]);
  return { box, mask, sources: flat };
}

/** Return the patch of the same box without any pixel in its mask. */
export function blank({ box, bits }: Patch): Patch {
  const { width, height } = sizeOf(box);
  return box === EMPTY_BOX
    ? NO_PATCH
    : { box, bits: new Uint8Array(bits.length), sources: Uint32Array.of(0, width * height) };
}

/** Return a copy with a patch written into it. */
export function paste(pixels: Pixels, patch: Patch): Pixels {
  if (isEmpty(patch.box)) return pixels;
  const box = union(pixels.box, patch.box);
  const copy = cropPixels(pixels, box);
  const added = pixelsOfPatch(patch);
  const width = box[2] - box[0];
  const line = patch.box[2] - patch.box[0];
  for (let y = patch.box[1], from = 0; y < patch.box[3]; y++, from += line) {
    const to = (y - box[1]) * width + patch.box[0] - box[0];
    copy.mask.set(added.mask.subarray(from, from + line), to);
    copy.sources.set(added.sources.subarray(from, from + line), to);
  }
  return copy;
}

/** Return the pixels after an edit by a source. */
export function edited(pixels: Pixels, edit: PixelEdit, source: number): Pixels {
  const old = cropPixels(pixels, edit.box);
  for (let i = 0; i < edit.where.length; i++) {
    if (!edit.where[i]) continue;
    old.mask[i] = edit.pixels[i];
    old.sources[i] = source;
  }
  return old;
}

/** Return the pixels that differ, as patches of one box; null if none does. */
export function differ(before: Pixels, after: Pixels): { before: Patch; after: Patch } | null {
  const box = union(before.box, after.box);
  const [a, b] = [cropPixels(before, box), cropPixels(after, box)];
  const changes = (i: number) => a.mask[i] !== b.mask[i] || a.sources[i] !== b.sources[i];
  const inner = shifted(bounds(sizeOf(box), changes), box);
  if (isEmpty(inner)) return null;
  return { before: patchOf(cropPixels(a, inner)), after: patchOf(cropPixels(b, inner)) };
}

function move(values: Uint8Array, old: Box, box: Box): Uint8Array {
  const { width, height } = sizeOf(box);
  const moved = new Uint8Array(width * height);
  const [x0, y0] = [Math.max(old[0], box[0]), Math.max(old[1], box[1])];
  const [x1, y1] = [Math.min(old[2], box[2]), Math.min(old[3], box[3])];
  if (x0 >= x1) return moved;
  for (let y = y0; y < y1; y++) {
    const from = (y - old[1]) * (old[2] - old[0]) - old[0];
    moved.set(values.subarray(from + x0, from + x1), (y - box[1]) * width + x0 - box[0]);
  }
  return moved;
}

function shifted(inner: Box, [left, top]: Box): Box {
  return isEmpty(inner) ? EMPTY_BOX : [inner[0] + left, inner[1] + top, inner[2] + left, inner[3] + top];
}

function packBits(mask: Uint8Array): Uint8Array<ArrayBuffer> {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) if (mask[i]) bits[i >> 3] |= 128 >> (i & 7);
  return bits;
}
