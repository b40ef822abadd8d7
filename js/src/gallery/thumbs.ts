/** Pictures of tiles, and the outlines of their masks; those not looked at for longest are forgotten first. */
import { Outline } from "../outline";
import { readGrey } from "./grey";

export interface Thumb {
  picture: ImageBitmap | null; // null: there is none, and `error` says why
  outline: Outline | null;
  error: string;
  size: number; // what was asked for
  stale: boolean; // shown until the new one is here
  version: number; // another one whenever it looks different
}

export interface ThumbInfo { id: number; width: number; height: number; error?: string | null }

const MOST_PIXELS = 24_000_000; // 96 MB
const BATCH = 12; // thumbnails of a request: the first are seen before the last are made
const ERROR_PIXELS = 1_000; // what an error counts for

let versions = 0;

export class Thumbs {
  private readonly kept = new Map<number, Thumb>(); // the one looked at last is the last
  private readonly flying = new Set<number>();
  private pixels = 0;

  get(id: number): Thumb | undefined { return this.kept.get(id); }

  /** Which of those looked at, the most urgent first, to ask for next. All of them are kept for longer now. */
  next(ids: number[], size: number): number[] {
    const wanted: number[] = [];
    for (const id of ids) {
      const thumb = this.kept.get(id);
      if (thumb && this.kept.delete(id)) this.kept.set(id, thumb);
      const good = thumb && !thumb.stale && (!thumb.picture || thumb.size >= size);
      if (good || wanted.length === BATCH || this.flying.has(id)) continue;
      this.flying.add(id);
      wanted.push(id);
    }
    return wanted;
  }

  /** Keep the answer to a request for some of them: two files each, but none for those with an error. */
  async take(answers: ThumbInfo[], size: number, buffers: DataView<ArrayBuffer>[], arrived: () => void) {
    let at = 0;
    for (const { id, error } of answers) {
      if (error) this.keep(id, { picture: null, outline: null, error, size });
      else this.keep(id, await decode(buffers[at++], buffers[at++], size));
      arrived();
    }
  }

  /** These could not be had. */
  fail(ids: number[], size: number, error: string) {
    for (const id of ids) if (!this.kept.get(id)?.picture) this.keep(id, { picture: null, outline: null, error, size });
  }

  /** The request for these is over. */
  land(ids: number[]) { ids.forEach((id) => this.flying.delete(id)); }

  /** This one's mask has changed, or its picture may be there now. */
  outdate(id: number) {
    const thumb = this.kept.get(id);
    if (thumb) thumb.stale = true;
  }

  clear() {
    for (const id of [...this.kept.keys()]) this.drop(id);
  }

  private keep(id: number, made: Omit<Thumb, "version" | "stale">) {
    this.drop(id);
    this.kept.set(id, { ...made, stale: false, version: ++versions });
    this.pixels += cost(made);
    for (const old of this.kept.keys()) {
      if (this.pixels <= MOST_PIXELS || old === id) break;
      this.drop(old);
    }
  }

  private drop(id: number) {
    const thumb = this.kept.get(id);
    if (!thumb) return;
    this.kept.delete(id);
    this.pixels -= cost(thumb);
    thumb.picture?.close();
  }
}

async function decode(jpeg: DataView<ArrayBuffer>, png: DataView<ArrayBuffer>, size: number): Promise<Omit<Thumb, "version" | "stale">> {
  try {
    const [picture, mask] = await Promise.all([createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })), readGrey(png)]);
    const bits = mask.values.map((value) => Number(value > 127));
    return { picture, outline: new Outline({ box: [0, 0, mask.width, mask.height], bits }), error: "", size };
  } catch (error) {
    return { picture: null, outline: null, error: `The thumbnail cannot be shown: ${(error as Error).message}`, size };
  }
}

const cost = ({ picture }: Pick<Thumb, "picture">) => (picture ? picture.width * picture.height : ERROR_PIXELS);
