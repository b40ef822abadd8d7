/** Replies to the requests of the annotator, as cdwidget/widget/annotator/operations.py lists them for a notebook. */
import type { Action } from "../actions";
import type { AnnotatorTraits, ImageReply, Update } from "../traits";
import { instancesIn, labelFile } from "./label_file";
import { Network } from "./network";
import { type Labeling, type OpenedImage, openImage, repeatSteps, sinceRestart, smallPicture } from "./opened_image";
import { type FromWorker, type LabelFile, REPLACES_OBJECTS, type SavedStep, type ToWorker } from "./page_data";
import { NO_PATCH, type Patch } from "./pixels";
import { isEmpty, isPrompt, type Session, type Step } from "./session";

type Fields = Record<string, unknown>;
type Reply = { result: unknown; buffers?: ArrayBuffer[] };
type Start = Extract<ToWorker, { kind: "start" }>;

const MAX_OPENED = 4; // images with pixels in memory; the others are opened again from their steps

export class PageKernel {
  private readonly network: Network | null;
  private readonly opened = new Map<number, OpenedImage>(); // the last used image is the last
  private readonly finished = new Set<number>(); // images that were submitted or skipped
  private readonly steps: SavedStep[];
  private index = 0;
  private key = 1;
  private revision = 0;
  private encoding: Promise<void> | null = null; // of the image that is shown
  private queue: Promise<unknown> = Promise.resolve();
  private nextLabel: string;

  constructor(
    private readonly start: Start,
    private readonly post: (message: FromWorker) => void,
  ) {
    this.network = start.network && new Network(start.network);
    this.steps = [...start.steps];
    for (const { kind, image } of this.steps) if (kind === "submit" || kind === "skip") this.finished.add(image);
    const { labels, label } = start.page.traits;
    this.nextLabel = label || (labels.length === 1 ? labels[0] : "");
  }

  /** Reply to a request after all requests before it. */
  receive({ id, op, ...fields }: { id: string; op: string } & Fields) {
    this.queue = this.queue.then(async () => {
      this.set({ busy: true });
      try {
        const { result, buffers = [] } = await this.reply(op, fields);
        this.post({ kind: "message", content: { id, ok: true, result }, buffers });
      } catch (error) {
        const { message, name } = error as Error;
        this.post({ kind: "message", content: { id, ok: false, error: message, kind: name }, buffers: [] });
      } finally {
        this.set({ busy: false });
      }
    });
  }

  private async reply(op: string, fields: Fields): Promise<Reply> {
    const operation = this.operations[op];
    if (!operation) throw new Error(`${op} works only in a notebook`);
    return operation(fields);
  }

  private readonly operations: Record<string, (fields: Fields) => Promise<Reply>> = {
    image: async () => {
      const file = this.start.images[this.index];
      return { result: { key: this.key, mime: file.type }, buffers: [await file.arrayBuffer()] };
    },
    document: async () => {
      const { document } = (await this.active()).session;
      const patches = document.state.entries.map(({ id }) => ({ id, patch: document.patch(id) }));
      const reply = await this.update(patches, true);
      void this.encode();
      return reply;
    },
    apply: async ({ action, key }) => this.edit(key, (session) => this.applyTo(session, action as Action)),
    undo: async ({ key }) => this.edit(key, async (session) => session.undo()),
    redo: async ({ key }) => this.edit(key, async (session) => session.redo()),
    peek: async ({ action }) => {
      await this.encode();
      const { session } = await this.active();
      const { differences } = await session.compute(action as Action);
      const { box, bits } = differences[0]?.after ?? NO_PATCH;
      return { result: { box }, buffers: [bits.slice().buffer] };
    },
    sources: async () => {
      const { document } = (await this.active()).session;
      const { box, sources } = document.pixelsOf(document.state.selected);
      const packed = new Blob([sources.slice()]).stream().pipeThrough(new CompressionStream("deflate"));
      return { result: { box }, buffers: [await new Response(packed).arrayBuffer()] };
    },
    encoded: async () => {
      await this.encode();
      return { result: {} };
    },
    marks: async ({ start, stop }) => {
      const { images } = this.start.page;
      const range = images.slice(start as number, stop as number);
      const marks = range.map(({ name }, i) => ({ name, done: this.isDone((start as number) + i) }));
      return { result: { images: marks } };
    },
    pictures: async ({ indices, side }) => {
      const made = (indices as number[]).map((index) => smallPicture(this.start.images[index], side as number));
      return { result: { pictures: await Promise.all(made) } };
    },
    go: ({ step }) => this.show(this.index + (step as number)),
    goto: async ({ index }) => this.show(index === null ? this.nextUnlabeled() : (index as number)),
    submit: ({ key }) => this.finish("submit", key),
    skip: ({ key }) => this.finish("skip", key),
    save: async () => ({ result: this.labelFile() }),
    load: ({ file, replaces }) => this.load(file as LabelFile, replaces === true),
  };

