"""Actions on whole instances.

Finish, select, delete, relabel, lock, copy, merge, split, reorder and snap need neither a predictor nor a tool.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from math import ceil, isfinite
from typing import Any

import cv2
import numpy as np

from cdwidget.masks import Bbox, Patch, bbox, crop, expand_bbox
from cdwidget.prompts import Action
from cdwidget.session.document import Change, Difference, Document, Entry, Pixels, State
from cdwidget.session.paste import Paste, paste
from cdwidget.session.semantic import AddToClass, add_to_class, union
from cdwidget.session.tracks import Confirm, SetTrackIds, confirm, set_track_ids
from cdwidget.tools.canvas import NO_EDIT, PixelEdit, replace_pixels

MAX_PARTS = 256  # Instances that one Split makes.


@dataclass(frozen=True)
class Accept(Action):
    """Finish the selected instance and start a new one with the same label.

    An instance without pixels is not kept; a new one only gets the label.

    Args:
        label: New label of the finished instance; None keeps its label.
    """

    label: str | None = None


@dataclass(frozen=True)
class Select(Action):
    """Edit another instance. The one edited before stays if it has pixels.

    Args:
        instance: Its id; None starts a new instance.
    """

    instance: int | None = None


@dataclass(frozen=True)
class Delete(Action):
    """Delete one or several instances in one step.

    If the selected one is among them, a new one starts.

    Args:
        instance: Its id, or a sequence of ids; None for the selected instance.
    """

    instance: int | Sequence[int] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class Relabel(Action):
    """Change the label of an instance, or of several in one step.

    Args:
        label: The label; "" for none.
        instance: Its id, or a sequence of ids; None for the selected instance.
    """

    label: str
    instance: int | Sequence[int] | None = field(default=None, hash=False)


@dataclass(frozen=True)
class SetAttributes(Action):
    """Replace the attributes of an instance: the user's own values.

    Args:
        instance: Its id; None for the selected instance.
        attributes: A JSON object: {"occluded": True, "pose": "left"}.
    """

    instance: int | None
    attributes: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Lock(Action):
    """Keep pixels that a manual tool set from being changed by prompts.

    Args:
        on: True to protect these pixels, False to release them.
    """

    on: bool


@dataclass(frozen=True)
class Duplicate(Action):
    """Copy an instance, place the copy directly in front of it, and select the copy.

    Args:
        instance: Its id; None for the selected instance.
    """

    instance: int | None = None


@dataclass(frozen=True)
class Merge(Action):
    """Add the pixels of another instance to the selected one and remove the other one.

    Args:
        instance: Id of the other instance.
    """

    instance: int


@dataclass(frozen=True)
class Split(Action):
    """Make one instance of each connected part; the largest part stays in the original one.

    Args:
        instance: Its id; None for the selected instance.
    """

    instance: int | None = None


@dataclass(frozen=True)
class Reorder(Action):
    """Move an instance in the painting order.

    Args:
        instance: Its id.
        position: The new position; 0 is behind all others.
    """

    instance: int
    position: int


@dataclass(frozen=True)
class Snap(Action):
    """Fit the selected instance to its neighbors: remove overlaps and close narrow gaps.

    Args:
        distance: Width of the widest gap that is closed, in image pixels.
    """

    distance: float


def edit_selected(document: Document, action: Action, edit: PixelEdit, source: str) -> Change:
    """Return the change by an edit of the selected instance's pixels."""
    entry = document.state.entry()
    difference = Difference(entry.id, *document.pixels.edit(edit, source))
    state = document.state if difference.before == difference.after else document.state.with_entry(replace(entry, choice=None))
    return document.change(action, entry.id, state, difference)


def _accept(document: Document, action: Accept) -> Change:
    return _finish(document, action, document.state.entry().label if action.label is None else action.label)


def _finish(document: Document, action: Accept | Select, label: str) -> Change:
    state = document.state
    entry = state.entry()
    labeled = state.with_entry(replace(entry, label=label, confirmed=entry.confirmed or isinstance(action, Accept)))
    if document.pixels.mask.any():
        new_state = labeled.with_new(label)
    elif _is_new(document):
        new_state = labeled
    else:
        new_state = state.without(entry.id).with_new(label)
    return document.change(action, entry.id, new_state)


