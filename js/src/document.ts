/** The browser's copy of the document in Python: one per model, shared by all its views. It changes only by replies and updates. */
import type { Action, Prompt } from "./actions";
import { type Box, difference, type Patch, unpack } from "./bitmap";
import { EditQueue } from "./edit_queue";
import { Draft, type Instance, updateInstances } from "./instance";
import { type Fields, Kernel, Listeners, type Offer, type Reply, reportRevision } from "./kernel";
import { type Flash, flashOf } from "./layers";
import { Outline } from "./outline";
import { type FetchTile, fileOf, Pyramid } from "./pyramid";
import { loadLabelMap, SuperpixelLoader } from "./superpixels";
import type { Preview } from "./tools/tool";
import {
  type Alternatives,
  type AnnotatorModel,
  type AnnotatorTraits,
  type ImageInfo,
  type ImageReply,
  type ImageRequest,
  type Update,
  WATCHED_TRAITS,
} from "./traits";

const MODEL_SOURCE = "model"; // source of pixels set by prompt tools
const MODEL_FLASH_STRENGTH = 0.65;
const MANUAL_FLASH_STRENGTH = 0.25; // weaker, because users expect the change that they drew
const MESSAGE_MS = 4_000;
const BEAT_MS = 1_000; // until then, a message of a thread should have arrived
const MAX_RECENT_LABELS = 8;

export class ImageDocument {
  instances: Instance[] = [];
  selected = 0;
  prompts: Prompt[] = []; // prompts of the selected object
  pending: Preview[] = []; // gestures without a reply yet
  picture: Pyramid | null = null;
  flash: Flash | null = null;
  change: Outline | null = null; // the pixels that the previewed action would change
  locked = false;
  canUndo = false;
  canRedo = false;
  message = ""; // a short message for the user, which disappears by itself
  recentLabels: string[] = []; // the newest first
  alternatives: Alternatives = { count: 0, chosen: 0 };
  latency: number | null = null; // ms from the last click to its painted mask
  revision = -1;
  readonly kernel: Kernel;
  readonly superpixels: SuperpixelLoader;
  private readonly edits: EditQueue;
  private messageTimer?: ReturnType<typeof setTimeout>;
  private loaded: Promise<unknown> = Promise.resolve(); // settles when the objects of the image are here
  private hasChanged = false; // whether pixels have changed since an edit was sent
  private previewedAction: Action | null = null;
  private flashStrength = MODEL_FLASH_STRENGTH; // strength of the next change's flash
  private unpaintedSince: number | null = null; // time of the click whose reply is not painted yet
  private isOpen = false;
  private readonly listeners = new Listeners();