  private async applyTo(session: Session, action: Action): Promise<Step> {
    const { labels, closed_labels: isClosed } = this.start.page.traits;
    const label = action.type === "relabel" || action.type === "accept" ? action.label : undefined;
    if (label && isClosed && !labels.includes(label))
      throw new Error(`there is no label ${label}; there are: ${labels.join(", ")}`);
    if (isPrompt(action) || action.type === "alternative") await this.encode();
    return session.apply(action);
  }

  private async edit(key: unknown, edit: (session: Session) => Promise<Step | null>): Promise<Reply> {
    if (this.start.page.traits.view_only) throw new Error("This page is for viewing only");
    this.checkKey(key);
    const { session } = await this.active();
    const step = await edit(session);
    if (!step) return { result: {} };
    const { kind, change } = step;
    if (!isEmpty(change))
      this.save(kind === "apply" ? { image: this.index, kind, change } : { image: this.index, kind });
    const undone = kind === "undo";
    const { entries } = undone ? change.oldState : change.newState;
    const patches = change.differences
      .filter(({ instance }) => entries.some(({ id }) => id === instance))
      .map(({ instance, before, after }) => ({ id: instance, patch: undone ? before : after }));
    if (isPrompt(change.action)) void this.network?.prepare(this.network.focusSize);
    return this.update(patches, false);
  }

  private async update(patches: { id: number; patch: Patch }[], whole: boolean): Promise<Reply> {
    const { session } = await this.active();
    const { state, selected } = session.document;
    const [canUndo, canRedo] = [session.done.length > 0, session.undone.length > 0];
    this.nextLabel = session.nextLabel;
    this.set({ can_undo: canUndo, can_redo: canRedo, label: session.label, locked: state.locked });
    const { count, chosen } = selected.choice ?? { count: 0, chosen: 0 };
    const ids = state.entries.map(({ id }) => id);
    const document: Update = {
      whole,
      order: whole ? undefined : { start: 0, removed: Number.POSITIVE_INFINITY, ids },
      key: this.key,
      revision: ++this.revision,
      selected: state.selected,
      locked: state.locked,
      can_undo: canUndo,
      can_redo: canRedo,
      instances: state.entries.map(({ id, label, attributes }) => ({ id, label, attributes })),
      prompts: [...selected.prompts],
      patches: patches.map(({ id, patch }) => ({ id, box: patch.box, soft: false })),
      alternatives: { count, chosen },
    };
    return { result: { document }, buffers: patches.map(({ patch }) => patch.bits.slice().buffer) };
  }

  /** Encode the image that is shown, once. */
  private encode(): Promise<void> {
    this.encoding ??= this.encodeNow().catch((error: Error) => {
      this.encoding = null;
      this.set({ _phase: { name: "failed", error: error.message } });
      throw error;
    });
    return this.encoding;
  }

  private async encodeNow() {
    const { predictor } = await this.active();
    if (!predictor || !this.network) return;
    this.set({ _phase: { name: "loading", error: "" } });
    await this.network.prepare(this.network.size);
    this.set({ _phase: { name: "encoding", error: "" } });
    await predictor.encode();
    this.set({ _phase: { name: "ready", error: "" } });
  }

  private active(): Promise<OpenedImage> {
    return this.open(this.index);
  }

