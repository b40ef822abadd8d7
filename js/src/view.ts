/** One view of a document: toolbar, stage, list, status line, and the keys. What it remembers is gone with it. */
import { COMMANDS } from "./commands";
import { PLAIN, type Display } from "./display";
import { commandOf, keyName } from "./keys";
import type { Pyramid } from "./pyramid";
import type { Doc, Instance } from "./state";
import { DIAMETER } from "./tools/brush";
import type { Settings } from "./tools/tool";
import { h } from "./ui/dom";
import { filter } from "./ui/filter";
import { help } from "./ui/help";
import { minimap } from "./ui/minimap";
import type { Objects } from "./ui/objects";
import { options } from "./ui/options";
import { overlay } from "./ui/overlay";
import { leave, Screen } from "./ui/screen";
import { shield } from "./ui/shield";
import { side } from "./ui/side";
import { sources } from "./ui/sources";
import { status } from "./ui/status";
import { toolbar } from "./ui/toolbar";
import { Viewer, type Owner } from "./viewer";

const HEIGHTS = { least: 260, most: 560 }; // CSS pixels of a stage whose height is the image's shape

const TYPED = "input:is([type=text], [type=number])";

export interface Part { element: HTMLElement; refresh(): void }

/** What an annotator is inside of, where that decides how large it is and what comes after it. */
export interface Frame {
  readonly isFullscreen: boolean;
  toggleFullscreen(): void;
  leave(): void; // Escape, when there is nothing left to cancel
}

/** What the tools are set to in this view; sizes that Python knows of are traits: brush_size, tolerance, superpixels. */
export interface Options extends Pick<Settings, "add" | "straight" | "pressure"> {
  amount: number; // image pixels to smooth, grow, shrink or snap by
}

export class View implements Owner {
  readonly hidden = new Set<number>();
  readonly options: Options = { add: true, straight: false, pressure: false, amount: 2 };
  readonly display: Display = { ...PLAIN };
  readonly marked = new Set<number>(); // objects chosen beside the selected one
  readonly viewer: Viewer;
  pointed: number | null = null; // the object whose row the pointer is on
  peeking = false;
  previewing = false;
  tracing = false; // where pixels come from
  helping = false;
  private readonly root: HTMLElement;
  private readonly side: Objects;
  private readonly parts: Part[];
  private readonly held = new Set<string>();
  private focused = false;
  private readonly screen: Screen;
  private picture: Pyramid | null = null;
  private version?: number; // of the picture
  private imageKey = -1;

