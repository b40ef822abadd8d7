"""Add objects with given masks, such as those of another image, in one step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cdwidget import rle
from cdwidget.items import Instance
from cdwidget.masks import bbox, crop
from cdwidget.prompts import Action, json_object
from cdwidget.session.document import IMPORT, Change, Difference, Document, Entry, Pixels
from cdwidget.session.semantic import merge_into_classes

FIELDS = ("label", "mask", "attributes", "score", "track_id", "confirmed")  # Of one object; `mask` alone is required.


@dataclass(frozen=True)
class Paste(Action):
    """Add objects with given masks in one step.

    They lie in front of all others but a new one, and the selected object stays selected.

    Args:
        objects: A JSON object each: its `mask`, compressed COCO run lengths of the size of the image, and optionally its `label`,
            `attributes`, `score`, `track_id` and `confirmed`. `Paste.of` makes them from instances.
        by_class: Add each confirmed object that has a label to the instance of its class, and take its pixels from all others.
    """

    objects: tuple[Mapping[str, Any], ...] = field(hash=False)
    by_class: bool = False

    @staticmethod
    def of(instances: Iterable[Instance]) -> Paste:
        """Return the action that adds instances.

        Their ids are not kept, since another object may have the same one.

        Args:
            instances: The instances, of the size of the image; a `track_id` of None becomes the id.

        Example:
            >>> session.apply(Paste.of(other_session.instances))
        """
        return Paste(
            tuple(
                {
                    "label": one.label,
                    "mask": rle.encode(one.mask),
                    "attributes": dict(one.attributes),
                    "score": one.score,
                    "track_id": one.id if one.track_id is None else one.track_id,
                    "confirmed": one.confirmed,
                }
                for one in instances
            )
        )


def paste(document: Document, action: Paste) -> Change:
    """Return the change that adds the objects of an action.

    Raises:
        ValueError: If there are none, or one is not complete, has an unknown field or does not fit the image.
    """
    state, (_, _, width, height) = document.state, document.box
    if not action.objects:
        raise ValueError("there are no objects to add")
    objects: list[tuple[Entry, Pixels]] = []
    for id, given in enumerate(action.objects, state.next_id):
        entry, mask = _checked(given, id), rle.decode(_text(given, "mask"), height, width)
        box = bbox(mask)
        if not mask.any():
            raise ValueError("an object to add has no pixels")
        pixels = crop(mask, box).copy()
        objects.append((entry, Pixels(box, pixels, pixels * np.uint8(IMPORT))))
    differences: list[Difference] = []
    if action.by_class:
        objects, state, differences = merge_into_classes(document, objects)
    for entry, new in objects:
        patch = new.patch()
        differences.append(Difference(entry.id, patch.blank(), patch))
    has_pixels = bool(document.pixels.mask.any())
    position = len(state.by_id) if has_pixels else state.by_id.position(state.selected)
    state = state.with_inserted(position, [entry for entry, _ in objects])
    return document.change(action, objects[0][0].id if objects else state.selected, replace(state), *differences)


def _checked(given: Mapping[str, Any], id: int) -> Entry:
    if unknown := sorted(given.keys() - set(FIELDS)):
        raise ValueError(f"an object to add has no field {unknown}; its fields are {', '.join(FIELDS)}")
    score, track_id = given.get("score"), given.get("track_id")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float))):
        raise ValueError(f"the score of an object must be a number or null, not {score!r}")
    if track_id is not None and type(track_id) is not int:
        raise ValueError(f"the track_id of an object must be a whole number or null, not {track_id!r}")
    if not isinstance(confirmed := given.get("confirmed", True), bool):
        raise ValueError(f"`confirmed` of an object must be true or false, not {confirmed!r}")
    attributes = json_object("attributes", given.get("attributes") or {})
    label = _text(given, "label") if "label" in given else ""
    return Entry(id, label, attributes=attributes, score=None if score is None else float(score), track_id=track_id, confirmed=confirmed)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the {name} of an object must be text, not {value!r}")
    return value
