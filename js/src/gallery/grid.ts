/** The tiles: lines in a column that scrolls, of which only those in sight exist. */
import { h } from "../ui/dom";
import { GAP, layout, rowsWithin, Scroll, type Layout } from "./layout";
import type { Range } from "./rows";
import { Tile } from "./tile";
import type { GalleryView } from "./view";

const SPARE = 1; // lines that are drawn above and below those in sight
const KEPT = 2; // lines out of sight that wait to become others: to hide one and to show it again takes a browser longer
const REST_MS = 150; // without scrolling
const HOVER_MS = 120; // the pointer rests this long before a heat map is asked for
const STEP = 64, LARGEST = 512; // pixels of a thumbnail: sizes that are asked for

interface Line { element: HTMLElement; tiles: Tile[] }

let grids = 0;

export class Grid {
  readonly element: HTMLElement;
  hovered: number | null = null; // index
  private readonly column = h("div", { class: "cdw-column", role: "presentation" });
  private readonly name = `cdw-grid-${++grids}`;
  private readonly lines = new Map<number, Line>();
  private readonly free: Line[] = [];
  private readonly scroll = new Scroll();
  private place: Layout = layout(0, 0, 1);
  private width = 0;
  private height = 0;
  private tile = 0;
  private shown: unknown = null; // the list
  private frame = 0;
  private resting?: ReturnType<typeof setTimeout>;
  private hovering?: ReturnType<typeof setTimeout>;