  constructor(readonly model: AnnotatorModel) {
    const { notify } = this.listeners;
    this.edits = new EditQueue(notify);
    this.kernel = new Kernel(model, {
      probe: () => ({ op: "document" }),
      changed: notify,
      received: (result, buffers) => this.receive(result as { document?: Update } | null, buffers),
      expectsDelay: () => model.get("busy") || ["loading", "encoding"].includes(this.phase.name),
    });
    this.superpixels = new SuperpixelLoader((count) => loadLabelMap(this, count), notify);
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
    return this.edits.isBusy || this.kernel.isBusy || this.model.get("busy");
  }
  get isLost() {
    return this.kernel.isLost;
  }
  get isEditable() {
    return this.whyReadOnly === "";
  }
  get whyReadOnly(): string {
    if (this.isLost) return "The kernel is not running";
    if (this.model.get("view_only")) return "This widget is for viewing only";
    return this.model.get("_in_use") ? "The image is open in another notebook" : "";
  }
  /** Whether edits wait for the reply to others. */
  get hasPendingEdits() {
    return this.edits.isBusy;
  }
  /** Settles when all edits so far have their reply; null if there are none. */
  get pendingEdits(): Promise<void> | null {
    return this.edits.isBusy ? this.edits.add(() => {}) : null;
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

  /** Why a tool does not work here; "" if it does. */
  whyToolOff(tool: string): string {
    return this.model.get("_tools").find(({ name }) => name === tool)?.why_off ?? "";
  }

  /** The objects with pixels at an image point, the front one first. */
  instancesAt(x: number, y: number): Instance[] {
    const found = this.instances.filter((instance) => instance.pixels.at(Math.floor(x), Math.floor(y)));
    return found.reverse();
  }

  /** Show a short message, which disappears by itself. */
  say(text: string) {
    clearTimeout(this.messageTimer);
    this.message = text;
    if (text) this.messageTimer = setTimeout(() => this.say(""), MESSAGE_MS);
    this.listeners.notify();
  }

  rememberLabel(label: string) {
    if (label)
      this.recentLabels = [label, ...this.recentLabels.filter((other) => other !== label)].slice(0, MAX_RECENT_LABELS);
  }

  /** Run an edit after all edits before it, so that it sees the document that they leave. */
  edit(edit: () => unknown, { changesImage = false } = {}): Promise<void> {
    const done = this.edits.add(edit, { changesImage });
    this.listeners.notify();
    return done;
  }

  /** Run an edit that names objects or positions of the image that is shown now; once another image is shown, it does nothing. */
  editShown(edit: () => unknown): Promise<void> {
    const { key } = this.image;
    const refuse = () => this.say("Another image is shown now, so this change was not made");
    return this.edit(() => (key === this.image.key ? edit() : refuse()));
  }

  /** Whether a gesture may start: its positions must belong to the image that is shown. */
  acceptsGestures(): boolean {
    if (this.edits.isChangingImage && this.isEditable) this.say("Another image is being opened");
    return this.isEditable && !!this.picture && !this.edits.isChangingImage;
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
    let covered: Instance | undefined;
    let reply: Reply | null = null;
    const { offer } = this;
    const { key } = this.image;
    await this.edit(async () => {
      covered = this.coveredBy(action);
      this.hasChanged = false;
      reply = await this.kernel.run("apply", { action, key }, { settled, offer });
    });
    this.pending = this.pending.filter((other) => other !== preview);
    if (draft) this.ownerOf(draft)?.settle();
    if (reply) this.unpaintedSince = since;
    else this.change = null;
    this.flashStrength = MODEL_FLASH_STRENGTH;
    if (reply && covered)
      this.say(
        `Object ${covered.id}${covered.label ? ` (${covered.label})` : ""} is already here. Ctrl+click selects it.`,
      );
    else if (reply && this.isPrompt(action.type) && !this.hasChanged)
      this.say("Nothing changed: the mask already agrees with this prompt");
    else this.listeners.notify();
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

  /** Go to another image, and wait until its objects are here. Returns whether objects are to be followed into it. */
  async changeImage(op: ImageRequest, fields: Fields = {}): Promise<boolean> {
    const isDecision = op === "submit" || op === "skip";
    const reply = await this.kernel.run<ImageReply>(op, isDecision ? { ...fields, key: this.image.key } : fields);
    if (!reply) return false;
    const { key, passed = [], left, is_last: isLast, follows = false } = reply.result;
    await this.untilShown(key);
    if (passed.length) this.kernel.showError(`Skipped: ${passed.join("; ")}`);
    else if (isLast) this.say(this.endMessage(left ?? 0));
    else this.listeners.notify();
    return follows;
  }

  /** Edit the image here although it is open in another notebook. */
  takeOver() {
    return this.edit(() => this.changeImage("take_over"), { changesImage: true });
  }

  undo() {
    return this.kernel.run("undo", { key: this.image.key }, { offer: this.offer });
  }

  redo() {
    return this.kernel.run("redo", { key: this.image.key }, { offer: this.offer });
  }

  set<Name extends keyof AnnotatorTraits>(trait: Name, value: AnnotatorTraits[Name]) {
    this.model.set(trait, value);
    this.model.save_changes();
  }

  apply(action: Action) {
    return this.kernel.run("apply", { action, key: this.image.key }, { offer: this.offer });
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
    clearTimeout(this.messageTimer);
    this.picture?.close();
    this.picture = null; // a view may paint once more
    this.listeners.clear();
  }

  /** The way out of an edit that another notebook has prevented. */
  private readonly offer = (kind: string): Offer | undefined =>
    kind === "InUse" ? { text: "Take over", run: () => void this.takeOver() } : undefined;

  /** The other object that a click on a new object is in. */
  private coveredBy(action: Action): Instance | undefined {
    if (this.model.get("mode") === "semantic" || action.type !== "click" || !action.positive || this.current?.outline)
      return undefined;
    return this.instancesAt(action.x, action.y).find((instance) => instance.id !== this.selected);
  }

  private endMessage(left: number): string {
    const { count } = this.image;
    if (count < 2) return "Finished";
    if (!left) return `Done: all ${count} images are finished`;
    return `This is the last image. ${left} of ${count} ${left === 1 ? "is" : "are"} neither submitted nor skipped.`;
  }

  /** Wait until the image with a key, or a later one, is shown and its objects are here. */
  private async untilShown(key: number) {
    while (this.image.key < key && !this.isLost) await new Promise((resolve) => setTimeout(resolve));
    await this.loaded;
  }

  /** Show a file of the image with a key, unless another image is shown by then. */
  async showPicture(file: Blob, key: number, fetchTile: FetchTile) {
    if (key !== this.image.key) return;
    const picture = await Pyramid.decode(file, this.image, fetchTile, this.listeners.notify);
    if (key !== this.image.key) return picture.close();
    this.picture?.close();
    this.picture = picture;
    this.listeners.notify();
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
    this.superpixels.clear();
    this.latency = null;
    this.revision = -1;
    this.loaded = this.kernel.load("document");
    setTimeout(() => !this.kernel.receivesThreads && this.kernel.request("encoded").catch(() => {}), BEAT_MS);
    const reply = await this.kernel.load<{ mime: string }>("image");
    const fetchTile: FetchTile = async (part) =>
      fileOf(await this.kernel.request<{ mime: string }>("tile", { ...part }));
    if (reply) await this.showPicture(fileOf(reply), key, fetchTile);
  }

  private receive(result: { document?: Update } | null, buffers: DataView[]) {
    if (result?.document && this.isOpen) this.update(result.document, buffers);
  }

  private update(update: Update, buffers: DataView[]) {
    if (update.key !== this.image.key || update.revision <= this.revision) return;
    if (!update.whole && update.revision !== this.revision + 1) return void this.kernel.load("document"); // one was lost
    this.revision = update.revision;
    reportRevision(this.model, update.revision);
    this.selected = update.selected;
    this.prompts = update.prompts;
    this.locked = update.locked;
    this.canUndo = update.can_undo;
    this.canRedo = update.can_redo;
    this.alternatives = update.alternatives;
    this.change = null;
    this.previewedAction = null;
    this.instances = updateInstances(this.instances, update, this.image);
    const alphas = buffers.slice(update.patches.length);
    for (const [i, { id, box, soft }] of update.patches.entries()) {
      const alpha = soft ? (alphas.shift() ?? null) : null;
      const changed = this.instances.find((one) => one.id === id)?.write(unpack(box, buffers[i]), alpha);
      if (changed) this.hasChanged = true;
      if (changed && !update.whole) this.flash = flashOf(changed, this.flashStrength);
    }
    this.listeners.notify();
  }

  private onPhase() {
    if (this.phase.name === "failed") this.kernel.showError(this.phase.error);
    else this.listeners.notify();
  }
}
