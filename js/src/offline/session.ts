/** One image being labeled: applies actions, undoes and redoes them; as cdwidget/session/editor.py. */
import type { Action, Actions, Prompt } from "../actions";
import { union } from "../bitmap";
import { count, emptyGrid, type Grid, gridOf, isAny } from "./grid";
import { INSTANCE_ACTIONS } from "./instances";
import { MANUAL_ACTIONS } from "./manual";
import { agrees, merge, type PixelEdit } from "./merge";
import { cropPixels, differ, edited, NO_PATCH, type Pixels, paste } from "./pixels";
import type { PredictedMasks, Predictor, RgbImage } from "./predictor";
import { adds } from "./prompts";
import { type Change, type Document, SOURCE_NUMBERS, type Source, type State, withEntry } from "./state";

const MAX_CHANGE_IOU = 0.9; // alternatives that change the same pixels except for a tenth look the same
const PROMPTS = ["click", "stroke", "box"];

interface Result {
  prompts: readonly Prompt[];
  before: Grid;
  masks: PredictedMasks;
}

/** A change in the order in which it was made. */
export interface Step {
  kind: "apply" | "undo" | "redo";
  change: Change;
}

export class Session {
  done: Change[] = [];
  undone: Change[] = [];
  private newest: Result | null = null;
  private readonly firstNew: number; // id of the new object that was selected first

  constructor(
    public document: Document,
    private readonly image: RgbImage,
    private readonly predictor: Pick<Predictor, "predict"> | null,
    public nextLabel: string,
  ) {
    this.firstNew = document.state.selected;
  }

  /** Compute the change that an action would make. */
  async compute(action: Action): Promise<Change> {
    const { document } = this;
    if (action.type === "alternative") return this.useAlternative(action);
    if (isPrompt(action)) return this.prompt(action);
    const manual = MANUAL_ACTIONS[action.type] as { source: Source; run: Run } | undefined;
    if (manual) return document.edit(action, manual.run(this.maskOf(this.pixels), action, this.image), manual.source);
    const apply = INSTANCE_ACTIONS[action.type] as ((document: Document, action: Action) => Change) | undefined;
    if (!apply) throw new Error(`${action.type} works only in a notebook`);
    return apply(document, action);
  }

  /** Apply an action. A change that changes nothing is returned, but is no undo step. */
  async apply(action: Action): Promise<Step> {
    const change = this.labeled(await this.compute(action));
    const step: Step = { kind: "apply", change };
    return isEmpty(change) ? step : this.follow(step);
  }

  /** The label of the selected object, or the one that it will get with its first edit. */
  get label(): string {
    const { label, id } = this.document.selected;
    return label || (id === this.firstNew && this.document.isNew ? this.nextLabel : "");
  }

  undo(): Step | null {
    const change = this.done.at(-1);
    return change ? this.follow({ kind: "undo", change }) : null;
  }

  redo(): Step | null {
    const change = this.undone.at(-1);
    return change ? this.follow({ kind: "redo", change }) : null;
  }

  /** Make a change that was computed here, or in an earlier visit of the page. */
  follow(step: Step): Step {
    const { kind, change } = step;
    this.document = this.document.with(change, kind === "undo");
    if (kind === "undo") this.undone.push(...this.done.splice(-1));
    else {
      this.done.push(change);
      this.undone = kind === "redo" ? this.undone.slice(0, -1) : [];
    }
    return step;
  }

  /** The first edit of the first new object also gives it the label that was chosen last. */
  private labeled(change: Change): Change {
    const { action } = change;
    if (action.type === "relabel" || action.type === "accept") this.nextLabel = action.label ?? this.nextLabel;
    const isEdit = isPrompt(action) || action.type in MANUAL_ACTIONS;
    if (!isEdit || !this.document.isNew || isEmpty(change)) return change;
    const { label } = this;
    this.nextLabel = label || this.nextLabel;
    if (label === this.document.selected.label) return change;
    const edited = change.newState.entries.find(({ id }) => id === change.newState.selected);
    return edited ? { ...change, newState: withEntry(change.newState, { ...edited, label }), label } : change;
  }

  private get pixels(): Pixels {
    return this.document.pixelsOf(this.document.state.selected);
  }

  private async prompt(action: Prompt): Promise<Change> {
    const { document } = this;
    const { selected, state } = document;
    const prompts = [...selected.prompts, action];
    const mask = this.maskOf(this.pixels);
    if ((!isAny(mask) && !prompts.some(adds)) || agrees(mask, action))
      return document.change(action, withEntry(state, { ...selected, prompts, choice: null }));
    const result = await this.predict(prompts, this.pixels);
    const edit = this.edit(result, result.masks.mask, this.pixels);
    const found = differ(cropPixels(this.pixels, edit.box), edited(this.pixels, edit, SOURCE_NUMBERS.model));
    const count = result.masks.alternatives.length ? null : 1;
    const entry = { ...selected, prompts, choice: { count, chosen: 0, before: found?.before ?? NO_PATCH } };
    return document.change(action, withEntry(state, entry), found && { instance: selected.id, ...found });
  }

