/** One view of a gallery: filters, progress, tiles, details, the editor over them, and the keys. */
import { commandOf, keyName } from "../keys";
import { h } from "../ui/dom";
import { leave, Screen } from "../ui/screen";
import { shield } from "../ui/shield";
import type { Part } from "../view";
import { COMMANDS } from "./commands";
import { details } from "./details";
import { editor, type Editor } from "./editor";
import { Grid } from "./grid";
import { head } from "./head";
import { help } from "./help";
import { overlay } from "./overlay";
import { progress } from "./progress";
import type { Gaze, Queue } from "./queue";
import type { Row, Status } from "./rows";
import type { Face } from "./tile";

const HEIGHT = 500; // CSS pixels of the tiles' area, where Python says none
const MOST_SELECTED = 20_000;
const COLORS = ["#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6", "#84cc16", "#ec4899"];
const MOVES: Record<string, (grid: Grid, at: number, count: number) => number> = {
  ArrowLeft: (_, at) => at - 1,
  ArrowRight: (_, at) => at + 1,
  ArrowUp: ({ columns }, at) => (at < columns ? at : at - columns),
  ArrowDown: ({ columns }, at, count) => (at + columns < count ? at + columns : at),
  PageUp: ({ columns, page }, at) => Math.max(at % columns, at - columns * page),
  PageDown: ({ columns, page }, at, count) => Math.min(count - 1, at + columns * page),
  Home: () => 0,
  End: (_, __, count) => count - 1,
};

export class GalleryView {
  focus = 0; // index of the tile that the keys are about
  bare = false; // pictures without masks
  heating = false; // all tiles show their heat
  helping = false;
  readonly grid: Grid;
  readonly screen: Screen;
  readonly body: HTMLElement;
  private anchor = 0; // where a selection by Shift begins
  private readonly root: HTMLElement;
  private readonly head: Part & { search(): void };
  private readonly page: HTMLElement; // all but the editor
  private readonly editor: Editor;
  private readonly parts: Part[];
  private readonly held = new Set<string>();
  private shown: unknown = null; // the list
  private chosen = { ids: [] as number[], set: new Set<number>() };

