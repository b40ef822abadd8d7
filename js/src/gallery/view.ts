/** One view of a gallery: filters, progress, tiles, details, the editor over them, and the keys. */

import { FullScreen, focusedNear, h, isPointerClickOnFocusedButton, leave } from "../dom";
import type { FindModel } from "../kernel";
import { guardShortcuts, type Shortcuts } from "../keys";
import { CommandSet } from "../ui/command_set";
import { refreshAll } from "../ui/controls";
import type { Part } from "../ui/host";
import { COMMANDS } from "./commands";
import { type Editor, editor } from "./editor";
import { Grid } from "./grid";
import type {
  EditorHost,
  FocusTarget,
  GalleryCommandHost,
  GalleryHost,
  GalleryModes,
  GridHost,
  PanelName,
} from "./host";
import { galleryHelp, overlay } from "./overlay";
import type { Queue, Viewport } from "./queue";
import type { Row, Status } from "./rows";
import { details, progressBar } from "./status";
import type { TileContent } from "./tile";
import { type GalleryToolbar, toolbar } from "./toolbar";

const DEFAULT_HEIGHT_PX = 500; // CSS pixels of the grid
const MAX_SELECTED = 20_000;
const LABEL_COLORS = [
  "#3b82f6",
  "#f97316",
  "#10b981",
  "#d946ef",
  "#eab308",
  "#06b6d4",
  "#ef4444",
  "#8b5cf6",
  "#84cc16",
  "#ec4899",
];
const UNLABELED_COLOR = "#8a929c";
const MOVES: Record<string, (grid: Grid, index: number, count: number) => number> = {
  ArrowLeft: (_, index) => index - 1,
  ArrowRight: (_, index) => index + 1,
  ArrowUp: ({ columns }, index) => (index < columns ? index : index - columns),
  ArrowDown: ({ columns }, index, count) => (index + columns < count ? index + columns : index),
  PageUp: ({ columns, page }, index) => Math.max(index % columns, index - columns * page),
  PageDown: ({ columns, page }, index, count) => Math.min(count - 1, index + columns * page),
  Home: () => 0,
  End: (_, __, count) => count - 1,
};

export class GalleryView implements GalleryHost, GridHost, EditorHost, GalleryCommandHost, FocusTarget {
  focus = 0;
  readonly modes: GalleryModes = { bare: false, heating: false, helping: false };
  readonly screen: FullScreen;
  readonly commands: CommandSet<GalleryHost>;
  private readonly grid: Grid;
  private readonly body: HTMLElement;
  private anchor = 0; // index where a selection by Shift starts
  private readonly root: HTMLElement;
  private readonly toolbar: GalleryToolbar;
  private readonly page: HTMLElement; // everything except the editor
  private readonly editor: Editor;
  private readonly parts: Part[];
  private shownRows: unknown = null;
  private selection = { ids: [] as number[], set: new Set<number>() };

  constructor(
    readonly queue: Queue,
    host: HTMLElement,
    signal: AbortSignal,
    readonly findModel: FindModel | null,
  ) {
    this.commands = new CommandSet<GalleryHost>({
      table: COMMANDS,
      host: this,
      shortcuts: () => this.shortcuts(),
      isActive: (name) => ["both", this.isEditing ? "editor" : "grid"].includes(COMMANDS[name].where),
    });
    this.grid = new Grid(this, signal);
    this.toolbar = toolbar(this);
    this.editor = editor(this, signal);
    const over = overlay(this);
    const help = galleryHelp(this);
    const below = details(this);
    const progress = progressBar(this);
    this.parts = [this.toolbar, progress, over, help, below, this.editor];
    this.body = h("div", { class: "cdw-gallery-body" }, this.grid.element, over.element, help.element);
    this.page = h("div", { class: "cdw-queue" }, this.toolbar.element, progress.element, this.body, below.element);
    this.root = h(
      "div",
      { class: "cdw cdw-gallery", role: "region", "aria-label": "Gallery" },
      this.page,
      this.editor.element,
    );
    this.screen = new FullScreen(this.root, () => this.refresh(), signal);
    this.listenToRoot(signal);
    host.append(this.root);
    queue.watch(
      () => this.refresh(),
      () => this.viewport(),
      signal,
    );
    this.refresh();
    queue.fetch();
  }

