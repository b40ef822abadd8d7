"""What a session holds at one moment: an immutable value, so that readers need no lock and a failed action changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import Any, Mapping, Sequence

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import EMPTY_PATCH, Bbox, Patch
from cdwidget.prompts import Prompt
from cdwidget.session.actions import Action
from cdwidget.session.pixels import NO_PIXELS, Pixels


@dataclass(frozen=True)
class Choice:
    """What the newest prompt of an instance left open, until something else changes the pixels.

    count: how many answers there are that differ in what they change, the main one first; None until one asks for another, since that
    takes as long as the click. chosen: which one is in force, from 0. before: the pixels before the prompt, where that one changed them.
    """

    count: int | None = field(compare=False)
    chosen: int
    before: Patch


@dataclass(frozen=True)
class Entry:
    """One instance without its pixels: id, label, the prompts it was made with, oldest first, and other answers to the newest."""

    id: int
    label: str = ""
    prompts: tuple[Prompt, ...] = ()
    choice: Choice | None = None


@dataclass(frozen=True)
class State:
    """Everything of a document but the pixels.

    entries: in painting order, the last one in front. selected: the id of the entry being edited, always one of them.
    next_id: what a new entry will be called. locked: whether prompts leave alone what a hand tool decided.
    """

    entries: tuple[Entry, ...]
    selected: int
    next_id: int
    locked: bool = False

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
        return replace(self, entries=tuple(changed if entry.id == changed.id else entry for entry in self.entries))

    def without(self, instance: int) -> State:
        """Return the state without one entry; the caller selects another one if it was the selected one."""
        return replace(self, entries=tuple(entry for entry in self.entries if entry.id != instance))

    def selecting(self, instance: int) -> State:
        """Return the state with another entry selected."""
        return replace(self, selected=instance)

    def with_new(self, label: str) -> State:
        """Return the state with a new entry in front of all, selected."""
        return replace(self, entries=(*self.entries, Entry(self.next_id, label)), selected=self.next_id, next_id=self.next_id + 1)

    def with_next_to(self, instance: int, *entries: Entry) -> State:
        """Return the state with entries, numbered from `next_id`, right in front of another one."""
        place = self.entries.index(self.entry(instance)) + 1
        return replace(self, entries=(*self.entries[:place], *entries, *self.entries[place:]), next_id=self.next_id + len(entries))


@dataclass(frozen=True)
class Difference:
    """What changed in one instance: the same box of its pixels before and after, packed; pixels outside are the same."""

    instance: int
    before: Patch
    after: Patch


@dataclass(frozen=True)
class Change:
    """What one action did: the undo entry, the reply to the browser and the record in the journal.

    action: what was asked, its numbers as plain int and float.
    instance: the id of the instance that was edited, finished, deleted, relabelled or selected.
    was, now: labels, prompts, order, selection and lock before and after. Where `was.selected != now.selected` another mask is edited.
    differences: what changed in the pixels, one for each instance. An instance that is not in `now` has lost all of them.
    progressive: whether the predictor's answer was merged progressively.
    After `undo()` the pixels are those of `before`, after `apply()` and `redo()` those of `after`.
    """

    action: Action
    instance: int
    was: State
    now: State
    differences: tuple[Difference, ...] = ()
    progressive: bool = True

    @property
    def before(self) -> Patch:
        """The pixels of `instance` in `bbox` before the action; the empty patch when none of them changed."""
        return next((one.before for one in self.differences if one.instance == self.instance), EMPTY_PATCH)

    @property
    def after(self) -> Patch:
        """The pixels of `instance` in `bbox` after the action; the empty patch when none of them changed."""
        return next((one.after for one in self.differences if one.instance == self.instance), EMPTY_PATCH)

    @property
    def bbox(self) -> Bbox:
        """(x0, y0, x1, y1), half-open: where pixels of `instance` changed; (0, 0, 0, 0) when none did."""
        return self.after.bbox

    @property
    def nothing(self) -> bool:
        """True when neither pixels nor anything else changed; such a change is not kept in the history."""
        return self.was == self.now and not self.differences

    @property
    def nbytes(self) -> int:
        """About how much memory the history needs for it."""
        return sum(one.before.nbytes + one.after.nbytes for one in self.differences) + 1024 + 8 * len(self.now.entries)


@dataclass(frozen=True, eq=False)
class Document:
    """A state with its pixels, on an image of `box`: those of the selected entry, and those of the others, packed.

    given: of a document that a session begins with, the selected entry, where that is not a new one.
    """

    state: State
    pixels: Pixels
    parked: Mapping[int, Patch]
    box: Bbox
    given: int | None = None

    @cached_property
    def mask(self) -> np.ndarray:
        """The mask of the selected entry, bool (H, W); never written to."""
        return self.pixels.crop(self.box).mask

    def patch(self, instance: int) -> Patch:
        """Return the pixels of one entry, packed; the empty patch where nothing has been said of any."""
        return self.pixels.trimmed().patch() if instance == self.state.selected else self.parked.get(instance, EMPTY_PATCH)

    def mask_patch(self, instance: int) -> Patch:
        """Return the mask of one entry, packed, in its bbox; the empty patch where it has no pixels."""
        return self.patch(instance).mask_only()

    def has_pixels(self, instance: int) -> bool:
        """Say whether any pixel is in the mask of one entry."""
        return bool(self.pixels.mask.any()) if instance == self.state.selected else self.parked.get(instance, EMPTY_PATCH).any()

    def pixels_of(self, instance: int) -> Pixels:
        """Return the pixels of one entry, which may be a new one."""
        return self.pixels if instance == self.state.selected else Pixels.of(self.parked.get(instance, EMPTY_PATCH))

    def instance(self, entry: Entry) -> Instance:
        """Return one entry with fresh arrays of its own, as large as the image."""
        pixels = self.pixels_of(entry.id).crop(self.box)
        return Instance(pixels.mask, entry.label, entry.id, pixels.alpha)

    def change(self, action: Action, instance: int, now: State, *differences: Difference, progressive: bool = True) -> Change:
        """Return the change to another state, in which entries that are no more lose their pixels."""
        gone = [(entry.id, self.patch(entry.id)) for entry in self.state.entries if not now.has(entry.id)]
        lost = [Difference(id, patch, patch.blank()) for id, patch in gone]
        given = (one for one in (*differences, *lost) if one.before != one.after)
        return Change(action, instance, self.state, replace(now), tuple(given), progressive)  # a state of its own, so that readers see

    def moved(self, state: State, patches: Mapping[int, Patch]) -> Document:
        """Return the document in another state, with patches written into the pixels of its instances."""
        written = {id: self.pixels_of(id).paste(patch) for id, patch in patches.items() if state.has(id)}
        if state.selected != self.state.selected:
            written.setdefault(self.state.selected, self.pixels)
        pixels = written.pop(state.selected) if state.selected in written else self.pixels_of(state.selected)
        kept = {entry.id for entry in state.entries} - {state.selected}
        parked = {**self.parked, **{id: pixels.trimmed().patch() for id, pixels in written.items() if id in kept}}
        return Document(state, pixels, {id: patch for id, patch in parked.items() if id in kept}, self.box)


def open_document(height: int, width: int, mask: Any, instances: Sequence[Instance], selected: int | None = None) -> Document:
    """Return what a session begins with: the given instances that have pixels, and a new one, selected, with the pixels of `mask`.

    selected: the id of a given one that is selected instead; where it has no pixels, it is a new one all the same.
    The order stays. Instances without an id get one above all others. Raises ValueError for what does not fit or an id given twice.
    """
    found = [_id(instance) for instance in ([None] if isinstance(instances, Instance) else instances)]
    given = [id for id in found if id is not None]
    if wrong := [id for id in given if isinstance(id, bool) or not isinstance(id, Integral) or id < 1]:
        raise ValueError(f"instance ids must be whole numbers from 1, not {wrong}; leave them None to have them numbered")
    if len(set(given)) < len(given):
        raise ValueError(f"two instances have one id: {sorted(given)}; give each its own, or leave them None")
    next_id = max(given, default=0) + 1
    entries, parked = [], {}
    for instance in instances:
        pixels = Pixels.given(height, width, instance.mask, instance.alpha)
        if not isinstance(instance.label, str):
            raise ValueError(f'a label must be text ("" for none), not {instance.label!r}')
        if not pixels.mask.any():
            continue
        if instance.id is None:
            id, next_id = next_id, next_id + 1
        else:
            id = int(instance.id)
        entries.append(Entry(id, instance.label))
        parked[id] = pixels.patch()
    if selected is not None and selected in parked:
        return Document(State(tuple(entries), selected, next_id), Pixels.of(parked.pop(selected)), parked, (0, 0, width, height), selected)
    pixels = NO_PIXELS if mask is None else Pixels.given(height, width, mask)
    return Document(State((*entries, Entry(next_id)), next_id, next_id + 1), pixels, parked, (0, 0, width, height))


def _id(instance: object) -> int | None:
    if not isinstance(instance, Instance):
        raise TypeError("instances is a list of cdwidget.Instance(mask, label), also for a single one; for a bare mask give mask=")
    return instance.id
