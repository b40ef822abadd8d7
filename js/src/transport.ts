/** Requests to the kernel, answered by id. A Python exception arrives as a rejected promise; silence is noticed. */

import { Raised } from "./trouble";

/** What every host of the Anywidget Front-End Module hands over. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: unknown[]): void;
  on(event: string, callback: (...args: any[]) => void): void;
  off(event: string, callback: (...args: any[]) => void): void;
}

export interface Message { id: string | null; ok: boolean; result?: any; error?: string; kind?: string }

export interface Reply { result: any; buffers: DataView<ArrayBuffer>[] }

interface Waiting { answered?(): void; resolve(reply: Reply): void; reject(error: Error): void; timer: ReturnType<typeof setTimeout> }

const SLOW_MS = 8_000; // without an answer

export class Transport {
  private readonly page = Math.random().toString(36).slice(2, 8); // two pages on one kernel hear each other's answers
  private count = 0;
  private readonly waiting = new Map<string, Waiting>();
  private flying = false; // a peek
  private nextPeek?: { send(): void; drop(): void };

  /**
   * hear: every message that carries a result, also those that answer nobody here (another page, or Python itself).
   * slow: the kernel owes an answer for too long (true), or has answered again (false).
   */
  constructor(
    private readonly model: Model,
    private readonly hear: (result: any, buffers: DataView<ArrayBuffer>[]) => void,
    private readonly slow: (isSlow: boolean) => void,
  ) {
    model.on("msg:custom", this.receive);
  }

  get busy() { return this.waiting.size > 0; }

  /**
   * Requests reach Python in the order of these calls. `answered` is called when it is over, before the answer is heard. A kernel that
   * is busy for an hour does it after that hour: nothing is given up before `fail` says that it is gone.
   */
  request(op: string, fields: Record<string, unknown> = {}, answered?: () => void): Promise<Reply> {
    const id = `${this.page}-${++this.count}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.slow(true), SLOW_MS);
      this.waiting.set(id, { answered, resolve, reject, timer });
      this.model.send({ id, op, ...fields });
    });
  }

  /** A request that is out of date when the next one comes: one in flight, the newest waits, those it overtakes resolve to null. */
  peek(op: string, fields: Record<string, unknown>): Promise<Reply | null> {
    return new Promise((resolve, reject) => {
      const send = () => {
        this.flying = true;
        this.request(op, fields).then(resolve, reject).finally(() => {
          this.flying = false;
          const next = this.nextPeek;
          this.nextPeek = undefined;
          next?.send();
        });
      };
      this.nextPeek?.drop();
      if (this.flying) this.nextPeek = { send, drop: () => resolve(null) };
      else send();
    });
  }

  /** The kernel is gone: nobody will answer. */
  fail(reason: string) {
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(new Error(reason));
  }

  close() {
    this.model.off("msg:custom", this.receive);
    this.fail("the widget was closed");
  }

  private readonly receive = (message: Message, buffers: DataView<ArrayBuffer>[]) => {
    const mine = message.id === null ? undefined : this.settle(message.id);
    if (mine) this.slow(false);
    if (message.ok) this.hear(message.result, buffers);
    if (message.ok) mine?.resolve({ result: message.result, buffers });
    else mine?.reject(new Raised(message.error ?? "", message.kind ?? ""));
  };

  private settle(id: string): Waiting | undefined {
    const found = this.waiting.get(id);
    clearTimeout(found?.timer);
    this.waiting.delete(id);
    found?.answered?.();
    return found;
  }
}
