"""Semantic segmentation: one instance per class, and one class per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import numpy as np

from cdwidget.masks import crop, intersects, join_bboxes
from cdwidget.prompts import Action, Click, Prompt, Stroke
from cdwidget.session.document import Change, Difference, Document, Entry, Pixels, State
from cdwidget.session.merge import agrees
from cdwidget.session.prediction import ImagePredictor
from cdwidget.tools.canvas import PixelEdit


@dataclass(frozen=True)
class AddToClass(Action):
    """Add the selected instance to the one of its class and start a new instance.

    Its pixels are taken from all other instances; those that have lost all pixels are removed. With the label "", which means no class,
    the pixels belong to no instance any more.

    Args:
        label: The class; None for the label of the selected instance.
        next: Label of the new instance; None for the same one.
    """

    label: str | None = None
    next: str | None = None


@dataclass(frozen=True)
class SeparateClasses(Action):
    """Predict classes again where they cover positive prompts of each other.

    A positive click or stroke of the selected instance is a negative prompt of each other class that covers it, and those of other
    classes are negative prompts of the selected instance. A prompt counts as long as its own class has all of its pixels; of two that
    contradict each other, the one of the selected instance counts. Instances without prompts do not change, and pixels that a manual
    tool set stay.
    """


def add_to_class(document: Document, action: AddToClass) -> Change:
    """Return the change by `AddToClass`."""
    state, pixels = document.state, document.pixels
    entry = state.entry()
    label = entry.label if action.label is None else action.label
    next_label = label if action.next is None else action.next
    if not pixels.mask.any():
        is_new = not entry.prompts and not pixels.sources.any()
        empty = state.with_entry(replace(entry, label=next_label)) if is_new else state.without(entry.id).with_new(next_label)
        return document.change(action, entry.id, empty)
    others = [other for other in state.entries if other.id != entry.id and document.has_pixels(other.id)]
    same = [other for other in others if label and other.label == label]
    state, differences = _take_pixels(document, [other for other in others if other not in same])
    if not label:
        state = state.without(entry.id)
    elif not same:
        state = state.with_entry(replace(entry, label=label, confirmed=True))
    else:
        kept, *merged = same
        whole = union(pixels, document.pixels_of(kept.id))
        for other in merged:
            whole, state = union(whole, document.pixels_of(other.id)), state.without(other.id)
        prompts = *kept.prompts, *filter(_is_positive, entry.prompts)
        state = state.without(entry.id).with_entry(replace(kept, prompts=prompts, choice=None, confirmed=True))
        differences.append(Difference(kept.id, *document.pixels_of(kept.id).difference(whole)))
    return document.change(action, entry.id, state.with_new(next_label), *differences)


def _take_pixels(document: Document, others: Sequence[Entry]) -> tuple[State, list[Difference]]:
    """Take the pixels of the selected instance from others.

    Returns:
        The state without the instances that have lost all pixels, and the changes of those that have lost some.
    """
    state, pixels, differences = document.state, document.pixels, []
    for other in others:
        theirs = document.pixels_of(other.id)
        if not intersects(theirs.box, pixels.box):
            continue
        taken = theirs.mask & pixels.crop(theirs.box).mask
        if (taken == theirs.mask).all():
            state = state.without(other.id)
        elif taken.any():
            state = state.with_entry(replace(other, choice=None))
            differences.append(Difference(other.id, *theirs.edit(PixelEdit(theirs.box, taken, np.zeros_like(taken)), "command")))
    return state, differences


def separate_classes(predictor: ImagePredictor, document: Document, action: SeparateClasses, progressive: bool) -> Change:
    """Return the change by `SeparateClasses`."""
    state, drawing = document.state, document.state.entry()
    others = [entry for entry in state.entries if entry.label not in ("", drawing.label) and entry.prompts]
    changed = document.with_patches(replace(state, locked=True), {})  # Pixels of manual tools stay.
    for other in others:
        changed = _exclude(predictor, changed, other.id, drawing, progressive)
    changed = _select(changed, drawing.id)
    for other in others:
        changed = _exclude(predictor, changed, drawing.id, other, progressive)
    new_state, differences = replace(changed.state, locked=state.locked), []
    for entry in (drawing, *others):
        if entry is not drawing and not changed.has_pixels(entry.id):
            new_state = new_state.without(entry.id)
        elif changed.state.entry(entry.id) != entry:
            differences.append(Difference(entry.id, *document.pixels_of(entry.id).difference(changed.pixels_of(entry.id))))
    return document.change(action, drawing.id, new_state, *differences, progressive=progressive)


def _exclude(predictor: ImagePredictor, document: Document, instance: int, owner: Entry, progressive: bool) -> Document:
    """Give an instance the positive prompts of their owner as negative prompts, where it covers them."""
    owned, mask, known = _mask(document, owner.id), _mask(document, instance), document.state.entry(instance).prompts
    for prompt in filter(_is_positive, owner.prompts):
        negative = replace(prompt, positive=False)
        if negative in known or not agrees(owned, prompt) or agrees(mask, negative):
            continue
        document = _select(document, instance)
        change = predictor.apply(document, negative, progressive)
        document = document.with_patches(change.new_state, {one.instance: one.after for one in change.differences})
        mask = document.mask
    return document


def _select(document: Document, instance: int) -> Document:
    return document.with_patches(replace(document.state, selected=instance), {})


def _mask(document: Document, instance: int) -> np.ndarray:
    """Return the mask of an instance, bool (H, W)."""
    if instance == document.state.selected:
        return document.mask
    patch, (_, _, width, height) = document.patch(instance), document.box
    mask = np.zeros((height, width), bool)
    crop(mask, patch.bbox)[:] = patch.pixels()
    return mask


def _is_positive(prompt: Prompt) -> TypeGuard[Click | Stroke]:
    """Return whether a prompt is a positive click or stroke; a box has no negative form."""
    return isinstance(prompt, (Click, Stroke)) and prompt.positive


def merge_into_classes(
    document: Document, objects: Sequence[tuple[Entry, Pixels]]
) -> tuple[list[tuple[Entry, Pixels]], State, list[Difference]]:  # fmt: skip
    """Add objects to the instances of their classes and take their pixels from all others, one after another.

    An object that has no label or is not confirmed is not merged, and takes no pixels.

    Args:
        document: The document; its selected instance is left as it is.
        objects: The objects and their pixels.

    Returns:
        The objects that become instances of their own, the state without those that have lost all pixels, and the changed pixels.
    """
    state = document.state
    entries = [entry for entry in state.entries if entry.id != state.selected and document.has_pixels(entry.id)]
    before = {entry.id: document.pixels_of(entry.id) for entry in entries}
    now, instance_of_class = dict(before), {entry.label: entry.id for entry in reversed(entries) if _has_class(entry)}
    added: list[Entry] = []
    for entry, pixels in objects:
        target = instance_of_class.setdefault(entry.label, entry.id) if _has_class(entry) else entry.id
        if _has_class(entry):
            now = {id: other if id == target else _without(other, pixels) for id, other in now.items()}
        if target == entry.id:
            added.append(entry)
        now[target] = union(now[target], pixels) if target in now else pixels
    differences = []
    for id, old in before.items():
        if not now[id].mask.any():
            state = state.without(id)
        elif now[id] is not old:
            state = state.with_entry(replace(state.entry(id), choice=None))
            differences.append(Difference(id, *old.difference(now[id])))
    return [(entry, now[entry.id]) for entry in added if now[entry.id].mask.any()], state, differences


def _has_class(entry: Entry) -> bool:
    """Return whether a person has given a class to an object, or confirmed it."""
    return bool(entry.label) and entry.confirmed


def _without(pixels: Pixels, taken: Pixels) -> Pixels:
    """Return pixels without those of another instance; the same value if they do not overlap."""
    overlap = pixels.mask & taken.crop(pixels.box).mask
    if not overlap.any():
        return pixels
    return pixels.paste(pixels.edit(PixelEdit(pixels.box, overlap, np.zeros_like(overlap)), "command")[1])


def union(mine: Pixels, theirs: Pixels) -> Pixels:
    """Return the pixels of two instances together; the sources of pixels in both are those of the first."""
    box = join_bboxes(mine.box, theirs.box)
    mine, theirs = mine.crop(box), theirs.crop(box)
    return Pixels(
        box,
        mine.mask | theirs.mask,
        np.where((theirs.mask > mine.mask) | (mine.sources == 0), theirs.sources, mine.sources),
        None if mine.alpha is None and theirs.alpha is None else np.maximum(mine.full_alpha, theirs.full_alpha),
    )
