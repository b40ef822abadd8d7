"""The document of a session: its instances with their pixels, and its changes.

A document is immutable, so readers need no lock, and an action that fails changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import filterfalse
from typing import Any

import numpy as np

from cdwidget._deprecated import renamed_property
from cdwidget.items import Instance
from cdwidget.masks import EMPTY_BBOX, EMPTY_PATCH, Bbox, Patch, bbox, join_bboxes, pack, unpack
from cdwidget.prompts import Action, Prompt
from cdwidget.session.block_map import BlockMap
from cdwidget.tools import TOOLS
from cdwidget.tools.canvas import PixelEdit

MODEL, IMPORT = 1, 9  # Numbers in SOURCES. Sources with a higher number than the model's were not drawn by the model alone.
_TOOL_SOURCES = list(dict.fromkeys(tool.source for tool in TOOLS))
# Journals store the number of a source, so the numbers of existing sources never change.
SOURCES = ("nobody", "model", *_TOOL_SOURCES[: IMPORT - 2], "import", *_TOOL_SOURCES[IMPORT - 2 :])
IS_MANUAL = np.array([source in _TOOL_SOURCES for source in SOURCES])  # For each source number, whether `Lock` protects its pixels.

MAX_LISTED_IDS = 20  # In an error about an unknown id.


@dataclass(frozen=True, eq=False)
class Pixels:
    """The pixels of one instance inside a box of the image.

    Arrays are replaced, never written to.

    Args:
        box: Bounding box of the pixels. Outside it, the mask is empty and no pixel has a source.
        mask: bool (h, w).
        sources: Source of each pixel, uint8 (h, w), numbers of SOURCES; inside the mask never "nobody".
        alpha: uint8 (h, w); None if alpha is 255 inside the mask and 0 outside.
    """

    box: Bbox
    mask: np.ndarray
    sources: np.ndarray
    alpha: np.ndarray | None = None

    @classmethod
    def of(cls, patch: Patch) -> Pixels:
        """Return the pixels of a patch."""
        mask = patch.pixels()
        sources = unpack(patch.sources, *mask.shape)
        return cls(patch.bbox, mask, sources, None if patch.alpha is None else unpack(patch.alpha, *mask.shape))

    @cached_property
    def is_model_only(self) -> bool:
        """Whether no tool, command or import has set any pixel."""
        return not (self.sources > MODEL).any()

    @property
    def full_alpha(self) -> np.ndarray:
        """The alpha, uint8, computed from the mask if there is none."""
        return self.mask * np.uint8(255) if self.alpha is None else self.alpha

    def crop(self, box: Bbox) -> Pixels:
        """Return a copy of the pixels inside another box, which may extend beyond this one."""
        alpha = None if self.alpha is None else _move(self.alpha, self.box, box)
        return Pixels(box, _move(self.mask, self.box, box), _move(self.sources, self.box, box), alpha)

    def trimmed(self) -> Pixels:
        """Return the pixels in the smallest box that holds all that have a source."""
        x0, y0, x1, y1 = inner = bbox(self.sources)
        return self.crop(EMPTY_BBOX if inner == EMPTY_BBOX else (x0 + self.box[0], y0 + self.box[1], x1 + self.box[0], y1 + self.box[1]))

    def patch(self) -> Patch:
        """Return the pixels as a patch."""
        if not self.mask.size:
            return EMPTY_PATCH
        sources = pack(self.sources) if self.sources.any() else b""
        return Patch(self.box, np.packbits(self.mask).tobytes(), sources, None if self.alpha is None else pack(self.alpha))

    def paste(self, patch: Patch) -> Pixels:
        """Return a copy with a patch written into it; it has alpha exactly if the patch has."""
        if not patch.bits:
            return self
        new, copy = Pixels.of(patch), self.crop(join_bboxes(self.box, patch.bbox))
        x0, y0 = copy.box[:2]
        inside = np.s_[patch.bbox[1] - y0 : patch.bbox[3] - y0, patch.bbox[0] - x0 : patch.bbox[2] - x0]
        alpha = None
        if new.alpha is not None:
            alpha = copy.full_alpha
            alpha[inside] = new.alpha
        copy.mask[inside] = new.mask
        copy.sources[inside] = new.sources
        return Pixels(copy.box, copy.mask, copy.sources, alpha)

    def edit(self, edit: PixelEdit, source: str) -> tuple[Patch, Patch]:
        """Return the pixels that an edit sets, as patches of one box before and after it."""
        old = self.crop(edit.bbox)
        mask = np.where(edit.where, edit.pixels, old.mask)
        sources = np.where(edit.where, np.uint8(SOURCES.index(source)), old.sources)
        alpha = None
        if old.alpha is not None or edit.alpha is not None:
            alpha = np.where(edit.where, mask * np.uint8(255) if edit.alpha is None else edit.alpha, old.full_alpha)
        return old.difference(Pixels(edit.bbox, mask, sources, alpha))

    def difference(self, new: Pixels) -> tuple[Patch, Patch]:
        """Return the pixels that differ from `new`, as patches of one box: old and new."""
        box = join_bboxes(self.box, new.box)
        old, new = (pixels if pixels.box == box else pixels.crop(box) for pixels in (self, new))
        differs = (old.mask != new.mask) | (old.sources != new.sources)
        if old.alpha is not None or new.alpha is not None:
            differs |= old.full_alpha != new.full_alpha
        x0, y0, x1, y1 = inner = bbox(differs)
        if inner == EMPTY_BBOX:
            return EMPTY_PATCH, EMPTY_PATCH
        inner = x0 + box[0], y0 + box[1], x1 + box[0], y1 + box[1]
        return old.crop(inner).patch(), new.crop(inner).patch()


def _move(values: np.ndarray, old: Bbox, new: Bbox) -> np.ndarray:
    """Return the values of box `old` in box `new`; 0 where there are none."""
    moved = np.zeros((new[3] - new[1], new[2] - new[0]), values.dtype)
    x0, y0, x1, y1 = max(old[0], new[0]), max(old[1], new[1]), min(old[2], new[2]), min(old[3], new[3])
    if x0 < x1 and y0 < y1:
        part = values[y0 - old[1] : y1 - old[1], x0 - old[0] : x1 - old[0]]
        moved[y0 - new[1] : y1 - new[1], x0 - new[0] : x1 - new[0]] = part
    return moved


@dataclass(frozen=True)
class Choice:
    """The prediction that is used for the newest prompt of an instance.

    It is forgotten when something else changes the pixels.

    Args:
        count: Number of predictions with different results; None until an `Alternative` or `Session.alternatives` counts them.
        chosen: Index of the prediction that is used, 0 for the main one.
        before: The pixels before the prompt, where it changed them.
    """

    count: int | None = field(compare=False)
    chosen: int
    before: Patch


@dataclass(frozen=True)
class Entry:
    """One instance without its pixels.

    Args:
        id: Its id.
        label: Its label; "" for none.
        prompts: Its prompts, oldest first.
        choice: The prediction that is used for the newest prompt; None if it cannot be changed.
        attributes: The user's own values, a JSON object; never written to.
        score: As in `Instance`.
        track_id: As in `Instance`.
        extra: As in `Instance`; never written to.
        confirmed: As in `Instance`.
    """

    id: int
    label: str = ""
    prompts: tuple[Prompt, ...] = ()
    choice: Choice | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)
    score: float | None = None
    track_id: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    confirmed: bool = True

    def instance(self, pixels: Pixels, box: Bbox) -> Instance:
        """Return the entry with new arrays of the size of an image, whose bbox is `box`."""
        whole = pixels.crop(box)
        attributes, extra = deepcopy(self.attributes), deepcopy(self.extra)
        return Instance(whole.mask, self.label, self.id, whole.alpha, attributes, self.score, self.track_id, extra, self.confirmed)


@dataclass(frozen=True)
class State:
    """The document without pixels.

    Args:
        by_id: The entries by their ids, in painting order, the last one in front.
        selected: Id of the entry being edited; it is always one of them.
        next_id: Id of the next new entry.
        locked: Whether prompts keep the pixels that a manual tool set.
    """

    by_id: BlockMap[Entry]
    selected: int
    next_id: int
    locked: bool = False

    @classmethod
    def of(cls, entries: Iterable[Entry], selected: int, next_id: int, locked: bool = False) -> State:
        """Return the state with these entries."""
        return cls(BlockMap((entry.id, entry) for entry in entries), selected, next_id, locked)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, in painting order."""
        return tuple(self.by_id.values())

    def entry(self, instance: int | None = None) -> Entry:
        """Return an entry, by default the selected one; raise ValueError for an unknown id."""
        wanted = self.selected if instance is None else instance
        found = self.by_id.get(wanted)
        if found is None:
            raise ValueError(f"there is no instance {wanted}; there are: {_listed(tuple(self.by_id))}")
        return found

    def has(self, instance: int) -> bool:
        """Return whether there is an entry with this id."""
        return instance in self.by_id

    def missing_in(self, other: State) -> list[int]:
        """Return the ids of the entries that another state does not have, in painting order."""
        _, mine, others = self.by_id.differing_ids(other.by_id)
        return list(filterfalse(set(others).__contains__, mine))

    def with_entry(self, changed: Entry) -> State:
        """Return a copy with the entry of the same id replaced."""
        return replace(self, by_id=self.by_id.set(changed.id, changed))

    def without(self, instance: int) -> State:
        """Return a copy without an entry.

        If it was the selected one, the caller must select another.
        """
        return replace(self, by_id=self.by_id.without(instance))

    def with_new(self, label: str) -> State:
        """Return a copy with a new selected entry in front of all others."""
        by_id = self.by_id.set(self.next_id, Entry(self.next_id, label))
        return replace(self, by_id=by_id, selected=self.next_id, next_id=self.next_id + 1)

    def with_inserted(self, position: int, entries: Sequence[Entry]) -> State:
        """Return a copy with new entries at a position."""
        by_id = self.by_id.splice(position, 0, [(entry.id, entry) for entry in entries])
        return replace(self, by_id=by_id, next_id=max((self.next_id, *(entry.id + 1 for entry in entries))))


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids[:MAX_LISTED_IDS])) + (f" and {len(ids) - MAX_LISTED_IDS} more" if len(ids) > MAX_LISTED_IDS else "")