  constructor(private readonly view: GalleryView, signal: AbortSignal) {
    this.element = h("div", { class: "cdw-grid", role: "grid", tabindex: "0", "aria-label": "Instances to review", "aria-multiselectable": "true" }, this.column);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.element.addEventListener(type, listener, { signal });
    on("scroll", () => this.onScroll());
    on("click", (event) => this.onClick(event));
    on("dblclick", (event) => { if (this.indexAt(event.target) !== null) view.run("edit"); });
    on("pointerover", (event) => this.hover(this.indexAt(event.target)));
    on("pointerleave", () => this.hover(null));
    on("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // selects tiles, not text
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.resting);
      clearTimeout(this.hovering);
    });
  }

  get columns() { return this.place.columns; }
  /** How many lines are in sight at once. */
  get page() { return Math.max(1, Math.floor(this.height / this.place.line)); }

  get seen(): Range { return this.within(this.scroll.top, this.scroll.top + this.height); }
  /** What is prepared: the next screen; where pictures come quickly, by two screens at a time, so that scrolling takes few requests. */
  get ahead(): Range {
    const { height } = this, { top } = this.scroll, two = 2 * Math.max(1, height), first = Math.floor(top / two) * two;
    return this.view.queue.quick ? this.within(first - height, first + two + 2 * height) : this.within(top - height / 2, top + 2 * height);
  }

  /** Pixels of a thumbnail for this screen, in few sizes so that a slider does not ask for each. */
  get size() { return Math.min(LARGEST, Math.ceil((this.place.side * (devicePixelRatio || 1)) / STEP) * STEP); }

  /** The rows or how large they are shown may be others now. */
  refresh() {
    const { rows } = this.view.queue, tile: number = this.view.queue.model.get("tile");
    if (rows !== this.shown) {
      this.shown = rows;
      this.arrange(0);
    } else if (tile !== this.tile) this.arrange(this.seen.start);
    this.invalidate();
  }

  /** Bring a tile into sight, by as little as possible, or to the middle. */
  reveal(index: number, middle = false) {
    const { line } = this.place, top = Math.floor(index / this.columns) * line, { top: now } = this.scroll;
    const wanted = middle ? top - (this.height - line) / 2 : Math.min(Math.max(now, top + line + GAP - this.height), top);
    if (wanted !== now) this.scrollTo(wanted);
  }

  /** Draw soon. */
  invalidate() { this.frame ||= requestAnimationFrame(() => this.draw()); }

  private within(top: number, bottom: number) { return rowsWithin(this.place, this.view.queue.rows.count, top, bottom); }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height || (width === this.width && height === this.height)) return; // out of sight
    const { start } = this.seen, wider = width !== this.width;
    [this.width, this.height] = [width, height];
    if (wider) this.arrange(start);
    else this.scroll.resize(this.place.height, height);
    this.draw();
    this.view.queue.look();
  }

  /** Lay out anew, the row `first` on the first line in sight. */
  private arrange(first: number) {
    this.tile = this.view.queue.model.get("tile");
    const before = this.columns;
    this.place = layout(this.view.queue.rows.count, this.width, this.tile);
    if (before !== this.columns) {
      this.lines.clear();
      this.free.length = 0;
      this.column.replaceChildren();
    }
    this.scroll.resize(this.place.height, this.height);
    this.column.style.height = `${this.scroll.length}px`;
    this.element.style.setProperty("--side", `${this.place.side}px`);
    this.element.style.setProperty("--columns", String(this.columns));
    this.element.setAttribute("aria-rowcount", String(this.place.lines));
    this.element.setAttribute("aria-colcount", String(this.columns));
    this.scrollTo(Math.floor(first / this.columns) * this.place.line);
  }

  private scrollTo(top: number) {
    this.element.scrollTop = this.scroll.look(top);
    this.draw();
    this.view.queue.look();
  }

  private onScroll() {
    if (this.scroll.move(this.element.scrollTop)) this.settle();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.settle(), REST_MS);
    this.invalidate();
  }

  private settle() {
    this.scroll.move(this.element.scrollTop); // the event that tells of it may be still to come
    const bar = this.scroll.settle();
    if (Math.abs(bar - this.element.scrollTop) < 1) return;
    this.element.scrollTop = bar;
    this.draw(); // in the same frame, so that nothing seems to move
  }

  private draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.width) return;
    const { top } = this.scroll, { line, columns, lines } = this.place, spare = SPARE * line;
    const { start, stop } = this.within(top - spare, top + this.height + spare);
    const first = start / columns, last = Math.min(lines, Math.ceil(stop / columns));
    const outside = [...this.lines.keys()].filter((number) => number < first || number >= last);
    for (let number = first; number < last; number++) if (!this.lines.has(number)) this.take(number, outside.pop());
    while (outside.length > KEPT) this.hide(outside.pop()!);
    for (const [number, line] of this.lines) {
      if (number >= lines) this.hide(number);
      else this.put(line, number);
    }
    const focused = this.lines.get(Math.floor(this.view.focus / columns))?.tiles[this.view.focus % columns];
    if (focused && focused.index >= 0) this.element.setAttribute("aria-activedescendant", focused.element.id);
    else this.element.removeAttribute("aria-activedescendant");
    this.view.queue.look();
  }

  /** Have a line for a number: the one of a number that is out of sight, or that nobody needs, or a new one. */
  private take(number: number, other?: number) {
    const line = (other === undefined ? this.free.pop() : this.lines.get(other)) ?? this.make();
    if (other !== undefined) this.lines.delete(other);
    this.lines.set(number, line);
    line.element.hidden = false;
  }

  private hide(number: number) {
    const line = this.lines.get(number)!;
    this.lines.delete(number);
    this.free.push(line);
    line.element.hidden = true;
    line.tiles.forEach((tile) => tile.show(null, ""));
  }

  private make(): Line {
    const tiles = Array.from({ length: this.columns }, () => new Tile());
    const element = h("div", { class: "cdw-tiles", role: "row" }, ...tiles.map((tile) => tile.element));
    this.column.append(element);
    return { element, tiles };
  }

  private put({ element, tiles }: Line, number: number) {
    const { columns, line } = this.place, y = GAP + number * line + this.scroll.shift, count = this.view.queue.rows.count;
    const transform = `translateY(${y}px)`;
    if (element.style.transform !== transform) element.style.transform = transform;
    element.setAttribute("aria-rowindex", String(number + 1));
    tiles.forEach((tile, i) => {
      const index = number * columns + i;
      tile.show(index < count ? this.view.face(index) : null, `${this.name}-${index}`);
    });
  }

  private indexAt(target: EventTarget | null): number | null {
    const tile = (target as Element).closest<HTMLElement>(".cdw-tile");
    return tile ? Number(tile.id.slice(this.name.length + 1)) : null;
  }

  private onClick(event: MouseEvent) {
    const index = this.indexAt(event.target);
    if (index === null) return;
    if ((event.target as Element).closest(".cdw-edit")) return this.view.edit(index);
    if (event.shiftKey) void this.view.extend(index);
    else if (event.ctrlKey || event.metaKey) this.view.toggle(index);
    else this.view.go(index);
  }

  private hover(index: number | null) {
    if (index === this.hovered && index !== null) return;
    clearTimeout(this.hovering);
    const had = this.hovered !== null;
    this.hovered = null;
    if (index !== null) this.hovering = setTimeout(() => {
      this.hovered = index;
      this.invalidate();
      this.view.queue.look();
    }, HOVER_MS);
    if (had) this.invalidate();
  }
}
