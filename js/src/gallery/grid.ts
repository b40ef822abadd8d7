/** The tiles: lines in a scrolling column; only the visible lines exist. */
import { h } from "../dom";
import type { GridHost } from "./host";
import { type Layout, layoutTiles, rowsWithin, Scroll, TILE_GAP_PX } from "./layout";
import type { Range } from "./rows";
import { Tile } from "./tile";

const EXTRA_LINES = 1; // drawn above and below the visible ones
const MAX_IDLE_LINES = 2; // out of view but not hidden: hiding a line and showing it again is slow
const SCROLL_REST_MS = 150; // without scrolling
const HOVER_MS = 120; // the pointer rests this long before a heatmap is loaded
const SIZE_STEP_PX = 64; // device pixels between the sizes of thumbnails
const MAX_SIZE_PX = 512; // device pixels

interface Line {
  element: HTMLElement;
  tiles: Tile[];
}

let gridCount = 0;

export class Grid {
  readonly element: HTMLElement;
  hovered: number | null = null; // index
  private readonly column = h("div", { class: "cdw-column", role: "presentation" });
  private readonly name = `cdw-grid-${++gridCount}`;
  private readonly lines = new Map<number, Line>();
  private readonly unused: Line[] = [];
  private readonly scroll = new Scroll();
  private layout: Layout = layoutTiles(0, 0, 1);
  private width = 0;
  private height = 0;
  private tile = 0;
  private shownRows: unknown = null;
  private frame = 0;
  private scrollTimer?: ReturnType<typeof setTimeout>;
  private hoverTimer?: ReturnType<typeof setTimeout>;