  /** Use another prediction for the newest prompt of the selected object. */
  private async useAlternative(action: Actions["alternative"]): Promise<Change> {
    const { document } = this;
    const { selected, state } = document;
    if (!selected.choice) throw new Error("There is no alternative: the newest change of this object is not a prompt");
    const base = paste(this.pixels, selected.choice.before);
    const result = await this.predict(selected.prompts, base);
    const edits = await this.edits(result, base);
    const chosen = ((action.number % edits.length) + edits.length) % edits.length;
    const found = differ(cropPixels(base, edits[chosen].box), edited(base, edits[chosen], SOURCE_NUMBERS.model));
    const choice = { count: edits.length, chosen, before: found?.before ?? NO_PATCH };
    const change = differ(this.pixels, found ? paste(base, found.after) : base);
    return document.change(
      action,
      withEntry(state, { ...selected, choice }),
      change && { instance: selected.id, ...change },
    );
  }

  private async predict(prompts: readonly Prompt[], pixels: Pixels): Promise<Result> {
    const before = this.maskOf(pixels);
    const isKnown =
      this.newest &&
      JSON.stringify(this.newest.prompts) === JSON.stringify(prompts) &&
      this.newest.before.data.every((value, i) => value === before.data[i]);
    if (this.newest && isKnown) return this.newest;
    if (!this.predictor) throw new Error("this page has no model");
    const masks = await this.predictor.predict(prompts, isAny(before) ? before : null, isModelOnly(pixels));
    this.newest = { prompts, before, masks };
    return this.newest;
  }

  private edit({ prompts, before }: Result, predicted: Grid, pixels: Pixels, restrictsBorderClicks = true): PixelEdit {
    const options = { locked: this.lockedPixels(pixels), isModelOnly: isModelOnly(pixels), restrictsBorderClicks };
    return merge(this.image, before, predicted, prompts[prompts.length - 1], prompts.slice(0, -1), options);
  }

  /** Return the different edits to choose from: the main one, the larger ones, then the smaller ones. */
  private async edits(result: Result, pixels: Pixels): Promise<PixelEdit[]> {
    const masks = [result.masks.mask];
    for (const alternative of result.masks.alternatives) masks.push(await alternative());
    const different = [this.edit(result, result.masks.mask, pixels)];
    for (const mask of masks) {
      const edit = this.edit(result, mask, pixels, false);
      if (different.every((other) => changeIou(edit, other) <= MAX_CHANGE_IOU)) different.push(edit);
    }
    const [main] = different;
    const ordered = [...different].sort((a, b) => addedArea(a) - addedArea(b));
    const at = ordered.indexOf(main);
    return [...ordered.slice(at), ...ordered.slice(0, at)];
  }

  /** The pixels that prompts keep, because a manual tool set them. */
  private lockedPixels(pixels: Pixels): Grid | null {
    if (!this.document.state.locked) return null;
    const { sources } = this.whole(pixels);
    return gridOf(this.image, (i) => sources[i] > SOURCE_NUMBERS.model && sources[i] < SOURCE_NUMBERS.import);
  }

  private maskOf(pixels: Pixels): Grid {
    const { width, height } = this.image;
    return { width, height, data: this.whole(pixels).mask };
  }

  private whole(pixels: Pixels): Pixels {
    return cropPixels(pixels, [0, 0, this.image.width, this.image.height]);
  }
}

type Run = (mask: Grid, action: Action, image: RgbImage) => PixelEdit;

export function isPrompt(action: Action): action is Prompt {
  return PROMPTS.includes(action.type);
}

/** Whether nothing changed. */
export function isEmpty({ oldState, newState, differences }: Change): boolean {
  const text = (state: State) => JSON.stringify(state, (key, value) => (key === "before" ? undefined : value)); // not pixels
  return !differences.length && text(oldState) === text(newState);
}

function isModelOnly({ sources }: Pixels): boolean {
  return !sources.some((source) => source > SOURCE_NUMBERS.model);
}

function changeIou(a: PixelEdit, b: PixelEdit): number {
  const box = union(a.box, b.box);
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  if (!a.where.length || !b.where.length) return a.where.length === b.where.length ? 1 : 0;
  const canvas = (edit: PixelEdit) => {
    const { data } = emptyGrid(width, height);
    const line = edit.box[2] - edit.box[0];
    for (let y = edit.box[1], from = 0; y < edit.box[3]; y++, from += line)
      data.set(edit.where.subarray(from, from + line), (y - box[1]) * width + edit.box[0] - box[0]);
    return data;
  };
  const [first, second] = [canvas(a), canvas(b)];
  const both = count(gridOf({ width, height }, (i) => first[i] && second[i]));
  return both / count(gridOf({ width, height }, (i) => first[i] || second[i]));
}

/** Return the pixels that an edit adds to the mask minus those that it removes. */
function addedArea({ where, pixels }: PixelEdit): number {
  let total = 0;
  for (let i = 0; i < where.length; i++) if (where[i]) total += pixels[i] ? 1 : -1;
  return total;
}
