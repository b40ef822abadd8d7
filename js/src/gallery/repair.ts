/** The editor in place, as Python runs it: which instance is open, and what is decided about it. */
import type { Offer } from "../trouble";
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
  async decide(what: Decision, overwrite = false) {
    if (!(await this.turn(what, { overwrite }, () => void this.decide(what, true)))) return;
    this.queue.say(this.open === null ? `${DONE[what]}. That was the last new one.` : DONE[what]);
  }

  /** Walk the list without a verdict. */
  async step(by: 1 | -1, overwrite = false) {
    const was = this.open, went = await this.turn("step", { by, overwrite }, () => void this.step(by, true));
    if (went && this.open === was) this.queue.say(by > 0 ? "This is the last one" : "This is the first one");
  }

  /** Back to the grid; the edits are kept. */
  async close(overwrite = false) { await this.turn("close", { overwrite }, () => void this.close(true)); }

  /** over: the same, over what somebody else has done meanwhile; only who was told of that can want it. */
  private async turn(op: string, fields: Record<string, unknown>, over?: () => void): Promise<boolean> {
    if (this.deciding) return false;
    this.deciding = true;
    const offer: Offer | undefined = over && { text: "Write mine over theirs", run: over };
    const reply = await this.queue.send(op, fields, (kind) => (kind === "Conflict" ? offer : undefined));
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
