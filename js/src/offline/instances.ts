/** Actions on whole objects: finish, select, delete, relabel, copy, merge, split and reorder; as cdwidget/session/instances.py. */
import type { Action, Actions } from "../actions";
import { union } from "../bitmap";
import { parts, sizeOf } from "./grid";
import { blank, cropPixels, differ, edited, type Pixels, patchOf, trim } from "./pixels";
import {
  type Change,
  type Document,
  has,
  insertAfter,
  newEntry,
  SOURCE_NUMBERS,
  type State,
  withEntry,
  withNew,
  without,
} from "./state";

type Apply<Type extends keyof Actions> = (document: Document, action: Actions[Type]) => Change;

export const INSTANCE_ACTIONS: { [Type in keyof Actions]?: Apply<Type> } = {
  accept: (document, action) => finish(document, action, action.label ?? document.selected.label),
  select(document, action) {
    if (action.instance === null) return finish(document, action, document.selected.label);
    const selected = document.entry(action.instance).id;
    return document.change(action, withoutEmpty(document, { ...document.state, selected }));
  },
  delete(document, action) {
    const { selected } = document;
    let { state } = document;
    for (const { id } of targets(document, action.instance))
      if (id !== selected.id || !document.isNew) state = without(state, id);
    return document.change(action, has(state, selected.id) ? state : withNew(state, selected.label));
  },
  relabel(document, action) {
    let { state } = document;
    for (const entry of targets(document, action.instance)) state = withEntry(state, { ...entry, label: action.label });
    return document.change(action, state);
  },
  set_attributes(document, action) {
    const entry = document.entry(action.instance);
    return document.change(action, withEntry(document.state, { ...entry, attributes: action.attributes }));
  },
  lock: (document, action) => document.change(action, { ...document.state, locked: action.on }),
  duplicate(document, action) {
    const { state } = document;
    const entry = document.entry(action.instance);
    if (!document.hasPixels(entry.id)) throw new Error(`instance ${entry.id} has no pixels to copy`);
    const copy = newEntry(state.nextId, entry.label, entry.attributes);
    const inserted = { ...insertAfter(state, entry.id, copy), selected: copy.id };
    const after = document.patch(entry.id);
    return document.change(action, withoutEmpty(document, inserted), {
      instance: copy.id,
      before: blank(after),
      after,
    });
  },
  merge(document, action) {
    const { state, selected } = document;
    const other = document.entry(action.instance);
    if (other.id === selected.id)
      throw new Error(`instance ${selected.id} is the selected one; merge another instance into it`);
    const mine = document.pixelsOf(selected.id);
    const merged = joined(mine, document.pixelsOf(other.id));
    const found = differ(mine, merged);
    const newState = without(withEntry(state, { ...selected, choice: null }), other.id);
    return document.change(action, newState, found && { instance: selected.id, ...found });
  },
  split(document, action) {
    const { state } = document;
    const entry = document.entry(action.instance);
    const pixels = document.pixelsOf(entry.id);
    const { owner, areas } = parts({ ...sizeOf(pixels.box), data: pixels.mask });
    const bySize = [...areas.keys()].slice(1).sort((a, b) => areas[b] - areas[a]);
    const moved = bySize.slice(1);
    if (!moved.length) return document.change(action, state);
    const entries = moved.map((_, i) => newEntry(state.nextId + i, entry.label, entry.attributes));
    const differences = moved.map((part, i) => {
      const keep = (values: Uint8Array) => values.map((value, at) => (owner[at] === part ? value : 0));
      const after = patchOf(trim({ box: pixels.box, mask: keep(pixels.mask), sources: keep(pixels.sources) }));
      return { instance: entries[i].id, before: blank(after), after };
    });
    const where = pixels.mask.map((_, i) => (owner[i] && owner[i] !== bySize[0] ? 1 : 0));
    const edit = { box: pixels.box, where, pixels: new Uint8Array(where.length) };
    const rest = differ(pixels, edited(pixels, edit, SOURCE_NUMBERS.command));
    const newState = withEntry(insertAfter(state, entry.id, ...entries), { ...entry, choice: null });
    return document.change(action, newState, rest && { instance: entry.id, ...rest }, ...differences);
  },
  reorder(document, action) {
    const entry = document.entry(action.instance);
    const entries = document.state.entries.filter(({ id }) => id !== entry.id);
    entries.splice(action.position, 0, entry);
    return document.change(action, { ...document.state, entries });
  },
};

function finish(document: Document, action: Action, label: string): Change {
  const { state, selected } = document;
  const labeled = withEntry(state, { ...selected, label });
  if (document.hasPixels(selected.id)) return document.change(action, withNew(labeled, label));
  return document.change(action, document.isNew ? labeled : withNew(without(state, selected.id), label));
}

/** Return the state without the object selected before, if that has no pixels. */
function withoutEmpty(document: Document, state: State): State {
  const before = document.state.selected;
  return state.selected === before || document.hasPixels(before) ? state : without(state, before);
}

function targets(document: Document, instance?: number | readonly number[] | null) {
  const ids = typeof instance === "object" && instance !== null ? [...new Set(instance)] : [instance];
  return ids.map((id) => document.entry(id));
}

function joined(a: Pixels, b: Pixels): Pixels {
  const box = union(a.box, b.box);
  const [mine, theirs] = [cropPixels(a, box), cropPixels(b, box)];
  for (let i = 0; i < mine.mask.length; i++) {
    if (theirs.mask[i] > mine.mask[i] || !mine.sources[i]) mine.sources[i] = theirs.sources[i];
    mine.mask[i] |= theirs.mask[i];
  }
  return mine;
}
