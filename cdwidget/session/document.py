"""What a session holds at one moment: an immutable value, so that readers need no lock and a failed action changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Mapping, Sequence

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import EMPTY_PATCH, Bbox, Patch, as_mask
from cdwidget.prompts import Prompt
from cdwidget.session.actions import Action


@dataclass(frozen=True)
class Entry:
    """One instance without its pixels: id, label and the prompts it was made with, oldest first."""

    id: int
    label: str = ""
    prompts: tuple[Prompt, ...] = ()


@dataclass(frozen=True)
class State:
    """Everything of a document but the pixels.

    entries: ordered by id. selected: the id of the entry being edited, always one of them. next_id: what a new entry will be called.
    """

    entries: tuple[Entry, ...]
    selected: int
    next_id: int

    def entry(self, instance: int | None = None) -> Entry:
        """Return one entry, by default the selected one; ValueError names the ids there are."""
        wanted = self.selected if instance is None else instance
        for entry in self.entries:
            if entry.id == wanted:
                return entry
        raise ValueError(f"there is no instance {wanted}; there are: {', '.join(str(entry.id) for entry in self.entries)}")

    def has(self, instance: int) -> bool:
        """Say whether there is an entry of this id."""
        return any(entry.id == instance for entry in self.entries)

    def with_entry(self, changed: Entry) -> State:
        """Return the state with the entry of the same id replaced."""
        entries = tuple(changed if entry.id == changed.id else entry for entry in self.entries)
        return State(entries, self.selected, self.next_id)

    def without(self, instance: int) -> State:
        """Return the state without one entry; the caller selects another one if it was the selected one."""
        return State(tuple(entry for entry in self.entries if entry.id != instance), self.selected, self.next_id)

    def selecting(self, instance: int) -> State:
        """Return the state with another entry selected."""
        return State(self.entries, instance, self.next_id)

    def with_new(self, label: str) -> State:
        """Return the state with a new entry, selected."""
        return State((*self.entries, Entry(self.next_id, label)), self.next_id, self.next_id + 1)


@dataclass(frozen=True)
class Change:
    """What one action did: the undo entry and the reply to the browser.

    action: what was asked, its numbers as plain int and float.
    instance: the id of the instance that was edited, finished, deleted, relabelled or selected.
    was, now: labels, prompts and selection before and after. Where `was.selected != now.selected` another mask is being edited.
    before, after: the pixels of `instance` in `bbox` before and after the action, packed; pixels outside are the same.
    progressive: whether the predictor's answer was merged progressively.
    After `undo()` the pixels are those of `before`, after `apply()` and `redo()` those of `after`.
    """

    action: Action
    instance: int
    was: State
    now: State
    before: Patch = EMPTY_PATCH
    after: Patch = EMPTY_PATCH
    progressive: bool = True

    @property
    def bbox(self) -> Bbox:
        """(x0, y0, x1, y1), half-open: where pixels of `instance` changed; (0, 0, 0, 0) when none did."""
        return self.after.bbox

    @property
    def nothing(self) -> bool:
        """True when neither pixels nor anything else changed; such a change is not kept in the history."""
        return self.was == self.now and self.before == self.after

    @property
    def nbytes(self) -> int:
        """About how much memory the history needs for it."""
        return len(self.before.bits) + len(self.after.bits) + 1024 + 8 * len(self.now.entries)


@dataclass(frozen=True, eq=False)
class Document:
    """A state with its pixels.

    mask: bool (H, W), the selected entry's; it is replaced, never written to. parked: the pixels of the other entries, packed.
    """

    state: State
    mask: np.ndarray
    parked: Mapping[int, Patch]

    def patch(self, instance: int) -> Patch:
        """Return the pixels of one entry in the bbox of its mask."""
        return Patch.of(self.mask) if instance == self.state.selected else self.parked.get(instance, EMPTY_PATCH)

    def mask_of(self, instance: int) -> np.ndarray:
        """Return a fresh bool (H, W) mask of one entry."""
        if instance == self.state.selected:
            return self.mask.copy()
        mask = np.zeros_like(self.mask)
        self.parked.get(instance, EMPTY_PATCH).paste(mask)
        return mask

    def moved(self, state: State, instance: int, patch: Patch) -> Document:
        """Return the document with `patch` written into the mask of `instance`, in another state."""
        mask, parked = self.mask, dict(self.parked)
        if patch.bits:
            changed = self.mask_of(instance)
            patch.paste(changed)
            if instance == self.state.selected:
                mask = changed
            else:
                parked[instance] = Patch.of(changed)
        if state.selected != self.state.selected:
            parked[self.state.selected] = Patch.of(mask)
            mask = np.zeros_like(mask)
            parked.get(state.selected, EMPTY_PATCH).paste(mask)
        kept = {entry.id for entry in state.entries} - {state.selected}
        return Document(state, mask, {instance: patch for instance, patch in parked.items() if instance in kept})


def open_document(height: int, width: int, mask: Any, instances: Sequence[Instance]) -> Document:
    """Return what a session begins with: the given instances that have pixels, and a new one, selected, with the pixels of `mask`.

    Instances without an id get one above all others, in order. Raises ValueError for a mask that does not fit or an id given twice.
    """
    given = [instance.id for instance in instances if instance.id is not None]
    if wrong := [id for id in given if isinstance(id, bool) or not isinstance(id, Integral) or id < 1]:
        raise ValueError(f"instance ids must be whole numbers from 1, not {wrong}; leave them None to have them numbered")
    if len(set(given)) < len(given):
        raise ValueError(f"two instances have one id: {sorted(given)}; give each its own, or leave them None")
    next_id = max(given, default=0) + 1
    entries, parked = [], {}
    for instance in instances:
        pixels = as_mask(instance.mask, height, width)
        if not isinstance(instance.label, str):
            raise ValueError(f'a label must be text ("" for none), not {instance.label!r}')
        if not pixels.any():
            continue
        if instance.id is None:
            id, next_id = next_id, next_id + 1
        else:
            id = int(instance.id)
        entries.append(Entry(id, instance.label))
        parked[id] = Patch.of(pixels)
    entries.sort(key=lambda entry: entry.id)
    pixels = np.zeros((height, width), dtype=bool) if mask is None else as_mask(mask, height, width)
    return Document(State((*entries, Entry(next_id)), next_id, next_id + 1), pixels, parked)
