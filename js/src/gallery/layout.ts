/** Where tiles lie: lines of equal height in a column that may be longer than a browser lets an element be. */
import type { Range } from "./rows";

export const GAP = 8; // CSS pixels between tiles, and around them
export const FOOT = 50; // of a tile, below its picture: label and reasons; gallery.css has the same number
const LONGEST = 10_000_000; // CSS pixels; Firefox ends at 17.8 million, Chromium at 33.5
const JUMP = 3; // heights of the view; whoever moves further at once has dragged the scroll bar

/** side: pixels of a picture; line: from one line to the next; height: of all of them. */
export interface Layout { columns: number; side: number; lines: number; line: number; height: number }

/** Square pictures of about `tile` pixels, as wide as it takes to fill the width. */
export function layout(count: number, width: number, tile: number): Layout {
  const columns = Math.max(1, Math.round((width - GAP) / (tile + GAP))), side = Math.max(1, Math.floor((width - GAP) / columns) - GAP);
  const lines = Math.ceil(count / columns), line = side + FOOT + GAP;
  return { columns, side, lines, line, height: lines * line + GAP };
}

/** The rows on lines that touch the pixels from `top` to `bottom`. */
export function rowsWithin({ columns, lines, line }: Layout, count: number, top: number, bottom: number): Range {
  const first = Math.min(Math.max(0, Math.floor((top - GAP) / line)), lines), last = Math.min(lines, Math.ceil((bottom - GAP) / line));
  return { start: first * columns, stop: Math.min(count, Math.max(first, last) * columns) };
}

/**
 * The way between where the scroll bar stands and which part of the column is seen. While the column is short enough they are the same.
 * Else a small step moves both by as much, so that the wheel feels as everywhere, a large one goes to the same share of the whole, and
 * `settle` brings the two together again when the hand rests.
 */
export class Scroll {
  top = 0; // of the view, in the column
  private bar = 0; // where the scroll bar stood last
  private view = 0;
  private whole = 0;

  resize(whole: number, view: number) {
    this.whole = whole;
    this.view = view;
    this.top = Math.min(this.top, this.end);
  }

  /** How long the element is that scrolls. */
  get length() { return Math.min(this.whole, LONGEST); }
  /** What to add to a place in the column to have its place in the element. */
  get shift() { return this.bar - this.top; }
  private get end() { return Math.max(0, this.whole - this.view); }
  private get ratio() { return this.end / Math.max(1, this.length - this.view); } // column pixels for one of the bar

  /** The scroll bar stands at `bar`. */
  move(bar: number) {
    const step = bar - this.bar, atEnd = bar <= 0 || bar >= this.length - this.view;
    this.bar = bar;
    if (this.whole <= LONGEST) this.top = bar;
    else if (Math.abs(step) > JUMP * this.view) this.top = bar * this.ratio;
    else this.top += step;
    this.top = Math.min(Math.max(0, this.top), this.end);
    return atEnd && Math.abs(this.top - bar * this.ratio) > 1; // no further step is possible: settle now
  }

  /** Look at a place; returns where the scroll bar must stand. */
  look(top: number): number {
    this.top = Math.min(Math.max(0, top), this.end);
    return this.settle();
  }

  /** Where the scroll bar must stand for what is seen now. */
  settle(): number {
    this.bar = this.whole <= LONGEST ? this.top : Math.round(this.top / this.ratio);
    return this.bar;
  }
}
