/** The pictures of tiles: thumbnails with the outlines of masks, and heatmaps of scores. The least recently used ones are dropped. */
import { context2d } from "../dom";
import type { Row } from "./rows";

export interface Thumbnail {
  url: string; // a `data:` URL, so that it is displayed at once; "" if there is an error
  width: number;
  height: number;
  outline: string; // outline of the mask, as SVG path data
  error: string;
  size: number; // requested size, device pixels
  drawn: number; // `drawn` of the row when the picture was made; an older picture is displayed until the new one has arrived
}

export interface ThumbnailReply {
  id: number;
  drawn: number;
  width: number;
  height: number;
  error?: string | null;
}

const MAX_THUMBNAIL_PIXELS = 24_000_000; // 96 MB
const ERROR_PIXELS = 1_000; // an error counts as a thumbnail of this size
const MAX_HEATMAPS = 240;
const decoder = new TextDecoder();

export class Thumbnails {
  private readonly thumbnails = new Map<number, Thumbnail>(); // the last used one is the last
  private readonly inFlight = new Set<number>();
  private pixels = 0;

  get(id: number): Thumbnail | undefined {
    return this.thumbnails.get(id);
  }

  /** Return the thumbnails to request next, at most `limit`; rows: the needed ones, the most urgent first. */
  next(rows: Pick<Row, "id" | "drawn">[], size: number, limit: number): number[] {
    const missing: number[] = [];
    for (const { id, drawn } of rows) {
      const thumbnail = this.thumbnails.get(id);
      if (thumbnail && this.thumbnails.delete(id)) this.thumbnails.set(id, thumbnail); // moves it to the end
      const isGood = thumbnail && (thumbnail.error || (thumbnail.drawn >= drawn && thumbnail.size >= size));
      if (isGood || missing.length === limit || this.inFlight.has(id)) continue;
      this.inFlight.add(id);
      missing.push(id);
    }
    return missing;
  }

  /** Add the reply to a request; buffers: URL and outline of each thumbnail without an error. */
  add(replies: ThumbnailReply[], size: number, buffers: DataView<ArrayBuffer>[]) {
    let next = 0;
    for (const { id, drawn, width, height, error } of replies) {
      if (error) {
        this.put(id, thumbnailWithError(error, size));
        continue;
      }
      const [url, outline] = buffers.slice(next, next + 2).map((buffer) => decoder.decode(buffer));
      next += 2;
      this.put(id, { url, width, height, outline, error: "", size, drawn });
    }
  }

  /** Loading has failed: show the error on tiles without a picture. */
  addError(ids: number[], size: number, error: string) {
    for (const id of ids) if (!this.thumbnails.get(id)?.url) this.put(id, thumbnailWithError(error, size));
  }

  /** The request for these is over. */
  settle(ids: number[]) {
    for (const id of ids) this.inFlight.delete(id);
  }

  /** Request thumbnails with an error again: the cause may be gone. */
  dropErrors(ids: Iterable<number> = [...this.thumbnails.keys()]) {
    for (const id of ids) if (this.thumbnails.get(id)?.error) this.drop(id);
  }

  private put(id: number, thumbnail: Thumbnail) {
    this.drop(id);
    this.thumbnails.set(id, thumbnail);
    this.pixels += pixelsOf(thumbnail);
    for (const old of this.thumbnails.keys()) {
      if (this.pixels <= MAX_THUMBNAIL_PIXELS || old === id) break;
      this.drop(old);
    }
  }

  private drop(id: number) {
    const thumbnail = this.thumbnails.get(id);
    if (!thumbnail) return;
    this.thumbnails.delete(id);
    this.pixels -= pixelsOf(thumbnail);
  }
}

function thumbnailWithError(error: string, size: number): Thumbnail {
  return { url: "", width: 0, height: 0, outline: "", error, size, drawn: 0 };
}

function pixelsOf({ url, width, height }: Thumbnail): number {
  return url ? width * height : ERROR_PIXELS;
}

export interface Heatmap {
  url: string; // "" if there is none
  name: string; // name of the score
}

// Dark violet over red to light yellow: lightness rises, so that it is readable without color. Low values are transparent.
const HEATMAP_STOPS: [value: number, red: number, green: number, blue: number, alpha: number][] = [
  [0, 40, 10, 84, 0],
  [0.2, 87, 16, 110, 0.35],
  [0.45, 188, 55, 84, 0.62],
  [0.7, 249, 142, 9, 0.78],
  [1, 252, 255, 164, 0.9],
];

/** The colors of the values 0 to 255, as bytes red, green, blue, alpha. */
export const HEATMAP_COLORS: Uint8ClampedArray = Uint8ClampedArray.from({ length: 1024 }, (_, i) => {
  const value = Math.floor(i / 4) / 255;
  const channel = 1 + (i % 4);
  const upper = HEATMAP_STOPS.findIndex(([stop]) => stop >= value);
  const above = Math.max(1, upper);
  const [low, high] = [HEATMAP_STOPS[above - 1], HEATMAP_STOPS[above]];
  const share = (value - low[0]) / (high[0] - low[0]);
  return (low[channel] + (high[channel] - low[channel]) * share) * (channel === 4 ? 255 : 1);
});

export class Heatmaps {
  private readonly heatmaps = new Map<number, Heatmap>(); // the oldest one is the first
  private readonly inFlight = new Set<number>();

  get(id: number): Heatmap | undefined {
    return this.heatmaps.get(id);
  }

  /** Return the heatmap to request next. */
  next(ids: number[]): number | undefined {
    const missing = ids.find((id) => !this.heatmaps.has(id) && !this.inFlight.has(id));
    if (missing !== undefined) this.inFlight.add(missing);
    return missing;
  }

  /** Add a heatmap from a grayscale PNG file; undefined: the instance has none. */
  async add(id: number, name: string, png: DataView<ArrayBuffer> | undefined) {
    const url = png ? await colorize(await readGray(png)) : "";
    this.drop(id);
    this.heatmaps.set(id, { name, url });
    for (const old of this.heatmaps.keys()) {
      if (this.heatmaps.size <= MAX_HEATMAPS) break;
      this.drop(old);
    }
  }

  /** The request for this one is over. */
  settle(id: number) {
    this.inFlight.delete(id);
  }

  drop(id: number) {
    URL.revokeObjectURL(this.heatmaps.get(id)?.url ?? "");
    this.heatmaps.delete(id);
  }

  clear() {
    for (const id of [...this.heatmaps.keys()]) this.drop(id);
  }
}

interface GrayImage {
  width: number;
  height: number;
  values: Uint8Array; // row by row
}

let sharedCanvas: OffscreenCanvas | null = null; // files are read one after the other

async function readGray(png: DataView<ArrayBuffer>): Promise<GrayImage> {
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }));
  const { width, height } = bitmap;
  sharedCanvas ??= new OffscreenCanvas(width, height);
  sharedCanvas.width = width;
  sharedCanvas.height = height;
  const context = context2d(sharedCanvas, { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, values: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]) };
}

/** Apply the color map. Returns the URL of the picture. */
async function colorize({ width, height, values }: GrayImage): Promise<string> {
  const canvas = new OffscreenCanvas(width, height);
  const context = context2d(canvas);
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < values.length; i++) {
    pixels.data.set(HEATMAP_COLORS.subarray(4 * values[i], 4 * values[i] + 4), 4 * i);
  }
  context.putImageData(pixels, 0, 0);
  return URL.createObjectURL(await canvas.convertToBlob());
}
