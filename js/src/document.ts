/** The browser's copy of the document in Python: one per model, shared by all its views. It changes only by replies and updates. */
import type { Action, Prompt } from "./actions";
import { type Box, difference, type Patch, unpack } from "./bitmap";
import { Draft, Instance } from "./instance";
import { type Fields, Kernel, Listeners, type Model, type Reply } from "./kernel";
import { type Flash, flashOf } from "./layers";
import { Outline } from "./outline";
import { type FetchTile, Pyramid } from "./pyramid";
import { inflate, LabelMap } from "./superpixels";
import type { Preview } from "./tools/tool";

interface ImageInfo {
  key: number;
  name: string;
  width: number;
  height: number;
  index: number;
  count: number;
}

/** The declaration of a tool or command in Python. */
interface ToolInfo {
  name: string;
  label: string;
  source: string; // source of its pixels
}

/** The synchronized traits of the annotator. */
export interface AnnotatorTraits {
  _image: ImageInfo;
  _phase: { name: string; error: string }; // phase of encoding the image with the model
  _buttons: string[]; // "submit" and "skip", if they have a callback
  _notice: string;
  _tools: ToolInfo[];
  _sources: string[]; // names of the pixel sources, by number
  tool: string;
  label: string;
  labels: string[];
  colors: string[];
  brush_size: number;
  tolerance: number;
  superpixels: number;
  locked: boolean;
  opacity: number;
  view_only: boolean;
  shortcuts: Record<string, string[]>;
  capture_scroll: boolean;
  height: number | null;
  busy: boolean;
  can_undo: boolean;
  can_redo: boolean;
}
export type AnnotatorModel = Model<AnnotatorTraits>;

/** The model's suggestions for the newest prompt; count is null until they are computed, on the first request for another one. */
interface Alternatives {
  count: number | null;
  chosen: number;
}

/** A change of the document, or all of it. */
interface Update {
  whole: boolean;
  key: number;
  revision: number;
  selected: number;
  locked: boolean; // manual edits are protected from the model
  instances: { id: number; label: string }[];
  prompts: Prompt[]; // prompts of the selected object
  patches: { id: number; box: Box; soft: boolean }[]; // one buffer each, then one buffer with alpha for each soft one
  alternatives: Alternatives;
}

const WATCHED_TRAITS = [
  "tool",
  "label",
  "labels",
  "colors",
  "brush_size",
  "tolerance",
  "superpixels",
  "locked",
  "opacity",
  "view_only",
  "shortcuts",
  "height",
  "busy",
  "can_undo",
  "can_redo",
  "_buttons",
  "_notice",
] satisfies (keyof AnnotatorTraits)[];
const MODEL_SOURCE = "model"; // source of pixels set by prompt tools
const MODEL_FLASH_STRENGTH = 0.65;
const MANUAL_FLASH_STRENGTH = 0.25; // weaker, because users expect the change that they drew

export class ImageDocument {
  instances: Instance[] = [];
  selected = 0;
  prompts: Prompt[] = []; // prompts of the selected object
  pending: Preview[] = []; // gestures without a reply yet
  picture: Pyramid | null = null;
  flash: Flash | null = null;
  change: Outline | null = null; // the pixels that the previewed action would change
  locked = false;
  alternatives: Alternatives = { count: 0, chosen: 0 };
  latency: number | null = null; // ms from the last click to its painted mask
  revision = -1;
  readonly kernel: Kernel;
  private previewedAction: Action | null = null;
  private superpixelMap: { count: number; map: LabelMap | null; loaded: Promise<unknown> } | null = null;
  private flashStrength = MODEL_FLASH_STRENGTH; // strength of the next change's flash
  private unpaintedSince: number | null = null; // time of the click whose reply is not painted yet
  private isOpen = false;
  private readonly listeners = new Listeners();

  constructor(readonly model: AnnotatorModel) {
    const { notify } = this.listeners;
    this.kernel = new Kernel(model, {
      probe: () => ({ op: "document" }),
      changed: notify,
      received: (result, buffers) => this.receive(result as { document?: Update } | null, buffers),
      expectsDelay: () => ["loading", "encoding"].includes(this.phase.name),
    });
    for (const trait of WATCHED_TRAITS) model.on(`change:${trait}`, notify);
    model.on("change:_phase", () => this.onPhase());
    model.on("change:_image", () => this.isOpen && void this.load());
  }

