/** The stage: two canvases under one camera. Pointer and wheel become camera moves and tool events; nothing here knows Python. */
import type { Action } from "./actions";
import { fit, pan, toImage, toScreen, zoomAt, type Camera, type Size } from "./camera";
import * as layers from "./layers";
import type { Doc, Dot, Instance } from "./state";
import { TOOLS } from "./tools";
import { ToolDriver, type Ev, type Preview } from "./tools/tool";
import { h } from "./ui/dom";

const STEADY_MS = 80; // the pointer rests this long before a preview is asked for

/** What the stage asks of the view that owns it. */
export interface Owner {
  readonly doc: Doc;
  readonly hidden: Set<number>;
  readonly peeking: boolean;
  readonly previewing: boolean;
  readonly wheelZooms: boolean;
  color(instance: Instance): string;
  refresh(): void;
}

export class Viewer {
  readonly stage = h("div", { class: "cdw-stage" });
  camera: Camera = { scale: 1, x: 0, y: 0 };
  pointer: [number, number] | null = null; // image coordinates
  private readonly imageCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly maskCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly driver: ToolDriver;
  private size: Size = { width: 0, height: 0 };
  private fitted = true;
  private frame = 0;
  private imageIsStale = true;
  private pressed: Dot | null = null;
  private dragging: { id: number; x: number; y: number } | null = null;
  private panHeld = false;
  private resting?: ReturnType<typeof setTimeout>;

