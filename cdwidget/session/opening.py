"""The document that a session starts with: given instances and masks, checked."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

from cdwidget.detections import iterate_instances
from cdwidget.items import Instance
from cdwidget.masks import EMPTY_PATCH, Patch, as_mask, bbox, crop
from cdwidget.prompts import json_object
from cdwidget.session.block_map import BlockMap
from cdwidget.session.document import IMPORT, Document, Entry, Pixels, State


def open_document(height: int, width: int, mask: Any, instances: Any, selected: int | None = None) -> Document:
    """Return the document that a session starts with: given instances, and a new selected one.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        mask: The mask of the new instance, as `as_mask` converts it; None for an empty one.
        instances: In painting order, as `as_instances` takes them; an instance without an id gets one above all others.
        selected: Id of the instance to select instead of a new one, if it has pixels.

    Raises:
        ValueError: If an array does not fit the image, two instances have one id, or a field holds another type.
    """
    found = [_packed(instance, height, width) for instance in iterate_instances(instances)]  # One at a time: a mask may be large.
    given = [entry.id for entry, _ in found if entry.id is not None]
    if len(set(given)) < len(given):
        raise ValueError(f"two instances have one id: {sorted(given)}; give each its own, or leave them None")
    next_id = max(given, default=0) + 1
    entries, packed = [], {}
    for entry, patch in found:
        if not patch.any():
            continue
        if entry.id is None:
            entry, next_id = replace(entry, id=next_id), next_id + 1
        entries.append(entry)
        packed[entry.id] = patch
    box = (0, 0, width, height)
    if selected is not None and selected in packed:
        return Document(State.of(entries, selected, next_id), Pixels.of(packed.pop(selected)), BlockMap(packed.items()), box, selected)
    pixels = Pixels.of(EMPTY_PATCH) if mask is None else _imported(height, width, _one_object(mask))
    return Document(State.of((*entries, Entry(next_id)), next_id, next_id + 1), pixels, BlockMap(packed.items()), box)


def _packed(instance: Instance, height: int, width: int) -> tuple[Entry, Patch]:
    """Return the entry of an instance, whose id may still be None, and its pixels."""
    id: Any = instance.id
    if id is not None and (isinstance(id, bool) or not isinstance(id, Integral) or id < 1):
        raise ValueError(f"instance ids must be whole numbers from 1, not {[id]}; leave them None to have them numbered")
    if not isinstance(instance.label, str):
        raise ValueError(f'a label must be text ("" for none), not {instance.label!r}')
    attributes, extra = json_object("attributes", instance.attributes), json_object("extra", instance.extra, allow_nan=True)
    if instance.score is not None and not isinstance(instance.score, Real):
        raise ValueError(f"the score of an instance must be a number or None, not {instance.score!r}")
    if instance.track_id is not None and not isinstance(instance.track_id, Integral):
        raise ValueError(f"the track_id of an instance must be a whole number or None, not {instance.track_id!r}")
    score = None if instance.score is None or not isfinite(instance.score) else float(instance.score)
    track_id = None if instance.track_id is None else int(instance.track_id)
    number: Any = None if id is None else int(id)
    entry = Entry(number, instance.label, (), None, attributes, score, track_id, extra, bool(instance.confirmed))
    return entry, _imported(height, width, instance.mask, instance.alpha).patch()


def _one_object(mask: Any) -> np.ndarray:
    """Return a mask as an array; raise ValueError for a label map."""
    values = np.asarray(mask)
    if values.dtype.kind in "iu" and (count := np.unique(values[values != 0]).size) > 1:
        raise ValueError(
            f"the mask has {count} different values besides 0, as a label map has; give instances= to get one object per value, "
            "or mask=values > 0 for one object"
        )
    return values


def _imported(height: int, width: int, mask: Any, alpha: object = None) -> Pixels:
    """Return given arrays as imported pixels; raise ValueError if they do not fit the image."""
    pixels, box = as_mask(mask, height, width), (0, 0, width, height)
    if alpha is None:
        inner = bbox(pixels)
        pixels = crop(pixels, inner).copy()
        return Pixels(inner, pixels, pixels * np.uint8(IMPORT))
    values = np.array(alpha)
    if values.dtype != np.uint8 or values.shape != pixels.shape:
        raise ValueError(f"the alpha is {values.dtype} {values.shape}; it must be uint8 ({height}, {width}): 0 outside, 255 inside")
    return Pixels(box, pixels, (pixels | (values > 0)) * np.uint8(IMPORT), values).trimmed()
