/** Where in a tile a score was high: grey maps through a colour map, over the picture. */
import { readGrey, type Grey } from "./grey";

export interface Heat { url: string; name: string } // url: of the picture, "" where there is no map; name: of the score

const MOST = 240; // maps kept

// Dark violet over red to light yellow: rising in lightness, so that it is read without seeing colours. Faint where nothing is hot.
const STOPS: [at: number, red: number, green: number, blue: number, alpha: number][] = [
  [0, 40, 10, 84, 0], [0.2, 87, 16, 110, 0.35], [0.45, 188, 55, 84, 0.62], [0.7, 249, 142, 9, 0.78], [1, 252, 255, 164, 0.9],
];

/** The colour of a heat of 0 to 255, as bytes red, green, blue, alpha. */
export const COLORS: Uint8ClampedArray = Uint8ClampedArray.from({ length: 1024 }, (_, i) => {
  const value = Math.floor(i / 4) / 255, channel = 1 + (i % 4), above = Math.max(1, STOPS.findIndex(([at]) => at >= value));
  const [low, high] = [STOPS[above - 1], STOPS[above]], share = (value - low[0]) / (high[0] - low[0]);
  return (low[channel] + (high[channel] - low[channel]) * share) * (channel === 4 ? 255 : 1);
});

async function tint({ width, height, values }: Grey): Promise<string> {
  const canvas = new OffscreenCanvas(width, height), ctx = canvas.getContext("2d")!, pixels = ctx.createImageData(width, height);
  values.forEach((value, i) => pixels.data.set(COLORS.subarray(4 * value, 4 * value + 4), 4 * i));
  ctx.putImageData(pixels, 0, 0);
  return URL.createObjectURL(await canvas.convertToBlob());
}

export class Heats {
  private readonly kept = new Map<number, Heat>(); // the one asked for first is the first
  private readonly flying = new Set<number>();

  get(id: number): Heat | undefined { return this.kept.get(id); }

  /** Which of these to ask for next. */
  next(ids: number[]): number | undefined {
    const found = ids.find((id) => !this.kept.has(id) && !this.flying.has(id));
    if (found !== undefined) this.flying.add(found);
    return found;
  }

  async take(id: number, name: string, png: DataView<ArrayBuffer> | undefined) {
    const url = png ? await tint(await readGrey(png)) : "";
    this.forget(id);
    this.kept.set(id, { name, url });
    for (const old of this.kept.keys()) {
      if (this.kept.size <= MOST) break;
      this.forget(old);
    }
  }

  land(id: number) { this.flying.delete(id); }

  forget(id: number) {
    URL.revokeObjectURL(this.kept.get(id)?.url ?? "");
    this.kept.delete(id);
  }

  clear() { for (const id of [...this.kept.keys()]) this.forget(id); }
}