  get image(): ImageInfo {
    return this.model.get("_image");
  }
  get phase() {
    return this.model.get("_phase");
  }
  get isBusy(): boolean {
    return this.kernel.isBusy || this.model.get("busy");
  }
  get isLost() {
    return this.kernel.isLost;
  }
  get isEditable() {
    return !this.isLost && !this.model.get("view_only");
  }
  get hasAlternatives() {
    return this.alternatives.count === null || this.alternatives.count > 1;
  }
  /** The settings of the tools that are also traits in Python. */
  get toolSizes() {
    const { model } = this;
    return {
      brush_size: model.get("brush_size"),
      tolerance: model.get("tolerance"),
      superpixels: model.get("superpixels"),
    };
  }
  get current() {
    return this.instances.find((instance) => instance.id === this.selected);
  }

  labelOf(tool: string): string {
    return this.model.get("_tools").find(({ name }) => name === tool)?.label ?? tool;
  }

  /** Whether a tool gives prompts to the model instead of setting pixels itself. */
  isPrompt(tool: string): boolean {
    return this.model.get("_tools").some(({ name, source }) => name === tool && source === MODEL_SOURCE);
  }

  /** Fetch image and document when the first view appears. */
  open() {
    if (this.isOpen) return;
    this.isOpen = true;
    void this.load();
  }

