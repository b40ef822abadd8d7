/**
 * The image at full size and halved again and again: drawing from the right size is quick and does not shimmer.
 * Of an image too large for that the kernel sends a reduced one, and tiles where it is looked at closely.
 */
import type { Box } from "./bitmap";
import type { Size } from "./camera";

const SMALLEST = 1_000_000; // pixels; below this a canvas scales fast enough by itself
const TILE = 512; // pixels of a side; small enough to be sent without loss
const MOST_TILES = 96; // kept; about 1 MB each
const AT_ONCE = 4; // asked for

/** Asks for the part of the image in a box, as a file of a size. */
export type Fetch = (box: Box, width: number, height: number) => Promise<Blob>;

interface Tile { box: Box; bitmap: ImageBitmap }

export class Pyramid {
  version = 0; // grows when there is more to draw
  private readonly tiles = new Map<string, Tile | null>(); // null: asked for, or it cannot be had
  private asking = 0;
  private closed = false;

  private constructor(private readonly levels: ImageBitmap[], private readonly image: Size, private readonly fetch: Fetch, private readonly changed: () => void) {}

  /** changed: a tile has come. */
  static async decode(file: Blob, image: Size, fetch: Fetch, changed: () => void): Promise<Pyramid> {
    const levels = [await createImageBitmap(file)];
    for (let last = levels[0]; last.width * last.height > SMALLEST; levels.push(last)) {
      last = await createImageBitmap(last, { resizeWidth: last.width >> 1, resizeHeight: last.height >> 1, resizeQuality: "medium" });
    }
    return new Pyramid(levels, image, fetch, changed);
  }

  get width() { return this.levels[0].width; }

  /** The smallest level that still has a pixel for every one of `width` pixels on the screen. */
  level(width: number): ImageBitmap {
    return [...this.levels].reverse().find((level) => level.width >= width) ?? this.levels[0];
  }

  /** What to draw over the level where it has too few pixels: the tiles in sight that have come; the others are asked for. */
  details(sight: Box, density: number): Tile[] {
    if (density * this.image.width <= this.width || this.width >= this.image.width) return [];
    const found: Tile[] = [];
    for (const { name, box, width, height } of tilesIn(sight, this.image, density)) {
      const tile = this.tiles.get(name);
      if (tile) {
        this.tiles.delete(name); // the newest used is the last
        this.tiles.set(name, tile);
        found.push(tile);
      } else if (tile === undefined && this.asking < AT_ONCE) void this.ask(name, box, width, height);
    }
    return found;
  }

  close() {
    this.closed = true;
    this.levels.forEach((level) => level.close());
    this.tiles.forEach((tile) => tile?.bitmap.close());
  }

  private async ask(name: string, box: Box, width: number, height: number) {
    this.asking++;
    this.tiles.set(name, null);
    const bitmap = await this.fetch(box, width, height).then((file) => createImageBitmap(file)).catch(() => null);
    this.asking--;
    if (this.closed) return bitmap?.close();
    if (bitmap) this.tiles.set(name, { box, bitmap });
    for (const [old, tile] of this.tiles) {
      if (this.tiles.size <= MOST_TILES) break;
      tile?.bitmap.close();
      this.tiles.delete(old);
    }
    this.version++;
    this.changed();
  }
}

/** The tiles that cover a box of the image, when one image pixel is `density` pixels of the screen; each has TILE pixels a side, or what the image has. */
export function tilesIn(sight: Box, image: Size, density: number): { name: string; box: Box; width: number; height: number }[] {
  const step = 2 ** Math.max(0, Math.floor(-Math.log2(density))), side = TILE * step, tiles = [];
  const left = Math.max(0, sight[0]), top = Math.max(0, sight[1]), right = Math.min(image.width, sight[2]), bottom = Math.min(image.height, sight[3]);
  for (let row = Math.floor(top / side); row * side < bottom; row++) {
    for (let column = Math.floor(left / side); column * side < right; column++) {
      const box: Box = [column * side, row * side, Math.min((column + 1) * side, image.width), Math.min((row + 1) * side, image.height)];
      tiles.push({ name: `${step} ${column} ${row}`, box, width: Math.ceil((box[2] - box[0]) / step), height: Math.ceil((box[3] - box[1]) / step) });
    }
  }
  return tiles;
}
