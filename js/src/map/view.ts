/** One view of the points: the stage with its camera and lasso, the parts around it, and the keys. */
import { type Camera, fitCamera, pan, type Size, toImage, toScreen, wheelFactor, zoomAt } from "../camera";
import type { Point } from "../cover";
import { context2d, FullScreen, h, leave, resizeCanvases } from "../dom";
import { guardShortcuts, type Shortcuts } from "../keys";
import { type PointerHandler, Pointers } from "../pointers";
import { CommandSet } from "../ui/command_set";
import { refreshAll } from "../ui/controls";
import type { Part } from "../ui/host";
import { PointCard } from "./card";
import { COMMANDS } from "./commands";
import type { MapCommandHost, MapHost, UsageHost } from "./host";
import { diameterOf, paintLasso, paintPoints, paintRing, rgbOf } from "./painting";
import { legend, mapHelp, overlay, statusLine, toolbar } from "./parts";
import { simplify } from "./point_index";
import type { Points, SelectionMode } from "./points";

const HIT_RADIUS_PX = 9; // CSS pixels from a point
const LASSO_STEP_PX = 2; // CSS pixels between two corners of a lasso
const SLOW_PAINT_MS = 12; // slower paintings are moved as a picture until the camera rests
const CAMERA_REST_MS = 100;
const CLICK_RADIUS_PX = 4; // CSS pixels: a longer movement is a lasso
const ARROW_PANS: Record<string, Point> = {
  ArrowLeft: [60, 0],
  ArrowRight: [-60, 0],
  ArrowUp: [0, 60],
  ArrowDown: [0, -60],
};

export class MapView implements MapHost, MapCommandHost, UsageHost {
  readonly screen: FullScreen;
  readonly commands: CommandSet<MapHost>;
  isHelping = false;
  wasUsed = false;
  private readonly stage = h("div", { class: "cdw-stage cdw-map-stage" });
  private readonly pointsCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly previewCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly root: HTMLElement;
  private readonly parts: Part[];
  private readonly card: PointCard;
  private readonly pointers: Pointers;
  private readonly pointerHandler: PointerHandler;
  private camera: Camera = { scale: 1, x: 0, y: 0 };
  private size: Size = { width: 0, height: 0 };
  private picture: ImageData | null = null;
  private pictureCopy: OffscreenCanvas | null = null; // can be drawn at another position and scale
  private isFitted = true;
  private isPanHeld = false;
  private hasFocus = false;
  private frame = 0;
  private arePointsStale = true;
  private painted = { camera: this.camera, duration: 0 }; // camera of the last picture, and its painting time in ms
  private cameraMovedAt = -Infinity; // ms
  private version = -1;
  private positions: unknown = null;
  private lasso: Point[] | null = null; // map units
  private pressedAt: Point = [0, 0]; // CSS pixels
  private isRemoving = false; // the right button is pressed
  private hovered: number | null = null; // the point under the pointer

  constructor(
    readonly points: Points,
    host: HTMLElement,
    signal: AbortSignal,
  ) {
    this.commands = new CommandSet<MapHost>({ table: COMMANDS, host: this, shortcuts: () => this.shortcuts() });
    const above = toolbar(this);
    const side = legend(this);
    const below = statusLine(this);
    const over = overlay(this);
    const help = mapHelp(this);
    this.parts = [above, side, below, over, help];
    this.card = new PointCard(points, this.stage);
    this.stage.append(this.pointsCanvas, this.previewCanvas, over.element, this.card.element);
    this.root = h(
      "div",
      { class: "cdw cdw-map", tabindex: "0", role: "application", "aria-label": "Map of the images" },
      above.element,
      h("div", { class: "cdw-body" }, this.stage, side.element, help.element),
      below.element,
    );
    this.screen = new FullScreen(this.root, () => this.refresh(), signal);
    this.pointerHandler = this.createPointerHandler();
    this.pointers = new Pointers(this.stage, this.pointerHandler, signal);
    this.listenToElements(signal);
    this.observe(signal);
    host.append(this.root);
    points.listen(() => this.refresh(), signal);
    this.refresh();
  }

  get isEditable() {
    return !this.points.isLost && !this.points.model.get("view_only");
  }
  get isDrawing() {
    return this.lasso !== null;
  }

  shortcuts(): Shortcuts {
    return this.points.model.get("shortcuts");
  }

  /** The effect of a click or a lasso on the selection. */
  selectionModeOf({ shiftKey, altKey }: Pick<MouseEvent, "shiftKey" | "altKey">): SelectionMode {
    if (altKey || this.isRemoving) return "remove";
    return shiftKey ? "add" : "new";
  }

  setHelping(on: boolean) {
    this.isHelping = on;
    this.refresh();
  }

