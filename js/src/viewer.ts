/**
 * The stage: canvases for the image, the masks and the previews under one camera, each painted only when it looks different. Pointer and
 * wheel become camera moves and tool events.
 */
import type { Action } from "./actions";
import { type Camera, fitCamera, pan, type Size, toImage, toScreen, wheelFactor, zoomAt } from "./camera";
import { context2d, h, resizeCanvases } from "./dom";
import type { Draft, Instance } from "./instance";
import * as layers from "./layers";
import { isChoice, isSecondary, type PointerHandler, type PointerState, Pointers } from "./pointers";
import { type PaintState, paintChange, paintPreview } from "./previews";
import { paintTags } from "./tags";
import { TOOLS } from "./tools";
import { isInside, type Preview, type ToolContext, ToolDriver, type ToolEvent, type ToolSettings } from "./tools/tool";
import type { ViewerHost } from "./viewer_host";

const REST_MS = 80; // the pointer rests this long before an action is previewed
const GESTURE_KEYS: Record<string, ToolEvent["key"]> = { finish: "Enter", delete_last: "Backspace", undo: "Backspace" };

export class Viewer {
  readonly stage = h("div", { class: "cdw-stage" });
  readonly imageCanvas = h("canvas", { "aria-hidden": "true" });
  readonly maskCanvas = h("canvas", { "aria-hidden": "true" });
  readonly previewCanvas = h("canvas", { "aria-hidden": "true" });
  camera: Camera = { scale: 1, x: 0, y: 0 };
  pointer: [number, number] | null = null; // image coordinates
  private readonly driver: ToolDriver;
  private readonly pointers: Pointers;
  private size: Size = { width: 0, height: 0 };
  private isFitted = true;
  private frame = 0;
  private isImageStale = true;
  private paintedMasks = ""; // describes the painted masks
  private isHostStale = false;
  private gesturePreview: Preview | null = null;
  private pointerPreview: Preview | null = null;
  private draft: Draft | undefined;
  private lastPointer: PointerState | null = null;
  private isPanHeld = false;
  private restTimer?: ReturnType<typeof setTimeout>;