  constructor(
    private readonly host: GridHost,
    signal: AbortSignal,
  ) {
    this.element = h(
      "div",
      {
        class: "cdw-grid",
        role: "grid",
        tabindex: "0",
        "aria-label": "Instances to review",
        "aria-multiselectable": "true",
      },
      this.column,
    );
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.element.addEventListener(type, listener, { signal });
    on("scroll", () => this.onScroll());
    on("click", (event) => this.onClick(event));
    on("dblclick", (event) => {
      if (this.indexAt(event.target) !== null) host.commands.run("edit");
    });
    on("pointerover", (event) => this.hover(this.indexAt(event.target)));
    on("pointerleave", () => this.hover(null));
    on("mousedown", (event) => {
      if (event.shiftKey) event.preventDefault(); // selects tiles, not text
    });
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.scrollTimer);
      clearTimeout(this.hoverTimer);
    });
  }

  get columns() {
    return this.layout.columns;
  }
  /** The number of lines that are visible at once. */
  get page() {
    return Math.max(1, Math.floor(this.height / this.layout.line));
  }

  get visible(): Range {
    return this.within(this.scroll.top, this.scroll.top + this.height);
  }
  /** The rows to prefetch: the next page or, if pictures arrive fast, blocks of two pages, so that scrolling takes few requests. */
  get prefetched(): Range {
    const { height } = this;
    const { top } = this.scroll;
    const two = 2 * Math.max(1, height);
    const first = Math.floor(top / two) * two;
    return this.host.queue.hasFastPictures
      ? this.within(first - height, first + two + 2 * height)
      : this.within(top - height / 2, top + 2 * height);
  }

  /** Device pixels of a thumbnail, in few sizes so that a slider does not load each one. */
  get thumbnailSize() {
    const pixels = this.layout.side * (devicePixelRatio || 1);
    return Math.min(MAX_SIZE_PX, Math.ceil(pixels / SIZE_STEP_PX) * SIZE_STEP_PX);
  }

  /** The rows or the size of the tiles may have changed. */
  refresh() {
    const { rows } = this.host.queue;
    const tile: number = this.host.queue.model.get("tile");
    if (rows !== this.shownRows) {
      this.shownRows = rows;
      this.arrange(0);
    } else if (tile !== this.tile) this.arrange(this.visible.start);
    this.invalidate();
  }

  /** Scroll to a tile, by as little as possible or to the middle. */
  reveal(index: number, toMiddle = false) {
    const { line } = this.layout;
    const top = Math.floor(index / this.columns) * line;
    const { top: now } = this.scroll;
    const wanted = toMiddle
      ? top - (this.height - line) / 2
      : Math.min(Math.max(now, top + line + TILE_GAP_PX - this.height), top);
    if (wanted !== now) this.scrollTo(wanted);
  }

  /** Draw in the next frame. */
  invalidate() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  private within(top: number, bottom: number) {
    return rowsWithin(this.layout, this.host.queue.rows.count, top, bottom);
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height || (width === this.width && height === this.height)) return;
    const { start } = this.visible;
    const wider = width !== this.width;
    this.width = width;
    this.height = height;
    if (wider) this.arrange(start);
    else this.scroll.resize(this.layout.height, height);
    this.draw();
    this.host.queue.fetch();
  }

  /** Compute the layout, with the row `first` on the first visible line. */
  private arrange(first: number) {
    this.tile = this.host.queue.model.get("tile");
    const before = this.columns;
    this.layout = layoutTiles(this.host.queue.rows.count, this.width, this.tile);
    if (before !== this.columns) {
      this.lines.clear();
      this.unused.length = 0;
      this.column.replaceChildren();
    }
    this.scroll.resize(this.layout.height, this.height);
    this.column.style.height = `${this.scroll.length}px`;
    this.element.style.setProperty("--side", `${this.layout.side}px`);
    this.element.style.setProperty("--columns", String(this.columns));
    this.element.setAttribute("aria-rowcount", String(this.layout.lines));
    this.element.setAttribute("aria-colcount", String(this.columns));
    this.scrollTo(Math.floor(first / this.columns) * this.layout.line);
  }

  private scrollTo(top: number) {
    this.element.scrollTop = this.scroll.scrollTo(top);
    this.draw();
    this.host.queue.fetch();
  }

  private onScroll() {
    if (this.scroll.move(this.element.scrollTop)) this.settle();
    clearTimeout(this.scrollTimer);
    this.scrollTimer = setTimeout(() => this.settle(), SCROLL_REST_MS);
    this.invalidate();
  }

  private settle() {
    this.scroll.move(this.element.scrollTop); // its scroll event may not have arrived yet
    const bar = this.scroll.settle();
    if (Math.abs(bar - this.element.scrollTop) < 1) return;
    this.element.scrollTop = bar;
    this.draw(); // in the same frame, so that the tiles do not jump
  }

  private draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.width) return;
    const { top } = this.scroll;
    const { line, columns, lines } = this.layout;
    const spare = EXTRA_LINES * line;
    const { start, stop } = this.within(top - spare, top + this.height + spare);
    const first = start / columns;
    const last = Math.min(lines, Math.ceil(stop / columns));
    const outside = [...this.lines.keys()].filter((number) => number < first || number >= last);
    for (let number = first; number < last; number++) if (!this.lines.has(number)) this.assign(number, outside.pop());
    for (const number of outside.slice(MAX_IDLE_LINES)) this.hide(number);
    for (const [number, line] of this.lines) {
      if (number >= lines) this.hide(number);
      else this.show(line, number);
    }
    const focused = this.lines.get(Math.floor(this.host.focus / columns))?.tiles[this.host.focus % columns];
    if (focused && focused.index >= 0) this.element.setAttribute("aria-activedescendant", focused.element.id);
    else this.element.removeAttribute("aria-activedescendant");
    this.host.queue.fetch();
  }

  /** Assign a line to a number: the line of a number out of view, an unused one, or a new one. */
  private assign(number: number, other?: number) {
    const line = (other === undefined ? this.unused.pop() : this.lines.get(other)) ?? this.createLine();
    if (other !== undefined) this.lines.delete(other);
    this.lines.set(number, line);
    line.element.hidden = false;
  }

  private hide(number: number) {
    const line = this.lines.get(number);
    if (!line) return;
    this.lines.delete(number);
    this.unused.push(line);
    line.element.hidden = true;
    for (const tile of line.tiles) tile.show(null, "");
  }

  private createLine(): Line {
    const tiles = Array.from({ length: this.columns }, () => new Tile());
    const element = h("div", { class: "cdw-tiles", role: "row" }, ...tiles.map((tile) => tile.element));
    this.column.append(element);
    return { element, tiles };
  }

  private show({ element, tiles }: Line, number: number) {
    const { columns, line } = this.layout;
    const y = TILE_GAP_PX + number * line + this.scroll.shift;
    const count = this.host.queue.rows.count;
    const transform = `translateY(${y}px)`;
    if (element.style.transform !== transform) element.style.transform = transform;
    element.setAttribute("aria-rowindex", String(number + 1));
    for (const [i, tile] of tiles.entries()) {
      const index = number * columns + i;
      tile.show(index < count ? this.host.contentOf(index) : null, `${this.name}-${index}`);
    }
  }

  private indexAt(target: EventTarget | null): number | null {
    const tile = (target as Element).closest<HTMLElement>(".cdw-tile");
    return tile ? Number(tile.id.slice(this.name.length + 1)) : null;
  }

  private onClick(event: MouseEvent) {
    const index = this.indexAt(event.target);
    if (index === null) return;
    if ((event.target as Element).closest(".cdw-edit")) return this.host.edit(index);
    if (event.shiftKey) void this.host.extend(index);
    else if (event.ctrlKey || event.metaKey) this.host.toggle(index);
    else this.host.go(index);
  }

  private hover(index: number | null) {
    if (index === this.hovered && index !== null) return;
    clearTimeout(this.hoverTimer);
    const wasHovering = this.hovered !== null;
    this.hovered = null;
    if (index !== null)
      this.hoverTimer = setTimeout(() => {
        this.hovered = index;
        this.invalidate();
        this.host.queue.fetch();
      }, HOVER_MS);
    if (wasHovering) this.invalidate();
  }
}
