"""The document that a session starts with: given instances and masks, checked."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import EMPTY_PATCH, as_mask
from cdwidget.session.document import IMPORT, Document, Entry, Pixels, State


def open_document(height: int, width: int, mask: Any, instances: Sequence[Instance], selected: int | None = None) -> Document:
    """Return the document that a session starts with: given instances, and a new selected one.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        mask: The mask of the new instance, as `as_mask` converts it; None for an empty one.
        instances: In painting order; an instance without an id gets one above all others.
        selected: Id of the instance to select instead of a new one, if it has pixels.

    Raises:
        ValueError: If an array does not fit the image, or two instances have one id.
    """
    found = [_id(instance) for instance in ([None] if isinstance(instances, Instance) else instances)]
    given = [id for id in found if id is not None]
    if wrong := [id for id in given if isinstance(id, bool) or not isinstance(id, Integral) or id < 1]:
        raise ValueError(f"instance ids must be whole numbers from 1, not {wrong}; leave them None to have them numbered")
    if len(set(given)) < len(given):
        raise ValueError(f"two instances have one id: {sorted(given)}; give each its own, or leave them None")
    next_id = max(given, default=0) + 1
    entries, packed = [], {}
    for instance in instances:
        pixels = _imported(height, width, instance.mask, instance.alpha)
        if not isinstance(instance.label, str):
            raise ValueError(f'a label must be text ("" for none), not {instance.label!r}')
        if not pixels.mask.any():
            continue
        if instance.id is None:
            id, next_id = next_id, next_id + 1
        else:
            id = int(instance.id)
        entries.append(Entry(id, instance.label))
        packed[id] = pixels.patch()
    box = (0, 0, width, height)
    if selected is not None and selected in packed:
        return Document(State(tuple(entries), selected, next_id), Pixels.of(packed.pop(selected)), packed, box, selected)
    pixels = Pixels.of(EMPTY_PATCH) if mask is None else _imported(height, width, mask)
    return Document(State((*entries, Entry(next_id)), next_id, next_id + 1), pixels, packed, box)


def _id(instance: object) -> int | None:
    if not isinstance(instance, Instance):
        raise TypeError("instances is a list of cdwidget.Instance(mask, label), also for a single one; for a bare mask give mask=")
    return instance.id


def _imported(height: int, width: int, mask: object, alpha: object = None) -> Pixels:
    """Return given arrays as imported pixels; raise ValueError if they do not fit the image."""
    pixels, box = as_mask(mask, height, width), (0, 0, width, height)
    if alpha is None:
        return Pixels(box, pixels, pixels * np.uint8(IMPORT)).trimmed()
    values = np.array(alpha)
    if values.dtype != np.uint8 or values.shape != pixels.shape:
        raise ValueError(f"the alpha is {values.dtype} {values.shape}; it must be uint8 ({height}, {width}): 0 outside, 255 inside")
    return Pixels(box, pixels, (pixels | (values > 0)) * np.uint8(IMPORT), values).trimmed()