  get row(): Row | undefined {
    return this.queue.rows.at(this.focus);
  }
  get targets(): number[] {
    if (this.queue.selected.length) return this.queue.selected;
    return this.row ? [this.row.id] : [];
  }
  /** Whether the keyboard focus is in this widget. */
  get hasFocus() {
    return this.root.contains(focusedNear(this.root));
  }
  private get isEditing() {
    return this.editor.isOpen;
  }

  shortcuts(): Shortcuts {
    return this.queue.model.get("shortcuts");
  }

  commandOf(event: KeyboardEvent): string | undefined {
    return this.commands.commandOf(event);
  }

  setModes(change: Partial<GalleryModes>) {
    Object.assign(this.modes, change);
    this.refresh();
    this.queue.fetch();
  }

  color(label: string): string {
    if (!label) return UNLABELED_COLOR;
    const index = this.queue.choices.labels.filter(Boolean).indexOf(label); // as in the editor
    return LABEL_COLORS[Math.max(0, index) % LABEL_COLORS.length];
  }

  contentOf(index: number): TileContent {
    const { queue, grid } = this;
    const row = queue.rows.at(index);
    const showsHeatmap = row && (this.modes.heating || grid.hovered === index);
    return {
      index,
      row,
      status: row ? queue.statusOf(row) : "new",
      thumbnail: row && queue.thumbnails.get(row.id),
      heatmap: (showsHeatmap && queue.heatmaps.get(row.id)) || null,
      color: this.color(row?.label ?? ""),
      isFocused: index === this.focus,
      isSelected: !!row && this.isSelected(row.id),
      isOpening: !!row && queue.editor.opening === row.id,
    };
  }

  /** Focus a tile. A click clears the selection, the arrow keys keep it. */
  go(index: number, keepsSelection = false) {
    this.focusAndAnchor(index);
    if (!keepsSelection && this.queue.selected.length) this.queue.select([]);
    this.grid.reveal(index);
    this.refresh();
  }

  toggle(index: number) {
    const row = this.queue.rows.at(index);
    const { selected } = this.queue;
    this.focusAndAnchor(index);
    if (row)
      this.queue.select(this.isSelected(row.id) ? selected.filter((id) => id !== row.id) : [...selected, row.id]);
    this.refresh();
  }

  /** Select all tiles from the previously focused one. */
  async extend(index: number) {
    const start = Math.min(this.anchor, index);
    const stop = Math.max(this.anchor, index) + 1;
    this.focus = index;
    this.grid.reveal(index);
    this.refresh();
    await this.selectRange(start, stop);
  }

  async selectAll() {
    await this.selectRange(0, this.queue.rows.count);
  }

  setStatus(status: Status) {
    const { queue, targets } = this;
    if (!queue.selected.length && !this.isFocusVisible()) return;
    void queue.setStatus(targets, status);
    if (queue.selected.length) queue.select([]);
    this.goToNextNew();
  }

  async undo() {
    const ids = await this.queue.undo();
    const index = ids?.map((id) => this.queue.positionOf(id)).find((position) => position !== undefined);
    if (index !== undefined) this.go(index);
  }

  edit(index: number) {
    const row = this.queue.rows.at(index);
    this.focusAndAnchor(index);
    if (row && !this.queue.isLost) void this.queue.editor.edit(row.id);
    this.refresh();
  }

  search() {
    this.toolbar.search();
  }

  assign(panel: PanelName) {
    this.toolbar.assign(panel);
  }

  /** Escape: cancel one thing at a time, from the inside out. */
  cancel() {
    if (this.modes.helping) this.setModes({ helping: false });
    else if (this.queue.selected.length) this.queue.select([]);
    else if (this.screen.isOn) this.screen.toggle();
    else leave(this.root);
  }

  /** The editor has opened or closed. */
  onEditorToggle(hadFocus: boolean) {
    this.page.toggleAttribute("inert", this.isEditing);
    if (this.isEditing) return;
    const { last } = this.queue.editor;
    const index = last === null ? undefined : this.queue.positionOf(last);
    if (hadFocus) this.takeFocus();
    if (index !== undefined) this.go(index, true);
  }

  takeFocus() {
    this.grid.element.focus({ preventScroll: true });
  }

