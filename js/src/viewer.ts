/** The stage: canvases for image, masks and hand under one camera, each painted again only when it looks different. Pointer and wheel become camera moves and tool events; nothing here knows Python. */
import type { Action } from "./actions";
import { fit, pan, toImage, toScreen, zoomAt, type Camera, type Size } from "./camera";
import type { Display } from "./display";
import type { Draft, Instance } from "./instance";
import * as layers from "./layers";
import { Pointers, type Hand } from "./pointers";
import { paintChange, paintPreview, traces, type Place } from "./previews";
import type { Doc } from "./state";
import { TOOLS } from "./tools";
import { isInside, ToolDriver, type Ctx, type Ev, type Preview, type Settings } from "./tools/tool";
import { h } from "./ui/dom";

const STEADY_MS = 80; // the pointer rests this long before a preview is asked for
const KEYS: Record<string, Ev["key"]> = { finish: "Enter", delete_last: "Backspace", undo: "Backspace" }; // what commands mean to a gesture

/** What the stage asks of the view that owns it. */
export interface Owner {
  readonly doc: Doc;
  readonly hidden: Set<number>;
  points(id: number): boolean; // at an object, in the list
  readonly peeking: boolean;
  readonly previewing: boolean;
  readonly wheelZooms: boolean;
  readonly options: Pick<Settings, "add" | "straight" | "pressure">;
  readonly display: Pick<Display, "sharp" | "grid">;
  color(instance: Instance): string;
  write(trait: string, value: unknown): void;
  refresh(): void;
}

type Held = Pick<PointerEvent, "clientX" | "clientY" | "altKey" | "shiftKey" | "pointerType" | "pressure"> & { button?: number; buttons?: number };

export class Viewer {
  readonly stage = h("div", { class: "cdw-stage" });
  camera: Camera = { scale: 1, x: 0, y: 0 };
  pointer: [number, number] | null = null; // image coordinates
  private readonly imageCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly maskCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly handCanvas = h("canvas", { "aria-hidden": "true" }); // what follows the pointer, and what changes by itself
  private readonly driver: ToolDriver;
  private readonly pointers: Pointers;
  private size: Size = { width: 0, height: 0 };
  private fitted = true;
  private frame = 0;
  private imageIsStale = true;
  private masksShown = ""; // what they look like
  private partsAreStale = false;
  private shown: Preview | null = null; // by the gesture
  private tip: Preview | null = null; // by the tool, at the pointer
  private draft: Draft | undefined;
  private over: Held | null = null; // the pointer, as it was last
  private panHeld = false;
  private resting?: ReturnType<typeof setTimeout>;

