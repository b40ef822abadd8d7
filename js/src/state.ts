/** What the browser knows of the document in Python. One for each model, shared by all its views; it never decides anything itself. */
import { PROMPTS, type Action, type Prompt } from "./actions";
import { difference, unpack, type Box, type Patch } from "./bitmap";
import { Draft, Instance } from "./instance";
import { flashOf, type Flash } from "./layers";
import { Outline } from "./outline";
import { Pyramid, type Fetch } from "./pyramid";
import { inflate, LabelMap } from "./superpixels";
import type { Preview } from "./tools/tool";
import { Transport, type Model, type Reply } from "./transport";
import { ANSWERS_WITHIN, DEAD, SLOW, type Trouble } from "./trouble";

export type { Instance };

interface ImageInfo { key: number; name: string; width: number; height: number; index: number; count: number }

/** The model's answers to the newest prompt; count is null until one asks for another: nobody knows how many of them differ. */
interface Alternatives { count: number | null; chosen: number }

interface Update {
  whole: boolean;
  key: number;
  revision: number;
  selected: number;
  locked: boolean; // the model leaves alone what the hand has drawn
  instances: { id: number; label: string }[];
  prompts: Prompt[]; // of the selected object
  patches: { id: number; box: Box; soft: boolean }[]; // the pixels of each are a buffer; after those comes the alpha of each that is soft
  alternatives: Alternatives;
}

const TRAITS = [
  "tool", "label", "labels", "colors", "brush_size", "tolerance", "superpixels", "locked", "opacity", "view_only", "shortcuts", "height",
  "busy", "can_undo", "can_redo", "_buttons", "_notice",
];
const BRIGHT = 0.65, FAINT = 0.25; // how a change lights up

export class Doc {
  instances: Instance[] = [];
  selected = 0;
  prompts: Prompt[] = []; // what the model was told about the selected object
  pending: Preview[] = []; // gestures that the kernel has not answered yet
  picture: Pyramid | null = null;
  flash: Flash | null = null;
  preview: Outline | null = null;
  locked = false;
  alternatives: Alternatives = { count: 0, chosen: 0 };
  trouble: Trouble = null;
  latency: number | null = null; // ms from the last click to its painted mask
  private looking: Action | null = null; // what the preview is of
  private labels: { count: number; map: LabelMap | null; arrival: Promise<unknown> } | null = null;
  private flashing = BRIGHT; // the change that is heard of next
  private painting: number | null = null; // when the click was made whose answer has come, but is not painted yet
  revision = -1; // of the document
  private opened = false;
  private emitting = false; // soon
  private readonly transport: Transport;
  private readonly listeners = new Set<() => void>();

  constructor(readonly model: Model) {
    this.transport = new Transport(model, (result, buffers) => this.hear(result, buffers), (slow) => this.onSlow(slow));
    for (const trait of TRAITS) model.on(`change:${trait}`, this.emit);
    model.on("change:_phase", () => this.onPhase());
    model.on("change:_image", () => this.opened && void this.load());
    model.on("comm_live_update", () => void this.onLiveUpdate());
  }

  get image(): ImageInfo { return this.model.get("_image"); }
  get phase(): { name: string; error: string } { return this.model.get("_phase"); }
  get busy(): boolean { return this.transport.busy || this.model.get("busy"); }
  get dead() { return this.trouble?.kind === "dead"; }
  get editable() { return !this.dead && !this.model.get("view_only"); }
  get otherAnswers() { return this.alternatives.count === null || this.alternatives.count > 1; }
  get current() { return this.instances.find((instance) => instance.id === this.selected); }

  /** Fetch image and document, once somebody looks at them. */
  open() {
    if (this.opened) return;
    this.opened = true;
    void this.load();
  }

  /** Call `listener` after every change, until `signal` is aborted. */
  listen(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }

