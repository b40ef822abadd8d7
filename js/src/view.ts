/** One view of a document: toolbar, stage, object list, status line and keys. Its state ends with it. */
import { objectColor } from "./colors";
import type { ImageDocument } from "./document";
import { FullScreen, h, isPointerClickOnFocusedButton, leave } from "./dom";
import type { Instance } from "./instance";
import { guardShortcuts, keyName, type Shortcuts } from "./keys";
import { ObjectSelection } from "./object_selection";
import type { Pyramid } from "./pyramid";
import { type Proposal, SimilarObjects } from "./similar";
import { stageHeight } from "./stage_height";
import type { Tag } from "./tags";
import { DIAMETER_RANGE } from "./tools/brush";
import { type ClassPicker, classPicker } from "./ui/class_picker";
import { pointedClass } from "./ui/classes";
import { CommandSet } from "./ui/command_set";
import { COMMANDS } from "./ui/commands";
import { refreshAll } from "./ui/controls";
import { colorFilter, DEFAULT_DISPLAY } from "./ui/display";
import { filmstrip } from "./ui/filmstrip";
import { annotatorHelp } from "./ui/help";
import type {
  AnnotatorHost,
  CommandHost,
  Display,
  DisplayHost,
  FocusHost,
  Frame,
  Modes,
  ObjectHost,
  Part,
  ViewOptions,
} from "./ui/host";
import { minimap } from "./ui/minimap";
import { sidePanel } from "./ui/objects";
import { optionRow } from "./ui/options";
import { overlay } from "./ui/overlay";
import { similarBar } from "./ui/similar";
import { savedPicture } from "./ui/snapshot";
import { sourceLayer } from "./ui/sources";
import { type StatusLine, statusLine } from "./ui/status";
import { suggestionStrip } from "./ui/suggestions";
import { toolbar } from "./ui/toolbar";
import { Viewer } from "./viewer";
import type { ViewerHost } from "./viewer_host";

const DOUBLE_ESCAPE_MS = 2_000; // two Escapes within this time leave the widget
const TEXT_FIELDS = "input:is([type=text], [type=number])";

export class AnnotatorView implements ViewerHost, AnnotatorHost, CommandHost, ObjectHost, DisplayHost, FocusHost {
  readonly objects: ObjectSelection;
  readonly similar: SimilarObjects;
  readonly pointedClass = () => pointedClass(this.side.element);
  readonly options: ViewOptions = { add: true, straight: false, pressure: false, amount: 2 };
  readonly display: Display = { ...DEFAULT_DISPLAY };
  readonly modes: Modes = {
    peeking: false,
    previewing: false,
    tracing: false,
    helping: false,
    naming: false,
    coloringObjects: false,
    onWhite: false,
    filmstrip: false,
  };
  readonly viewer: Viewer;
  readonly commands: CommandSet<AnnotatorHost>;
  private readonly root: HTMLElement;
  private readonly side: Part;
  private readonly picker: ClassPicker;
  private readonly status: StatusLine;
  private escapedAt = -DOUBLE_ESCAPE_MS;
  private readonly parts: Part[];
  private hasFocus = false;
  private readonly screen: FullScreen;
  private picture: Pyramid | null = null;
  private pictureVersion?: number;
  private imageKey = -1;

