"""Follow objects through a sequence of images.

Optical flow moves a mask from the image where it was edited last to those pixels that show the same (`anchor.py`). Where a part of the
object may have come into the image, CDNet predicts it; its prompts and prior come from the affinity of the frame's tokens to the object's
tokens in earlier frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np

from cdwidget.click_simulation import core_distance
from cdwidget.default_predictor import load_predictor, load_quality_model
from cdwidget.detections import as_instances
from cdwidget.examples.affinity import Sources, example_sources, join_sources, similarity
from cdwidget.examples.anchor import Anchor, flow_of_frames, resize_mask
from cdwidget.examples.flow import flow_image
from cdwidget.images import list_images, read_image
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox
from cdwidget.predictor import Prediction, QualityModel, Tokens
from cdwidget.prompts import Click, Prompt
from cdwidget.session import Entry

Tracked = TypeVar("Tracked", Instance, Entry)

MIN_CERTAINTY = 0.5  # Below it, an object is lost.
MIN_NEW_SHARE = 0.05  # CDNet predicts if this fraction of the object and its surroundings is new.
SURROUNDINGS = 0.15  # Width of the surroundings of an object, as a fraction of the side of its box.
TOUCH_PX = 3  # The object may go on in a new part of the image that is this close.
MIN_OBJECT_PX = 16  # Smaller masks count as lost.
MIN_AREA_SHARE = 0.1  # An object with less than this fraction of its area where it was edited last is lost.


class FollowingPredictor(Protocol):
    """A predictor whose encoder's tokens can be read, such as CDNet's."""

    def set_image(self, image: np.ndarray) -> None:
        """Set the image, uint8 (H, W, 3), RGB."""

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Predict the mask for prompts."""

    def tokens(self, box: Bbox) -> Tokens:
        """Return the encoder's tokens of a rectangle of the image."""


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """The objects of one frame.

    Attributes:
        instances: The objects that were followed, with their id, label, track_id and attributes; not confirmed. The score is the
            certainty, 0 to 1.
        lost: The objects that are lost, with their last mask and the certainty at which they were lost; not confirmed.
        problem: Why the image could not be read; "" if it was.
    """

    instances: list[Instance]
    lost: list[Instance]
    problem: str = ""


@dataclass
class _Track:
    """One object that is being followed.

    Attributes:
        instance: The object in the last frame to which it was followed.
        anchor: The object in the image where its mask was last edited or predicted, and its pixels in the last frame;
            None if the images have another size since then.
        image: The image where its mask was edited last.
        mask: Its mask there.
        tokens: The tokens of the object there; None until they are needed.
        recent: The tokens of the object in the last frame where CDNet predicted it; None before.
        lost: The object with its certainty when it was lost; None while it is followed.
    """

    instance: Instance
    anchor: Anchor | None
    image: np.ndarray
    mask: np.ndarray
    tokens: Sources | None = None
    recent: Sources | None = None
    lost: Instance | None = None

    def lose(self, mask: np.ndarray, certainty: float) -> None:
        """Call the object lost, and keep a mask as a proposal."""
        self.lost = replace(self.instance, mask=mask, score=certainty, alpha=None, confirmed=False)


