/** The document of one image: its objects and its changes; as cdwidget/session/document.py. Values are replaced, never written to. */
import type { Action, Attributes, Prompt } from "../actions";
import type { Size } from "../camera";
import type { PixelEdit } from "./merge";
import {
  blank,
  cropPixels,
  type Difference,
  differ,
  edited,
  NO_PATCH,
  NO_PIXELS,
  type Patch,
  type Pixels,
  paste,
  patchOf,
  trim,
} from "./pixels";

/** The numbers of the pixel sources, which cdwidget.session.SOURCES names. Those between model and import are of manual tools. */
export const SOURCE_NUMBERS = {
  model: 1,
  brush: 2,
  superpixel: 3,
  lasso: 4,
  polygon: 5,
  wand: 6,
  command: 7,
  import: 9,
};
export type Source = keyof typeof SOURCE_NUMBERS;

/** The prediction that is used for the newest prompt of an object. */
export interface Choice {
  count: number | null; // number of different predictions; null until they are counted
  chosen: number;
  before: Patch; // the pixels before the prompt, where it changed them
}

export interface Entry {
  id: number;
  label: string;
  prompts: readonly Prompt[];
  choice: Choice | null;
  attributes: Attributes;
}

export interface State {
  entries: readonly Entry[]; // in painting order, the last one in front
  selected: number;
  nextId: number;
  locked: boolean;
}

export interface Change {
  action: Action;
  oldState: State;
  newState: State;
  differences: readonly Difference[];
  label?: string; // the label that the first edit of a new object also gave it
}

/** Return the document with given objects and a new, selected one. */
export function openDocument(image: Size, given: readonly { entry: Entry; pixels: Pixels }[]): Document {
  const id = Math.max(0, ...given.map(({ entry }) => entry.id)) + 1;
  const entries = [...given.map(({ entry }) => entry), newEntry(id)];
  const state = { entries, selected: id, nextId: id + 1, locked: false };
  return new Document(image, state, new Map(given.map(({ entry, pixels }) => [entry.id, pixels])));
}

export class Document {
  constructor(
    readonly image: Size,
    readonly state: State,
    private readonly pixels: ReadonlyMap<number, Pixels> = new Map(),
  ) {}

  get selected(): Entry {
    return this.entry();
  }

  /** Return an object, by default the selected one. */
  entry(id?: number | null): Entry {
    const wanted = id ?? this.state.selected;
    const found = this.state.entries.find((entry) => entry.id === wanted);
    if (!found) throw new Error(`there is no instance ${wanted}`);
    return found;
  }

  pixelsOf(id: number): Pixels {
    return this.pixels.get(id) ?? NO_PIXELS;
  }

  patch(id: number): Patch {
    const pixels = this.pixels.get(id);
    return pixels ? patchOf(trim(pixels)) : NO_PATCH;
  }

  hasPixels(id: number): boolean {
    return this.pixelsOf(id).mask.includes(1);
  }

  /** Whether the selected object is new: without prompts and without a pixel that has a source. */
  get isNew(): boolean {
    return !this.selected.prompts.length && !this.pixelsOf(this.state.selected).sources.some((source) => source);
  }

  /** Return the change to another state; objects that it does not have lose their pixels. */
  change(action: Action, newState: State, ...differences: (Difference | null)[]): Change {
    const lost = this.state.entries.flatMap(({ id }) => {
      const before = has(newState, id) ? NO_PATCH : this.patch(id);
      return before === NO_PATCH ? [] : [{ instance: id, before, after: blank(before) }];
    });
    const real = differences.flatMap((one) => (one ? [one] : []));
    return { action, oldState: this.state, newState, differences: [...real, ...lost] };
  }

  /** Return the change by an edit of the selected object's pixels. */
  edit(action: Action, edit: PixelEdit, source: Source): Change {
    const { id } = this.selected;
    const pixels = this.pixelsOf(id);
    const found = differ(cropPixels(pixels, edit.box), edited(pixels, edit, SOURCE_NUMBERS[source]));
    const state = found ? withEntry(this.state, { ...this.selected, choice: null }) : this.state;
    return this.change(action, state, found && { instance: id, ...found });
  }

  /** Return the document after a change, or before it. */
  with({ oldState, newState, differences }: Change, undone: boolean): Document {
    const pixels = new Map(this.pixels);
    for (const { instance, before, after } of differences)
      pixels.set(instance, trim(paste(this.pixelsOf(instance), undone ? before : after)));
    const state = undone ? oldState : newState;
    for (const id of pixels.keys()) if (!has(state, id)) pixels.delete(id);
    return new Document(this.image, state, pixels);
  }
}

export function has(state: State, id: number): boolean {
  return state.entries.some((entry) => entry.id === id);
}

export function withEntry(state: State, changed: Entry): State {
  return { ...state, entries: state.entries.map((entry) => (entry.id === changed.id ? changed : entry)) };
}

export function without(state: State, id: number): State {
  return { ...state, entries: state.entries.filter((entry) => entry.id !== id) };
}

export function newEntry(id: number, label = "", attributes: Attributes = {}): Entry {
  return { id, label, prompts: [], choice: null, attributes };
}

/** Return the state with a new selected object in front of all others. */
export function withNew(state: State, label: string): State {
  const id = state.nextId;
  return { ...state, entries: [...state.entries, newEntry(id, label)], selected: id, nextId: id + 1 };
}

/** Return the state with new objects directly in front of another one. */
export function insertAfter(state: State, id: number, ...entries: Entry[]): State {
  const all = state.entries.flatMap((entry) => (entry.id === id ? [entry, ...entries] : [entry]));
  return { ...state, entries: all, nextId: state.nextId + entries.length };
}
