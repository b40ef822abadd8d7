/**
 * The image at full size and repeatedly halved: drawing the right level is quick and does not shimmer. The kernel sends a reduced version
 * of a very large image, and tiles at full resolution for the part that is zoomed in on.
 */
import type { Box } from "./bitmap";
import type { Size } from "./camera";

const MIN_LEVEL_PIXELS = 1_000_000; // a canvas scales smaller images fast enough
const TILE_SIDE = 512; // pixels; small enough for lossless compression
const MAX_TILES = 96; // tiles in memory, about 1 MB each
const MAX_REQUESTS = 4; // requests in flight

/** Fetches the part of the image in a box, scaled to a size, as an image file. */
export type FetchTile = (box: Box, width: number, height: number) => Promise<Blob>;

interface Tile {
  box: Box;
  bitmap: ImageBitmap;
}

export class Pyramid {
  version = 0; // increases when more can be drawn
  private readonly tiles = new Map<string, Tile | null>(); // null: requested, or loading failed; the last used tile is the last
  private requests = 0; // number in flight
  private isClosed = false;

  private constructor(
    private readonly levels: ImageBitmap[],
    private readonly image: Size,
    private readonly fetchTile: FetchTile,
    private readonly changed: () => void,
  ) {}

  /** Decode the image; `changed` is called when a tile has arrived. */
  static async decode(file: Blob, image: Size, fetchTile: FetchTile, changed: () => void): Promise<Pyramid> {
    const levels = [await createImageBitmap(file)];
    for (let last = levels[0]; last.width * last.height > MIN_LEVEL_PIXELS; levels.push(last)) {
      last = await createImageBitmap(last, {
        resizeWidth: last.width >> 1,
        resizeHeight: last.height >> 1,
        resizeQuality: "medium",
      });
    }
    return new Pyramid(levels, image, fetchTile, changed);
  }

  get width() {
    return this.levels[0].width;
  }

  /** Return the smallest level with at least `width` pixels per row, the width of the image on the screen. */
  level(width: number): ImageBitmap {
    return [...this.levels].reverse().find((level) => level.width >= width) ?? this.levels[0];
  }

  /** Return the loaded tiles to draw over a level that has too few pixels, and request the missing ones. */
  details(visible: Box, density: number): Tile[] {
    if (density * this.image.width <= this.width || this.width >= this.image.width) return [];
    const found: Tile[] = [];
    for (const { name, box, width, height } of tilesIn(visible, this.image, density)) {
      const tile = this.tiles.get(name);
      if (tile) {
        this.tiles.delete(name); // moves it to the end
        this.tiles.set(name, tile);
        found.push(tile);
      } else if (tile === undefined && this.requests < MAX_REQUESTS) void this.load(name, box, width, height);
    }
    return found;
  }

  close() {
    this.isClosed = true;
    for (const level of this.levels) level.close();
    for (const tile of this.tiles.values()) tile?.bitmap.close();
  }

  private async load(name: string, box: Box, width: number, height: number) {
    this.requests++;
    this.tiles.set(name, null);
    const bitmap = await this.fetchTile(box, width, height)
      .then((file) => createImageBitmap(file))
      .catch(() => null);
    this.requests--;
    if (this.isClosed) return bitmap?.close();
    if (bitmap) this.tiles.set(name, { box, bitmap });
    for (const [old, tile] of this.tiles) {
      if (this.tiles.size <= MAX_TILES) break;
      tile?.bitmap.close();
      this.tiles.delete(old);
    }
    this.version++;
    this.changed();
  }
}

/** Return the tiles that cover a box of the image; density: screen pixels per image pixel. Each has up to TILE_SIDE pixels per side. */
export function tilesIn(
  visible: Box,
  image: Size,
  density: number,
): { name: string; box: Box; width: number; height: number }[] {
  const step = 2 ** Math.max(0, Math.floor(-Math.log2(density)));
  const side = TILE_SIDE * step;
  const tiles = [];
  const left = Math.max(0, visible[0]);
  const top = Math.max(0, visible[1]);
  const right = Math.min(image.width, visible[2]);
  const bottom = Math.min(image.height, visible[3]);
  for (let row = Math.floor(top / side); row * side < bottom; row++) {
    for (let column = Math.floor(left / side); column * side < right; column++) {
      const box: Box = [
        column * side,
        row * side,
        Math.min((column + 1) * side, image.width),
        Math.min((row + 1) * side, image.height),
      ];
      tiles.push({
        name: `${step} ${column} ${row}`,
        box,
        width: Math.ceil((box[2] - box[0]) / step),
        height: Math.ceil((box[3] - box[1]) / step),
      });
    }
  }
  return tiles;
}