  fit() {
    this.isFitted = true;
    this.setCamera(fitCamera(this.points.positions.size, this.size));
  }

  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2) {
    this.isFitted = false;
    this.setCamera(zoomAt(this.camera, x, y, factor, this.points.positions.size, this.size));
  }

  holdPan(isHeld: boolean) {
    this.isPanHeld = isHeld;
    this.updateCursor();
  }

  /** Escape: cancel one thing at a time, from the inside out. */
  clear() {
    if (this.isHelping) return this.setHelping(false);
    const hadGesture = this.pointers.stop() || this.isDrawing;
    this.endLasso();
    if (hadGesture) return;
    if (this.points.selected.length && this.isEditable) this.points.select([], "new");
    else if (this.screen.isOn) this.screen.toggle();
    else leave(this.root);
  }

  refresh() {
    const { points } = this;
    this.root.classList.toggle("cdw-fullscreen", this.screen.isOn);
    this.root.classList.toggle("cdw-lost", points.isLost);
    this.stage.style.height = this.screen.isOn ? "" : `${points.model.get("height")}px`;
    this.stage.dataset.count = String(points.count);
    this.stage.dataset.selected = String(points.selected.length);
    if (points.positions !== this.positions) {
      this.positions = points.positions;
      this.hover(null);
      this.fit();
    }
    refreshAll(this.parts);
    this.updateCursor();
    this.invalidate(points.version !== this.version);
    this.version = points.version;
  }

  private listenToElements(signal: AbortSignal) {
    const on = <K extends keyof HTMLElementEventMap>(
      target: HTMLElement,
      type: K,
      listener: (event: HTMLElementEventMap[K]) => void,
    ) => target.addEventListener(type, listener, { signal, passive: false });
    on(this.root, "keydown", (event) => this.onKeyDown(event));
    on(this.root, "keyup", (event) => this.commands.release(event));
    on(this.root, "focusin", () => {
      this.hasFocus = true;
    });
    on(this.root, "focusout", () => {
      this.hasFocus = false;
      this.commands.releaseAll();
    });
    on(this.stage, "pointerdown", () => this.root.focus({ preventScroll: true }));
    on(this.stage, "pointerleave", () => this.hover(null));
    on(this.stage, "wheel", (event) => this.onWheel(event));
    on(this.stage, "mousedown", (event) => {
      if (event.button === 1) event.preventDefault(); // no auto-scroll
    });
    on(this.stage, "contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    guardShortcuts(this.root, (event) => !this.commands.commandOf(event), signal);
  }

  private observe(signal: AbortSignal) {
    const sizes = new ResizeObserver(() => this.resize());
    const themes = new MutationObserver(() => this.invalidate(true)); // hosts set their theme on these elements
    sizes.observe(this.stage);
    for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true });
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      themes.disconnect();
      cancelAnimationFrame(this.frame);
      this.card.show(null);
    });
  }

  private setCamera(camera: Camera) {
    this.camera = camera;
    this.cameraMovedAt = performance.now();
    this.invalidate(true);
  }

  private updateCursor() {
    const idle = this.isPanHeld ? "grab" : "lasso";
    this.stage.dataset.cursor = this.pointers.isMoving ? "grabbing" : idle;
  }

  private invalidate(arePointsStale = false) {
    this.arePointsStale ||= arePointsStale;
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    resizeCanvases([this.pointsCanvas, this.previewCanvas], width, height);
    const dx = (width - this.size.width) / 2;
    const dy = (height - this.size.height) / 2;
    this.size = { width, height };
    if (this.isFitted) this.fit();
    else this.setCamera(pan(this.camera, dx, dy, this.points.positions.size, this.size));
  }

  private paint() {
    this.frame = 0;
    if (!this.size.width) return;
    const ratio = this.pointsCanvas.width / this.size.width;
    if (this.arePointsStale) this.paintPoints(ratio);
    this.paintPreview(ratio);
  }

  private paintPoints(ratio: number) {
    const { width, height } = this.pointsCanvas;
    const ctx = context2d(this.pointsCanvas);
    if (!this.picture || !this.pictureCopy || this.picture.width !== width || this.picture.height !== height) {
      this.picture = ctx.createImageData(width, height);
      this.pictureCopy = new OffscreenCanvas(width, height);
      this.painted.duration = 0;
    }
    const start = performance.now();
    const background = getComputedStyle(this.stage).backgroundColor;
    const isCameraMoving = start - this.cameraMovedAt < CAMERA_REST_MS;
    if (this.painted.duration > SLOW_PAINT_MS && isCameraMoving)
      return this.movePicture(ctx, this.pictureCopy, background, ratio);
    paintPoints(this.picture, this.points, this.camera, ratio, {
      background: rgbOf(ctx, background),
      opacity: this.points.model.get("opacity"),
      diameter: this.diameter * ratio,
    });
    ctx.putImageData(this.picture, 0, 0);
    context2d(this.pictureCopy).putImageData(this.picture, 0, 0);
    this.painted = { camera: this.camera, duration: performance.now() - start };
    this.arePointsStale = false;
  }

  /** Draw the last picture at the position of the camera, slightly blurred; the points are painted once the camera rests. */
  private movePicture(ctx: CanvasRenderingContext2D, picture: OffscreenCanvas, background: string, ratio: number) {
    const { camera, painted } = this;
    const { width, height } = this.pointsCanvas;
    const factor = camera.scale / painted.camera.scale;
    const left = (camera.x - painted.camera.x * factor) * ratio;
    const top = (camera.y - painted.camera.y * factor) * ratio;
    ctx.fillStyle = background;
    ctx.fillRect(0, 0, width, height);
    ctx.drawImage(picture, left, top, width * factor, height * factor);
    this.invalidate();
  }

  /** The diameter of a point in CSS pixels. */
  private get diameter() {
    const { points, camera, size } = this;
    const zoom = camera.scale / fitCamera(points.positions.size, size).scale;
    return points.model.get("point") ?? diameterOf(points.count, zoom);
  }

  private paintPreview(ratio: number) {
    const ctx = context2d(this.previewCanvas);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.size.width, this.size.height);
    const { positions } = this.points;
    if (this.hovered !== null) {
      const center: Point = [positions.x[this.hovered], positions.y[this.hovered]];
      paintRing(ctx, toScreen(this.camera, ...center), this.diameter);
    }
    if (this.lasso) paintLasso(ctx, this.lasso, this.camera, this.isRemoving);
  }

  private createPointerHandler(): PointerHandler {
    const view = this;
    return {
      get isPanning() {
        return view.isPanHeld;
      },
      press(event) {
        if (!view.isEditable || !view.points.count) return false;
        view.pressedAt = view.onStage(event);
        view.isRemoving = event.button === 2;
        view.lasso = [toImage(view.camera, ...view.pressedAt)];
        view.hover(null);
        view.refresh();
        return true;
      },
      draw(event) {
        if (!view.lasso) return view.hover(event);
        const parts = event.getCoalescedEvents?.() ?? [];
        for (const part of parts.length ? parts : [event]) view.lasso.push(toImage(view.camera, ...view.onStage(part)));
        view.invalidate();
      },
      release: (event) => view.selectLasso(event),
      interrupt: () => view.endLasso(),
      pan(dx, dy) {
        view.isFitted = false;
        view.setCamera(pan(view.camera, dx, dy, view.points.positions.size, view.size));
      },
      pinch: (factor, x, y) => view.zoom(factor, ...view.onStage({ clientX: x, clientY: y })),
      changed: () => view.updateCursor(),
    };
  }

  private selectLasso(event: PointerEvent) {
    const { lasso, points, pressedAt } = this;
    if (!lasso) return;
    const mode = this.selectionModeOf(event);
    const distances = lasso.map((point) => {
      const [x, y] = toScreen(this.camera, ...point);
      return Math.hypot(x - pressedAt[0], y - pressedAt[1]);
    });
    this.wasUsed = true;
    if (Math.max(...distances) < CLICK_RADIUS_PX) {
      const point = this.pointAt(...this.onStage(event));
      points.select(point === undefined ? [] : [point], mode);
    } else points.select(points.positions.inside(simplify(lasso, LASSO_STEP_PX / this.camera.scale)), mode);
    this.endLasso();
  }

  private endLasso() {
    this.lasso = null;
    this.isRemoving = false;
    this.refresh();
  }

  private hover(event: PointerEvent | null) {
    const [x, y] = event ? this.onStage(event) : [0, 0];
    this.hovered = (event && this.pointAt(x, y)) ?? null;
    this.card.show(this.hovered, x, y);
    this.invalidate();
  }

  private pointAt(x: number, y: number) {
    return this.points.positions.nearest(...toImage(this.camera, x, y), HIT_RADIUS_PX / this.camera.scale);
  }

  private onStage({ clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  private onWheel(event: WheelEvent) {
    if (!event.ctrlKey && !event.metaKey && !this.hasFocus) return;
    event.preventDefault();
    event.stopPropagation();
    this.zoom(wheelFactor(event, this.size.height), ...this.onStage(event));
  }

  private onKeyDown(event: KeyboardEvent) {
    const name = this.commands.commandOf(event);
    const arrow = ARROW_PANS[event.key];
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    const isOnButton = (event.target as Element).matches("button");
    if (isOnButton && ["Enter", " "].includes(event.key)) return; // the browser presses the button
    if (name) this.commands.press(name, event.repeat);
    else if (arrow && !hasModifier) this.pointerHandler.pan(...arrow);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