  constructor(
    readonly doc: ImageDocument,
    host: HTMLElement,
    signal: AbortSignal,
    private readonly frame?: Frame,
  ) {
    this.objects = new ObjectSelection(doc, () => this.refresh());
    this.similar = new SimilarObjects(doc, () => this.refresh());
    this.viewer = new Viewer(this, signal);
    this.commands = new CommandSet<AnnotatorHost>({
      table: COMMANDS,
      host: this,
      shortcuts: () => this.shortcuts(),
      interceptor: {
        takes: (name) => this.viewer.takes(name) || this.takesProposals(name),
        take: (name) => (this.viewer.takes(name) ? this.viewer.take(name) : void this.similar.takeAll()),
      },
      queue: doc,
      refused: (reason) => reason && doc.say(reason),
    });
    this.side = sidePanel(this);
    this.picker = classPicker(this);
    const stageParts = [
      colorFilter(this),
      sourceLayer(this),
      savedPicture(doc.model, () => !doc.picture),
      overlay(this),
      similarBar(this),
      suggestionStrip(this),
      minimap(this),
    ];
    const rows = [toolbar(this), optionRow(this)];
    this.status = statusLine(this);
    const help = annotatorHelp(this);
    const strip = filmstrip(this);
    this.parts = [...rows, ...stageParts, this.side, this.picker, help, strip, this.status];
    this.viewer.stage.append(...stageParts.map((part) => part.element));
    this.root = h(
      "div",
      { class: "cdw", tabindex: "0", role: "application", "aria-label": "Image annotator" },
      ...rows.map((part) => part.element),
      h("div", { class: "cdw-body" }, this.viewer.stage, this.side.element, help.element),
      strip.element,
      this.status.element,
      this.picker.element,
    );
    this.listenToRoot(signal);
    this.screen = new FullScreen(this.root, () => this.refresh(), signal);
    const observer = new ResizeObserver(() => this.updateHeight());
    observer.observe(this.root);
    addEventListener("resize", () => this.updateHeight(), { signal });
    signal.addEventListener("abort", () => observer.disconnect());
    host.append(this.root);
    doc.listen(() => this.refresh(), signal);
    doc.open();
    this.refresh();
  }

  get wheelZooms(): boolean {
    return this.hasFocus && this.doc.model.get("capture_scroll");
  }
  get isFullscreen(): boolean {
    return this.frame?.isFullscreen ?? this.screen.isOn;
  }

  get hidden(): Set<number> {
    return this.objects.hidden;
  }

  get proposals(): Proposal[] {
    return this.similar.shown;
  }

  /** The names that are shown over the image: of the object under the pointer or of all. */
  get tags(): Tag[] {
    const { highlighted, hovered, hidden, drawn } = this.objects;
    const isNamed = ({ id }: Instance) =>
      this.modes.naming || id === highlighted || (id === hovered && id !== this.doc.selected);
    const proposed = this.proposals.map(({ score, box }) => ({
      text: `${Math.round(score * 100)} %`,
      color: "#fff",
      box,
    }));
    const named = drawn
      .filter((instance) => !hidden.has(instance.id) && isNamed(instance))
      .map((instance) => ({
        text: `${instance.id}  ${instance.label || "no class"}`,
        color: this.color(instance),
        box: instance.bounds,
      }));
    return [...named, ...proposed];
  }

  shortcuts(): Shortcuts {
    return this.doc.model.get("shortcuts");
  }

  color(instance: Pick<Instance, "id" | "label">): string {
    const { model } = this.doc;
    const { coloringObjects } = this.modes;
    return objectColor(
      coloringObjects ? { id: instance.id, label: "" } : instance,
      coloringObjects ? [] : model.get("labels"),
      model.get("colors"),
    );
  }

  setOptions(change: Partial<ViewOptions>) {
    Object.assign(this.options, change);
    this.refresh();
  }

  setDisplay(change: Partial<Display>) {
    Object.assign(this.display, change);
    this.refresh();
    this.viewer.invalidate(true);
  }

  scaleBrush(factor: number) {
    const size = this.doc.model.get("brush_size");
    const scaled = Math.round(size * factor);
    const changed = scaled === size ? size + Math.sign(factor - 1) : scaled;
    this.doc.set("brush_size", Math.min(Math.max(changed, DIAMETER_RANGE.min), DIAMETER_RANGE.max));
  }

  setModes(change: Partial<Modes>) {
    Object.assign(this.modes, change);
    if (!this.modes.previewing) void this.doc.previewAction(null);
    this.refresh();
  }

  setLabel(label: string, targets?: number[]) {
    if (!this.doc.isEditable) return;
    if (targets) void this.doc.editShown(() => this.objects.setLabel(label, targets));
    else void this.doc.edit(() => this.objects.setLabel(label));
  }

  pickClass(targets?: number[]) {
    this.picker.open(targets);
  }

  askImage() {
    this.status.askImage();
  }

  pressProposal(x: number, y: number, isSecondary: boolean, isDouble: boolean): boolean {
    return this.similar.press(x, y, isSecondary, isDouble);
  }

  choose(x: number, y: number, isAdded: boolean) {
    void this.doc.editShown(() => this.objects.choose(x, y, isAdded));
  }

  isHighlighted(id: number) {
    const { highlighted, hovered, marked } = this.objects;
    return highlighted === id || marked.has(id) || (hovered === id && this.doc.model.get("tool") === "select");
  }

