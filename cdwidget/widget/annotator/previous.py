"""The objects of the previous image, copied or followed into the image being shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from cdwidget.default_predictor import load_quality_model
from cdwidget.examples.anchor import resize_mask
from cdwidget.examples.follow import Follower, is_lost, with_track_ids
from cdwidget.items import Instance
from cdwidget.session import Confirm, Session, SetTrackIds
from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.annotator.image_list import ImageList

if TYPE_CHECKING:
    from cdwidget.predictor import Predictor


class FollowSettings(Protocol):
    """The settings of a widget that decide whether objects are followed."""

    following: bool
    view_only: bool


class PreviousObjects:
    """Takes the objects of the previous image over into the one being shown; they keep their track_id.

    Args:
        active_image: The image being shown.
        settings: The widget.
    """

    def __init__(self, active_image: ActiveImage, settings: FollowSettings) -> None:
        self._active, self._settings = active_image, settings
        self._follower: tuple[Predictor | None, Follower] | None = None  # With the predictor of the images that it was made for.

    @property
    def _images(self) -> ImageList:
        return self._active.images

    @property
    def are_due(self) -> bool:
        """Whether the objects should be followed now: the widget is following, and the open image was never edited and has none.

        Nothing can be followed out of an image that cannot be read, or into one that is being edited elsewhere.
        """
        images, session = self._images, self._images.session
        is_wanted = self._settings.following and not self._settings.view_only and not images.is_in_use
        if not is_wanted or images.index == 0 or session.can_undo or session.can_redo or len(session.instances):
            return False
        with suppress(OSError, ValueError):
            return any(not is_lost(one) for one in images.previous_session().instances)
        return False

    def copy(self) -> tuple[list[Instance], str]:
        """Copy the objects that the open image does not have yet.

        Returns:
            The objects, resized to the open image, and a message for the user.

        Raises:
            ValueError: If there is no previous image, or no object to copy.
            OSError: If the previous image cannot be read.
        """
        session = self._images.session
        resized = [(one, resize_mask(one.mask, session.height, session.width)) for one in self._missing()]
        found = _with_pixels(replace(one, mask=mask, score=None, alpha=None) for one, mask in resized)
        return found, f"Copied {len(found)} object{'' if len(found) == 1 else 's'} of the previous image"

    def follow(self) -> tuple[list[Instance], str]:
        """Follow the objects that the open image does not have yet; one that was lost in the previous image stays there.

        Returns:
            The objects, not confirmed, with their certainty as the score, then the last masks of those that are lost now; and a message
            for the user.

        Raises:
            ValueError: If there is no previous image, no object to follow, or the predictor cannot follow.
            OSError: If the previous image cannot be read.
        """
        missing = self._missing()
        objects = [one for one in missing if not is_lost(one)]
        if not objects:
            raise ValueError(f"{_listed(missing)} was lost in the previous image. Correct it there to follow it on.")
        follower = self._get_follower()
        follower.start(self._images.pixels(self._images.index - 1), objects)
        frame = follower.advance(self._images.session.image)
        messages = [f"Followed {_listed(frame.instances)}."] if frame.instances else []
        if frame.lost:
            messages.append(f"Lost: {_listed(frame.lost)}. Correct its last mask, or delete it.")
        return _with_pixels([*frame.instances, *frame.lost]), " ".join(messages)

    def _missing(self) -> list[Instance]:
        """Return the objects of the previous image, each with a track_id, whose track_id the open image does not have."""
        session = self._images.previous_session()
        if not session.instances:
            raise ValueError("The previous image has no objects.")
        _number_objects(session, self._images)
        here = {entry.track_id for entry in self._images.session.state.entries}
        missing = [one for one in session.instances if one.track_id not in here]
        if not missing:
            raise ValueError("All objects of the previous image are here already.")
        return missing

    def _get_follower(self) -> Follower:
        """Return the follower for the predictor of the images; it has a predictor of its own, so that the session's keeps its image."""
        predictor: Any = self._images.predictor
        if self._follower is None or self._follower[0] is not predictor:
            if not hasattr(predictor, "twin"):
                name = "A Session" if predictor is None else type(predictor).__name__
                raise ValueError(f"{name} cannot follow objects. Give images, and a predictor of cdwidget.load_predictor.")
            twin = predictor.twin()
            self._follower = predictor, Follower(twin.load() if hasattr(twin, "load") else twin, load_quality_model())
        return self._follower[1]


def confirmation(session: Session) -> Confirm | None:
    """Return the action that confirms all objects of a session but lost ones; None if there are none to confirm."""
    ids = tuple(entry.id for entry in session.state.entries if not entry.confirmed and not is_lost(entry))
    return Confirm(ids) if ids else None


def _number_objects(session: Session, images: ImageList) -> None:
    """Give the objects of a session that have no track_id one that no other object has; it is saved with them."""
    before = [entry for entry in session.state.entries if session.has_pixels(entry.id)]
    if all(entry.track_id is not None for entry in before):
        return
    after = with_track_ids(before, images.track_ids())
    session.apply(SetTrackIds(tuple(entry.id for entry in after), tuple(entry.track_id or 0 for entry in after)))


def _with_pixels(objects: Iterable[Instance]) -> list[Instance]:
    """Return the objects that have pixels: a small one may lose them in a smaller image."""
    return [one for one in objects if one.mask.any()]


def _listed(objects: Sequence[Instance]) -> str:
    return ", ".join(f"{one.label or 'object'} {one.track_id} ({one.score or 0:.2f})" for one in objects)
