/** One view of the points: the stage with its camera and lasso, what is round it, and the keys. */
import { fit, pan, toImage, toScreen, zoomAt, type Camera, type Size } from "../camera";
import { commandOf, keyName } from "../keys";
import { Pointers, type Hand } from "../pointers";
import { h } from "../ui/dom";
import { leave, Screen } from "../ui/screen";
import { shield } from "../ui/shield";
import type { Part } from "../view";
import { PointCard } from "./card";
import { COMMANDS } from "./commands";
import { bar, help, legend, overlay, status } from "./parts";
import { thinned, type Point } from "./places";
import type { Points } from "./points";
import { diameterOf, paintPoints, type Colour } from "./raster";

const REACH = 9; // CSS pixels from a point at which the pointer is on it
const STEP = 2; // CSS pixels between two corners of a lasso
const SLOW_MS = 12; // points that take longer to paint are moved as a picture until the camera rests
const REST_MS = 100;
const CLICK = 4; // CSS pixels a hand may move in a click
const ARROWS: Record<string, Point> = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
const ACCENT = "#2f7de1";

export class MapView {
  readonly screen: Screen;
  helping = false;
  touched = false; // somebody has drawn here: the hint is no longer needed
  private readonly stage = h("div", { class: "cdw-stage cdw-map-stage" });
  private readonly pointsCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly handCanvas = h("canvas", { "aria-hidden": "true" });
  private readonly root: HTMLElement;
  private readonly parts: Part[];
  private readonly card: PointCard;
  private readonly pointers: Pointers;
  private camera: Camera = { scale: 1, x: 0, y: 0 };
  private size: Size = { width: 0, height: 0 };
  private picture: ImageData | null = null;
  private still: OffscreenCanvas | null = null; // the same, to be moved
  private fitted = true;
  private panHeld = false;
  private focused = false;
  private frame = 0;
  private stale = true; // the points are to be painted again
  private painted = { camera: this.camera, cost: 0 }; // what the picture shows, and how long it took (ms)
  private movedAt = -Infinity; // the camera
  private version = -1;
  private places: unknown = null;
  private path: Point[] | null = null; // of the lasso, in units of the map
  private begun: Point = [0, 0];
  private taking = false; // the right button
  private over: number | null = null; // the point under the pointer