def _select(document: Document, action: Select) -> Change:
    if action.instance is None:
        return _finish(document, action, document.state.entry().label)
    selected = document.state.entry(action.instance).id
    return document.change(action, selected, _without_empty(document, replace(document.state, selected=selected)))


def _delete(document: Document, action: Delete) -> Change:
    state, deleted = document.state, _entries(document.state, action.instance)
    new_state, selected = state, state.entry()
    for entry in deleted:
        if entry != selected or not _is_new(document):
            new_state = new_state.without(entry.id)
    if not new_state.has(selected.id):
        new_state = new_state.with_new(selected.label)
    return document.change(action, deleted[0].id, new_state)


def _relabel(document: Document, action: Relabel) -> Change:
    state, relabeled = document.state, _entries(document.state, action.instance)
    for entry in relabeled:
        state = state.with_entry(replace(entry, label=action.label))
    return document.change(action, relabeled[0].id, state)


def _entries(state: State, instances: int | Sequence[int] | None) -> list[Entry]:
    """Return the entries of an action on one or several instances, each once."""
    if isinstance(instances, Sequence):
        if not instances:
            raise ValueError("an action on several instances needs at least one id")
        return [state.entry(id) for id in dict.fromkeys(instances)]
    return [state.entry(instances)]


def _set_attributes(document: Document, action: SetAttributes) -> Change:
    entry = document.state.entry(action.instance)
    return document.change(action, entry.id, document.state.with_entry(replace(entry, attributes=action.attributes)))


def _lock(document: Document, action: Lock) -> Change:
    return document.change(action, document.state.selected, replace(document.state, locked=action.on))


def _duplicate(document: Document, action: Duplicate) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    pixels = document.patch(entry.id)
    if not pixels.any():
        raise ValueError(f"instance {entry.id} has no pixels to copy")
    copy = Entry(state.next_id, entry.label, attributes=entry.attributes)
    new_state = _without_empty(document, replace(state.with_inserted(state.by_id.position(entry.id) + 1, [copy]), selected=copy.id))
    return document.change(action, copy.id, new_state, Difference(copy.id, pixels.blank(), pixels))


def _merge(document: Document, action: Merge) -> Change:
    state = document.state
    into, other = state.entry(), state.entry(action.instance)
    if into.id == other.id:
        raise ValueError(f"instance {into.id} is the selected one; merge another instance into it")
    both = union(document.pixels, document.pixels_of(other.id))
    new_state = state.with_entry(replace(into, choice=None, confirmed=True)).without(other.id)
    return document.change(action, into.id, new_state, Difference(into.id, *document.pixels.difference(both)))


def _split(document: Document, action: Split) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    pixels = document.pixels_of(entry.id)
    if not pixels.mask.any():
        return document.change(action, entry.id, state)
    parts, owner = _find_parts(pixels)
    if len(parts) > MAX_PARTS:
        raise ValueError(f"instance {entry.id} has {len(parts)} parts, more than the {MAX_PARTS} that can be split; smooth it first")
    entries, differences = [], []
    for id, part in enumerate(parts[1:], state.next_id):
        is_part = owner == part
        alpha = None if pixels.alpha is None else pixels.alpha * is_part
        patch = Pixels(pixels.box, pixels.mask & is_part, pixels.sources * is_part, alpha).trimmed().patch()
        entries.append(Entry(id, entry.label, attributes=entry.attributes))
        differences.append(Difference(id, patch.blank(), patch))
    removed = np.isin(owner, parts[1:])
    rest = Difference(entry.id, *pixels.edit(PixelEdit(pixels.box, removed, np.zeros_like(removed)), "command"))
    if entries:
        state = state.with_inserted(state.by_id.position(entry.id) + 1, entries).with_entry(replace(entry, choice=None))
    return document.change(action, entry.id, state, rest, *differences)