  private async open(index: number): Promise<OpenedImage> {
    const { page, images } = this.start;
    const opened =
      this.opened.get(index) ??
      (await openImage(page.images[index], images[index], this.stepsOf(index), this.network, this.nextLabel));
    this.opened.delete(index);
    this.opened.set(index, opened);
    for (const old of this.opened.keys())
      if (this.opened.size > MAX_OPENED && old !== this.index) this.opened.delete(old);
    return opened;
  }

  private stepsOf(index: number): SavedStep[] {
    return this.steps.filter(({ image }) => image === index);
  }

  /** Return the objects of an image without decoding its pixels, which takes long and may fail. */
  private labeling(index: number): Labeling {
    return this.opened.get(index) ?? repeatSteps(this.start.page.images[index], this.stepsOf(index));
  }

  private async show(index: number): Promise<Reply> {
    const { images } = this.start.page;
    if (!(index >= 0 && index < images.length))
      throw new Error(index < 0 ? "this is the first image" : "this is the last image");
    await this.open(index);
    this.index = index;
    this.key++;
    this.encoding = null;
    const { name, width, height } = images[index];
    this.set({ _image: { key: this.key, name, width, height, index, count: images.length } });
    return { result: { key: this.key, passed: [] } satisfies ImageReply };
  }

  private async finish(kind: "submit" | "skip", key: unknown): Promise<Reply> {
    this.checkKey(key);
    const { images, traits } = this.start.page;
    const { session } = await this.active();
    const { document } = session;
    if (kind === "submit" && !traits.view_only && document.hasPixels(document.state.selected)) {
      const { result, buffers = [] } = await this.edit(key, () => session.apply({ type: "accept" }));
      this.post({ kind: "message", content: { id: null, ok: true, result }, buffers });
    }
    this.finished.add(this.index);
    this.save({ image: this.index, kind });
    const isLast = this.index + 1 === images.length;
    if (!isLast) await this.show(this.index + 1);
    const left = images.length - this.finished.size;
    return { result: { key: this.key, passed: [], left, is_last: isLast } satisfies ImageReply };
  }

  /** Whether an image was finished or has objects; one that is not open counts by its steps. */
  private isDone(index: number): boolean {
    const opened = this.opened.get(index);
    const { given, later } = sinceRestart(this.start.page.images[index], this.stepsOf(index));
    const isLabeled = opened ? hasObjects(opened) : given.length > 0 || later.length > 0;
    return isLabeled || this.finished.has(index);
  }

  private nextUnlabeled(): number {
    const { length } = this.start.page.images;
    for (let i = 1; i < length; i++) {
      const index = (this.index + i) % length;
      if (!hasObjects(this.labeling(index))) return index;
    }
    throw new Error("all other images have objects");
  }

  private labelFile(): LabelFile {
    const { images, traits } = this.start.page;
    const labeled = images.map((image, index) => {
      const { session, given } = this.labeling(index);
      return { image: { ...image, instances: given }, document: session.document, done: session.done };
    });
    return labelFile(labeled, traits.labels);
  }

  /** Replace the objects of all images that a file names, and throw instead if there are any that may not be replaced. */
  private async load(file: LabelFile, replaces: boolean): Promise<Reply> {
    const loaded = instancesIn(file, this.start.page.images);
    const labeled = [...loaded.keys()].filter((index) => hasObjects(this.labeling(index))).length;
    if (labeled && !replaces) {
      const images = labeled === 1 ? "1 image" : `${labeled} images`;
      const error = new Error(`The file replaces the objects of ${images}. That cannot be undone: save them first.`);
      throw Object.assign(error, { name: REPLACES_OBJECTS });
    }
    for (const [index, instances] of loaded) {
      this.save({ image: index, kind: "restart", instances });
      this.opened.delete(index);
    }
    return this.show(this.index);
  }

  private save(step: SavedStep) {
    this.steps.push(step);
    this.post({ kind: "step", step });
  }

  private set(values: Partial<AnnotatorTraits>) {
    this.post({ kind: "traits", values });
  }

  private checkKey(key: unknown) {
    if (key !== undefined && key !== this.key)
      throw new Error("Another image is shown now, so this change was not made. Repeat it here, or go back.");
  }
}

function hasObjects({ session: { document } }: Labeling): boolean {
  return document.state.entries.some(({ id }) => document.hasPixels(id));
}