class Follower:
    """Follows objects from image to image.

    Args:
        predictor: A predictor with tokens, such as `load_predictor` returns. Its image is replaced.
        quality: The model that chooses the better of two masks.
        min_certainty: An object is lost when its certainty falls below this, 0 to 1.

    Example:
        >>> follower = Follower(load_predictor(), load_quality_model())
        >>> follower.start(frames[0], instances)
        >>> follower.advance(frames[1]).instances
    """

    def __init__(self, predictor: FollowingPredictor, quality: QualityModel, min_certainty: float = MIN_CERTAINTY) -> None:
        self._predictor, self._quality, self._min_certainty = predictor, quality, min_certainty
        self._image: np.ndarray | None = None
        self._small = np.zeros((0, 0), np.uint8)  # The image as flow is computed on it.
        self._tracks: list[_Track] = []
        self._predictor_image: np.ndarray | None = None
        self._encoded: list[tuple[np.ndarray, Tokens, np.ndarray]] = []  # The last two images, with their tokens and their mean.

    def start(self, image: np.ndarray, instances: Sequence[Instance]) -> None:
        """Set the objects to follow; call it again with corrected objects to follow those.

        An object with the mask that `advance` returned is still compared with the image where its mask was edited last.

        Args:
            image: The image that shows them, uint8 (H, W, 3), RGB.
            instances: Its objects; those without pixels are left out. One without a track_id gets its id, or else the next free number.

        Raises:
            ValueError: If a mask does not fit the image.
        """
        for instance in instances:
            if instance.mask.shape != image.shape[:2]:
                raise ValueError(f"a mask is {instance.mask.shape} but the image {image.shape[:2]} (rows, columns); they must agree")
        known = {track.instance.track_id: track for track in self._tracks} if image is self._image else {}
        self._image, self._small = image, flow_image(image)
        self._tracks = []
        for instance in with_track_ids(instances):
            track = known.get(instance.track_id)
            if track and track.lost is None and np.array_equal(track.instance.mask, instance.mask):
                self._tracks.append(replace(track, instance=instance))
            elif instance.mask.any():
                before = track and track.anchor
                anchor = before.renewed(self._small, instance.mask) if before else Anchor.of(self._small, instance.mask)
                self._tracks.append(_Track(instance, anchor, image, instance.mask))

    def advance(self, image: np.ndarray) -> FollowedFrame:
        """Follow the objects into the next image.

        Args:
            image: The image, uint8 (H, W, 3), RGB. If it has another size than the last one, all objects are lost.

        Returns:
            The objects in it.

        Raises:
            ValueError: If `start` was not called before.
        """
        if self._image is None:
            raise ValueError("there are no objects to follow; call start with the first image first")
        small = flow_image(image)
        if image.shape == self._image.shape:
            flow = flow_of_frames(self._small, small)
            for track in self._tracks:
                if track.anchor is not None:
                    track.anchor.advance(small, flow)
                    self._follow(track, track.anchor, image, small)
        else:
            for track in self._tracks:
                track.anchor = None
                track.lose(resize_mask((track.lost or track.instance).mask, *image.shape[:2]), 0.0)
        self._image, self._small = image, small
        return self.current()

    def current(self) -> FollowedFrame:
        """Return the objects of the current image."""
        instances = [track.instance for track in self._tracks if track.lost is None]
        return FollowedFrame(instances, [track.lost for track in self._tracks if track.lost is not None])

    def _sources(self, track: _Track) -> Sources:
        """Return the tokens of an object where it was edited last and in the last frame where CDNet predicted it."""
        if track.tokens is None:
            tokens, center = self._encode(track.image)
            track.tokens = example_sources(tokens, center, track.mask, ~track.mask)
        return join_sources([track.tokens, track.recent or track.tokens])

    def _follow(self, track: _Track, anchor: Anchor, image: np.ndarray, small: np.ndarray) -> None:
        """Follow one object into an image in which the pixels of its anchor were found."""
        whole, new = anchor.moved_mask() > 0.5, anchor.new_pixels()
        mask = whole & (anchor.visible_pixels() | new)
        certainty = float(mask.sum() / whole.sum()) if _is_large(mask, track) else 0.0
        if not certainty or certainty < self._min_certainty:
            track.lose(track.instance.mask, certainty)
            return
        near = _surroundings(mask)
        new &= near
        if np.count_nonzero(new) >= MIN_NEW_SHARE * np.count_nonzero(near) and (new & _grown(mask, TOUCH_PX)).any():
            mask = self._with_new_part(track, image, mask, new)
            if not _is_large(mask, track):
                track.lose(track.instance.mask, 0.0)
                return
            track.anchor = anchor.renewed(small, mask)
        track.lost = None
        track.instance = replace(track.instance, mask=mask, score=certainty, alpha=None, confirmed=False)

    def _with_new_part(self, track: _Track, image: np.ndarray, mask: np.ndarray, new: np.ndarray) -> np.ndarray:
        """Return a mask with CDNet's prediction in new parts of the image, bool (H, W), if the quality model finds it better."""
        tokens, center = self._encode(image)
        prior = np.where(new, _to_pixels(similarity(tokens, center, self._sources(track)), mask), mask)
        y, x = np.unravel_index(int(core_distance(mask).argmax()), mask.shape)
        self._set_image(image)
        predicted = self._predictor.predict([Click(float(x), float(y))], prior.astype(np.float32)).prob > 0.5
        predicted = np.where(new, predicted, mask)
        self._quality.set_image(image)
        if self._quality.estimate(predicted).good_probability <= self._quality.estimate(mask).good_probability:
            return mask
        track.recent = example_sources(tokens, center, predicted, ~predicted)
        return predicted

    def _encode(self, image: np.ndarray) -> tuple[Tokens, np.ndarray]:
        """Encode an image; return its tokens and their mean. The last two images are not encoded again."""
        for encoded, tokens, center in self._encoded:
            if encoded is image:
                return tokens, center
        self._set_image(image)
        tokens = self._predictor.tokens((0, 0, image.shape[1], image.shape[0]))
        center = tokens.features.mean((0, 1))
        self._encoded = [*self._encoded[-1:], (image, tokens, center)]
        return tokens, center

    def _set_image(self, image: np.ndarray) -> None:
        if image is not self._predictor_image:
            self._predictor.set_image(image)
            self._predictor_image = image