  /** Apply what a gesture decided; what it showed and painted stays until the kernel has answered. */
  async commit(action: Action, shown: Preview | null = null, draft: Draft | null = null) {
    const since = performance.now();
    if (shown) this.pending.push(shown);
    if (JSON.stringify(this.looking) !== JSON.stringify(action)) this.preview = null;
    this.emit();
    const reply = await this.send("apply", { action }, () => {
      if (draft) this.owner(draft)?.forget(draft);
      if (!PROMPTS.includes(action.type)) this.flashing = FAINT; // one knows what one has drawn
    });
    this.pending = this.pending.filter((other) => other !== shown);
    if (draft) this.owner(draft)?.settle();
    if (reply) this.painting = since;
    else this.preview = null;
    this.flashing = BRIGHT;
    this.emit();
  }

  /** Show pixels as the hand paints them: a draft over the selected object, by default a new one. */
  paint(patch: Patch, add: boolean, draft = new Draft(this.selected, this.image)): Draft {
    this.owner(draft)?.paint(draft, patch, add);
    this.emitSoon();
    return draft;
  }

  /** Give up what a gesture has painted. */
  drop(draft: Draft) {
    this.owner(draft)?.forget(draft);
    this.owner(draft)?.settle();
    this.emit();
  }

  /** The superpixels of the image, about `count`; null: they are asked for, and not there yet. */
  superpixels(count: number): LabelMap | null {
    if (this.labels?.count !== count) {
      const { key, width, height } = this.image, wanted = { count, map: null as LabelMap | null, arrival: Promise.resolve() };
      this.labels = wanted;
      wanted.arrival = this.ask("superpixels", { count }).then(async (reply) => {
        if (!reply || key !== this.image.key) return;
        wanted.map = new LabelMap(new Int32Array(await inflate(reply.buffers[0])), reply.result, { width, height }, count);
        this.emit();
      });
    }
    return this.labels?.map ?? null;
  }

  /** Done once it is known whether there are superpixels. */
  get arrival(): Promise<unknown> { return Promise.resolve(this.labels?.arrival); }

  /** Go to another image: by a step, or because this one is submitted or skipped. */
  async turn(op: "go" | "submit" | "skip", fields: { step?: number } = {}) {
    const reply = await this.send(op, fields);
    if (reply?.result.passed.length) this.trouble = { kind: "error", text: `Passed over: ${reply.result.passed.join("; ")}` };
    this.emit();
  }

  apply(action: Action) { return this.send("apply", { action }); }

  /** Let the kernel do what the user wants; an old error is done with. */
  send(op: string, fields: Record<string, unknown> = {}, answered?: () => void): Promise<Reply | null> {
    if (this.trouble?.kind === "error") this.trouble = null;
    return this.ask(op, fields, answered);
  }

  /** Ask the kernel something that is only looked at: what goes wrong is the caller's. */
  request(op: string, fields: Record<string, unknown> = {}): Promise<Reply> { return this.transport.request(op, fields); }

  /** Show what an action would change, without doing it; null: stop showing it. */
  async look(action: Action | null) {
    this.looking = action;
    if (!action || this.dead) {
      this.preview = null;
      return this.emit();
    }
    const { key } = this.image, { selected } = this;
    const reply = await this.transport.peek("peek", { action }).catch(() => null);
    if (!reply || !this.current || !this.looking || selected !== this.selected || key !== this.image.key) return;
    const { box, bits } = unpack(reply.result.box, reply.buffers[0]), change = difference(box, this.current.bitmap.read(box), bits);
    this.preview = change && new Outline({ box: change.box, bits: change.bits.map((bit) => Number(bit > 0)) });
    this.emit();
  }

  /** Ask for something that is out of date when the next one is asked for; null: overtaken, or it failed. */
  async peek(op: string, fields: Record<string, unknown>): Promise<Reply | null> {
    return this.dead ? null : this.transport.peek(op, fields).catch(() => null);
  }

  /** A view has painted what is known now. */
  painted() {
    if (this.painting === null) return;
    const since = this.painting;
    this.painting = null;
    setTimeout(() => {
      this.latency = performance.now() - since;
      this.emit();
    });
  }

