/**
 * The image at full size and repeatedly halved: drawing the right level is quick and does not shimmer. The kernel sends a reduced version
 * of a very large image, and tiles at full resolution for the part that is zoomed in on.
 */
import type { Box } from "./bitmap";
import type { Size } from "./camera";
import type { Reply } from "./kernel";

const MIN_LEVEL_PIXELS = 1_000_000; // a canvas scales smaller images fast enough
const TILE_SIDE = 512; // pixels
const MAX_STRETCH = 1.5; // screen pixels per pixel of the first level, before tiles are fetched
const LOSSLESS_DENSITY = 4; // screen pixels per image pixel: single pixels are inspected
const MAX_TILES = 96; // tiles in memory, about 1 MB each
const MAX_REQUESTS = 4; // requests in flight

/** A part of the image, scaled to a size. */
export interface TilePart {
  box: Box;
  width: number;
  height: number;
  lossless: boolean;
}

/** The image file in a reply. */
export const fileOf = ({ result, buffers }: Reply<{ mime: string }>) => new Blob([buffers[0]], { type: result.mime });

/** Fetches a part of the image as an image file. */
export type FetchTile = (part: TilePart) => Promise<Blob>;

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
    if (density * this.image.width <= MAX_STRETCH * this.width || this.width >= this.image.width) return [];
    const found: Tile[] = [];
    const exact: Tile[] = []; // painted over the others
    for (const part of tilesIn(visible, this.image, density)) {
      const wanted = this.tiles.get(nameOf(part));
      if (wanted === undefined && this.requests < MAX_REQUESTS) void this.load(part);
      for (const lossless of part.lossless ? [false, true] : [false]) {
        const name = nameOf({ ...part, lossless });
        const tile = this.tiles.get(name);
        if (!tile) continue;
        this.tiles.delete(name); // moves it to the end
        this.tiles.set(name, tile);
        (lossless ? exact : found).push(tile);
      }
    }
    return [...found, ...exact];
  }

  close() {
    this.isClosed = true;
    for (const level of this.levels) level.close();
    for (const tile of this.tiles.values()) tile?.bitmap.close();
  }

  private async load(part: TilePart) {
    const name = nameOf(part);
    this.requests++;
    this.tiles.set(name, null);
    const bitmap = await this.fetchTile(part)
      .then((file) => createImageBitmap(file))
      .catch(() => null);
    this.requests--;
    if (this.isClosed) return bitmap?.close();
    if (bitmap) this.tiles.set(name, { box: part.box, bitmap });
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
export function tilesIn(visible: Box, image: Size, density: number): TilePart[] {
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
        box,
        width: Math.ceil((box[2] - box[0]) / step),
        height: Math.ceil((box[3] - box[1]) / step),
        lossless: density >= LOSSLESS_DENSITY,
      });
    }
  }
  return tiles;
}

function nameOf({ box, width, lossless }: TilePart): string {
  return `${box} ${width} ${lossless}`;
}
