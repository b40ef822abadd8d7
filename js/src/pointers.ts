/** Mouse, pen and fingers, told apart: one draws, the middle button or two fingers move the image. */

const TAP_MS = 120, TAP_PX = 5; // a finger draws once it has rested or moved so far; until then a second one may come down
const DOUBLE_MS = 350, DOUBLE_PX = 6;

/** What the stage does with its pointers; places are CSS pixels of the page. */
export interface Hand {
  readonly moves: boolean; // the first button moves the image
  press(event: PointerEvent, double: boolean): boolean; // false: nothing to draw on here
  draw(event: PointerEvent): void; // also with no button down
  release(event: PointerEvent): void;
  interrupt(): void; // a second finger came down
  pan(dx: number, dy: number, at?: PointerEvent): void;
  pinch(factor: number, x: number, y: number): void;
  changed(): void; // whether the image is being moved
}

export class Pointers {
  private readonly fingers = new Map<number, { x: number; y: number }>();
  private dragging: { id: number; x: number; y: number } | null = null;
  private drawing: number | null = null; // the pointer that does
  private resting: { event: PointerEvent; timer: ReturnType<typeof setTimeout> } | null = null; // a finger that has not drawn yet
  private pinching = false;
  private last = { time: -Infinity, x: 0, y: 0 }; // press

  constructor(private readonly stage: HTMLElement, private readonly hand: Hand, signal: AbortSignal) {
    const on = (type: string, listener: (event: PointerEvent) => void) =>
      stage.addEventListener(type, listener as EventListener, { signal, passive: false });
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.lost(event));
    signal.addEventListener("abort", () => this.stop());
  }

  get isMoving() { return this.dragging !== null || this.pinching; }

  /** Let go of everything; says whether the image was being moved. */
  stop(): boolean {
    const moving = this.isMoving;
    this.dragging = this.drawing = null;
    this.pinching = false;
    this.rest(null);
    return moving;
  }

  private down(event: PointerEvent) {
    const { target } = event;
    if (!(target instanceof HTMLCanvasElement) || target.parentElement !== this.stage) return; // what lies over the image has presses of its own
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (this.fingers.size > 1) return this.pinch();
      if (!this.hand.moves) return this.rest(event);
    }
    if (event.button === 1 || (event.button === 0 && this.hand.moves)) {
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
      this.stage.setPointerCapture(event.pointerId);
    } else if ([0, 2, 5].includes(event.button)) this.press(event); // 5: a pen's eraser
    this.hand.changed();
  }

  private move(event: PointerEvent) {
    if (this.fingers.has(event.pointerId) && this.fingers.size > 1) return this.stretch(event);
    if (this.dragging?.id === event.pointerId) {
      this.hand.pan(event.clientX - this.dragging.x, event.clientY - this.dragging.y, event);
      this.dragging = { id: event.pointerId, x: event.clientX, y: event.clientY };
      return;
    }
    const first = this.resting?.event;
    if (first?.pointerId === event.pointerId) {
      if (Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY) < TAP_PX) return;
      this.rest(null);
      this.press(first);
    }
    const isOther = this.drawing !== null ? this.drawing !== event.pointerId : event.pointerType === "touch" && this.fingers.size > 0;
    if (!isOther) this.hand.draw(event);
  }

  private up(event: PointerEvent) {
    const first = this.resting?.event;
    if (first?.pointerId === event.pointerId) {
      this.rest(null);
      this.press(first);
    }
    this.forget(event);
    if (this.dragging?.id === event.pointerId) this.dragging = null;
    else if (this.drawing === event.pointerId) {
      this.drawing = null;
      this.hand.release(event);
    }
    this.hand.changed();
  }

  private lost(event: PointerEvent) {
    this.forget(event);
    if (this.drawing === event.pointerId) this.hand.interrupt();
    this.stop();
    this.hand.changed();
  }

  private forget(event: PointerEvent) {
    this.fingers.delete(event.pointerId);
    if (!this.fingers.size) this.pinching = false;
  }

  private press(event: PointerEvent) {
    const { last } = this, near = Math.hypot(event.clientX - last.x, event.clientY - last.y) < DOUBLE_PX;
    const double = near && event.timeStamp - last.time < DOUBLE_MS;
    this.last = { time: double ? -Infinity : event.timeStamp, x: event.clientX, y: event.clientY };
    if (this.drawing !== null || !this.hand.press(event, double)) return;
    this.drawing = event.pointerId;
    this.stage.setPointerCapture(event.pointerId);
  }

  private rest(event: PointerEvent | null) {
    clearTimeout(this.resting?.timer);
    this.resting = event && {
      event,
      timer: setTimeout(() => {
        this.resting = null;
        this.press(event);
      }, TAP_MS),
    };
  }

  private pinch() {
    this.rest(null);
    if (this.drawing !== null) this.hand.interrupt();
    this.drawing = this.dragging = null;
    this.pinching = true;
    this.hand.changed();
  }

  private stretch(event: PointerEvent) {
    const before = span([...this.fingers.values()]);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = span([...this.fingers.values()]);
    this.hand.pan(after.x - before.x, after.y - before.y);
    if (before.length > 0) this.hand.pinch(after.length / before.length, after.x, after.y);
  }
}

/** The middle of the first two fingers, and how far they are apart. */
function span([a, b]: { x: number; y: number }[]) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(b.x - a.x, b.y - a.y) };
}
