/** Mouse, pen and touch input: one pointer draws; the middle button or two fingers move the image. */

// A finger starts to draw after this time or movement; until then a second finger makes it a pinch.
const TOUCH_DELAY_MS = 120;
const TOUCH_SLOP_PX = 5;
const DOUBLE_PRESS_MS = 350;
const DOUBLE_PRESS_PX = 6;

/** The last known state of a pointer. */
export type PointerState = Pick<
  PointerEvent,
  "clientX" | "clientY" | "altKey" | "shiftKey" | "pointerType" | "pressure"
> & { button?: number; buttons?: number; ctrlKey?: boolean };

const ERASER_BUTTON = 5;
const ERASER_BUTTONS_MASK = 32;

/** Whether a pen draws with its eraser. */
export function isEraser({ button, buttons = 0 }: PointerState): boolean {
  return button === ERASER_BUTTON || (buttons & ERASER_BUTTONS_MASK) !== 0;
}

const IS_MAC = typeof navigator !== "undefined" && /Mac|iP(hone|ad)/.test(navigator.platform);

/** Whether a press means the second button: also Shift, a pen's eraser, and Ctrl on a Mac. */
export function isSecondary(event: PointerState, isMac = IS_MAC): boolean {
  return event.button === 2 || isEraser(event) || event.shiftKey || (isMac && event.ctrlKey === true);
}

/** Whether a press selects the object under the pointer with every tool: Ctrl, on a Mac Cmd. */
export function isChoice(event: Pick<PointerEvent, "button" | "ctrlKey" | "metaKey">, isMac = IS_MAC): boolean {
  return event.button === 0 && (isMac ? event.metaKey : event.ctrlKey);
}

/** The effects of pointers on a stage; positions are CSS pixels of the page. */
export interface PointerHandler {
  readonly isPanning: boolean; // the first button moves the image
  press(event: PointerEvent, double: boolean): boolean; // false: no gesture starts here
  draw(event: PointerEvent): void; // also called while no button is down
  release(event: PointerEvent): void;
  interrupt(): void; // a second finger takes over
  pan(dx: number, dy: number, at?: PointerEvent): void;
  pinch(factor: number, x: number, y: number): void;
  changed(): void; // `isMoving` may have changed
}

export class Pointers {
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private dragging: { id: number; x: number; y: number } | null = null;
  private drawing: number | null = null; // id of the pointer that draws
  private touch: { event: PointerEvent; timer: ReturnType<typeof setTimeout> } | null = null; // a finger that does not draw yet
  private pinching = false;
  private lastPress = { time: -Infinity, x: 0, y: 0 };

  constructor(
    private readonly stage: HTMLElement,
    private readonly handler: PointerHandler,
    signal: AbortSignal,
  ) {
    const on = (type: string, listener: (event: PointerEvent) => void) =>
      stage.addEventListener(type, listener as EventListener, { signal, passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.cancel(event));
    signal.addEventListener("abort", () => this.stop());
  }

  get isMoving() {
    return this.dragging !== null || this.pinching;
  }

  /** End all gestures. Returns whether the image was being moved. */
  stop(): boolean {
    const moving = this.isMoving;
    this.dragging = null;
    this.drawing = null;
    this.pinching = false;
    this.delayTouch(null);
    return moving;
  }

  private down(event: PointerEvent) {
    const { target } = event;
    if (!(target instanceof HTMLCanvasElement) || target.parentElement !== this.stage) return; // elements over the image handle their own presses
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (this.fingers.size > 1) return this.startPinch();
      if (!this.handler.isPanning) return this.delayTouch(event);
    }
    if (event.button === 1 || (event.button === 0 && this.handler.isPanning)) {
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
      this.stage.setPointerCapture(event.pointerId);
    } else if ([0, 2, ERASER_BUTTON].includes(event.button)) this.press(event);
    this.handler.changed();
  }

  private move(event: PointerEvent) {
    if (this.fingers.has(event.pointerId) && this.fingers.size > 1) return this.pinch(event);
    if (this.dragging?.id === event.pointerId) {
      this.handler.pan(event.clientX - this.dragging.x, event.clientY - this.dragging.y, event);
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
      return;
    }
    const first = this.touch?.event;
    if (first?.pointerId === event.pointerId) {
      if (Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY) < TOUCH_SLOP_PX) return;
      this.delayTouch(null);
      this.press(first);
    }
    const isOther =
      this.drawing !== null ? this.drawing !== event.pointerId : event.pointerType === "touch" && this.fingers.size > 0;
    if (!isOther) this.handler.draw(event);
  }

  private up(event: PointerEvent) {
    const first = this.touch?.event;
    if (first?.pointerId === event.pointerId) {
      this.delayTouch(null);
      this.press(first);
    }
    this.forget(event);
    if (this.dragging?.id === event.pointerId) this.dragging = null;
    else if (this.drawing === event.pointerId) {
      this.drawing = null;
      this.handler.release(event);
    }
    this.handler.changed();
  }

  private cancel(event: PointerEvent) {
    this.forget(event);
    if (this.drawing === event.pointerId) this.handler.interrupt();
    this.stop();
    this.handler.changed();
  }

  private forget(event: PointerEvent) {
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.pinching = false;
  }

  private press(event: PointerEvent) {
    const last = this.lastPress;
    const near = Math.hypot(event.clientX - last.x, event.clientY - last.y) < DOUBLE_PRESS_PX;
    const double = near && event.timeStamp - last.time < DOUBLE_PRESS_MS;
    this.lastPress = { time: double ? -Infinity : event.timeStamp, x: event.clientX, y: event.clientY };
    if (this.drawing !== null || !this.handler.press(event, double)) return;
    this.drawing = event.pointerId;
    this.stage.setPointerCapture(event.pointerId);
  }

  /** Wait before a finger draws. */
  private delayTouch(event: PointerEvent | null) {
    clearTimeout(this.touch?.timer);
    this.touch = event && {
      event,
      timer: setTimeout(() => {
        this.touch = null;
        this.press(event);
      }, TOUCH_DELAY_MS),
    };
  }

  private startPinch() {
    this.delayTouch(null);
    if (this.drawing !== null) this.handler.interrupt();
    this.drawing = null;
    this.dragging = null;
    this.pinching = true;
    this.handler.changed();
  }

  private pinch(event: PointerEvent) {
    const before = pairOf([...this.fingers.values()]);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = pairOf([...this.fingers.values()]);
    this.handler.pan(after.x - before.x, after.y - before.y);
    if (before.distance > 0) this.handler.pinch(after.distance / before.distance, after.x, after.y);
  }
}

/** The center of two fingers and their distance. */
function pairOf([a, b]: { x: number; y: number }[]) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.hypot(b.x - a.x, b.y - a.y) };
}
