/**
 * The connection to the Python kernel, the same for all widgets: requests with ids, a notice when a request fails and when the kernel is
 * slow or lost, and listeners that are called once for all changes of one turn.
 */

import { type HostBuffer, inflateSome, viewOf } from "./buffers";

/** The model that every host of an anywidget module passes in; `Traits` are the synchronized traits by name. */
export interface Model<Traits> {
  get<Name extends keyof Traits & string>(name: Name): Traits[Name];
  set<Name extends keyof Traits & string>(name: Name, value: Traits[Name]): void;
  save_changes(): void;
  send(content: unknown, callbacks?: unknown, buffers?: unknown[]): void;
  on(event: string, callback: (...args: never[]) => void): void;
  off(event: string, callback: (...args: never[]) => void): void;
}

/** A message from Python: the reply to a request, or, without an id, a change that Python made by itself. */
export interface Message {
  id: string | null;
  ok: boolean;
  result?: unknown;
  error?: string;
  kind?: string; // the name of the exception's class
  deflated?: number[]; // positions of the compressed buffers
}

export interface Reply<Result = unknown> {
  result: Result;
  buffers: DataView<ArrayBuffer>[];
}

export type Fields = Record<string, unknown>;

/** The content of the banner of a widget. */
export interface Notice {
  kind: "error" | "slow" | "lost";
  text: string;
  offer?: Offer;
}

/** A way out that a notice offers as a button. */
export interface Offer {
  text: string;
  run(): void;
}

/** An exception that was raised in Python. */
export class PythonError extends Error {
  constructor(
    message: string,
    readonly kind: string,
  ) {
    super(message);
  }
}

/** Callbacks from the connection to the state of a widget. */
export interface KernelEvents {
  /** Return a request to which a running kernel replies immediately, to distinguish it from a lost one. */
  probe(): { op: string; fields?: Fields };
  /** The notice or the number of pending requests has changed. */
  changed(): void;
  /** Called for every result, including replies to other pages and results that no page requested. */
  received?(result: unknown, buffers: DataView<ArrayBuffer>[]): void;
  /** Whether the pending work is known to take long, so that silence is not reported. */
  expectsDelay?(): boolean;
}

interface PendingRequest {
  settled?(): void;
  resolve(reply: Reply): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const SLOW_REPLY_MS = 8_000; // without a reply
const PROBE_TIMEOUT_MS = 1_000; // after the host reports that the connection changed
const LOST_TEXT =
  "The kernel was restarted or has stopped. Run the cell again to continue; this view can no longer be edited.";
const SLOW_TEXT =
  "The kernel has not replied for several seconds: it is busy or was restarted. If it was restarted, run the cell again.";

export class Kernel {
  notice: Notice | null = null;
  receivesThreads = false; // Shiny drops messages that a thread in Python sends; until one arrives, Python replies without threads
  private readonly page = Math.random().toString(36).slice(2, 8); // several pages on one kernel receive each other's replies
  private count = 0;
  private readonly pending = new Map<string, PendingRequest>();
  private latestInFlight = false;
  private isClosed = false;
  private nextLatest?: { send(): void; drop(): void };
  private inflating: Promise<void> | null = null; // settles when the messages so far are delivered; null if all are

  constructor(
    private readonly model: Pick<Model<{ _is_notebook: boolean }>, "get" | "send" | "on" | "off">,
    private readonly events: KernelEvents,
  ) {
    model.on("msg:custom", this.receive);
    model.on("comm_live_update", this.probe);
    model.on("change:_thread_beat", this.onBeat);
  }

  get isBusy() {
    return this.pending.size > 0;
  }
  get isLost() {
    return this.notice?.kind === "lost";
  }

