/**
 * A tool is one generator per gesture: press code, a loop over moves, release code.
 * Leaving the generator early (Escape, tool switch, a second finger) runs its `finally`. Coordinates are image pixels.
 */
import type { Action } from "../actions";
import type { Bitmap, Patch } from "../bitmap";
import type { Size } from "../camera";
import { onGrid, type Point } from "../cover";
import type { Outline } from "../outline";
import type { LabelMap } from "../superpixels";
import type { Reply } from "../transport";

export interface Ev {
  type: "down" | "move" | "up" | "key";
  x: number;
  y: number;
  secondary?: boolean; // the right button, a pen's eraser, or Shift
  shift?: boolean;
  alt?: boolean;
  double?: boolean; // the second of two quick presses at one place
  key?: "Escape" | "Enter" | "Backspace"; // give up, finish, take a step back
  pressure?: number; // of a pen, 0 to 1
  pointerType?: string;
}

/** What a gesture shows, or the pointer with no gesture; radii are image pixels. */
export type Preview =
  | { kind: "dot"; x: number; y: number; positive: boolean }
  | { kind: "box"; x0: number; y0: number; x1: number; y1: number }
  | { kind: "line"; points: Point[]; radius: number; tone: Tone }
  | { kind: "ring"; x: number; y: number; radius: number; tone: Tone }
  | { kind: "path"; points: Point[]; handles: Point[]; tone: Tone; closed: boolean; hot?: number; extra?: Point }
  | { kind: "region"; outline: Outline; tone: Tone }
  | { kind: "cross"; x: number; y: number } // lines through the whole stage
  | { kind: "label"; x: number; y: number; text: string };
export type Tone = "add" | "remove" | "matte";

/** What the user has set for the tools: traits of the model, and options of this view. */
export interface Settings {
  brush_size: number; // image pixels across
  tolerance: number;
  superpixels: number;
  add: boolean; // false: tools that add take away
  straight: boolean; // the lasso draws straight lines
  pressure: boolean; // a pen's pressure scales the brush
}

export interface Ctx {
  readonly image: Size;
  readonly scale: number; // CSS pixels of an image pixel
  readonly settings: Settings;
  readonly pixels: Bitmap | undefined; // of the object being edited
  readonly superpixels: LabelMap | null; // null: not there yet
  arrival(): Promise<unknown>; // of the superpixels, or of the news that there are none
  set(trait: "tolerance", value: number): void;
  preview(preview: Preview | null): void;
  paint(patch: Patch, add: boolean): void; // shown at once; the kernel's answer to `commit` replaces it
  look(action: Action, now?: boolean): void; // show what the action would change, once the pointer rests
  ask(op: string, fields: Record<string, unknown>): Promise<Reply | null>; // one in flight, newest wins; null: overtaken, or an error
  commit(action: Action): void; // what is shown stays until the kernel has answered
  done(): void; // the gesture is over: take back what was not committed
}

/** What it yields is waited for, and events with it: nothing that was done meanwhile is lost. */
type Gesture = Generator<Promise<unknown> | void, void, Ev>;

export interface Tool {
  id: string;
  title: string;
  cursor?: "none"; // `hover` draws it
  steps?: boolean; // several presses are one gesture
  enter?(ctx: Ctx): Promise<unknown> | void; // the tool is taken up; the pointer looks different once that is settled
  gesture(ctx: Ctx, down: Ev): Gesture;
  hover?(ctx: Ctx, event: Ev): Preview | null; // what is drawn at the pointer; during gestures only where it is the cursor
}

/** Whether Alt or the secondary button turn adding into taking away, or the other way round. */
export function flips(event: Ev): boolean {
  return !!event.secondary !== !!event.alt;
}

export function adds(ctx: Ctx, event: Ev): boolean {
  return ctx.settings.add !== flips(event);
}

export function tone(add: boolean): Tone {
  return add ? "add" : "remove";
}

export function isInside(image: Size, { x, y }: Ev): boolean {
  return x >= 0 && y >= 0 && x < image.width && y < image.height;
}

/** The point of the image that is nearest to an event; it keeps `margin` pixels from the right and the lower edge. */
export function nearest(image: Size, { x, y }: Ev, margin = 0): Point {
  return [Math.min(Math.max(x, 0), image.width - margin), Math.min(Math.max(y, 0), image.height - margin)];
}

export function pointOf({ x, y }: Ev): Point {
  return [onGrid(x), onGrid(y)];
}

/** Feeds pointer and key events to the active tool; holds the only mutable state there is. */
export class ToolDriver {
  private run?: Gesture;
  private waiting?: Ev[]; // for what the gesture has yielded
  private down?: Ev;
  private last?: Ev;

  constructor(readonly ctx: Ctx, public tool: Tool) {}

  get busy() { return this.run !== undefined; }

  send(event: Ev) {
    this.last = event;
    const back = event.key === "Backspace" && !this.tool.steps; // the only step there is
    if (event.type === "key" && (event.key === "Escape" || back)) return this.cancel();
    if (this.waiting) return void this.waiting.push(event);
    if (!this.run) {
      if (event.type !== "down") return;
      this.down = event;
      this.run = this.tool.gesture(this.ctx, event);
    }
    this.next(event);
  }

  private next(event: Ev) {
    const { run } = this, { done, value } = run!.next(event);
    if (done) return this.finish();
    if (!value) return;
    const waiting = this.waiting = [] as Ev[];
    void value.finally(() => {
      if (this.waiting !== waiting) return; // given up
      this.waiting = undefined;
      this.next(event);
      waiting.forEach((other) => this.send(other));
    });
  }

  /** What is drawn at the pointer; what a gesture does is decided when it begins. */
  hover(event: Ev): Preview | null {
    if (this.run && this.tool.cursor !== "none") return null; // the gesture shows what it does
    const { alt, secondary } = this.run && this.down ? this.down : event;
    return this.tool.hover?.(this.ctx, { ...event, alt, secondary }) ?? null;
  }

  use(tool: Tool) {
    if (tool === this.tool) return;
    this.tool = tool; // first: whoever hears that the gesture is over must not see the old one
    this.cancel();
  }

  cancel() {
    this.waiting = undefined;
    this.run?.return();
    this.finish();
  }

  /** The pointer is needed for something else; a gesture of several presses goes on after it. */
  interrupt() {
    if (this.tool.steps && this.last) this.send({ ...this.last, type: "up" });
    else this.cancel();
  }

  private finish() {
    this.run = undefined;
    this.ctx.done();
  }
}
