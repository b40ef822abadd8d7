/** The editor in place, as Python runs it: which instance is open, and what is decided about it. */
import type { Queue } from "./queue";

export type Decision = "accept" | "reject" | "skip";

const DONE: Record<Decision, string> = { accept: "Accepted", reject: "Rejected", skip: "Skipped" };

export class Repair {
  open: number | null = null; // the id of the instance in the editor
  last: number | null = null; // that was in it
  opening: number | null = null; // the one asked for
  deciding = false; // Python is at it
  private place: number | null = null; // in the list

  constructor(private readonly queue: Queue) {}

  /** Where the open instance is in the list; null: not known. */
  get index(): number | null { return this.open === null ? null : this.queue.rows.place(this.open) ?? this.place; }

  /** Open the editor on an instance. */
  async edit(id: number) {
    if (this.opening !== null) return;
    this.opening = id;
    this.queue.say("");
    await this.turn("edit", { instance: id });
    this.opening = null;
    this.queue.emit();
  }

  /** Write back what was done and go on to the next new one; what fails is shown, and the editor stays as it is. */
  async decide(what: Decision) {
    if (!(await this.turn(what))) return;
    this.queue.say(this.open === null ? `${DONE[what]}. That was the last new one.` : DONE[what]);
  }

  /** Walk the list without a verdict. */
  async step(by: 1 | -1) {
    const was = this.open, went = await this.turn("step", { by });
    if (went && this.open === was) this.queue.say(by > 0 ? "This is the last one" : "This is the first one");
  }

  /** Back to the grid; the edits are kept. */
  async close() { await this.turn("close"); }

  private async turn(op: string, fields: Record<string, unknown> = {}): Promise<boolean> {
    if (this.deciding) return false;
    this.deciding = true;
    const reply = await this.queue.send(op, fields);
    this.deciding = false;
    if (reply) {
      this.open = reply.result?.id ?? null;
      this.last = this.open ?? this.last;
      this.place = reply.result?.index ?? null;
    }
    this.queue.emit();
    return reply !== null;
  }
}