  /**
   * Send a request; an exception in Python rejects the promise. Requests reach Python in the order of these calls and never time out: a
   * kernel that is busy for an hour replies after that hour. `settled` is called before the result is passed to `received`.
   */
  request<Result = unknown>(op: string, fields: Fields = {}, settled?: () => void): Promise<Reply<Result>> {
    const id = `${this.page}-${++this.count}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.reportSlow(), SLOW_REPLY_MS);
      this.pending.set(id, { settled, resolve: resolve as (reply: Reply) => void, reject, timer });
      this.model.send(this.receivesThreads ? { id, op, ...fields } : { id, op, inline: true, ...fields });
    });
  }

  /** Send a request that the next one of its kind replaces: one is in flight, the newest waits. Null if replaced, failed or lost. */
  async requestLatest<Result = unknown>(op: string, fields: Fields): Promise<Reply<Result> | null> {
    if (this.isLost) return null;
    return new Promise((resolve) => {
      const send = () => {
        this.latestInFlight = true;
        this.request<Result>(op, fields)
          .then(resolve, () => resolve(null))
          .finally(() => {
            this.latestInFlight = false;
            const next = this.nextLatest;
            this.nextLatest = undefined;
            next?.send();
          });
      };
      this.nextLatest?.drop();
      if (this.latestInFlight) this.nextLatest = { send, drop: () => resolve(null) };
      else send();
    });
  }

  /** Send a request and show a notice if it fails; null then. `offer` gives the way out of an exception, by the name of its class. */
  async load<Result = unknown>(
    op: string,
    fields: Fields = {},
    { settled, offer }: { settled?: () => void; offer?: (kind: string) => Offer | undefined } = {},
  ): Promise<Reply<Result> | null> {
    if (this.isLost) return null;
    const request = this.request<Result>(op, fields, settled);
    this.events.changed();
    try {
      return await request;
    } catch (error) {
      this.reportError(error as Error, error instanceof PythonError ? offer?.(error.kind) : undefined);
      return null;
    } finally {
      this.events.changed();
    }
  }

  /** Run a command of the user as `load` does, and hide the notice of an earlier error. */
  run<Result = unknown>(...args: Parameters<Kernel["load"]>): Promise<Reply<Result> | null> {
    if (!this.isLost && this.notice?.kind === "error") this.notice = null;
    return this.load<Result>(...args);
  }

  /** Show an error, unless the kernel is lost: that notice explains all later errors. */
  reportError({ message }: Pick<Error, "message">, offer?: Offer) {
    if (!this.isLost) this.notice = { kind: "error", text: message, offer };
  }

  /** Show an error that a running kernel or the page itself reports. */
  showError(text: string) {
    this.notice = { kind: "error", text };
    this.events.changed();
  }

  dismiss() {
    if (!this.isLost) this.notice = null;
    this.events.changed();
  }

  close() {
    this.isClosed = true;
    this.model.off("msg:custom", this.receive);
    this.model.off("comm_live_update", this.probe);
    this.model.off("change:_thread_beat", this.onBeat);
    this.rejectAll("the widget was closed");
  }

  /** Outside of IPython, the beat may have arrived only because a reply followed it. */
  private readonly onBeat = () => {
    this.receivesThreads = this.model.get("_is_notebook");
  };

  /** Deliver a message, in the order of arrival: later ones wait for one that is being decompressed. */
  private readonly receive = (message: Message, data?: HostBuffer[]) => {
    const buffers = (data ?? []).map(viewOf);
    if (!this.inflating && !message.deflated?.length) return this.deliver(message, buffers);
    const inflated = inflateSome(buffers, message.deflated ?? []);
    const delivered = Promise.all([inflated, this.inflating])
      .then(([whole]) => this.deliver(message, whole))
      .catch((error: Error) =>
        this.deliver({ id: message.id, ok: false, error: `a reply cannot be read: ${error.message}` }, []),
      )
      .finally(() => {
        if (this.inflating === delivered) this.inflating = null;
      });
    this.inflating = delivered;
  };

  private deliver(message: Message, buffers: DataView<ArrayBuffer>[]) {
    if (this.isClosed) return;
    const request = message.id === null ? undefined : this.settle(message.id);
    if (request) {
      if (this.notice?.kind === "slow") this.notice = null;
      this.events.changed();
    }
    if (!message.ok) return request?.reject(new PythonError(message.error ?? "", message.kind ?? ""));
    if (this.isLost) {
      this.notice = null; // a message is a sign of life
      this.events.changed();
    }
    this.events.received?.(message.result, buffers);
    request?.resolve({ result: message.result, buffers });
  }

  private settle(id: string): PendingRequest | undefined {
    const found = this.pending.get(id);
    clearTimeout(found?.timer);
    this.pending.delete(id);
    found?.settled?.();
    return found;
  }

  private reportSlow() {
    if (this.notice || this.events.expectsDelay?.()) return;
    this.notice = { kind: "slow", text: SLOW_TEXT };
    this.events.changed();
  }

  /** The host reports that the connection changed, but not how: a running kernel replies at once. */
  private readonly probe = async () => {
    const timer = setTimeout(() => this.lose(), PROBE_TIMEOUT_MS);
    const { op, fields } = this.events.probe();
    await this.request(op, fields).then(
      () => clearTimeout(timer),
      () => this.lose(),
    );
  };

  private lose() {
    this.notice = { kind: "lost", text: LOST_TEXT };
    this.rejectAll(LOST_TEXT);
    this.events.changed();
  }

  private rejectAll(reason: string) {
    for (const id of [...this.pending.keys()]) this.settle(id)?.reject(new Error(reason));
  }
}

const MAX_IN_FLIGHT = 2;

/** Fetches the data needed at the moment: few requests are in flight, and the next one is chosen when another has ended. */
export class RequestPool {
  private inFlight = 0;

  /** next: returns the request to start now, null if there is none. ended: called after each request. */
  constructor(
    private readonly next: () => (() => Promise<void>) | null,
    private readonly ended: () => void,
  ) {}

  get isBusy() {
    return this.inFlight > 0;
  }

  fill() {
    while (this.inFlight < MAX_IN_FLIGHT) {
      const request = this.next();
      if (!request) return;
      this.inFlight++;
      void request().finally(() => {
        this.inFlight--;
        this.fill();
        this.ended();
      });
    }
  }
}

/** Set the trait that makes marimo run the dependent cells. Notebooks do not need it. */
export function reportRevision(
  model: Pick<Model<{ _is_notebook: boolean; revision: number }>, "get" | "set" | "save_changes">,
  revision: number,
) {
  if (model.get("_is_notebook") || model.get("revision") === revision) return;
  model.set("revision", revision);
  model.save_changes();
}

/** Functions to call after a change; `last` is called after all others. */
export class Listeners {
  private readonly listeners = new Set<() => void>();
  private isScheduled = false;

  constructor(private readonly last: () => void = () => {}) {}

  /** Call `listener` after every change until `signal` is aborted. */
  add(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }

  readonly notify = () => {
    for (const listener of this.listeners) listener();
    this.last();
  };

  /** Notify once for all changes of the current turn. */
  readonly notifySoon = () => {
    if (this.isScheduled) return;
    this.isScheduled = true;
    queueMicrotask(() => {
      this.isScheduled = false;
      this.notify();
    });
  };

  clear() {
    this.listeners.clear();
  }
}

/** The arguments that a host passes to the functions of an anywidget module. */
interface HostProps<Traits> {
  model: Model<Traits> & { widget_manager?: { get_model(id: string): Promise<unknown> } };
  el: HTMLElement;
  host?: { getModel(reference: string): Promise<unknown> };
}

/** Return the model of another widget by the reference that a trait holds. */
export type FindModel = (reference: string) => Promise<unknown>;

/** Hosts offer the models of other widgets in one of two ways, or not at all. */
function findModelOf<Traits>({ model, host }: HostProps<Traits>): FindModel | null {
  const { widget_manager: manager } = model;
  if (manager) return (reference) => manager.get_model(reference.replace(/^(IPY_MODEL_|anywidget:)/, ""));
  return host ? (reference) => host.getModel(reference) : null;
}

/** Return an anywidget module: one state for each model, one view for each output that shows it. */
export function widgetModule<Traits, State extends { close(): void }>(
  createState: (model: Model<Traits>) => State,
  createView: (state: State, host: HTMLElement, signal: AbortSignal, findModel: FindModel | null) => unknown,
) {
  return () => {
    let state: State | undefined;
    return {
      initialize({ model }: HostProps<Traits>) {
        state = createState(model);
        return () => state?.close();
      },
      render(props: HostProps<Traits>) {
        const controller = new AbortController();
        state ??= createState(props.model);
        createView(state, props.el, controller.signal, findModelOf(props));
        return () => controller.abort();
      },
    };
  };
}