  highlight(id: number | null) {
    this.objects.highlighted = id;
    this.viewer.invalidate();
  }

  /** Escape: cancel one thing at a time, from the inside out. */
  cancel() {
    if (this.modes.helping) return this.setModes({ helping: false }); // the sheet covers the image
    if (this.viewer.cancel()) return;
    if (this.similar.isOpen) return this.similar.close();
    if (this.objects.marked.size) return this.objects.clearMarks();
    if (this.frame) return this.frame.leave();
    if (this.isFullscreen) return this.toggleFullscreen();
    const now = performance.now();
    const isSecond = now - this.escapedAt < DOUBLE_ESCAPE_MS;
    this.escapedAt = isSecond ? -DOUBLE_ESCAPE_MS : now;
    this.doc.say(isSecond ? "" : "Press Esc again to leave the widget");
    if (isSecond) leave(this.root);
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  toggleFullscreen() {
    if (this.frame) this.frame.toggleFullscreen();
    else this.screen.toggle();
  }

  refresh() {
    const { doc } = this;
    if (this.imageKey !== doc.image.key) {
      if (!doc.image.is_same || this.imageKey < 0) this.viewer.reset();
      this.imageKey = doc.image.key;
      this.objects.reset();
      if (this.similar.isOpen) this.similar.close();
    }
    this.objects.update();
    const { pointer, isDrawing } = this.viewer;
    this.objects.hovered = pointer && !isDrawing ? (this.objects.at(...pointer)[0]?.id ?? null) : null;
    this.viewer.use(doc.model.get("tool"));
    this.root.classList.toggle("cdw-fullscreen", this.isFullscreen && !this.frame);
    this.root.classList.toggle("cdw-lost", doc.isLost);
    this.root.classList.toggle("cdw-view-only", !doc.isEditable);
    this.viewer.stage.classList.toggle("cdw-loading", !doc.picture && !doc.isLost);
    refreshAll(this.parts);
    this.updateHeight();
    this.viewer.updateCursor();
    this.viewer.invalidate(doc.picture !== this.picture || doc.picture?.version !== this.pictureVersion);
    this.picture = doc.picture;
    this.pictureVersion = doc.picture?.version;
  }

  /** Whether Enter takes the proposals instead of finishing the object. */
  private takesProposals(command: string): boolean {
    return command === "finish" && this.proposals.length > 0;
  }

  private listenToRoot(signal: AbortSignal) {
    const on = <K extends keyof HTMLElementEventMap>(type: K, listener: (event: HTMLElementEventMap[K]) => void) =>
      this.root.addEventListener(type, listener, { signal });
    on("keydown", (event) => this.onKeyDown(event));
    on("keyup", (event) => this.commands.release(event));
    on("focusin", () => {
      this.hasFocus = true;
    });
    on("focusout", () => {
      this.hasFocus = false;
      this.commands.releaseAll();
    });
    on("pointerdown", (event) => {
      if (!(event.target as Element).closest("input, select, button, label, .cdw-popover")) this.focus();
    });
    on("click", (event) => {
      if (isPointerClickOnFocusedButton(event)) this.focus(); // Enter then finishes the object
    });
    guardShortcuts(this.root, (event) => !this.commands.commandOf(event), signal);
  }

  private updateHeight() {
    const { stage } = this.viewer;
    const fillsScreen = this.isFullscreen || !!this.frame;
    const height = this.doc.model.get("height") ?? stageHeight(this.doc.image, stage.clientWidth, innerHeight);
    const pixels = fillsScreen ? "" : `${height}px`;
    if (stage.style.height !== pixels) stage.style.height = pixels;
  }

  private onKeyDown(event: KeyboardEvent) {
    const target = event.target as Element;
    if (target.matches(TEXT_FIELDS)) return event.stopPropagation();
    const key = keyName(event);
    const command = this.commands.commandOf(event);
    const label = /^[1-9]$/.test(key) ? this.doc.model.get("labels")[Number(key) - 1] : undefined;
    if (target.matches("button, input, select") && ["Enter", "Space"].includes(key)) return; // the browser presses it
    const movesFocus = /^(Shift\+)?Tab$/.test(key) && (target !== this.root || !command || !this.commands.can(command));
    if (label !== undefined) this.setLabel(label);
    else if (command && !movesFocus) this.commands.press(command, event.repeat);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
