/** The intensity window of an image of more than 8 bits: previewed while it changes, and kept in Python. */
import type { ImageDocument } from "./document";
import { fileOf } from "./pyramid";

const COMMIT_DELAY_MS = 600; // after the last change

/** The values that are shown black and white; a gamma above 1 brightens the middle tones. */
export interface IntensityWindow {
  low: number;
  high: number;
  gamma: number;
}
export interface WindowInfo {
  window: IntensityWindow;
  range: [low: number, high: number]; // of the values in the image
  is_whole: boolean; // whether values are whole numbers
}
type WindowDocument = Pick<ImageDocument, "image" | "kernel" | "isEditable" | "edit" | "changeImage" | "showPicture">;

export class ImageWindow {
  info: WindowInfo | null = null; // null if the image has 8 bits, or Python has not replied yet
  private key = -1; // of the image that `info` is about
  private isKeeping = false; // whether the image is being shown through the window of `info`, with a new key
  private timer?: ReturnType<typeof setTimeout>;

  constructor(
    private readonly doc: WindowDocument,
    private readonly changed: () => void,
  ) {}

  /** The smallest change of a value. */
  get step(): number {
    const [low, high] = this.info?.range ?? [0, 1];
    return this.info?.is_whole ? 1 : 10 ** Math.floor(Math.log10((high - low || 1) / 500));
  }

  /** Request the window of the image that is shown, once. */
  async load() {
    const { key } = this.doc.image;
    if (key === this.key || this.isKeeping) return;
    clearTimeout(this.timer);
    this.key = key;
    this.info = null;
    const reply = await this.doc.kernel.request<WindowInfo | { window: null }>("window").catch(() => null);
    if (!reply || key !== this.key) return;
    this.info = reply.result.window ? (reply.result as WindowInfo) : null;
    this.changed();
  }

  /** Change the window; black stays below white. It is previewed at once and kept when no other change follows. */
  set(change: Partial<IntensityWindow>) {
    if (!this.info || !this.doc.isEditable) return;
    const window = { ...this.info.window, ...change };
    if (window.low >= window.high && change.low !== undefined) window.low = window.high - this.step;
    if (window.low >= window.high) window.high = window.low + this.step;
    this.info.window = window;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.keep(window), COMMIT_DELAY_MS);
    void this.preview(window);
    this.changed();
  }

  /** Return to the window that was given in Python, or is chosen from the values. */
  async reset() {
    clearTimeout(this.timer);
    await this.keep(null);
    await this.load();
  }

  private async preview(window: IntensityWindow) {
    const { key } = this.doc.image;
    const reply = await this.doc.kernel.requestLatest<{ mime: string }>("preview_window", { ...window });
    if (!reply || window !== this.info?.window) return;
    await this.doc.showPicture(fileOf(reply), key, () => Promise.reject(new Error("a preview has no tiles")));
  }

  private async keep(window: IntensityWindow | null) {
    await this.doc.edit(() => this.keepNow(window), { changesImage: true });
  }

  private async keepNow(window: IntensityWindow | null) {
    const { key } = this.doc.image;
    if (key !== this.key) return;
    this.isKeeping = true;
    await this.doc.changeImage("set_window", { window, key });
    this.isKeeping = false;
    const { image } = this.doc;
    if (image.key === key) await this.restore();
    else if (window && image.is_same) this.key = image.key; // `info` stays, so that a control keeps the focus
  }

  /** Show the window that Python has, after it could not be changed. */
  private async restore() {
    this.key = -1;
    await this.load();
    if (this.info) await this.preview(this.info.window);
  }
}
