"""The actions that need no predictor and no tool: finish, select, delete and relabel instances, copy, join, part, order and fit them."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, isfinite
from typing import Any, Callable

import cv2
import numpy as np

from cdwidget.masks import bbox, join
from cdwidget.session.actions import Accept, Action, Delete, Duplicate, Lock, Merge, Relabel, Reorder, Select, Snap, Split
from cdwidget.session.document import Change, Difference, Document, Entry, State
from cdwidget.session.pixels import Pixels
from cdwidget.tools.canvas import Painted, around, changed, crop, nothing

MOST_PARTS = 256  # that Split makes instances of


def edit(document: Document, action: Action) -> Change:
    """Return what an action without a predictor changes in a document; ValueError when it names an instance there is not."""
    return _EDITS[type(action)](document, action)


def paint(document: Document, action: Any, done: Painted, source: str) -> Change:
    """Return the change that a tool's answer makes in the selected instance."""
    entry = document.state.entry()
    difference = Difference(entry.id, *document.pixels.paint(done, source))
    now = document.state if difference.before == difference.after else document.state.with_entry(replace(entry, choice=None))
    return document.change(action, entry.id, now, difference)


def _accept(document: Document, action: Accept) -> Change:
    return _finish(document, action, document.state.entry().label if action.label is None else action.label)


def _finish(document: Document, action: Accept | Select, label: str) -> Change:
    state = document.state
    entry = state.entry()
    labelled = state.with_entry(replace(entry, label=label))
    if document.pixels.mask.any():
        now = labelled.with_new(label)
    elif _untouched(document):
        now = labelled
    else:
        now = state.without(entry.id).with_new(label)
    return document.change(action, entry.id, now)


def _select(document: Document, action: Select) -> Change:
    if action.instance is None:
        return _finish(document, action, document.state.entry().label)
    selected = document.state.entry(action.instance).id
    return document.change(action, selected, _leave(document, document.state.selecting(selected)))


def _delete(document: Document, action: Delete) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    if entry.id != state.selected:
        now = state.without(entry.id)
    else:
        now = state if _untouched(document) else state.without(entry.id).with_new(entry.label)
    return document.change(action, entry.id, now)


def _relabel(document: Document, action: Relabel) -> Change:
    entry = document.state.entry(action.instance)
    return document.change(action, entry.id, document.state.with_entry(replace(entry, label=action.label)))


def _lock(document: Document, action: Lock) -> Change:
    return document.change(action, document.state.selected, replace(document.state, locked=action.on))


def _duplicate(document: Document, action: Duplicate) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    pixels = document.patch(entry.id)
    if not pixels.any():
        raise ValueError(f"instance {entry.id} has no pixels to copy")
    copy = Entry(state.next_id, entry.label)
    now = _leave(document, state.with_next_to(entry.id, copy).selecting(copy.id))
    return document.change(action, copy.id, now, Difference(copy.id, pixels.blank(), pixels))


def _merge(document: Document, action: Merge) -> Change:
    state = document.state
    into, other = state.entry(), state.entry(action.instance)
    if into.id == other.id:
        raise ValueError(f"instance {into.id} is the selected one; merge another instance into it")
    its = document.pixels_of(other.id)
    box = join(document.pixels.box, its.box)
    mine, its = document.pixels.crop(box), its.crop(box)
    both = Pixels(
        box,
        mine.mask | its.mask,
        np.where((its.mask > mine.mask) | (mine.sources == 0), its.sources, mine.sources),
        None if mine.alpha is None and its.alpha is None else np.maximum(mine.soft, its.soft),
    )
    now = state.with_entry(replace(into, choice=None)).without(other.id)
    return document.change(action, into.id, now, Difference(into.id, *mine.become(both)))