  constructor(readonly doc: Doc, host: HTMLElement, signal: AbortSignal, private readonly frame?: Frame) {
    this.viewer = new Viewer(this, signal);
    this.side = side(this);
    const stage = [filter(this), sources(this), overlay(this), minimap(this)], bars = [toolbar(this), options(this)], line = status(this), keys = help(this);
    this.parts = [...bars, ...stage, this.side, keys, line];
    this.viewer.stage.append(...stage.map((part) => part.element));
    this.root = h("div", {
      class: "cdw", tabindex: "0", role: "application", "aria-label": "Image annotator",
    }, ...bars.map((part) => part.element), h("div", { class: "cdw-body" }, this.viewer.stage, this.side.element, keys.element), line.element);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.keydown(event));
    on("keyup", (event) => this.keyup(event));
    on("focusin", () => { this.focused = true; });
    on("focusout", () => {
      this.focused = false;
      this.release();
    });
    on("pointerdown", (event) => {
      if (!(event.target as Element).closest("input, button, label, .cdw-popover")) this.focus();
    });
    on("click", (event) => {
      const pressed = (event.target as Element).closest("button:not([aria-haspopup], .cdw-popover *)"), byPointer = event.detail > 0;
      if (byPointer && pressed?.matches(":focus")) this.focus(); // then Enter is to finish the object, not to press the button again
    });
    shield(this.root, (event) => !commandOf(keyName(event), this.doc.model.get("shortcuts")), signal);
    this.screen = new Screen(this.root, () => this.refresh(), signal);
    const observer = new ResizeObserver(() => this.setHeight());
    observer.observe(this.root);
    signal.addEventListener("abort", () => observer.disconnect());
    host.append(this.root);
    doc.listen(() => this.refresh(), signal);
    doc.open();
    this.refresh();
  }

  get wheelZooms(): boolean { return this.focused && this.doc.model.get("capture_scroll"); }
  get isFullscreen(): boolean { return this.frame?.isFullscreen ?? this.screen.isFull; }

  /** The object that "delete last" is about: the one being edited, else the newest. */
  get last(): Instance | undefined {
    const { current } = this.doc;
    return current?.outline ? current : this.drawn.reduce<Instance | undefined>((newest, one) => (newest && newest.id > one.id ? newest : one), undefined);
  }

  /** Objects with pixels, the one in front last. */
  get drawn(): Instance[] { return this.doc.instances.filter((instance) => instance.outline); }

  keyOf(command: string): string | undefined { return this.doc.model.get("shortcuts")[command]?.[0]; }

  color(instance: Pick<Instance, "id" | "label">): string {
    const labels: string[] = this.doc.model.get("labels"), colors: string[] = this.doc.model.get("colors");
    const found = labels.indexOf(instance.label);
    return colors[(found >= 0 ? found : instance.id - 1) % colors.length];
  }

  run(name: string) {
    if (this.viewer.take(name)) return;
    if (this.can(name)) COMMANDS[name].run(this);
  }

  can(name: string) { return this.viewer.takes(name) || (COMMANDS[name].enabled?.(this) ?? true); }

  write(trait: string, value: unknown) {
    this.doc.model.set(trait, value);
    this.doc.model.save_changes();
  }

  setOptions(change: Partial<Options>) {
    Object.assign(this.options, change);
    this.refresh();
  }

  setDisplay(change: Partial<Display>) {
    Object.assign(this.display, change);
    this.refresh();
    this.viewer.invalidate(true);
  }

  scaleBrush(factor: number) {
    const size: number = this.doc.model.get("brush_size"), scaled = Math.round(size * factor);
    const moved = scaled === size ? size + Math.sign(factor - 1) : scaled;
    this.write("brush_size", Math.min(Math.max(moved, DIAMETER.min), DIAMETER.max));
  }

  set(change: Partial<Pick<View, "peeking" | "previewing" | "helping" | "tracing">>) {
    Object.assign(this, change);
    if (!this.previewing) void this.doc.look(null);
    this.refresh();
  }

  setLabel(label: string) {
    if (this.doc.editable) void this.doc.apply({ type: "relabel", label });
  }

  deleteLast() {
    if (this.last) void this.doc.apply({ type: "delete", instance: this.last.id });
  }

  points(id: number) { return this.pointed === id || this.marked.has(id); }

  point(id: number | null) {
    this.pointed = id;
    this.viewer.invalidate();
  }

  toggleHidden(id: number) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.refresh();
  }

  /** Hide all objects but one, or show all of them again. */
  showOnly(id: number) {
    const others = this.drawn.filter((instance) => instance.id !== id), alone = others.every((instance) => this.hidden.has(instance.id));
    this.hidden.clear();
    if (!alone) others.forEach((instance) => this.hidden.add(instance.id));
    this.refresh();
  }

  /** Choose an object beside the selected one, or no longer. */
  mark(id: number) {
    if (!this.marked.delete(id) && id !== this.doc.selected) this.marked.add(id);
    this.refresh();
  }

  async merge() {
    for (const instance of [...this.marked]) await this.doc.apply({ type: "merge", instance });
    this.marked.clear();
    this.refresh();
  }

  rename(id: number) { this.side.rename(id); }

  canReorder(id: number, step: number) {
    const at = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    return at >= 0 && at < this.doc.instances.length;
  }

  /** Move an object by a number of places, forward when positive. */
  reorder(id: number, step: number) {
    const position = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    if (step && this.doc.editable && this.canReorder(id, step)) void this.doc.apply({ type: "reorder", instance: id, position });
  }

  /** Escape: one thing at a time, from the inside out. */
  cancel() {
    if (this.helping) return this.set({ helping: false }); // it lies over the image
    if (this.viewer.cancel()) return;
    if (this.frame) this.frame.leave();
    else if (this.isFullscreen) this.toggleFullscreen();
    else leave(this.root);
  }

  focus() { this.root.focus({ preventScroll: true }); }

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
    for (const id of this.marked) if (id === doc.selected || !doc.instances.some((instance) => instance.id === id)) this.marked.delete(id);
    this.viewer.use(doc.model.get("tool"));
    this.root.classList.toggle("cdw-fullscreen", this.isFullscreen && !this.frame);
    this.root.classList.toggle("cdw-dead", doc.dead);
    this.root.classList.toggle("cdw-view-only", doc.model.get("view_only"));
    this.viewer.stage.classList.toggle("cdw-loading", !doc.picture && !doc.dead);
    for (const part of this.parts) part.refresh();
    this.setHeight();
    this.viewer.cursor();
    this.viewer.invalidate(doc.picture !== this.picture || doc.picture?.version !== this.version);
    this.picture = doc.picture;
    this.version = doc.picture?.version;
  }

  private setHeight() {
    const { stage } = this.viewer, { width, height } = this.doc.image;
    const shape = Math.min(Math.max((stage.clientWidth * height) / width, HEIGHTS.least), HEIGHTS.most);
    const pixels = this.isFullscreen || this.frame ? "" : `${Math.round(this.doc.model.get("height") ?? shape)}px`;
    if (stage.style.height !== pixels) stage.style.height = pixels;
  }

  private keydown(event: KeyboardEvent) {
    if ((event.target as Element).matches(TYPED)) return;
    const name = keyName(event), command = commandOf(name, this.doc.model.get("shortcuts"));
    const label = /^[1-9]$/.test(name) ? this.doc.model.get("labels")[Number(name) - 1] : undefined;
    if (label === undefined && !command) return;
    if ((event.target as Element).matches("button, input") && ["Enter", "Space"].includes(name)) return; // they press it
    if (name === "Tab" && (event.target !== this.root || !this.can(command!))) return; // on to the next control
    event.preventDefault();
    event.stopPropagation();
    if (label !== undefined) return this.setLabel(label);
    const held = COMMANDS[command!].held;
    if (!held) return this.run(command!);
    this.held.add(command!);
    held(this, true);
  }

  private keyup(event: KeyboardEvent) {
    const command = commandOf(keyName(event), this.doc.model.get("shortcuts"));
    if (command && this.held.delete(command)) COMMANDS[command].held?.(this, false);
  }

  private release() {
    for (const command of this.held) COMMANDS[command].held?.(this, false);
    this.held.clear();
  }
}
