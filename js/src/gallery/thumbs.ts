/** Pictures of tiles, and the outlines of their masks; those not looked at for longest are forgotten first. */

export interface Thumb {
  url: string; // `data:`, all of the picture, so that it is there at once; "": there is none, and `error` says why
  width: number;
  height: number;
  outline: string; // of the mask, as SVG writes paths
  error: string;
  size: number; // what was asked for
  stale: boolean; // shown until the new one is here
}

type Made = Omit<Thumb, "stale">;

export interface ThumbInfo { id: number; width: number; height: number; error?: string | null }

const MOST_PIXELS = 24_000_000; // 96 MB
const ERROR_PIXELS = 1_000; // what an error counts for
const text = new TextDecoder();

export class Thumbs {
  private readonly kept = new Map<number, Thumb>(); // the one looked at last is the last
  private readonly flying = new Set<number>();
  private pixels = 0;

  get(id: number): Thumb | undefined { return this.kept.get(id); }

  /** Which of those looked at, the most urgent first, to ask for next, at most so many. All of them are kept for longer now. */
  next(ids: number[], size: number, most: number): number[] {
    const wanted: number[] = [];
    for (const id of ids) {
      const thumb = this.kept.get(id);
      if (thumb && this.kept.delete(id)) this.kept.set(id, thumb);
      const good = thumb && !thumb.stale && (!thumb.url || thumb.size >= size);
      if (good || wanted.length === most || this.flying.has(id)) continue;
      this.flying.add(id);
      wanted.push(id);
    }
    return wanted;
  }

  /** Keep the answer to a request for some of them: the picture's address, and its outline, each, but nothing for those with an error. */
  take(answers: ThumbInfo[], size: number, buffers: DataView<ArrayBuffer>[]) {
    let at = 0;
    for (const { id, width, height, error } of answers) {
      if (error) this.keep(id, without(error, size));
      else this.keep(id, { url: text.decode(buffers[at++]), width, height, outline: text.decode(buffers[at++]), error: "", size });
    }
  }

  /** These could not be had. */
  fail(ids: number[], size: number, error: string) {
    for (const id of ids) if (!this.kept.get(id)?.url) this.keep(id, without(error, size));
  }

  /** The request for these is over. */
  land(ids: number[]) { ids.forEach((id) => this.flying.delete(id)); }

  /** This one's mask has changed, or its picture may be there now. */
  outdate(id: number) {
    const thumb = this.kept.get(id);
    if (thumb) thumb.stale = true;
  }

  private keep(id: number, made: Made) {
    this.drop(id);
    this.kept.set(id, { ...made, stale: false });
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
  }
}

const without = (error: string, size: number): Made => ({ url: "", width: 0, height: 0, outline: "", error, size });
const cost = ({ url, width, height }: Made) => (url ? width * height : ERROR_PIXELS);
