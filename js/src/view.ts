/** One view of a document: toolbar, stage, object list, status line and keys. Its state ends with it. */
import type { ImageDocument } from "./document";
import { FullScreen, h, isPointerClickOnFocusedButton, leave } from "./dom";
import type { Instance } from "./instance";
import { guardShortcuts, keyName, type Shortcuts } from "./keys";
import type { Pyramid } from "./pyramid";
import { DIAMETER_RANGE } from "./tools/brush";
import { CommandSet } from "./ui/command_set";
import { COMMANDS } from "./ui/commands";
import { refreshAll } from "./ui/controls";
import { colorFilter, DEFAULT_DISPLAY } from "./ui/display";
import { annotatorHelp } from "./ui/help";
import type {
  AnnotatorHost,
  CommandHost,
  Display,
  DisplayHost,
  FocusHost,
  Frame,
  Modes,
  ObjectHost,
  Part,
  ViewOptions,
} from "./ui/host";
import { minimap } from "./ui/minimap";
import { type ObjectPanel, sidePanel } from "./ui/objects";
import { optionRow } from "./ui/options";
import { overlay } from "./ui/overlay";
import { sourceLayer } from "./ui/sources";
import { statusLine } from "./ui/status";
import { toolbar } from "./ui/toolbar";
import { Viewer, type ViewerHost } from "./viewer";

const AUTO_HEIGHT_PX = { min: 260, max: 560 }; // CSS pixels of a stage whose height follows the shape of the image
const TEXT_FIELDS = "input:is([type=text], [type=number])";

export class AnnotatorView implements ViewerHost, AnnotatorHost, CommandHost, ObjectHost, DisplayHost, FocusHost {
  readonly hidden = new Set<number>(); // ids of objects
  readonly marked = new Set<number>(); // ids of objects selected in addition to the current one
  readonly options: ViewOptions = { add: true, straight: false, pressure: false, amount: 2 };
  readonly display: Display = { ...DEFAULT_DISPLAY };
  readonly modes: Modes = { peeking: false, previewing: false, tracing: false, helping: false };
  readonly viewer: Viewer;
  readonly commands: CommandSet<AnnotatorHost>;
  private highlighted: number | null = null; // id of the object whose row the pointer is on
  private readonly root: HTMLElement;
  private readonly side: ObjectPanel;
  private readonly parts: Part[];
  private hasFocus = false;
  private readonly screen: FullScreen;
  private picture: Pyramid | null = null;
  private pictureVersion?: number;
  private imageKey = -1;

  constructor(
    readonly doc: ImageDocument,
    host: HTMLElement,
    signal: AbortSignal,
    private readonly frame?: Frame,
  ) {
    this.viewer = new Viewer(this, signal);
    this.commands = new CommandSet<AnnotatorHost>({
      table: COMMANDS,
      host: this,
      shortcuts: () => this.shortcuts(),
      interceptor: this.viewer,
    });
    this.side = sidePanel(this);
    const stageParts = [colorFilter(this), sourceLayer(this), overlay(this), minimap(this)];
    const rows = [toolbar(this), optionRow(this)];
    const status = statusLine(this);
    const help = annotatorHelp(this);
    this.parts = [...rows, ...stageParts, this.side, help, status];
    this.viewer.stage.append(...stageParts.map((part) => part.element));
    this.root = h(
      "div",
      { class: "cdw", tabindex: "0", role: "application", "aria-label": "Image annotator" },
      ...rows.map((part) => part.element),
      h("div", { class: "cdw-body" }, this.viewer.stage, this.side.element, help.element),
      status.element,
    );
    this.listenToRoot(signal);
    this.screen = new FullScreen(this.root, () => this.refresh(), signal);
    const observer = new ResizeObserver(() => this.updateHeight());
    observer.observe(this.root);
    signal.addEventListener("abort", () => observer.disconnect());
    host.append(this.root);
    doc.listen(() => this.refresh(), signal);
    doc.open();
    this.refresh();
  }

  get wheelZooms(): boolean {
    return this.hasFocus && this.doc.model.get("capture_scroll");
  }
  get isFullscreen(): boolean {
    return this.frame?.isFullscreen ?? this.screen.isOn;
  }

  /** The object that "delete last" deletes: the one being edited, else the newest. */
  get newest(): Instance | undefined {
    const { current } = this.doc;
    if (current?.outline) return current;
    return this.drawn.reduce<Instance | undefined>(
      (newest, one) => (newest && newest.id > one.id ? newest : one),
      undefined,
    );
  }

  get drawn(): Instance[] {
    return this.doc.instances.filter((instance) => instance.outline);
  }

  shortcuts(): Shortcuts {
    return this.doc.model.get("shortcuts");
  }

  color(instance: Pick<Instance, "id" | "label">): string {
    const colors = this.doc.model.get("colors");
    const labelIndex = this.doc.model.get("labels").indexOf(instance.label);
    return colors[(labelIndex >= 0 ? labelIndex : instance.id - 1) % colors.length];
  }

  setOptions(change: Partial<ViewOptions>) {
    Object.assign(this.options, change);
    this.refresh();
  }

  setDisplay(change: Partial<Display>) {
    Object.assign(this.display, change);
    this.refresh();
    this.viewer.invalidate(true);
  }

  scaleBrush(factor: number) {
    const size = this.doc.model.get("brush_size");
    const scaled = Math.round(size * factor);
    const changed = scaled === size ? size + Math.sign(factor - 1) : scaled;
    this.doc.set("brush_size", Math.min(Math.max(changed, DIAMETER_RANGE.min), DIAMETER_RANGE.max));
  }