  dismiss() {
    if (!this.dead) this.trouble = null;
    this.emit();
  }

  close() {
    this.transport.close();
    this.picture?.close();
    this.picture = null; // a view may paint once more
    this.listeners.clear();
  }

  private readonly emit = () => { for (const listener of this.listeners) listener(); };

  /** Once for all that happens in one event. */
  private emitSoon() {
    if (!this.emitting) queueMicrotask(() => {
      this.emitting = false;
      this.emit();
    });
    this.emitting = true;
  }

  private owner(draft: Draft) { return this.instances.find((instance) => instance.id === draft.instance); }

  /** Trouble is shown, and the answer is null then. */
  private async ask(op: string, fields: Record<string, unknown> = {}, answered?: () => void): Promise<Reply | null> {
    if (this.dead) return null;
    const request = this.transport.request(op, fields, answered);
    this.emit();
    try {
      return await request;
    } catch (error) {
      if (!this.dead) this.trouble = { kind: "error", text: (error as Error).message };
      return null;
    } finally {
      this.emit();
    }
  }

  private async load() {
    const { key } = this.image;
    this.picture?.close();
    Object.assign(this, { picture: null, instances: [], prompts: [], pending: [], flash: null, preview: null, labels: null });
    Object.assign(this, { latency: null, revision: -1 });
    void this.ask("document");
    const reply = await this.ask("image");
    if (!reply || key !== this.image.key) return;
    const file = ({ result, buffers }: Reply) => new Blob([buffers[0]], { type: result.mime });
    const part: Fetch = async (box, width, height) => file(await this.request("tile", { box, width, height }));
    const picture = await Pyramid.decode(file(reply), this.image, part, this.emit);
    if (key === this.image.key) this.picture = picture;
    this.emit();
  }

  private hear(result: any, buffers: DataView[]) {
    if (this.dead) this.trouble = null; // it lives
    if (result.document && this.opened) this.update(result.document, buffers);
  }

  private update(update: Update, buffers: DataView[]) {
    if (update.key !== this.image.key || update.revision <= this.revision) return;
    if (!update.whole && update.revision !== this.revision + 1) return void this.ask("document"); // a message was lost
    this.revision = update.revision;
    this.selected = update.selected;
    this.prompts = update.prompts;
    this.locked = update.locked;
    this.alternatives = update.alternatives;
    this.preview = this.looking = null;
    const known = new Map(this.instances.map((instance) => [instance.id, instance]));
    this.instances = update.instances.map(({ id, label }) => {
      const old = known.get(id), instance = old && !update.whole ? old : new Instance(id, label, this.image, old?.drafts);
      instance.label = label;
      return instance;
    });
    const alphas = buffers.slice(update.patches.length);
    update.patches.forEach(({ id, box, soft }, i) => this.write(id, unpack(box, buffers[i]), soft ? alphas.shift()! : null, !update.whole));
    this.emit();
  }

  private write(id: number, patch: Patch, alpha: DataView | null, flash: boolean) {
    const changed = this.instances.find((one) => one.id === id)?.write(patch, alpha);
    if (flash && changed) this.flash = flashOf(changed, this.flashing);
  }

  private onPhase() {
    if (this.phase.name === "failed") this.trouble = { kind: "error", text: this.phase.error };
    this.emit();
  }

  private onSlow(slow: boolean) {
    const working = ["loading", "encoding"].includes(this.phase.name);
    if (slow && !working && !this.trouble) this.trouble = { kind: "slow", text: SLOW };
    if (!slow && this.trouble?.kind === "slow") this.trouble = null;
    this.emit();
  }

  /** The host says that the connection changed, not how: whoever is alive answers at once. */
  private async onLiveUpdate() {
    const timer = setTimeout(() => this.die(), ANSWERS_WITHIN);
    await this.transport.request("document").then(() => clearTimeout(timer), () => this.die());
  }

  private die() {
    this.trouble = { kind: "dead", text: DEAD };
    this.transport.fail(DEAD);
    this.emit();
  }
}