def _find_parts(pixels: Pixels) -> tuple[list[int], np.ndarray]:
    """Return the labels of a mask's 8-connected parts, largest first, and of each pixel.

    Pixels with alpha outside the mask belong to the nearest part.
    """
    mask = np.ascontiguousarray(pixels.mask)
    count, owner, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if pixels.alpha is not None:
        outside = np.argwhere((pixels.alpha > 0) & ~mask)
        owner[tuple(outside.T)] = owner[tuple(_nearest(mask, outside).T)]
    return sorted(range(1, count), key=lambda part: -int(stats[part, cv2.CC_STAT_AREA])), owner


def _reorder(document: Document, action: Reorder) -> Change:
    state, count = document.state, len(document.state.by_id)
    entry = state.entry(action.instance)
    if not 0 <= action.position < count:
        raise ValueError(f"there is no position {action.position}; allowed are 0, behind all others, to {count - 1}, in front")
    by_id = state.by_id.without(entry.id).splice(action.position, 0, [(entry.id, entry)])
    return document.change(action, entry.id, replace(state, by_id=by_id))


def _snap(document: Document, action: Snap) -> Change:
    distance, mask = action.distance, document.mask
    if not (isfinite(distance) and distance >= 0):
        raise ValueError(f"the snap distance is {distance:g}; it must be a number of pixels from 0")
    own = bbox(mask)
    box = expand_bbox(own, min(ceil(distance) + 1, max(mask.shape)), mask.shape) if mask.any() else own
    others = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    for instance in _ids_inside(document, box):
        others |= document.pixels_of(instance).crop(box).mask
    if not others.any():
        return edit_selected(document, action, NO_EDIT, "command")
    before = crop(mask, box)
    after = before & ~others
    if after.any():
        # In a gap of n pixels, the distances to its two sides sum to n + 1 everywhere, and the sides lie in opposite directions.
        free = np.argwhere(~(after | others) & (_distance(after) <= distance) & (_distance(others) <= distance))
        to_own, to_other = _nearest(after, free) - free, _nearest(others, free) - free
        narrow = np.hypot(*to_own.T) + np.hypot(*to_other.T) <= distance + 1
        gap = free[narrow & ((to_own * to_other).sum(axis=1) <= 0)]
        after[tuple(gap.T)] = True
    return edit_selected(document, action, replace_pixels(box, before, after), "command")


def _ids_inside(document: Document, box: Bbox) -> list[int]:
    """Return the ids of the instances besides the selected one whose bounding boxes have pixels in a box."""
    x0, y0, x1, y1 = box
    found: list[int] = []
    for ids, (left, top, right, bottom) in document.packed.computed(_boxes):
        found += compress(ids, (left < x1) & (right > x0) & (top < y1) & (bottom > y0))
    return found


def _boxes(patches: Collection[Patch]) -> np.ndarray:
    """Return the left, top, right and bottom of the bounding boxes of n patches, int32 (4, n)."""
    return np.array([patch.bbox for patch in patches], np.int32).T


def _distance(mask: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel from a mask, bool (h, w), as float32."""
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _nearest(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the nearest pixel (row, column) of a non-empty mask to each of (n, 2) pixels."""
    _, labels = cv2.distanceTransformWithLabels((~mask).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    positions = np.zeros(labels.max() + 1, np.int64)
    positions[labels[mask]] = np.flatnonzero(mask)
    return np.stack(np.divmod(positions[labels[tuple(pixels.T)]], mask.shape[1]), axis=1)


def _is_new(document: Document) -> bool:
    """Return whether the selected instance is new: no prompts, and no pixel has a source."""
    return not document.state.entry().prompts and not document.pixels.sources.any()


def _without_empty(document: Document, state: State) -> State:
    """Return a new state without the instance selected before, if that has no pixels."""
    before = document.state.selected
    return state if state.selected == before or document.pixels.mask.any() else state.without(before)


INSTANCE_ACTIONS: dict[type[Action], Callable[[Document, Any], Change]] = {
    Accept: _accept,
    Select: _select,
    Delete: _delete,
    Relabel: _relabel,
    SetAttributes: _set_attributes,
    Lock: _lock,
    Duplicate: _duplicate,
    Merge: _merge,
    Split: _split,
    Reorder: _reorder,
    Snap: _snap,
    Paste: paste,
    AddToClass: add_to_class,
    SetTrackIds: set_track_ids,
    Confirm: confirm,
}