  setModes(change: Partial<Modes>) {
    Object.assign(this.modes, change);
    if (!this.modes.previewing) void this.doc.previewAction(null);
    this.refresh();
  }

  setLabel(label: string) {
    if (this.doc.isEditable) void this.doc.apply({ type: "relabel", label });
  }

  deleteNewest() {
    if (this.newest) void this.doc.apply({ type: "delete", instance: this.newest.id });
  }

  isHighlighted(id: number) {
    return this.highlighted === id || this.marked.has(id);
  }

  highlight(id: number | null) {
    this.highlighted = id;
    this.viewer.invalidate();
  }

  toggleHidden(id: number) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.refresh();
  }

  /** Hide all objects but one or, if they are hidden, show all. */
  showOnly(id: number) {
    const others = this.drawn.filter((instance) => instance.id !== id);
    const isAlone = others.every((instance) => this.hidden.has(instance.id));
    this.hidden.clear();
    if (!isAlone) for (const other of others) this.hidden.add(other.id);
    this.refresh();
  }

  mark(id: number) {
    if (!this.marked.delete(id) && id !== this.doc.selected) this.marked.add(id);
    this.refresh();
  }

  clearMarks() {
    this.marked.clear();
  }

  async mergeMarked() {
    for (const instance of [...this.marked]) await this.doc.apply({ type: "merge", instance });
    this.marked.clear();
    this.refresh();
  }

  rename(id: number) {
    this.side.rename(id);
  }

  canReorder(id: number, step: number) {
    const position = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    return position >= 0 && position < this.doc.instances.length;
  }

  /** Move an object by a number of positions, forward if positive. */
  reorder(id: number, step: number) {
    const position = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    if (step && this.doc.isEditable && this.canReorder(id, step))
      void this.doc.apply({ type: "reorder", instance: id, position });
  }

  /** Escape: cancel one thing at a time, from the inside out. */
  cancel() {
    if (this.modes.helping) return this.setModes({ helping: false }); // the sheet covers the image
    if (this.viewer.cancel()) return;
    if (this.frame) this.frame.leave();
    else if (this.isFullscreen) this.toggleFullscreen();
    else leave(this.root);
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  toggleFullscreen() {
    if (this.frame) this.frame.toggleFullscreen();
    else this.screen.toggle();
  }

  refresh() {
    const { doc } = this;
    if (this.imageKey !== doc.image.key) {
      this.imageKey = doc.image.key;
      this.hidden.clear();
      this.marked.clear();
      this.viewer.reset();
    }
    for (const id of this.marked)
      if (id === doc.selected || !doc.instances.some((instance) => instance.id === id)) this.marked.delete(id);
    this.viewer.use(doc.model.get("tool"));
    this.root.classList.toggle("cdw-fullscreen", this.isFullscreen && !this.frame);
    this.root.classList.toggle("cdw-lost", doc.isLost);
    this.root.classList.toggle("cdw-view-only", doc.model.get("view_only"));
    this.viewer.stage.classList.toggle("cdw-loading", !doc.picture && !doc.isLost);
    refreshAll(this.parts);
    this.updateHeight();
    this.viewer.updateCursor();
    this.viewer.invalidate(doc.picture !== this.picture || doc.picture?.version !== this.pictureVersion);
    this.picture = doc.picture;
    this.pictureVersion = doc.picture?.version;
  }

  private listenToRoot(signal: AbortSignal) {
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.onKeyDown(event));
    on("keyup", (event) => this.commands.release(event));
    on("focusin", () => {
      this.hasFocus = true;
    });
    on("focusout", () => {
      this.hasFocus = false;
      this.commands.releaseAll();
    });
    on("pointerdown", (event) => {
      if (!(event.target as Element).closest("input, button, label, .cdw-popover")) this.focus();
    });
    on("click", (event) => {
      if (isPointerClickOnFocusedButton(event)) this.focus(); // Enter then finishes the object
    });
    guardShortcuts(this.root, (event) => !this.commands.commandOf(event), signal);
  }

  private updateHeight() {
    const { stage } = this.viewer;
    const { width, height } = this.doc.image;
    const byShape = (stage.clientWidth * height) / width;
    const automatic = Math.min(Math.max(byShape, AUTO_HEIGHT_PX.min), AUTO_HEIGHT_PX.max);
    const fillsScreen = this.isFullscreen || !!this.frame;
    const pixels = fillsScreen ? "" : `${Math.round(this.doc.model.get("height") ?? automatic)}px`;
    if (stage.style.height !== pixels) stage.style.height = pixels;
  }

  private onKeyDown(event: KeyboardEvent) {
    const target = event.target as Element;
    if (target.matches(TEXT_FIELDS)) return;
    const key = keyName(event);
    const command = this.commands.commandOf(event);
    const label = /^[1-9]$/.test(key) ? this.doc.model.get("labels")[Number(key) - 1] : undefined;
    if (target.matches("button, input") && ["Enter", "Space"].includes(key)) return; // the browser presses the button
    if (label !== undefined) this.setLabel(label);
    else if (!command) return;
    else if (["Tab", "Shift+Tab"].includes(key) && (target !== this.root || !this.commands.can(command)))
      return; // the focus moves to the next control
    else this.commands.press(command, event.repeat);
    event.preventDefault();
    event.stopPropagation();
  }
}
