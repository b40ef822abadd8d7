/**
 * A tool is one generator per gesture: press code, a loop over moves, release code.
 * Leaving the generator early (Escape, tool switch, blur) runs its `finally`. Coordinates are image pixels.
 */
import type { Action } from "../actions";

export interface Ev {
  type: "down" | "move" | "up" | "key";
  x: number;
  y: number;
  secondary?: boolean; // the right button, or Shift
  key?: string;
}
export interface Preview { dot: { x: number; y: number; positive: boolean } }
export interface Ctx { preview(preview: Preview | null): void; commit(action: Action): void }
export interface Tool { id: string; title: string; gesture(ctx: Ctx, down: Ev): Generator<void, void, Ev> }

/** Feeds pointer and key events to the active tool; holds the only mutable state there is. */
export class ToolDriver {
  private run?: Generator<void, void, Ev>;

  constructor(private readonly ctx: Ctx, private tool: Tool) {}

  get busy() { return this.run !== undefined; }

  send(event: Ev) {
    if (event.type === "key" && event.key === "Escape") return this.cancel();
    if (!this.run) {
      if (event.type !== "down") return;
      this.run = this.tool.gesture(this.ctx, event);
      if (this.run.next().done) this.finish();
    } else if (this.run.next(event).done) this.finish();
  }

  use(tool: Tool) {
    if (tool === this.tool) return;
    this.cancel();
    this.tool = tool;
  }

  cancel() {
    this.run?.return();
    this.finish();
  }

  private finish() {
    this.run = undefined;
    this.ctx.preview(null);
  }
}