  /** Call `listener` after every change until `signal` is aborted. */
  listen(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener, signal);
  }

  /** Apply the action of a gesture; its preview and its paint stay until the reply. */
  async commit(action: Action, preview: Preview | null = null, draft: Draft | null = null) {
    const since = performance.now();
    if (preview) this.pending.push(preview);
    if (JSON.stringify(this.previewedAction) !== JSON.stringify(action)) this.change = null;
    this.listeners.notify();
    const settled = () => {
      if (draft) this.ownerOf(draft)?.forget(draft);
      if (!this.isPrompt(action.type)) this.flashStrength = MANUAL_FLASH_STRENGTH;
    };
    const reply = await this.kernel.run("apply", { action }, { settled });
    this.pending = this.pending.filter((other) => other !== preview);
    if (draft) this.ownerOf(draft)?.settle();
    if (reply) this.unpaintedSince = since;
    else this.change = null;
    this.flashStrength = MODEL_FLASH_STRENGTH;
    this.listeners.notify();
  }

  /** Show pixels while a tool paints them: a draft over the selected object, by default a new one. */
  paint(patch: Patch, add: boolean, draft = new Draft(this.selected, this.image)): Draft {
    this.ownerOf(draft)?.paint(draft, patch, add);
    this.listeners.notifySoon();
    return draft;
  }

  /** Remove the paint of a canceled gesture. */
  discard(draft: Draft) {
    this.ownerOf(draft)?.forget(draft);
    this.ownerOf(draft)?.settle();
    this.listeners.notify();
  }

  /** The map of about `count` superpixels; null while it is being loaded, which the first call starts. */
  superpixels(count: number): LabelMap | null {
    if (this.superpixelMap?.count !== count) {
      const { key, width, height } = this.image;
      const requested = { count, map: null as LabelMap | null, loaded: Promise.resolve() };
      this.superpixelMap = requested;
      requested.loaded = this.kernel
        .load<{ width: number; height: number }>("superpixels", { count })
        .then(async (reply) => {
          if (!reply || key !== this.image.key) return;
          const labels = new Int32Array(await inflate(reply.buffers[0]));
          requested.map = new LabelMap(labels, reply.result, { width, height }, count);
          this.listeners.notify();
        });
    }
    return this.superpixelMap?.map ?? null;
  }

  /** Settles when the superpixels are loaded or loading has failed. */
  get superpixelsLoaded(): Promise<unknown> {
    return Promise.resolve(this.superpixelMap?.loaded);
  }

  /** Go to another image: by a step, or because this one was submitted or skipped. */
  async changeImage(op: "go" | "submit" | "skip", fields: { step?: number } = {}) {
    const reply = await this.kernel.run<{ passed: string[] }>(op, fields);
    if (reply?.result.passed.length) this.kernel.showError(`Skipped: ${reply.result.passed.join("; ")}`);
    else this.listeners.notify();
  }

  set<Name extends keyof AnnotatorTraits>(trait: Name, value: AnnotatorTraits[Name]) {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  apply(action: Action) {
    return this.kernel.run("apply", { action });
  }

  /** Show the pixels that an action would change, without applying it; null hides them. */
  async previewAction(action: Action | null) {
    this.previewedAction = action;
    if (!action || this.isLost) {
      this.change = null;
      return this.listeners.notify();
    }
    const { key } = this.image;
    const { selected } = this;
    const reply = await this.kernel.requestLatest<{ box: Box }>("peek", { action });
    const isOutdated = !this.previewedAction || selected !== this.selected || key !== this.image.key;
    if (!reply || !this.current || isOutdated) return;
    const { box, bits } = unpack(reply.result.box, reply.buffers[0]);
    const change = difference(box, this.current.bitmap.read(box), bits);
    this.change = change && new Outline({ box: change.box, bits: change.bits.map((bit) => Number(bit > 0)) });
    this.listeners.notify();
  }

  /** A view has painted the current state. */
  markPainted() {
    if (this.unpaintedSince === null) return;
    const since = this.unpaintedSince;
    this.unpaintedSince = null;
    setTimeout(() => {
      this.latency = performance.now() - since;
      this.listeners.notify();
    });
  }

  close() {
    this.kernel.close();
    this.picture?.close();
    this.picture = null; // a view may paint once more
    this.listeners.clear();
  }

  private ownerOf(draft: Draft) {
    return this.instances.find((instance) => instance.id === draft.instance);
  }

  private async load() {
    const { key } = this.image;
    this.picture?.close();
    this.picture = null;
    this.instances = [];
    this.prompts = [];
    this.pending = [];
    this.flash = null;
    this.change = null;
    this.superpixelMap = null;
    this.latency = null;
    this.revision = -1;
    void this.kernel.load("document");
    const reply = await this.kernel.load<{ mime: string }>("image");
    if (!reply || key !== this.image.key) return;
    const fileOf = ({ result, buffers }: Reply<{ mime: string }>) => new Blob([buffers[0]], { type: result.mime });
    const fetchTile: FetchTile = async (box, width, height) => {
      const fields: Fields = { box, width, height };
      return fileOf(await this.kernel.request<{ mime: string }>("tile", fields));
    };
    const picture = await Pyramid.decode(fileOf(reply), this.image, fetchTile, this.listeners.notify);
    if (key === this.image.key) this.picture = picture;
    this.listeners.notify();
  }

  private receive(result: { document?: Update } | null, buffers: DataView[]) {
    if (result?.document && this.isOpen) this.update(result.document, buffers);
  }

  private update(update: Update, buffers: DataView[]) {
    if (update.key !== this.image.key || update.revision <= this.revision) return;
    if (!update.whole && update.revision !== this.revision + 1) return void this.kernel.load("document"); // one was lost
    this.revision = update.revision;
    this.selected = update.selected;
    this.prompts = update.prompts;
    this.locked = update.locked;
    this.alternatives = update.alternatives;
    this.change = null;
    this.previewedAction = null;
    const known = new Map(this.instances.map((instance) => [instance.id, instance]));
    this.instances = update.instances.map(({ id, label }) => {
      const old = known.get(id);
      const instance = old && !update.whole ? old : new Instance(id, label, this.image, old?.drafts);
      instance.label = label;
      return instance;
    });
    const alphas = buffers.slice(update.patches.length);
    for (const [i, { id, box, soft }] of update.patches.entries()) {
      const alpha = soft ? (alphas.shift() ?? null) : null;
      const changed = this.instances.find((one) => one.id === id)?.write(unpack(box, buffers[i]), alpha);
      if (changed && !update.whole) this.flash = flashOf(changed, this.flashStrength);
    }
    this.listeners.notify();
  }

  private onPhase() {
    if (this.phase.name === "failed") this.kernel.showError(this.phase.error);
    else this.listeners.notify();
  }
}