  constructor(private readonly owner: Owner, signal: AbortSignal) {
    this.stage.append(this.imageCanvas, this.maskCanvas, this.handCanvas);
    this.driver = new ToolDriver(this.context(), TOOLS.click);
    this.pointers = new Pointers(this.stage, this.hand(), signal);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.stage.addEventListener(type, listener, { signal, passive: false });
    on("pointerleave", () => this.leave());
    on("wheel", (event) => this.wheel(event));
    on("mousedown", (event) => { if (event.button === 1) event.preventDefault(); }); // no auto-scroll
    on("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    for (const type of ["keydown", "keyup"] as const) document.addEventListener(type, (event) => this.modifier(event), { signal });
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.stage);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.resting);
      this.cancel();
    });
  }

  get image(): Size { return this.owner.doc.image; }

  fit() {
    this.fitted = true;
    this.look(fit(this.image, this.size));
  }

  /** Another image: forget where the last one was looked at. */
  reset() {
    this.cancel();
    this.fitted = true;
    this.camera = fit(this.image, this.size);
    this.invalidate(true);
  }

  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2) {
    this.fitted = false;
    this.look(zoomAt(this.camera, x, y, factor, this.image, this.size));
  }

  /** Bring an image point to the middle. */
  center(x: number, y: number) {
    this.fitted = false;
    const [left, top] = toScreen(this.camera, x, y);
    this.look(pan(this.camera, this.size.width / 2 - left, this.size.height / 2 - top, this.image, this.size));
  }

  use(tool: string) {
    if (this.driver.busy && !this.owner.doc.editable) this.driver.cancel();
    if (this.driver.tool === TOOLS[tool]) return;
    this.driver.use(TOOLS[tool]);
    void this.driver.tool.enter?.(this.driver.ctx)?.finally(() => this.hover());
    this.hover();
  }

  holdPan(held: boolean) {
    this.panHeld = held;
    this.cursor();
  }

  /** Whether a command is for the gesture under way: Enter finishes a polygon, not the object. */
  takes(command: string): boolean { return this.driver.busy && command in KEYS; }

  take(command: string): boolean {
    if (!this.takes(command)) return false;
    this.driver.send({ type: "key", key: KEYS[command], x: this.pointer?.[0] ?? 0, y: this.pointer?.[1] ?? 0 });
    return true;
  }

  /** Give up the gesture under way; says whether there was one. */
  cancel(): boolean {
    const moving = this.pointers.stop(), had = moving || this.driver.busy;
    this.driver.cancel();
    this.cursor();
    return had;
  }

  /** Paint soon. The image is painted again only where it or the camera changed. */
  invalidate(imageToo = false) {
    this.imageIsStale ||= imageToo;
    this.frame ||= requestAnimationFrame((now) => this.paint(now));
  }

  cursor() {
    const { cursor } = this.driver.tool, drawn = cursor === "none" && this.owner.doc.editable && !this.panHeld && !this.pointers.isMoving;
    const kind = this.pointers.isMoving ? "grabbing" : this.panHeld ? "grab" : !this.owner.doc.editable ? "default" : this.over?.shiftKey ? "remove" : "add";
    this.stage.dataset.cursor = kind;
    this.stage.style.cursor = drawn ? "none" : "";
  }

  private look(camera: Camera) {
    this.camera = camera;
    this.imageIsStale = true;
    this.hover();
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    this.masksShown = "";
    for (const canvas of [this.imageCanvas, this.maskCanvas, this.handCanvas]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const dx = (width - this.size.width) / 2, dy = (height - this.size.height) / 2;
    this.size = { width, height };
    if (this.fitted) this.fit();
    else this.look(pan(this.camera, dx, dy, this.image, this.size));
  }

  private paint(now: number) {
    if (this.partsAreStale) {
      this.partsAreStale = false;
      this.owner.refresh();
    }
    this.frame = 0;
    const { doc, peeking, previewing } = this.owner;
    if (!this.size.width) return;
    const ratio = this.imageCanvas.width / this.size.width, { camera } = this;
    if (this.imageIsStale) {
      const ctx = clear(this.imageCanvas);
      if (doc.picture) layers.paintImage(ctx, doc.picture, this.image, camera, ratio, this.owner.display);
      this.imageIsStale = false;
    }
    this.paintMasks(ratio);
    const ctx = clear(this.handCanvas);
    let again = false;
    if (!peeking && doc.picture) {
      if (doc.flash) again = layers.paintFlash(ctx, doc.flash, camera, ratio, performance.now());
      const place: Place = { camera, ratio, waits: false, now };
      const looks = (previewing && this.pointer) || this.driver.busy || doc.pending.length > 0;
      if (doc.preview && looks) paintChange(ctx, doc.preview, place);
      for (const prompt of doc.prompts) for (const preview of traces(prompt)) paintPreview(ctx, preview, place);
      for (const preview of doc.pending) paintPreview(ctx, preview, { ...place, waits: true });
      if (this.shown) paintPreview(ctx, this.shown, place);
      if (this.tip && doc.editable && !this.panHeld && !this.pointers.isMoving) paintPreview(ctx, this.tip, place);
      again ||= doc.pending.length > 0;
    }
    if (doc.picture) doc.painted();
    if (again) this.invalidate();
  }

  private paintMasks(ratio: number) {
    const { doc, hidden, peeking } = this.owner, { camera } = this;
    const instances = peeking || !doc.picture ? [] : doc.instances.filter((instance) => !hidden.has(instance.id) && instance.outline);
    const look = { opacity: doc.model.get("opacity"), selected: doc.selected, color: (i: Instance) => this.owner.color(i), pointed: (i: Instance) => this.owner.points(i.id) };
    const shown = JSON.stringify([camera, look, instances.map((instance) => [instance.id, look.color(instance), look.pointed(instance), instance.outline!.version])]);
    if (shown === this.masksShown) return;
    this.masksShown = shown;
    layers.paintMasks(clear(this.maskCanvas), instances, camera, ratio, look);
  }

  /** What the tools may see and do. */
  private context(): Ctx {
    const viewer = this, { doc } = this.owner;
    return {
      get image() { return viewer.image; },
      get scale() { return viewer.camera.scale; },
      get settings(): Settings {
        const { model } = doc;
        const sizes = { brush_size: model.get("brush_size"), tolerance: model.get("tolerance"), superpixels: model.get("superpixels") };
        return { ...sizes, ...viewer.owner.options };
      },
      get pixels() { return doc.current?.pixels; },
      get superpixels() { return doc.superpixels(doc.model.get("superpixels")); },
      arrival: () => doc.arrival,
      set: (trait, value) => viewer.owner.write(trait, value),
      preview(preview) {
        viewer.shown = preview;
        viewer.invalidate();
      },
      paint(patch, add) {
        viewer.draft = doc.paint(patch, add, viewer.draft);
      },
      look: (action, now) => viewer.rest(action, now),
      ask: (op, fields) => doc.peek(op, fields),
      commit(action: Action) {
        clearTimeout(viewer.resting);
        void doc.commit(action, viewer.shown, viewer.draft);
        viewer.shown = null;
        viewer.draft = undefined;
      },
      done() {
        const { draft } = viewer;
        viewer.draft = undefined;
        if (draft) doc.drop(draft);
        this.preview(null);
        viewer.partsAreStale = true; // what Enter and Backspace are for now
        if (!doc.pending.length && doc.preview) void doc.look(null);
      },
    };
  }

  private hand(): Hand {
    const viewer = this;
    return {
      get moves() { return viewer.panHeld; },
      press(event, double) {
        viewer.track(event);
        if (!viewer.owner.doc.editable || !viewer.owner.doc.picture) return false;
        viewer.owner.hidden.delete(viewer.owner.doc.selected); // what is drawn is seen
        viewer.driver.send({ ...viewer.toEv("down", event), double });
        viewer.hover();
        return true;
      },
      draw(event) {
        clearTimeout(viewer.resting);
        const parts = viewer.driver.busy ? event.getCoalescedEvents?.() : [];
        for (const part of parts?.length ? parts : [event]) if (viewer.driver.busy) viewer.driver.send(viewer.toEv("move", part));
        viewer.track(event);
      },
      release(event) {
        viewer.driver.send(viewer.toEv("up", event));
        viewer.track(event);
        if (event.pointerType === "touch") viewer.leave();
      },
      interrupt: () => viewer.driver.interrupt(),
      pan: (dx, dy, at) => {
        viewer.fitted = false;
        viewer.look(pan(viewer.camera, dx, dy, viewer.image, viewer.size));
        if (at) viewer.track(at);
      },
      pinch: (factor, x, y) => viewer.zoom(factor, ...viewer.at({ clientX: x, clientY: y })),
      changed: () => viewer.cursor(),
    };
  }

  private at({ clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  private toEv(type: Ev["type"], event: Held): Ev {
    const [x, y] = toImage(this.camera, ...this.at(event)), eraser = event.button === 5 || !!((event.buttons ?? 0) & 32);
    const { altKey: alt, shiftKey: shift, pointerType, pressure } = event;
    return { type, x, y, secondary: event.button === 2 || eraser || shift, shift, alt, pointerType, pressure };
  }

  private track(event: PointerEvent) {
    const { clientX, clientY, altKey, shiftKey, pointerType, pressure } = event;
    this.over = { clientX, clientY, altKey, shiftKey, pointerType, pressure };
    this.hover();
  }

  /** Alt and Shift change what a tool would do, while the pointer rests. */
  private modifier(event: KeyboardEvent) {
    if (!this.over || !["Alt", "Shift"].includes(event.key)) return;
    if (event.key === "Alt" && this.owner.wheelZooms) event.preventDefault(); // the browser's menu
    this.over = { ...this.over, altKey: event.altKey, shiftKey: event.shiftKey };
    if (this.driver.busy) this.driver.send(this.toEv("move", this.over));
    this.hover();
  }

  /** The pointer, or the image under it, has moved. */
  private hover() {
    const event = this.over && this.toEv("move", this.over);
    this.pointer = event && isInside(this.image, event) ? [event.x, event.y] : null;
    this.tip = event && this.owner.doc.picture ? this.driver.hover(event) : null;
    this.cursor();
    this.partsAreStale = true;
    this.invalidate();
  }

  private leave() {
    this.over = null;
    clearTimeout(this.resting);
    if (this.owner.doc.preview) void this.owner.doc.look(null);
    this.hover();
  }

  /** Once the pointer rests, or at once when a gesture asks for it, show what an action would do. */
  private rest(action: Action, now = false) {
    clearTimeout(this.resting);
    if (now) void this.owner.doc.look(action);
    else if (this.owner.previewing && this.owner.doc.editable) this.resting = setTimeout(() => void this.owner.doc.look(action), STEADY_MS);
  }

  private wheel(event: WheelEvent) {
    if (!event.ctrlKey && !event.metaKey && !this.owner.wheelZooms) return;
    event.preventDefault();
    event.stopPropagation();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.size.height : 1);
    const speed = event.ctrlKey && Math.abs(pixels) < 30 ? 0.01 : 0.0018; // a pinch comes as small steps with Ctrl
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * speed), ...this.at(event));
  }
}

function clear(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = canvas.getContext("2d")!;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  return ctx;
}
