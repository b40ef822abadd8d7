/** The layout of tiles: lines of equal height in a column that may be longer than the longest element of a browser. */
import type { Range } from "./rows";

export const TILE_GAP_PX = 8; // CSS pixels between tiles, and around them
export const CAPTION_HEIGHT_PX = 50; // CSS pixels below the picture of a tile; gallery.css has the same number
const MAX_ELEMENT_HEIGHT = 10_000_000; // CSS pixels; the limit is 17.8 million in Firefox and 33.5 million in Chromium
const MAX_WHEEL_STEP = 3; // view heights; a longer step is a drag of the scroll bar

export interface Layout {
  columns: number;
  side: number; // side of a picture, CSS pixels
  lines: number;
  line: number; // distance from one line to the next, CSS pixels
  height: number; // height of the column, CSS pixels
}

/** Lay out square pictures of about `tile` pixels that fill the width. */
export function layoutTiles(count: number, width: number, tile: number): Layout {
  const columns = Math.max(1, Math.round((width - TILE_GAP_PX) / (tile + TILE_GAP_PX)));
  const side = Math.max(1, Math.floor((width - TILE_GAP_PX) / columns) - TILE_GAP_PX);
  const lines = Math.ceil(count / columns);
  const line = side + CAPTION_HEIGHT_PX + TILE_GAP_PX;
  return { columns, side, lines, line, height: lines * line + TILE_GAP_PX };
}

/** Return the rows on lines that touch the pixels from `top` to `bottom`. */
export function rowsWithin({ columns, lines, line }: Layout, count: number, top: number, bottom: number): Range {
  const first = Math.min(Math.max(0, Math.floor((top - TILE_GAP_PX) / line)), lines);
  const last = Math.min(lines, Math.ceil((bottom - TILE_GAP_PX) / line));
  return { start: first * columns, stop: Math.min(count, Math.max(first, last) * columns) };
}

/**
 * The mapping from the scroll bar to the visible part of the column. For a short column they are equal. For a longer one, a small step
 * moves both by the same distance, so that the wheel feels as usual, a large step goes to the same fraction of the column, and `settle`
 * aligns the two when scrolling pauses.
 */
export class Scroll {
  top = 0; // start of the visible part, in the column
  private bar = 0; // last position of the scroll bar
  private view = 0; // height of the visible part
  private whole = 0; // height of the column

  resize(whole: number, view: number) {
    this.whole = whole;
    this.view = view;
    this.top = Math.min(this.top, this.end);
  }

  /** The height of the scrolling element. */
  get length() {
    return Math.min(this.whole, MAX_ELEMENT_HEIGHT);
  }
  /** The offset from a position in the column to its position in the element. */
  get shift() {
    return this.bar - this.top;
  }
  private get end() {
    return Math.max(0, this.whole - this.view);
  }
  /** Column pixels per pixel of the scroll bar. */
  private get ratio() {
    return this.end / Math.max(1, this.length - this.view);
  }

  /** The scroll bar has moved. Returns whether it must be settled at once. */
  move(bar: number) {
    const step = bar - this.bar;
    const atEnd = bar <= 0 || bar >= this.length - this.view;
    this.bar = bar;
    if (this.whole <= MAX_ELEMENT_HEIGHT) this.top = bar;
    else if (Math.abs(step) > MAX_WHEEL_STEP * this.view) this.top = bar * this.ratio;
    else this.top += step;
    this.top = Math.min(Math.max(0, this.top), this.end);
    return atEnd && Math.abs(this.top - bar * this.ratio) > 1; // no further step is possible
  }

  /** Scroll to a position in the column. Returns the position of the scroll bar. */
  scrollTo(top: number): number {
    this.top = Math.min(Math.max(0, top), this.end);
    return this.settle();
  }

  /** Return the position of the scroll bar for the visible part. */
  settle(): number {
    this.bar = this.whole <= MAX_ELEMENT_HEIGHT ? this.top : Math.round(this.top / this.ratio);
    return this.bar;
  }
}
