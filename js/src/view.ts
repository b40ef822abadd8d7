/** One view of a document: toolbar, stage, list, status line, and the keys. What it remembers is gone with it. */
import { COMMANDS } from "./commands";
import { PLAIN, type Display } from "./display";
import { commandOf, keyName } from "./keys";
import type { Pyramid } from "./pyramid";
import type { Doc, Instance } from "./state";
import { h } from "./ui/dom";
import { help } from "./ui/help";
import { overlay } from "./ui/overlay";
import { side } from "./ui/side";
import { status } from "./ui/status";
import { toolbar } from "./ui/toolbar";
import { Viewer, type Owner } from "./viewer";

const HEIGHTS = { least: 260, most: 560 }; // CSS pixels of a stage whose height is the image's shape

export interface Part { element: HTMLElement; refresh(): void }

/** What the tools are set to in this view; sizes that Python knows of are traits: brush_size, tolerance, superpixels. */
export interface Options {
  add: boolean; // hand tools add to the mask, or take away; Alt inverts
  straight: boolean; // the lasso goes straight from point to point
  pressure: boolean; // a pen's pressure scales the brush
}

export class View implements Owner {
  readonly hidden = new Set<number>();
  readonly options: Options = { add: true, straight: false, pressure: false };
  readonly display: Display = { ...PLAIN };
  readonly viewer: Viewer;
  peeking = false;
  previewing = false;
  helping = false;
  private readonly root: HTMLElement;
  private readonly parts: Part[];
  private readonly held = new Set<string>();
  private focused = false;
  private pretendedFullscreen = false;
  private picture: Pyramid | null = null;
  private imageKey = -1;

  constructor(readonly doc: Doc, host: HTMLElement, signal: AbortSignal) {
    this.viewer = new Viewer(this, signal);
    this.parts = [toolbar(this), overlay(this), side(this), status(this), help(this)];
    const [bar, over, list, line, keys] = this.parts.map((part) => part.element);
    this.viewer.stage.append(over);
    this.root = h("div", {
      class: "cdw", tabindex: "0", role: "application", "aria-label": "Image annotator", "data-lm-suppress-shortcuts": "true",
    }, bar, h("div", { class: "cdw-body" }, this.viewer.stage, list, keys), line);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.keydown(event));
    on("keyup", (event) => this.keyup(event));
    on("focusin", () => { this.focused = true; });
    on("focusout", () => {
      this.focused = false;
      this.release();
    });
    on("pointerdown", (event) => { if (!(event.target as Element).closest("input, button")) this.root.focus({ preventScroll: true }); });
    on("click", (event) => {
      const byPointer = event.detail > 0; // then Enter is to finish the object, not to press the button again
      if (byPointer && (event.target as Element).closest("button")) this.root.focus({ preventScroll: true });
    });
    document.addEventListener("fullscreenchange", () => this.refresh(), { signal });
    const observer = new ResizeObserver(() => this.setHeight());
    observer.observe(this.root);
    signal.addEventListener("abort", () => observer.disconnect());
    host.append(this.root);
    doc.listen(() => this.refresh(), signal);
    doc.open();
    this.refresh();
  }

  get wheelZooms(): boolean { return this.focused && this.doc.model.get("capture_scroll"); }
  get isFullscreen() { return document.fullscreenElement === this.root || this.pretendedFullscreen; }

  /** The object that "delete last" is about: the one being edited, else the newest. */
  get last(): Instance | undefined {
    const { current, instances } = this.doc;
    return current?.outline ? current : instances.filter((instance) => instance.outline).at(-1);
  }

  color(instance: Pick<Instance, "id" | "label">): string {
    const labels: string[] = this.doc.model.get("labels"), colors: string[] = this.doc.model.get("colors");
    const found = labels.indexOf(instance.label);
    return colors[(found >= 0 ? found : instance.id - 1) % colors.length];
  }

  run(name: string) {
    const command = COMMANDS[name];
    if (command.enabled?.(this) ?? true) command.run(this);
  }

  set(change: Partial<Pick<View, "peeking" | "previewing" | "helping">>) {
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

  toggleHidden(id: number) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.refresh();
  }

  /** Escape: one thing at a time, from the inside out. */
  cancel() {
    if (this.viewer.cancel()) return;
    if (this.helping) this.set({ helping: false });
    else if (this.isFullscreen) this.toggleFullscreen();
    else this.leave();
  }

  /** Give the focus back to what the widget is in, so that a notebook's own keys work at once. */
  private leave() {
    this.root.blur();
    this.root.parentElement?.closest<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
  }

  toggleFullscreen() {
    if (document.fullscreenElement === this.root) void document.exitFullscreen();
    else if (this.pretendedFullscreen) this.pretendedFullscreen = false;
    else this.root.requestFullscreen().catch(() => {
      this.pretendedFullscreen = true; // a host that does not allow it
      this.refresh();
    });
    this.refresh();
  }

  refresh() {
    const { doc } = this;
    if (this.imageKey !== doc.image.key) {
      this.imageKey = doc.image.key;
      this.hidden.clear();
      this.viewer.reset();
    }
    this.viewer.use(doc.model.get("tool"));
    this.root.classList.toggle("cdw-fullscreen", this.isFullscreen);
    this.root.classList.toggle("cdw-dead", doc.dead);
    this.viewer.stage.classList.toggle("cdw-loading", !doc.picture && !doc.dead);
    for (const part of this.parts) part.refresh();
    this.setHeight();
    this.viewer.cursor();
    this.viewer.invalidate(doc.picture !== this.picture);
    this.picture = doc.picture;
  }

  private setHeight() {
    const { stage } = this.viewer, { width, height } = this.doc.image;
    const shape = Math.min(Math.max((stage.clientWidth * height) / width, HEIGHTS.least), HEIGHTS.most);
    const pixels = this.isFullscreen ? "" : `${Math.round(this.doc.model.get("height") ?? shape)}px`;
    if (stage.style.height !== pixels) stage.style.height = pixels;
  }

  private keydown(event: KeyboardEvent) {
    if ((event.target as Element).matches("input[type=text]")) return;
    const name = keyName(event), command = commandOf(name, this.doc.model.get("shortcuts"));
    const label = /^[1-9]$/.test(name) ? this.doc.model.get("labels")[Number(name) - 1] : undefined;
    if (label === undefined && !command) return;
    const onButton = (event.target as Element).matches("button") && ["Enter", "Space"].includes(name);
    if (onButton) return; // they press it
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
