/** The embedded editor, as Python runs it: the open instance and the decisions about it. */
import type { Fields, Offer, Reply } from "../kernel";

export type Decision = "accept" | "reject" | "skip";

const MESSAGES: Record<Decision, string> = { accept: "Accepted", reject: "Rejected", skip: "Skipped" };

interface EditorReply {
  id: number | null;
  index?: number | null;
}

/** The members of the queue that the editor's state uses. */
interface EditorQueue {
  positionOf(id: number): number | undefined;
  run<Result>(op: string, fields: Fields, offer: (kind: string) => Offer | undefined): Promise<Reply<Result> | null>;
  showMessage(text: string): void;
  notify(): void;
}

export class EditorState {
  open: number | null = null; // id of the instance in the editor
  last: number | null = null; // id of the instance that was open last
  opening: number | null = null; // id of the instance that was requested
  isBusy = false;
  private position: number | null = null; // position in the list, from the last reply

  constructor(private readonly queue: EditorQueue) {}

  /** The position of the open instance in the list; null if unknown. */
  get index(): number | null {
    return this.open === null ? null : (this.queue.positionOf(this.open) ?? this.position);
  }

  /** Open the editor on an instance. */
  async edit(id: number) {
    if (this.opening !== null) return;
    this.opening = id;
    this.queue.showMessage("");
    await this.request("edit", { instance: id });
    this.opening = null;
    this.queue.notify();
  }

  /** Save the edits with a decision and open the next new instance; after an error the editor stays as it is. */
  async decide(decision: Decision, overwrite = false) {
    const isDone = await this.request(decision, { overwrite }, () => void this.decide(decision, true));
    if (!isDone) return;
    const isEnd = this.open === null;
    this.queue.showMessage(isEnd ? `${MESSAGES[decision]}. That was the last new one.` : MESSAGES[decision]);
  }

  /** Open the next or previous instance without a decision. */
  async step(by: 1 | -1, overwrite = false) {
    const before = this.open;
    const isDone = await this.request("step", { by, overwrite }, () => void this.step(by, true));
    if (isDone && this.open === before)
      this.queue.showMessage(by > 0 ? "This is the last one" : "This is the first one");
  }

  /** Close the editor; the edits are kept. */
  async close(overwrite = false) {
    await this.request("close", { overwrite }, () => void this.close(true));
  }

  /** force: repeats the request and overwrites concurrent changes; offered only after a conflict was reported. */
  private async request(op: string, fields: Fields, force?: () => void): Promise<boolean> {
    if (this.isBusy) return false;
    this.isBusy = true;
    const offer: Offer | undefined = force && { text: "Overwrite with my version", run: force };
    const reply = await this.queue.run<EditorReply | null>(op, fields, (kind) =>
      kind === "Conflict" ? offer : undefined,
    );
    this.isBusy = false;
    if (reply) {
      this.open = reply.result?.id ?? null;
      this.last = this.open ?? this.last;
      this.position = reply.result?.index ?? null;
    }
    this.queue.notify();
    return reply !== null;
  }
}