  constructor(
    private readonly host: ViewerHost,
    signal: AbortSignal,
  ) {
    this.stage.append(this.imageCanvas, this.maskCanvas, this.previewCanvas);
    this.driver = new ToolDriver(this.toolContext(), TOOLS.click);
    this.pointers = new Pointers(this.stage, this.pointerHandler(), signal);
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.stage.addEventListener(type, listener, { signal, passive: false });
    on("pointerleave", () => this.onLeave());
    on("wheel", (event) => this.onWheel(event));
    on("mousedown", (event) => {
      if (event.button === 1) event.preventDefault(); // no auto-scroll
    });
    on("contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    for (const type of ["keydown", "keyup"] as const)
      document.addEventListener(type, (event) => this.onModifier(event), { signal, capture: true }); // widgets stop keys
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.stage);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      cancelAnimationFrame(this.frame);
      clearTimeout(this.restTimer);
      this.cancel();
    });
  }

  get image(): Size {
    return this.host.doc.image;
  }

  fit() {
    this.isFitted = true;
    this.setCamera(fitCamera(this.image, this.size));
  }

  /** Show another image as a whole. */
  reset() {
    this.cancel();
    this.isFitted = true;
    this.camera = fitCamera(this.image, this.size);
    this.invalidate(true);
  }

  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2) {
    this.isFitted = false;
    this.setCamera(zoomAt(this.camera, x, y, factor, this.image, this.size));
  }

  /** Move an image point to the center of the stage. */
  center(x: number, y: number) {
    this.isFitted = false;
    const [left, top] = toScreen(this.camera, x, y);
    this.setCamera(pan(this.camera, this.size.width / 2 - left, this.size.height / 2 - top, this.image, this.size));
  }

  use(tool: string) {
    if (this.driver.isBusy && !this.host.doc.isEditable) this.driver.cancel();
    if (this.driver.tool === TOOLS[tool]) return;
    this.driver.use(TOOLS[tool]);
    void this.driver.tool.selected?.(this.driver.context)?.finally(() => this.updateHover());
    this.updateHover();
  }

  get isDrawing() {
    return this.driver.isBusy;
  }

  holdPan(isHeld: boolean) {
    this.isPanHeld = isHeld;
    this.updateCursor();
  }

  /** Whether the current gesture uses a command itself: Enter closes a polygon instead of finishing the object. */
  takes(command: string): boolean {
    return this.driver.isBusy && command in GESTURE_KEYS;
  }

  take(command: string) {
    const [x, y] = this.pointer ?? [0, 0];
    this.driver.send({ type: "key", key: GESTURE_KEYS[command], x, y });
  }

  /** Cancel the current gesture. Returns whether there was one. */
  cancel(): boolean {
    const wasMoving = this.pointers.stop();
    const hadGesture = wasMoving || this.driver.isBusy;
    this.driver.cancel();
    this.updateCursor();
    return hadGesture;
  }

  /** Paint in the next frame; the image only if it or the camera has changed. */
  invalidate(isImageStale = false) {
    this.isImageStale ||= isImageStale;
    this.frame ||= requestAnimationFrame((now) => this.paint(now));
  }

  updateCursor() {
    const { isEditable } = this.host.doc;
    const { isMoving } = this.pointers;
    const isDrawn = this.driver.tool.cursor === "none" && isEditable && !this.isPanHeld && !isMoving;
    this.stage.dataset.cursor = this.cursorName(isEditable, isMoving);
    this.stage.style.cursor = isDrawn ? "none" : "";
  }

  private cursorName(isEditable: boolean, isMoving: boolean): string {
    if (isMoving) return "grabbing";
    if (this.isPanHeld) return "grab";
    if (!isEditable || this.driver.tool.cursor === "default") return "default";
    return this.lastPointer?.shiftKey ? "remove" : "add";
  }

  private setCamera(camera: Camera) {
    this.camera = camera;
    this.isImageStale = true;
    this.updateHover();
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.paintedMasks = "";
    resizeCanvases([this.imageCanvas, this.maskCanvas, this.previewCanvas], width, height);
    const dx = (width - this.size.width) / 2;
    const dy = (height - this.size.height) / 2;
    this.size = { width, height };
    if (this.isFitted) this.fit();
    else this.setCamera(pan(this.camera, dx, dy, this.image, this.size));
  }

  private paint(now: number) {
    if (this.isHostStale) {
      this.isHostStale = false;
      this.host.refresh();
    }
    this.frame = 0;
    const { doc, display } = this.host;
    if (!this.size.width) return;
    const ratio = this.imageCanvas.width / this.size.width;
    if (this.isImageStale) {
      const ctx = clear(this.imageCanvas);
      if (doc.picture) layers.paintImage(ctx, doc.picture, this.image, this.camera, ratio, display);
      this.isImageStale = false;
    }
    this.paintMasks(ratio);
    const isAnimated = this.paintPreviews(ratio, now);
    if (doc.picture) doc.markPainted();
    if (isAnimated) this.invalidate();
  }

  private paintMasks(ratio: number) {
    const { doc, hidden, modes } = this.host;
    const isVisible = (instance: Instance) => !hidden.has(instance.id) && !!instance.outline;
    const instances = modes.peeking || !doc.picture ? [] : doc.instances.filter(isVisible);
    const style = {
      opacity: doc.model.get("opacity"),
      selected: doc.selected,
      onWhite: modes.onWhite,
      color: (instance: Instance) => this.host.color(instance),
      isHighlighted: (instance: Instance) => this.host.isHighlighted(instance.id),
    };
    const description = JSON.stringify([
      this.camera,
      style,
      instances.map((one) => [one.id, style.color(one), style.isHighlighted(one), one.outline?.version]),
    ]);
    if (description === this.paintedMasks) return;
    this.paintedMasks = description;
    layers.paintMasks(clear(this.maskCanvas), instances, this.camera, ratio, style);
  }

  /** Paint flash, prompts and previews. Returns whether another frame is needed. */
  private paintPreviews(ratio: number, now: number): boolean {
    const { doc, modes } = this.host;
    const ctx = clear(this.previewCanvas);
    if (modes.peeking || modes.onWhite || !doc.picture) return false;
    const { camera } = this;
    const isFlashing = !!doc.flash && layers.paintFlash(ctx, doc.flash, camera, ratio, performance.now());
    const state: PaintState = { camera, ratio, isPending: false, now };
    const showsChange = (modes.previewing && this.pointer) || this.driver.isBusy || doc.pending.length > 0;
    if (doc.change && showsChange) paintChange(ctx, doc.change, state);
    for (const { outline } of this.host.proposals) paintChange(ctx, outline, state);
    const traces = doc.prompts.flatMap((prompt) => TOOLS[prompt.type].trace?.(prompt) ?? []);
    for (const preview of traces) paintPreview(ctx, preview, state);
    for (const preview of doc.pending) paintPreview(ctx, preview, { ...state, isPending: true });
    if (this.gesturePreview) paintPreview(ctx, this.gesturePreview, state);
    paintTags(ctx, this.host.tags, camera, ratio);
    const showsPointer = doc.isEditable && !this.isPanHeld && !this.pointers.isMoving;
    if (this.pointerPreview && showsPointer) paintPreview(ctx, this.pointerPreview, state);
    return isFlashing || doc.pending.length > 0;
  }

  private toolContext(): ToolContext {
    const viewer = this;
    const { doc } = this.host;
    return {
      get image() {
        return viewer.image;
      },
      get scale() {
        return viewer.camera.scale;
      },
      get settings(): ToolSettings {
        return { ...doc.toolSizes, ...viewer.host.options };
      },
      get pixels() {
        return doc.current?.pixels;
      },
      get superpixels() {
        return doc.superpixels.get(doc.model.get("superpixels"));
      },
      superpixelsLoaded: () => doc.superpixels.loaded,
      get pendingEdits() {
        return doc.pendingEdits;
      },
      choose: (x, y, isAdded) => viewer.host.choose(x, y, isAdded),
      set: (trait, value) => doc.set(trait, value),
      preview(preview) {
        viewer.gesturePreview = preview;
        viewer.invalidate();
      },
      paint(patch, add) {
        viewer.draft = doc.paint(patch, add, viewer.draft);
      },
      previewAction: (action, now) => viewer.previewAction(action, now),
      requestLatest: (op, fields) => doc.kernel.requestLatest(op, fields),
      commit(action: Action) {
        clearTimeout(viewer.restTimer);
        void doc.commit(action, viewer.gesturePreview, viewer.draft);
        viewer.gesturePreview = null;
        viewer.draft = undefined;
      },
      ended() {
        const { draft } = viewer;
        viewer.draft = undefined;
        if (draft) doc.discard(draft);
        this.preview(null);
        viewer.isHostStale = true; // Enter and Backspace mean something else now
        if (!doc.pending.length && doc.change) void doc.previewAction(null);
      },
    };
  }

  private pointerHandler(): PointerHandler {
    const viewer = this;
    const { doc, hidden } = this.host;
    return {
      get isPanning() {
        return viewer.isPanHeld;
      },
      press(event, double) {
        viewer.track(event);
        if (!doc.acceptsGestures()) return false;
        const at = toImage(viewer.camera, ...viewer.onStage(event));
        if (!viewer.driver.isBusy && viewer.host.pressProposal(...at, isSecondary(event), double)) return false;
        if (isChoice(event)) {
          viewer.host.choose(...at, event.shiftKey);
          return false;
        }
        hidden.delete(doc.selected); // the edited object must be visible
        viewer.driver.send({ ...viewer.toToolEvent("down", event), double });
        viewer.updateHover();
        return true;
      },
      draw(event) {
        clearTimeout(viewer.restTimer);
        const parts = viewer.driver.isBusy ? event.getCoalescedEvents?.() : [];
        for (const part of parts?.length ? parts : [event])
          if (viewer.driver.isBusy) viewer.driver.send(viewer.toToolEvent("move", part));
        viewer.track(event);
      },
      release(event) {
        viewer.driver.send(viewer.toToolEvent("up", event));
        viewer.track(event);
        if (event.pointerType === "touch") viewer.onLeave();
      },
      interrupt: () => viewer.driver.interrupt(),
      pan: (dx, dy, event) => {
        viewer.isFitted = false;
        viewer.setCamera(pan(viewer.camera, dx, dy, viewer.image, viewer.size));
        if (event) viewer.track(event);
      },
      pinch: (factor, x, y) => viewer.zoom(factor, ...viewer.onStage({ clientX: x, clientY: y })),
      changed: () => viewer.updateCursor(),
    };
  }

  private onStage({ clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  private toToolEvent(type: ToolEvent["type"], event: PointerState): ToolEvent {
    const [x, y] = toImage(this.camera, ...this.onStage(event));
    const { altKey: alt, shiftKey: shift, pointerType, pressure } = event;
    return { type, x, y, secondary: isSecondary(event), shift, alt, pointerType, pressure };
  }

  private track(event: PointerEvent) {
    const { clientX, clientY, altKey, shiftKey, pointerType, pressure } = event;
    this.lastPointer = { clientX, clientY, altKey, shiftKey, pointerType, pressure };
    this.updateHover();
  }

  /** Alt and Shift change the effect of a tool while the pointer rests. */
  private onModifier(event: KeyboardEvent) {
    if (!this.lastPointer || !["Alt", "Shift"].includes(event.key)) return;
    if (event.key === "Alt" && this.host.wheelZooms) event.preventDefault(); // the browser's menu
    this.lastPointer = { ...this.lastPointer, altKey: event.altKey, shiftKey: event.shiftKey };
    if (this.driver.isBusy) this.driver.send(this.toToolEvent("move", this.lastPointer));
    this.updateHover();
  }

  /** The pointer, or the image under it, has moved. */
  private updateHover() {
    const event = this.lastPointer && this.toToolEvent("move", this.lastPointer);
    this.pointer = event && isInside(this.image, event) ? [event.x, event.y] : null;
    this.pointerPreview = event && this.host.doc.picture ? this.driver.hover(event) : null;
    this.updateCursor();
    this.isHostStale = true;
    this.invalidate();
  }

  private onLeave() {
    this.lastPointer = null;
    clearTimeout(this.restTimer);
    if (this.host.doc.change) void this.host.doc.previewAction(null);
    this.updateHover();
  }

  /** Preview an action now or, in the preview mode, once the pointer rests. */
  private previewAction(action: Action, now = false) {
    const { doc, modes } = this.host;
    clearTimeout(this.restTimer);
    if (now) void doc.previewAction(action);
    else if ((modes.previewing || this.driver.isBusy) && doc.isEditable)
      this.restTimer = setTimeout(() => void doc.previewAction(action), REST_MS);
  }

  private onWheel(event: WheelEvent) {
    if (!event.ctrlKey && !event.metaKey && !this.host.wheelZooms) return;
    event.preventDefault();
    event.stopPropagation();
    this.zoom(wheelFactor(event, this.size.height), ...this.onStage(event));
  }
}

function clear(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const ctx = context2d(canvas);
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  return ctx;
}