def follow(
    images: Any, instances: Any, predictor: FollowingPredictor | None = None, *, quality: QualityModel | None = None,
    min_certainty: float = MIN_CERTAINTY,
) -> Iterator[FollowedFrame]:  # fmt: skip
    """Follow objects from the first image of a sequence through all others.

    The certainty is the fraction of the object that is visible and looks as before. An object is lost while its certainty is below a
    threshold; it is found again when the images show it. To correct it in a frame, call `follow` from there. An image that cannot be read
    is passed over, and its frame says why.

    Args:
        images: The sequence: a list of paths or arrays, a folder or pattern, a stack of arrays, or a file with several pages.
        instances: The objects in the first image, as `as_instances` takes them.
        predictor: A predictor with tokens, such as `load_predictor` returns; None for the default one. Its image is replaced.
        quality: The model that estimates how good a mask is; None for the packaged one.
        min_certainty: The threshold, 0 to 1.

    Yields:
        The objects of each image, the first one included.

    Raises:
        ValueError: If there is no image, a mask does not fit the first one, or the predictor has no tokens.
        FileNotFoundError: If the first image does not exist.

    Example:
        >>> for number, frame in enumerate(cdwidget.follow("frames/", first_instances)):
        ...     print(number, frame.instances, "lost:", frame.lost)
    """
    sources = list_images(images)
    if not sources:
        raise ValueError("the list of images is empty; give at least two images")
    chosen: Any = predictor or load_predictor()
    if not hasattr(chosen, "tokens"):
        raise ValueError(f"{type(chosen).__name__} has no tokens to follow objects by; use cdwidget.load_predictor()")
    follower = Follower(chosen, quality or load_quality_model(), min_certainty)
    follower.start(read_image(sources[0]), as_instances(instances))
    yield follower.current()
    for source in sources[1:]:
        try:
            image = read_image(source)
        except (OSError, ValueError) as error:
            yield FollowedFrame([], [], str(error))
            continue
        yield follower.advance(image)


def _to_pixels(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return values of tokens, float32 (rows, columns), resized to an image like an array (H, W)."""
    return cv2.resize(values, like.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _is_large(mask: np.ndarray, track: _Track) -> bool:
    """Return whether a mask is large enough to be the object of a track."""
    return bool(np.count_nonzero(mask) >= max(MIN_OBJECT_PX, MIN_AREA_SHARE * np.count_nonzero(track.mask)))


def _surroundings(mask: np.ndarray) -> np.ndarray:
    """Return a mask with a band around it, bool (H, W)."""
    x0, y0, x1, y1 = bbox(mask)
    return _grown(mask, max(TOUCH_PX, round(SURROUNDINGS * max(x1 - x0, y1 - y0))))


def _grown(mask: np.ndarray, width: int) -> np.ndarray:
    """Return a mask, bool (H, W), with the pixels up to a distance from it."""
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, 3) <= width


def is_lost(one: Tracked) -> bool:
    """Return whether an object is an unconfirmed proposal of a follower that had lost it."""
    return not one.confirmed and one.score is not None and one.score < MIN_CERTAINTY


def with_track_ids(objects: Sequence[Tracked], taken: Collection[int] = ()) -> list[Tracked]:
    """Return objects with different track_ids.

    Args:
        objects: Instances or entries; those with a track_id keep it, others get their id, or else the next free number.
        taken: Numbers that other objects have.

    Returns:
        The objects in the same order.
    """
    used = {*taken, *(one.track_id for one in objects)}
    named = []
    for one in objects:
        if one.track_id is None:
            one = replace(one, track_id=next(number for number in count(one.id or 1) if number not in used))
            used.add(one.track_id)
        named.append(one)
    return named