  constructor(readonly points: Points, host: HTMLElement, signal: AbortSignal) {
    const above = bar(this), beside = legend(this), below = status(this), over = overlay(this), keys = help(this);
    this.parts = [above, beside, below, over, keys];
    this.card = new PointCard(points, this.stage);
    this.stage.append(this.pointsCanvas, this.handCanvas, over.element, this.card.element);
    this.root = h("div", { class: "cdw cdw-map", tabindex: "0", role: "application", "aria-label": "Map of the images" },
      above.element, h("div", { class: "cdw-body" }, this.stage, beside.element, keys.element), below.element);
    this.screen = new Screen(this.root, () => this.refresh(), signal);
    this.pointers = new Pointers(this.stage, this.hand(), signal);
    const on = <K extends keyof HTMLElementEventMap>(target: HTMLElement, type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      target.addEventListener(type, listener, { signal, passive: false });
    on(this.root, "keydown", (event) => this.keydown(event));
    on(this.root, "keyup", (event) => { if (this.commandOf(event) === "pan") this.holdPan(false); });
    on(this.root, "focusin", () => { this.focused = true; });
    on(this.root, "focusout", () => {
      this.focused = false;
      this.holdPan(false);
    });
    on(this.stage, "pointerdown", () => this.root.focus({ preventScroll: true }));
    on(this.stage, "pointerleave", () => this.hover(null));
    on(this.stage, "wheel", (event) => this.wheel(event));
    on(this.stage, "mousedown", (event) => { if (event.button === 1) event.preventDefault(); }); // no auto-scroll
    on(this.stage, "contextmenu", (event) => {
      event.preventDefault();
      event.stopPropagation();
    });
    shield(this.root, (event) => !this.commandOf(event), signal);
    const sizes = new ResizeObserver(() => this.resize()), themes = new MutationObserver(() => this.invalidate(true));
    sizes.observe(this.stage);
    for (const element of [document.documentElement, document.body]) themes.observe(element, { attributes: true }); // where hosts say which theme it is
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      themes.disconnect();
      cancelAnimationFrame(this.frame);
      this.card.show(null);
    });
    host.append(this.root);
    points.listen(() => this.refresh(), signal);
    this.refresh();
  }

  get editable() { return !this.points.dead && !this.points.model.get("view_only"); }
  get drawing() { return this.path !== null; }
  keyOf(command: string): string | undefined { return this.points.model.get("shortcuts")[command]?.[0]; }
  can(name: string) { return COMMANDS[name].enabled?.(this) ?? true; }
  run(name: string) { if (this.can(name)) COMMANDS[name].run(this); }

  /** What a click or a lasso does to the selection. */
  how({ shiftKey, altKey }: Pick<MouseEvent, "shiftKey" | "altKey">) { return altKey || this.taking ? "take" : shiftKey ? "add" : "new"; }

  setHelping(on: boolean) {
    this.helping = on;
    this.refresh();
  }

  fit() {
    this.fitted = true;
    this.look(fit(this.points.places.size, this.size));
  }

  zoom(factor: number, x = this.size.width / 2, y = this.size.height / 2) {
    this.fitted = false;
    this.look(zoomAt(this.camera, x, y, factor, this.points.places.size, this.size));
  }

  holdPan(held: boolean) {
    this.panHeld = held;
    this.cursor();
  }

  /** Escape: one thing at a time, from the inside out. */
  clear() {
    if (this.helping) return this.setHelping(false);
    const busy = this.pointers.stop() || this.drawing;
    this.drop();
    if (busy) return;
    if (this.points.selected.length && this.editable) this.points.select([], "new");
    else if (this.screen.isFull) this.screen.toggle();
    else leave(this.root);
  }

  refresh() {
    const { points } = this;
    this.root.classList.toggle("cdw-fullscreen", this.screen.isFull);
    this.root.classList.toggle("cdw-dead", points.dead);
    this.stage.style.height = this.screen.isFull ? "" : `${points.model.get("height")}px`;
    this.stage.dataset.count = String(points.count);
    this.stage.setAttribute("data-selected", String(points.selected.length));
    if (points.places !== this.places) {
      this.places = points.places;
      this.hover(null);
      this.fit();
    }
    for (const part of this.parts) part.refresh();
    this.cursor();
    this.invalidate(points.version !== this.version);
    this.version = points.version;
  }

  private look(camera: Camera) {
    this.camera = camera;
    this.movedAt = performance.now();
    this.invalidate(true);
  }

  private cursor() { this.stage.dataset.cursor = this.pointers.isMoving ? "grabbing" : this.panHeld ? "grab" : "lasso"; }

  private invalidate(pointsToo = false) {
    this.stale ||= pointsToo;
    this.frame ||= requestAnimationFrame(() => this.paint());
  }

  private resize() {
    const { clientWidth: width, clientHeight: height } = this.stage, ratio = devicePixelRatio || 1;
    if (!width || !height) return;
    for (const canvas of [this.pointsCanvas, this.handCanvas]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const dx = (width - this.size.width) / 2, dy = (height - this.size.height) / 2;
    this.size = { width, height };
    if (this.fitted) this.fit();
    else this.look(pan(this.camera, dx, dy, this.points.places.size, this.size));
  }

  private paint() {
    this.frame = 0;
    if (!this.size.width) return;
    const ratio = this.pointsCanvas.width / this.size.width;
    if (this.stale) this.paintPoints(ratio);
    this.paintHand(ratio);
  }

  private paintPoints(ratio: number) {
    const { width, height } = this.pointsCanvas, ctx = this.pointsCanvas.getContext("2d")!, { points } = this;
    if (this.picture?.width !== width || this.picture.height !== height) {
      this.picture = ctx.createImageData(width, height);
      this.still = new OffscreenCanvas(width, height);
      this.painted.cost = 0;
    }
    const began = performance.now(), ground = getComputedStyle(this.stage).backgroundColor;
    if (this.painted.cost > SLOW_MS && began - this.movedAt < REST_MS) return this.movePicture(ctx, ground, ratio);
    paintPoints(this.picture, points, this.camera, ratio, { ground: colour(ctx, ground), opacity: points.model.get("opacity"), diameter: this.diameter * ratio });
    ctx.putImageData(this.picture, 0, 0);
    this.still!.getContext("2d")!.putImageData(this.picture, 0, 0);
    this.painted = { camera: this.camera, cost: performance.now() - began };
    this.stale = false;
  }

  /** Show the picture of the points where the camera has them now, a bit blurred; they are painted once it rests. */
  private movePicture(ctx: CanvasRenderingContext2D, ground: string, ratio: number) {
    const { camera, painted } = this, { width, height } = this.pointsCanvas, factor = camera.scale / painted.camera.scale;
    ctx.fillStyle = ground;
    ctx.fillRect(0, 0, width, height);
    ctx.drawImage(this.still!, (camera.x - painted.camera.x * factor) * ratio, (camera.y - painted.camera.y * factor) * ratio, width * factor, height * factor);
    this.invalidate();
  }

  private get diameter() {
    const { points, camera, size } = this;
    return points.model.get("point") ?? diameterOf(points.count, camera.scale / fit(points.places.size, size).scale);
  }

  private paintHand(ratio: number) {
    const ctx = this.handCanvas.getContext("2d")!, { camera, points } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.size.width, this.size.height);
    if (this.over !== null) {
      const [x, y] = toScreen(camera, points.places.x[this.over], points.places.y[this.over]);
      for (const [color, width] of [["#000", 4], ["#fff", 2]] as const) {
        ctx.beginPath();
        ctx.arc(x, y, this.diameter / 2 + 3, 0, 2 * Math.PI);
        ctx.strokeStyle = color;
        ctx.lineWidth = width;
        ctx.stroke();
      }
    }
    if (!this.path) return;
    ctx.beginPath();
    for (const [x, y] of this.path) ctx.lineTo(...toScreen(camera, x, y));
    ctx.closePath();
    ctx.fillStyle = `${this.taking ? "#d8433a" : ACCENT}26`;
    ctx.fill("evenodd");
    for (const [color, width, dash] of [["rgba(255, 255, 255, 0.9)", 3, []], [this.taking ? "#d8433a" : ACCENT, 1.5, [5, 4]]] as const) {
      ctx.setLineDash(dash as unknown as number[]);
      ctx.strokeStyle = color;
      ctx.lineWidth = width;
      ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  private hand(): Hand {
    const view = this;
    return {
      get moves() { return view.panHeld; },
      press(event) {
        if (!view.editable || !view.points.count) return false;
        view.begun = view.at(event);
        view.taking = event.button === 2;
        view.path = [toImage(view.camera, ...view.begun)];
        view.hover(null);
        view.refresh();
        return true;
      },
      draw(event) {
        if (!view.path) return view.hover(event);
        const parts = event.getCoalescedEvents?.() ?? [];
        for (const part of parts.length ? parts : [event]) view.path.push(toImage(view.camera, ...view.at(part)));
        view.invalidate();
      },
      release: (event) => view.release(event),
      interrupt: () => view.drop(),
      pan(dx, dy) {
        view.fitted = false;
        view.look(pan(view.camera, dx, dy, view.points.places.size, view.size));
      },
      pinch: (factor, x, y) => view.zoom(factor, ...view.at({ clientX: x, clientY: y })),
      changed: () => view.cursor(),
    };
  }

  private release(event: PointerEvent) {
    const { path, points } = this, [x, y] = this.at(event);
    if (!path) return;
    const how = this.how(event), corners = thinned(path, STEP / this.camera.scale);
    const far = Math.max(...path.map((point) => {
      const [px, py] = toScreen(this.camera, ...point);
      return Math.hypot(px - this.begun[0], py - this.begun[1]);
    }));
    this.touched = true;
    if (far < CLICK) {
      const point = this.near(x, y);
      points.select(point === undefined ? [] : [point], how);
    } else points.select(points.places.inside(corners), how);
    this.drop();
  }

  private drop() {
    this.path = null;
    this.taking = false;
    this.refresh();
  }

  private hover(event: PointerEvent | null) {
    const [x, y] = event ? this.at(event) : [0, 0], point = event ? this.near(x, y) : undefined;
    this.over = point ?? null;
    this.card.show(this.over, x, y);
    this.invalidate();
  }

  private near(x: number, y: number) { return this.points.places.nearest(...toImage(this.camera, x, y), REACH / this.camera.scale); }

  private at({ clientX, clientY }: Pick<MouseEvent, "clientX" | "clientY">): [number, number] {
    const box = this.stage.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  private wheel(event: WheelEvent) {
    if (!event.ctrlKey && !event.metaKey && !this.focused) return;
    event.preventDefault();
    event.stopPropagation();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? this.size.height : 1);
    const speed = event.ctrlKey && Math.abs(pixels) < 30 ? 0.01 : 0.0018; // a pinch comes as small steps with Ctrl
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * speed), ...this.at(event));
  }

  private commandOf(event: KeyboardEvent) { return commandOf(keyName(event), this.points.model.get("shortcuts")); }

  private keydown(event: KeyboardEvent) {
    const name = this.commandOf(event), arrow = ARROWS[event.key], onButton = (event.target as Element).matches("button");
    if (onButton && ["Enter", " "].includes(event.key)) return; // they press it
    if (name && COMMANDS[name].held) this.holdPan(true);
    else if (name) this.run(name);
    else if (arrow && !event.ctrlKey && !event.metaKey && !event.altKey) this.hand().pan(...arrow);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** What a CSS colour looks like, as bytes. */
function colour(ctx: CanvasRenderingContext2D, css: string): Colour {
  ctx.fillStyle = css;
  ctx.fillRect(0, 0, 1, 1);
  const [red, green, blue] = ctx.getImageData(0, 0, 1, 1).data;
  return [red, green, blue];
}