  refresh() {
    const { queue } = this;
    if (queue.rows !== this.shownRows) {
      this.shownRows = queue.rows;
      this.focusAndAnchor(0);
    }
    if (this.selection.ids !== queue.selected) this.selection = { ids: queue.selected, set: new Set(queue.selected) };
    this.root.classList.toggle("cdw-fullscreen", this.screen.isOn);
    this.root.classList.toggle("cdw-lost", queue.isLost);
    this.root.classList.toggle("cdw-view-only", queue.model.get("view_only"));
    this.body.classList.toggle("cdw-waiting", queue.isWaiting);
    this.body.classList.toggle("cdw-bare", this.modes.bare);
    this.body.style.setProperty("--mask", String(queue.model.get("opacity")));
    this.body.style.height = this.screen.isOn ? "" : `${queue.model.get("height") ?? DEFAULT_HEIGHT_PX}px`;
    refreshAll(this.parts);
    this.grid.refresh();
  }

  private listenToRoot(signal: AbortSignal) {
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.onKeyDown(event));
    on("keyup", (event) => this.commands.release(event));
    on("focusout", () => this.commands.releaseAll());
    on("click", (event) => {
      if (isPointerClickOnFocusedButton(event) && !this.isEditing) this.takeFocus(); // Enter then opens the editor
    });
    const passes = (event: KeyboardEvent) => !this.commandOf(event) && !(event.target as Element).matches("input");
    guardShortcuts(this.root, passes, signal);
  }

  private focusAndAnchor(index: number) {
    this.focus = index;
    this.anchor = index;
  }

  /** Whether the focused tile is visible; if not, scroll to it instead of deciding about a tile out of view. */
  private isFocusVisible(): boolean {
    const { start, stop } = this.grid.visible;
    if (this.focus >= start && this.focus < stop) return true;
    this.grid.reveal(this.focus, true);
    this.queue.showMessage("Scrolled to the current tile – press the key again");
    return false;
  }

  private isSelected(id: number) {
    return this.selection.set.has(id);
  }

  private viewport(): Viewport {
    const { grid, queue } = this;
    const { visible } = grid;
    const indices = grid.hovered === null ? [] : [grid.hovered];
    if (this.modes.heating) for (let index = visible.start; index < visible.stop; index++) indices.push(index);
    const heatmaps = indices.flatMap((index) => queue.rows.at(index)?.id ?? []);
    return { visible, prefetched: grid.prefetched, thumbnailSize: grid.thumbnailSize, heatmaps };
  }

  private async selectRange(start: number, stop: number) {
    const { queue } = this;
    const end = Math.min(stop, start + MAX_SELECTED);
    const ids = await queue.idsOf({ start, stop: end });
    if (!ids) return;
    queue.select(ids);
    if (end < stop)
      queue.showMessage(`Selected the first ${MAX_SELECTED.toLocaleString("en")}. Filter the list to select the rest.`);
  }

  /** Go to the next tile without a decision; a row that is not loaded yet counts as one. */
  private goToNextNew() {
    const { queue } = this;
    for (let index = this.focus + 1; index < queue.rows.count; index++) {
      const row = queue.rows.at(index);
      if (!row || queue.statusOf(row) === "new") return this.go(index, true);
    }
    this.refresh();
  }

  private onKeyDown(event: KeyboardEvent) {
    const target = event.target as Element;
    if (this.isEditing || event.defaultPrevented) return; // the editor handles its keys in the capture phase
    if (event.key === "Escape" && this.root.querySelector(":popover-open")) return; // closes the panel
    if (target.matches("input:not([type=range], [type=checkbox]), select")) {
      if (event.key !== "Escape") return;
      this.takeFocus();
    } else if (!this.moveFocus(event)) {
      const name = this.commandOf(event);
      if (!name || (target.matches("button, input") && ["Enter", " "].includes(event.key))) return;
      this.commands.press(name, event.repeat);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Move the focus by an arrow key or similar. Returns whether the event was one. */
  private moveFocus(event: KeyboardEvent): boolean {
    const move = MOVES[event.key];
    const { count } = this.queue.rows;
    const hasModifier = event.ctrlKey || event.altKey || event.metaKey;
    if (!move || !count || hasModifier || event.target !== this.grid.element) return false;
    const index = Math.min(count - 1, Math.max(0, move(this.grid, this.focus, count)));
    if (event.shiftKey) void this.extend(index);
    else this.go(index, true);
    return true;
  }
}