@dataclass(frozen=True)
class Difference:
    """The pixels of one instance that changed.

    Args:
        instance: Its id.
        before: The pixels of a box before the change.
        after: The pixels of the same box after the change.
    """

    instance: int
    before: Patch
    after: Patch

    def __repr__(self) -> str:
        before, after = self.before.pixels(), self.after.pixels()
        counts = ("+", np.count_nonzero(after & ~before)), ("-", np.count_nonzero(before & ~after))
        changed = " ".join(f"{sign}{count:,}" for sign, count in counts if count)
        return f"object {self.instance}: {changed} px" if changed else f"object {self.instance}: same mask"


@dataclass(frozen=True)
class Change:
    """The result of one action: undo step, reply to the browser and record in the journal.

    After `undo()`, `old_state` and `before` hold; after `apply()` and `redo()`, `new_state` and `after`.

    Args:
        action: The action.
        instance: Id of the instance that was edited, finished, deleted, relabeled or selected.
        old_state: The document before, without pixels.
        new_state: The document after, without pixels.
        differences: The pixels that changed, one entry per instance. Instances that are not in `new_state` have lost all of them.
        progressive: Whether the prediction was merged progressively.
    """

    action: Action
    instance: int
    old_state: State
    new_state: State
    differences: tuple[Difference, ...] = ()
    progressive: bool = True

    def __repr__(self) -> str:
        pixels = ", ".join(map(repr, self.differences)) or f"object {self.instance}: same mask"
        return f"<Change: {self.action!r} -> {'nothing changed' if self.is_empty else pixels}>"

    @property
    def before(self) -> Patch:
        """The pixels of `instance` in `bbox` before the action; the empty patch if none changed."""
        return next((difference.before for difference in self.differences if difference.instance == self.instance), EMPTY_PATCH)

    @property
    def after(self) -> Patch:
        """The pixels of `instance` in `bbox` after the action; the empty patch if none changed."""
        return next((difference.after for difference in self.differences if difference.instance == self.instance), EMPTY_PATCH)

    @property
    def bbox(self) -> Bbox:
        """Bounding box of the changed pixels of `instance`; (0, 0, 0, 0) if none changed."""
        return self.after.bbox

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed; such a change is not an undo step."""
        return self.old_state == self.new_state and not self.differences

    @property
    def nbytes(self) -> int:
        """Approximate memory of the undo step, in bytes."""
        patches = sum(difference.before.nbytes + difference.after.nbytes for difference in self.differences)
        return patches + 1024 + self.new_state.by_id.edit_nbytes

    was = renamed_property("was", "old_state")
    now = renamed_property("now", "new_state")
    nothing = renamed_property("nothing", "is_empty")


@dataclass(frozen=True, eq=False)
class Document:
    """A state with its pixels.

    Args:
        state: The entries and the selection.
        pixels: The pixels of the selected entry.
        packed: The pixels of the other entries, by id.
        box: The whole image.
        initial_selected: Id of the entry that the session started with, if that is not a new one.
    """

    state: State
    pixels: Pixels
    packed: BlockMap[Patch]
    box: Bbox
    initial_selected: int | None = None

    @cached_property
    def mask(self) -> np.ndarray:
        """The mask of the selected entry, bool (H, W); never written to."""
        return self.pixels.crop(self.box).mask

    def patch(self, instance: int) -> Patch:
        """Return the pixels of an entry; the empty patch if none has a source."""
        return self.pixels.trimmed().patch() if instance == self.state.selected else self.packed.get(instance, EMPTY_PATCH)

    def has_pixels(self, instance: int) -> bool:
        """Return whether the mask of an entry has any pixel."""
        return bool(self.pixels.mask.any()) if instance == self.state.selected else self.packed.get(instance, EMPTY_PATCH).any()

    def pixels_of(self, instance: int) -> Pixels:
        """Return the pixels of an entry, or none for an unknown id."""
        return self.pixels if instance == self.state.selected else Pixels.of(self.packed.get(instance, EMPTY_PATCH))

    def instance(self, entry: Entry) -> Instance:
        """Return an entry with new arrays of the image's size."""
        return entry.instance(self.pixels_of(entry.id), self.box)

    def change(self, action: Action, instance: int, new_state: State, *differences: Difference, progressive: bool = True) -> Change:
        """Return the change to another state.

        Entries that it does not have lose their pixels. The instance is confirmed if it was edited, others that lose pixels to it are not.
        """
        removed = [(id, self.patch(id)) for id in self.state.missing_in(new_state)]
        lost = [Difference(id, patch, patch.blank()) for id, patch in removed]
        real = tuple(difference for difference in (*differences, *lost) if difference.before != difference.after)
        is_edited = self.state.has(instance) and new_state.has(instance) and any(one.instance == instance for one in real)
        if is_edited and not new_state.entry(instance).confirmed:
            new_state = new_state.with_entry(replace(new_state.entry(instance), confirmed=True))
        return Change(action, instance, self.state, replace(new_state), real, progressive)  # Readers compare states by identity.

    def with_patches(self, state: State, patches: Mapping[int, Patch]) -> Document:
        """Return the document in another state, with patches written into its instances."""
        written = {id: self.pixels_of(id).paste(patch) for id, patch in patches.items() if state.has(id)}
        if state.selected != self.state.selected:
            written.setdefault(self.state.selected, self.pixels)
        pixels = written.pop(state.selected) if state.selected in written else self.pixels_of(state.selected)
        packed = self.packed
        for id, changed in written.items():
            packed = packed.set(id, changed.trimmed().patch())
        for id in (*self.state.missing_in(state), state.selected):
            packed = packed.without(id)
        return Document(state, pixels, packed, self.box)