  constructor(readonly queue: Queue, host: HTMLElement, signal: AbortSignal) {
    this.grid = new Grid(this, signal);
    this.head = head(this);
    this.editor = editor(this, signal);
    const over = overlay(this), keys = help(this), below = details(this), bar = progress(this);
    this.parts = [this.head, bar, over, keys, below, this.editor];
    this.body = h("div", { class: "cdw-gallery-body" }, this.grid.element, over.element, keys.element);
    this.page = h("div", { class: "cdw-queue" }, this.head.element, bar.element, this.body, below.element);
    this.root = h("div", { class: "cdw cdw-gallery", role: "region", "aria-label": "Gallery" }, this.page, this.editor.element);
    this.screen = new Screen(this.root, () => this.refresh(), signal);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.keydown(event));
    on("keyup", (event) => this.keyup(event));
    on("focusout", () => this.release());
    on("click", (event) => {
      const pressed = (event.target as Element).closest("button:not([aria-haspopup], .cdw-popover *)"), byPointer = event.detail > 0;
      if (byPointer && pressed?.matches(":focus") && !this.editing) this.takeFocus(); // then Enter is to edit, not to press the button again
    });
    shield(this.root, (event) => !this.commandOf(event) && !(event.target as Element).matches("input"), signal);
    host.append(this.root);
    queue.watch(() => this.refresh(), () => this.gaze(), signal);
    this.refresh();
    queue.look();
  }

  get row(): Row | undefined { return this.queue.rows.at(this.focus); }
  get editing() { return this.editor.isOpen; }
  /** What a verdict is about: the selected instances, else the one on the focused tile. */
  get targets(): number[] { return this.queue.selected.length ? this.queue.selected : this.row ? [this.row.id] : []; }

  keyOf(command: string): string | undefined { return this.queue.model.get("shortcuts")[command]?.[0]; }
  can(name: string) { return COMMANDS[name].enabled?.(this) ?? true; }

  run(name: string) {
    if (this.can(name)) COMMANDS[name].run(this);
  }

  set(change: Partial<Pick<GalleryView, "bare" | "heating" | "helping">>) {
    Object.assign(this, change);
    this.refresh();
    this.queue.look();
  }

  color(label: string): string {
    const found = this.queue.choices.labels.indexOf(label);
    return COLORS[Math.max(0, found) % COLORS.length];
  }

  /** What a tile shows. */
  face(index: number): Face {
    const { queue, grid } = this, row = queue.rows.at(index), hot = row && (this.heating || grid.hovered === index);
    return {
      index, row, status: row ? queue.statusOf(row) : "new",
      thumb: row && queue.thumbs.get(row.id), heat: (hot && queue.heats.get(row.id)) || null,
      color: this.color(row?.label ?? ""),
      focused: index === this.focus, selected: !!row && this.isSelected(row.id), opening: !!row && queue.repair.opening === row.id,
    };
  }

  /** Go to a tile; a click, unlike the arrows, gives a selection up. */
  go(index: number, keep = false) {
    this.focus = this.anchor = index;
    if (!keep && this.queue.selected.length) this.queue.select([]);
    this.grid.reveal(index);
    this.refresh();
  }

  toggle(index: number) {
    const row = this.queue.rows.at(index), { selected } = this.queue;
    this.focus = this.anchor = index;
    if (row) this.queue.select(this.isSelected(row.id) ? selected.filter((id) => id !== row.id) : [...selected, row.id]);
    this.refresh();
  }

  /** Select all from where the last single tile was chosen. */
  async extend(index: number) {
    const start = Math.min(this.anchor, index), stop = Math.max(this.anchor, index) + 1;
    this.focus = index;
    this.grid.reveal(index);
    this.refresh();
    await this.selectRange(start, stop);
  }

  async selectAll() { await this.selectRange(0, this.queue.rows.count); }

  judge(status: Status) {
    const { queue, targets } = this;
    if (!queue.selected.length && !this.comesBack()) return;
    void queue.judge(targets, status);
    if (queue.selected.length) queue.select([]);
    this.goOn();
  }

  async undo() {
    const ids = await this.queue.undo(), place = ids?.map((id) => this.queue.rows.place(id)).find((index) => index !== undefined);
    if (place !== undefined) this.go(place);
  }

  edit(index: number) {
    const row = this.queue.rows.at(index);
    this.focus = this.anchor = index;
    if (row && !this.queue.dead) void this.queue.repair.edit(row.id);
    this.refresh();
  }

  search() { this.head.search(); }

  /** Escape: one thing at a time, from the inside out. */
  cancel() {
    if (this.helping) this.set({ helping: false });
    else if (this.queue.selected.length) this.queue.select([]);
    else if (this.screen.isFull) this.screen.toggle();
    else leave(this.root);
  }

  /** The editor has opened or closed; had: the focus was here. */
  onEditor(had: boolean) {
    this.page.toggleAttribute("inert", this.editing);
    if (this.editing) return;
    const place = this.queue.repair.last === null ? undefined : this.queue.rows.place(this.queue.repair.last);
    if (had) this.takeFocus();
    if (place !== undefined) this.go(place, true);
  }

  takeFocus() { this.grid.element.focus({ preventScroll: true }); }

  /** Whether the keys are this widget's now. */
  get focused() { return this.root.contains((this.root.getRootNode() as Document | ShadowRoot).activeElement); }

  refresh() {
    const { queue } = this;
    if (queue.rows !== this.shown) {
      this.shown = queue.rows;
      this.focus = this.anchor = 0;
    }
    if (this.chosen.ids !== queue.selected) this.chosen = { ids: queue.selected, set: new Set(queue.selected) };
    this.root.classList.toggle("cdw-fullscreen", this.screen.isFull);
    this.root.classList.toggle("cdw-dead", queue.dead);
    this.root.classList.toggle("cdw-view-only", queue.model.get("view_only"));
    this.body.classList.toggle("cdw-waiting", queue.waiting);
    this.body.classList.toggle("cdw-bare", this.bare);
    this.body.style.setProperty("--mask", String(queue.model.get("opacity")));
    this.body.style.height = this.screen.isFull ? "" : `${queue.model.get("height") ?? HEIGHT}px`;
    for (const part of this.parts) part.refresh();
    this.grid.refresh();
  }

  /** Whether the focused tile is in sight; a verdict on one that is not would be a mistake: it is brought there instead. */
  private comesBack(): boolean {
    const { start, stop } = this.grid.seen, isSeen = this.focus >= start && this.focus < stop;
    if (!isSeen) this.grid.reveal(this.focus, true);
    if (!isSeen) this.queue.say("Back at the tile that the keys are about; press again");
    return isSeen;
  }

  private isSelected(id: number) { return this.chosen.set.has(id); }

  private gaze(): Gaze {
    const { grid, queue } = this, seen = grid.seen, hot: number[] = [];
    const add = (index: number) => {
      const row = queue.rows.at(index);
      if (row) hot.push(row.id);
    };
    if (grid.hovered !== null) add(grid.hovered);
    if (this.heating) for (let index = seen.start; index < seen.stop; index++) add(index);
    return { seen, ahead: grid.ahead, size: grid.size, hot };
  }

  private async selectRange(start: number, stop: number) {
    const { queue } = this, end = Math.min(stop, start + MOST_SELECTED), ids = await queue.ids({ start, stop: end });
    if (!ids) return;
    queue.select(ids);
    if (end < stop) queue.say(`Selected the first ${MOST_SELECTED.toLocaleString("en")}; filter the list to take all of it`);
  }

  /** To the next tile without a verdict; one that is not known yet may be such. */
  private goOn() {
    const { queue } = this;
    for (let index = this.focus + 1; index < queue.rows.count; index++) {
      const row = queue.rows.at(index);
      if (!row || queue.statusOf(row) === "new") return this.go(index, true);
    }
    this.refresh();
  }

  /** The command that a key calls where the focus is. */
  commandOf(event: KeyboardEvent): string | undefined {
    const shortcuts: Record<string, string[]> = this.queue.model.get("shortcuts"), where = this.editing ? "editor" : "grid";
    const here = Object.entries(shortcuts).filter(([name]) => COMMANDS[name] && ["both", where].includes(COMMANDS[name].where));
    return commandOf(keyName(event), Object.fromEntries(here));
  }

  private keydown(event: KeyboardEvent) {
    const target = event.target as Element;
    if (this.editing || event.defaultPrevented) return; // the editor has looked at it before its annotator
    if (event.key === "Escape" && this.root.querySelector(":popover-open")) return; // it closes that
    if (target.matches("input:not([type=range], [type=checkbox]), select")) {
      if (event.key !== "Escape") return;
      this.takeFocus();
    } else if (!this.move(event)) {
      const name = this.commandOf(event);
      if (!name || (target.matches("button, input") && ["Enter", " "].includes(event.key))) return;
      const { held } = COMMANDS[name];
      if (!held) this.run(name);
      else if (!event.repeat) {
        this.held.add(name);
        held(this, true);
      }
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** The arrows and their like, over the tiles; says whether it was one. */
  private move(event: KeyboardEvent): boolean {
    const to = MOVES[event.key], { count } = this.queue.rows;
    if (!to || !count || event.ctrlKey || event.altKey || event.metaKey || event.target !== this.grid.element) return false;
    const index = Math.min(count - 1, Math.max(0, to(this.grid, this.focus, count)));
    if (event.shiftKey) void this.extend(index);
    else this.go(index, true);
    return true;
  }

  private keyup(event: KeyboardEvent) {
    const name = this.commandOf(event);
    if (name && this.held.delete(name)) COMMANDS[name].held?.(this, false);
  }

  private release() {
    for (const name of this.held) COMMANDS[name].held?.(this, false);
    this.held.clear();
  }
}
