/**
 * The contract of a canvas tool. A tool is one generator per gesture: code for the press, a loop over moves, code for the release. Leaving
 * the generator early (Escape, another tool, a second finger) runs its `finally`. Coordinates are image pixels.
 */
import type { Action, Prompt } from "../actions";
import type { Bitmap, Patch } from "../bitmap";
import type { Size } from "../camera";
import { onGrid, type Point } from "../cover";
import type { Reply } from "../kernel";
import type { Outline } from "../outline";
import type { LabelMap } from "../superpixels";

export interface ToolEvent {
  type: "down" | "move" | "up" | "key";
  x: number;
  y: number;
  secondary?: boolean; // the right button, a pen's eraser, or Shift
  shift?: boolean;
  alt?: boolean;
  double?: boolean; // the second of two quick presses at one position
  key?: "Escape" | "Enter" | "Backspace"; // cancel, finish, undo the last step
  pressure?: number; // pressure of a pen, 0 to 1
  pointerType?: string;
}

/** A drawing shown during a gesture or under the resting pointer; radii are image pixels. */
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

/** The settings of the tools: traits of the model, and options of this view. */
export interface ToolSettings {
  brush_size: number; // diameter, image pixels
  tolerance: number; // gray levels
  superpixels: number; // approximate number in the image
  add: boolean; // false: tools remove pixels instead of adding them
  straight: boolean; // the lasso draws straight lines
  pressure: boolean; // a pen's pressure scales the brush
}

/** A control that the options row shows for a tool. */
export type ToolOption = "add" | "size" | "tolerance" | "superpixels" | "straight" | "pressure" | "preview";

/** The part of the stage that tools read and change. */
export interface ToolContext {
  readonly image: Size;
  readonly scale: number; // CSS pixels per image pixel
  readonly settings: ToolSettings;
  readonly pixels: Bitmap | undefined; // pixels of the object being edited
  readonly superpixels: LabelMap | null; // null: not loaded yet
  superpixelsLoaded(): Promise<unknown>; // also settles if loading fails
  readonly pendingEdits: Promise<unknown> | null; // settles when `pixels` are up to date; null if they are
  set(trait: "tolerance", value: number): void;
  preview(preview: Preview | null): void;
  paint(patch: Patch, add: boolean): void; // shown at once; the reply to `commit` replaces it
  previewAction(action: Action, now?: boolean): void; // shows the effect of the action once the pointer rests, or now; also without "Preview" while drawing
  requestLatest<Result>(op: string, fields: Record<string, unknown>): Promise<Reply<Result> | null>; // null: replaced or failed
  choose(x: number, y: number, isAdded: boolean): void; // selects the object at a point, or adds it to the selection
  commit(action: Action): void; // previews and paint stay until the kernel has replied
  ended(): void; // the gesture is over: everything that was not committed disappears
}

/** Yielded promises are awaited; events that arrive in the meantime are queued. */
export type Gesture = Generator<Promise<unknown> | undefined, void, ToolEvent>;

export interface Tool {
  name: string; // the same as in Python, which also declares label, key and pixel source (trait `_tools`)
  hint: string;
  icon: string; // SVG paths on a grid of 20 x 20
  options?: ToolOption[];
  color?: string; // color of its pixels in the view of pixel sources
  cursor?: "none" | "default"; // none: `hover` draws the cursor
  hasSteps?: boolean; // one gesture has several presses
  selected?(context: ToolContext): Promise<unknown> | undefined; // the pointer is drawn again once this settles
  gesture(context: ToolContext, down: ToolEvent): Gesture;
  hover?(context: ToolContext, event: ToolEvent): Preview | null; // drawn at the pointer; during gestures only if it is the cursor
  trace?(prompt: Prompt): Preview[]; // the drawing of a prompt after the reply
}

/** Whether exactly one of Alt and the secondary button is pressed, which swaps adding and removing. */
export function isInverted(event: ToolEvent): boolean {
  return !!event.secondary !== !!event.alt;
}

export function adds(context: ToolContext, event: ToolEvent): boolean {
  return context.settings.add !== isInverted(event);
}

export function toneOf(add: boolean): Tone {
  return add ? "add" : "remove";
}

export function isInside(image: Size, { x, y }: ToolEvent): boolean {
  return x >= 0 && y >= 0 && x < image.width && y < image.height;
}

/** The point of the image that is nearest to an event, at least `margin` pixels from the right and lower edges. */
export function nearestInside(image: Size, { x, y }: ToolEvent, margin = 0): Point {
  return [Math.min(Math.max(x, 0), image.width - margin), Math.min(Math.max(y, 0), image.height - margin)];
}

export function pointOf({ x, y }: ToolEvent): Point {
  return [onGrid(x), onGrid(y)];
}

/** Append the pointer's position to a line once it is `step` CSS pixels from the last point. */
export function extendLine(context: ToolContext, points: Point[], next: Point, step: number) {
  const last = points[points.length - 1];
  if (Math.hypot(next[0] - last[0], next[1] - last[1]) * context.scale >= step) points.push(next);
}

const INSIDE_MARGIN = 1 / 64; // image pixels: a line must stay left of the right edge and above the lower edge

export function linePointOf(context: ToolContext, event: ToolEvent): Point {
  const [x, y] = nearestInside(context.image, event, INSIDE_MARGIN);
  return [onGrid(x), onGrid(y)];
}

/** Passes pointer and key events to the active tool. */
export class ToolDriver {
  private run?: Gesture;
  private queued?: ToolEvent[]; // events that arrived while a yielded promise is awaited
  private down?: ToolEvent;
  private last?: ToolEvent;

  constructor(
    readonly context: ToolContext,
    public tool: Tool,
  ) {}

  get isBusy() {
    return this.run !== undefined;
  }

  send(event: ToolEvent) {
    this.last = event;
    const isBack = event.key === "Backspace" && !this.tool.hasSteps; // a gesture of one press has no steps to undo
    if (event.type === "key" && (event.key === "Escape" || isBack)) return this.cancel();
    if (this.queued) return void this.queued.push(event);
    if (!this.run) {
      if (event.type !== "down") return;
      this.down = event;
      this.run = this.tool.gesture(this.context, event);
    }
    this.advance(this.run, event);
  }

  private advance(run: Gesture, event: ToolEvent) {
    const { done, value } = run.next(event);
    if (done) return this.end();
    if (!value) return;
    const queued: ToolEvent[] = [];
    this.queued = queued;
    void value.finally(() => {
      if (this.queued !== queued) return; // canceled
      this.queued = undefined;
      this.advance(run, event);
      for (const other of queued) this.send(other);
    });
  }

  /** The drawing at the pointer. During a gesture, Alt and the secondary button count as they were when it began. */
  hover(event: ToolEvent): Preview | null {
    if (this.run && this.tool.cursor !== "none") return null; // the gesture draws its own preview
    const { alt, secondary } = this.run && this.down ? this.down : event;
    return this.tool.hover?.(this.context, { ...event, alt, secondary }) ?? null;
  }

  use(tool: Tool) {
    if (tool === this.tool) return;
    this.tool = tool; // before `cancel`, whose listeners must see the new tool
    this.cancel();
  }

  cancel() {
    this.queued = undefined;
    this.run?.return();
    this.end();
  }

  /** Free the pointer for panning; a gesture with several presses continues afterwards. */
  interrupt() {
    if (this.tool.hasSteps && this.last) this.send({ ...this.last, type: "up" });
    else this.cancel();
  }

  private end() {
    this.run = undefined;
    this.context.ended();
  }
}