def _split(document: Document, action: Split) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    pixels = document.pixels_of(entry.id)
    if not pixels.mask.any():
        return document.change(action, entry.id, state)
    parts, owner = _parts(pixels)
    if len(parts) > MOST_PARTS:
        raise ValueError(f"instance {entry.id} has {len(parts)} parts, more than the {MOST_PARTS} that can be split; smooth it first")
    entries, differences = [], []
    for id, part in enumerate(parts[1:], state.next_id):
        own = owner == part
        alpha = None if pixels.alpha is None else pixels.alpha * own
        patch = Pixels(pixels.box, pixels.mask & own, pixels.sources * own, alpha).trimmed().patch()
        entries.append(Entry(id, entry.label))
        differences.append(Difference(id, patch.blank(), patch))
    gone = np.isin(owner, parts[1:])
    rest = Difference(entry.id, *pixels.paint(Painted(pixels.box, gone, np.zeros_like(gone)), "command"))
    now = state.with_next_to(entry.id, *entries).with_entry(replace(entry, choice=None)) if entries else state
    return document.change(action, entry.id, now, rest, *differences)


def _parts(pixels: Pixels) -> tuple[list[int], np.ndarray]:
    """Return the numbers of a mask's 8-connected parts, the largest first, and which part owns each pixel, 0 for none.

    What is partly the object's belongs to the nearest part.
    """
    mask = np.ascontiguousarray(pixels.mask)
    count, owner, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if pixels.alpha is not None:
        soft = np.argwhere((pixels.alpha > 0) & ~mask)
        owner[tuple(soft.T)] = owner[tuple(_nearest(mask, soft).T)]
    return sorted(range(1, count), key=lambda part: -int(stats[part, cv2.CC_STAT_AREA])), owner


def _reorder(document: Document, action: Reorder) -> Change:
    entry, entries = document.state.entry(action.instance), list(document.state.entries)
    if not 0 <= action.position < len(entries):
        raise ValueError(f"there is no position {action.position}; allowed are 0, behind all others, to {len(entries) - 1}, in front")
    entries.remove(entry)
    entries.insert(action.position, entry)
    return document.change(action, entry.id, replace(document.state, entries=tuple(entries)))


def _snap(document: Document, action: Snap) -> Change:
    distance, mask = action.distance, document.mask
    if not (isfinite(distance) and distance >= 0):
        raise ValueError(f"the distance to snap over is {distance:g}; it must be a number of pixels from 0")
    own = bbox(mask)
    box = around(own, min(ceil(distance) + 1, max(mask.shape)), mask.shape) if mask.any() else own
    others = np.zeros((box[3] - box[1], box[2] - box[0]), bool)
    for instance in document.parked:
        others |= document.pixels_of(instance).crop(box).mask
    if not others.any():
        return paint(document, action, nothing(), "command")
    before = crop(mask, box)
    after = before & ~others
    if after.any():
        # In a gap of n pixels the distances to the two sides add up to n + 1 at each of them, and the two lie in opposite directions.
        free = np.argwhere(~(after | others) & (_distance(after) <= distance) & (_distance(others) <= distance))
        back, forth = _nearest(after, free) - free, _nearest(others, free) - free
        narrow = np.hypot(*back.T) + np.hypot(*forth.T) <= distance + 1
        gap = free[narrow & ((back * forth).sum(axis=1) <= 0)]
        after[tuple(gap.T)] = True
    return paint(document, action, changed(box, before, after), "command")


def _distance(mask: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the nearest one of a bool (h, w) mask, float32."""
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _nearest(mask: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the nearest pixel of a bool mask, which has some, to each of (n, 2) pixels; rows and columns."""
    _, labels = cv2.distanceTransformWithLabels((~mask).view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros(labels.max() + 1, np.int64)
    places[labels[mask]] = np.flatnonzero(mask)
    return np.stack(np.divmod(places[labels[tuple(pixels.T)]], mask.shape[1]), axis=1)


def _untouched(document: Document) -> bool:
    """Say whether the selected instance is new: without prompts, and nobody has said anything of a pixel."""
    return not document.state.entry().prompts and not document.pixels.sources.any()


def _leave(document: Document, now: State) -> State:
    """Return `now`, in which another instance may be selected, without the one edited until now if that has no pixels."""
    left = document.state.selected
    return now if now.selected == left or document.pixels.mask.any() else now.without(left)


_EDITS: dict[type, Callable[[Document, Any], Change]] = {
    Accept: _accept,
    Select: _select,
    Delete: _delete,
    Relabel: _relabel,
    Lock: _lock,
    Duplicate: _duplicate,
    Merge: _merge,
    Split: _split,
    Reorder: _reorder,
    Snap: _snap,
}
