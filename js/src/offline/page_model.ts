/** The model of the annotator in a page without kernel: traits in the page, and requests to the worker. */
import type { AnnotatorModel, AnnotatorTraits } from "../traits";
import type { FromWorker, ToWorker } from "./page_data";

type Callback = (...args: never[]) => void;

export class PageModel implements AnnotatorModel {
  private readonly listeners = new Map<string, Set<Callback>>();

  constructor(
    private readonly traits: AnnotatorTraits,
    private readonly worker: Pick<Worker, "postMessage">,
  ) {}

  get<Name extends keyof AnnotatorTraits>(name: Name): AnnotatorTraits[Name] {
    return this.traits[name];
  }

  set<Name extends keyof AnnotatorTraits>(name: Name, value: AnnotatorTraits[Name]) {
    this.traits[name] = value;
    this.emit(`change:${name}`);
  }

  save_changes() {}

  send(content: unknown) {
    this.worker.postMessage({ kind: "request", message: content } as ToWorker);
  }

  on(event: string, callback: Callback) {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(callback));
  }

  off(event: string, callback: Callback) {
    this.listeners.get(event)?.delete(callback);
  }

  /** Take a message of the worker. */
  receive(message: FromWorker) {
    if (message.kind === "message") {
      const views = message.buffers.map((buffer) => new DataView(buffer));
      this.emit("msg:custom", message.content, views);
    } else if (message.kind === "traits") {
      for (const [name, value] of Object.entries(message.values))
        this.set(name as keyof AnnotatorTraits, value as never);
    }
  }

  private emit(event: string, ...args: unknown[]) {
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...(args as never[]));
  }
}
