"""The objects of the previous image, copied or followed into the image being shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from cdwidget.default_predictor import load_quality_model
from cdwidget.examples.follow import Follower, resize_mask, with_track_ids
from cdwidget.items import Instance
from cdwidget.session import Session, SetTrackIds
from cdwidget.widget.image_list import ImageList

if TYPE_CHECKING:
    from cdwidget.predictor import QualityModel


def copied_objects(images: ImageList) -> tuple[list[Instance], str]:
    """Copy the objects of the previous image that the open image does not have yet.

    Args:
        images: The list.

    Returns:
        The objects, resized to the open image, and a message for the user.

    Raises:
        ValueError: If there is no previous image, or no object to copy.
        OSError: If the previous image cannot be read.
    """
    height, width = images.session.height, images.session.width
    found = [replace(one, mask=resize_mask(one.mask, height, width), score=None, alpha=None) for one in _missing_objects(images)]
    return found, f"Copied {len(found)} object{'' if len(found) == 1 else 's'} of the previous image"


def followed_objects(images: ImageList) -> tuple[list[Instance], str]:
    """Follow the objects of the previous image that the open image does not have yet.

    Args:
        images: The list.

    Returns:
        The objects with their certainty as the score, and a message for the user, which names lost objects.

    Raises:
        ValueError: If there is no previous image, no object to follow, the predictor cannot follow, or all objects are lost.
        OSError: If the previous image cannot be read.
    """
    objects = _missing_objects(images)
    follower = Follower(_own_predictor(images), _quality_model())
    follower.start(images.pixels(images.index - 1), objects)
    frame = follower.advance(images.session.image)
    lost = f"Lost: {_listed(frame.lost)}. Copy the objects of the previous image to keep their masks." if frame.lost else ""
    if not frame.instances:
        raise ValueError(lost)
    return frame.instances, f"Followed {_listed(frame.instances)}. {lost}".rstrip()


def _missing_objects(images: ImageList) -> list[Instance]:
    """Return the objects of the previous image, each with a track_id, whose track_id the open image does not have."""
    session = images.previous_session()
    if not session.instances:
        raise ValueError("The previous image has no objects.")
    _number_objects(session, images)
    here = {entry.track_id for entry in images.session.state.entries}
    missing = [one for one in session.instances if one.track_id not in here]
    if not missing:
        raise ValueError("All objects of the previous image are here already.")
    return missing


def _number_objects(session: Session, images: ImageList) -> None:
    """Give the objects of a session that have no track_id one that no other object has; it is saved with them."""
    before = [entry for entry in session.state.entries if session.patch(entry.id).any()]
    if all(entry.track_id is not None for entry in before):
        return
    after = with_track_ids(before, images.track_ids())
    session.apply(SetTrackIds(tuple(entry.id for entry in after), tuple(entry.track_id or 0 for entry in after)))


def _own_predictor(images: ImageList) -> Any:
    """Return a predictor with its own image, so that the one of the session keeps its image."""
    predictor: Any = images.predictor
    if not hasattr(predictor, "twin"):
        name = "A Session" if predictor is None else type(predictor).__name__
        raise ValueError(f"{name} cannot follow objects. Give images, and a predictor of cdwidget.load_predictor.")
    twin = predictor.twin()
    return twin.load() if hasattr(twin, "load") else twin


@cache
def _quality_model() -> QualityModel:
    return load_quality_model()


def _listed(objects: Sequence[Instance]) -> str:
    return ", ".join(f"{one.label or 'object'} {one.track_id} ({one.score or 0:.2f})" for one in objects)