  constructor(private readonly owner: Owner, signal: AbortSignal) {
    this.stage.append(this.imageCanvas, this.maskCanvas);
    const commit = (action: Action) => void (action.type === "click" ? owner.doc.click(action) : owner.doc.apply(action));
    this.driver = new ToolDriver({ preview: (preview) => this.show(preview), commit }, TOOLS.click);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.stage.addEventListener(type, listener, { signal, passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", () => this.cancel());
    on("pointerleave", () => this.leave());
    on("wheel", (event) => this.wheel(event));
    on("mousedown", (event) => { if (event.button === 1) event.preventDefault(); }); // no auto-scroll
    on("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.stage);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.resting);
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

  use(tool: string) { this.driver.use(TOOLS[tool]); }

  holdPan(held: boolean) {
    this.panHeld = held;
    this.cursor();
  }

  /** Give up the gesture under way; says whether there was one. */
  cancel(): boolean {
    const had = this.driver.busy || this.dragging !== null;
    this.driver.cancel();
    this.dragging = null;
    this.cursor();
    return had;
  }

  /** Paint soon. The image is painted again only where it or the camera changed. */
  invalidate(imageToo = false) {
    this.imageIsStale ||= imageToo;
    this.frame ||= requestAnimationFrame((now) => this.paint(now));
  }

  cursor(shift = false) {
    const kind = this.dragging ? "grabbing" : this.panHeld ? "grab" : !this.owner.doc.editable ? "default" : shift ? "remove" : "add";
    this.stage.dataset.cursor = kind;
  }

  private look(camera: Camera) {
    this.camera = camera;
    this.invalidate(true);
    this.owner.refresh();
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    for (const canvas of [this.imageCanvas, this.maskCanvas]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const dx = (width - this.size.width) / 2, dy = (height - this.size.height) / 2;
    this.size = { width, height };
    if (this.fitted) this.fit();
    else this.look(pan(this.camera, dx, dy, this.image, this.size));
  }

  private paint(now: number) {
    this.frame = 0;
    const { doc, hidden, peeking, previewing } = this.owner;
    if (!this.size.width) return;
    const ratio = this.imageCanvas.width / this.size.width;
    if (this.imageIsStale) {
      const ctx = clear(this.imageCanvas);
      if (doc.picture) layers.paintImage(ctx, doc.picture, this.image, this.camera, ratio);
      this.imageIsStale = false;
    }
    const ctx = clear(this.maskCanvas);
    let again = false;
    if (!peeking && doc.picture) {
      const shown = doc.instances.filter((instance) => !hidden.has(instance.id));
      const look = { opacity: doc.model.get("opacity"), selected: doc.selected, color: (i: Instance) => this.owner.color(i) };
      layers.paintMasks(ctx, shown, this.camera, ratio, look);
      if (doc.flash) again = layers.paintFlash(ctx, doc.flash, this.camera, ratio, performance.now());
      if (doc.preview && previewing && this.pointer) layers.paintPreview(ctx, doc.preview, this.camera, ratio);
      for (const dot of doc.clicks) layers.paintDot(ctx, dot, this.camera, ratio, false, now);
      for (const dot of doc.pending) layers.paintDot(ctx, dot, this.camera, ratio, true, now);
      if (this.pressed) layers.paintDot(ctx, this.pressed, this.camera, ratio, false, now);
      again ||= doc.pending.length > 0;
    }
    if (doc.picture) doc.painted();
    if (again) this.invalidate();
  }

  private show(preview: Preview | null) {
    this.pressed = preview && preview.dot;
    this.invalidate();
  }

  private at(event: MouseEvent): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private toolEvent(type: Ev["type"], event: PointerEvent): Ev {
    const [x, y] = toImage(this.camera, ...this.at(event));
    return { type, x, y, secondary: event.button === 2 || event.shiftKey };
  }

  private down(event: PointerEvent) {
    if (!(event.target instanceof HTMLCanvasElement)) return; // what lies over the image has clicks of its own
    if (event.button === 1 || (event.button === 0 && this.panHeld)) {
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
    } else if (event.button === 0 || event.button === 2) {
      const press = this.toolEvent("down", event);
      if (!this.owner.doc.editable || !this.owner.doc.picture || !this.contains(press.x, press.y) || this.driver.busy) return;
      this.driver.send(press);
    } else return;
    this.stage.setPointerCapture(event.pointerId);
    this.cursor(event.shiftKey);
  }

  private move(event: PointerEvent) {
    if (this.dragging?.id === event.pointerId) {
      this.fitted = false;
      const dx = event.clientX - this.dragging.x, dy = event.clientY - this.dragging.y;
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
      return this.look(pan(this.camera, dx, dy, this.image, this.size));
    }
    for (const part of event.getCoalescedEvents?.() ?? [event]) this.driver.send(this.toolEvent("move", part));
    const [x, y] = toImage(this.camera, ...this.at(event));
    this.pointer = this.contains(x, y) ? [x, y] : null;
    this.cursor(event.shiftKey);
    this.owner.refresh();
    this.rest(!event.shiftKey);
  }

  private up(event: PointerEvent) {
    if (this.dragging?.id === event.pointerId) this.dragging = null;
    else this.driver.send(this.toolEvent("up", event));
    this.cursor(event.shiftKey);
  }

  private leave() {
    this.pointer = null;
    clearTimeout(this.resting);
    if (this.owner.previewing) void this.owner.doc.look(null);
    this.owner.refresh();
  }

  /** Where the pointer rests, show what a click would do. */
  private rest(positive: boolean) {
    clearTimeout(this.resting);
    if (!this.owner.previewing || !this.pointer || !this.owner.doc.editable || this.driver.busy) return;
    const [x, y] = this.pointer;
    this.resting = setTimeout(() => void this.owner.doc.look({ x, y, positive }), STEADY_MS);
  }

  private wheel(event: WheelEvent) {
    if (!event.ctrlKey && !event.metaKey && !this.owner.wheelZooms) return;
    event.preventDefault();
    event.stopPropagation();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.size.height : 1);
    const speed = event.ctrlKey && Math.abs(pixels) < 30 ? 0.01 : 0.0018; // a pinch comes as small steps with Ctrl
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * speed), ...this.at(event));
  }

  private contains(x: number, y: number) {
    return x >= 0 && y >= 0 && x < this.image.width && y < this.image.height;
  }
}

function clear(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = canvas.getContext("2d")!;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  return ctx;
}
