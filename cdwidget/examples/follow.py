"""Follow objects through a sequence of images: each frame's masks from the masks of the frame before.

Optical flow moves a mask where forward and backward flow agree. Elsewhere, where something has come into view or is hidden, CDNet predicts
the mask; its prompts and prior come from the affinity of the frame's tokens to the object's tokens in earlier frames.
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
from cdwidget.examples.flow import Flow
from cdwidget.images import list_images, read_image
from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox
from cdwidget.predictor import Prediction, QualityModel, Tokens
from cdwidget.prompts import Click, Prompt
from cdwidget.session import Entry

Tracked = TypeVar("Tracked", Instance, Entry)

MIN_CERTAINTY = 0.66  # Below it, an object is lost.
MIN_REDRAWN_SHARE = 0.03  # CDNet predicts if this fraction of the object and its surroundings has no consistent flow.
SURROUNDINGS = 0.15  # Width of the surroundings of an object, as a fraction of the side of its box.
QUALITY_OFFSET = 0.1  # Added to both probabilities of a ratio, so that small ones, whose difference says little, have one near 1.
MIN_GOOD_RATIO = 0.95  # A moved mask with this quality, relative to the confirmed one's, is kept as it is.
MAX_UNCHECKED_FRAMES = 5  # The quality is estimated at least in every fifth frame.
MIN_OBJECT_PX = 16  # Smaller masks count as lost.
MIN_AREA_SHARE = 0.05  # An object with less than this fraction of its last confirmed area is lost.


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
        prob: Its mask there, before it is thresholded, float32 (H, W) in [0, 1].
        image: The image where it was confirmed.
        mask: Its mask there.
        certainty: The certainty at the last check.
        unchecked: Number of frames since then.
        quality: The estimated probability that the confirmed mask is good; None until it is needed.
        tokens: The tokens of the confirmed object; None until they are needed.
        similarity: The mean similarity of the confirmed mask to them.
        recent: The tokens of the object in the last frame where CDNet predicted it; None before.
        lost: The object with its certainty when it was lost; None while it is followed.
    """

    instance: Instance
    prob: np.ndarray
    image: np.ndarray
    mask: np.ndarray
    certainty: float = 1.0
    unchecked: int = 0
    quality: float | None = None
    tokens: Sources | None = None
    similarity: float = 0.0
    recent: Sources | None = None
    lost: Instance | None = None

    def lose(self, mask: np.ndarray, certainty: float) -> None:
        """Stop following, and keep a mask as a proposal."""
        self.lost = replace(self.instance, mask=mask, score=certainty, alpha=None, confirmed=False)


class Follower:
    """Follows objects from image to image.

    Args:
        predictor: A predictor with tokens, such as `load_predictor` returns. Its image is replaced.
        quality: The model that estimates how good a mask is.
        min_certainty: An object is lost when its certainty falls below this, 0 to 1.

    Example:
        >>> follower = Follower(load_predictor(), load_quality_model())
        >>> follower.start(frames[0], instances)
        >>> follower.advance(frames[1]).instances
    """

    def __init__(self, predictor: FollowingPredictor, quality: QualityModel, min_certainty: float = MIN_CERTAINTY) -> None:
        self._predictor, self._quality, self._min_certainty = predictor, quality, min_certainty
        self._image: np.ndarray | None = None
        self._tracks: list[_Track] = []
        self._predictor_image: np.ndarray | None = None
        self._encoded: list[tuple[np.ndarray, Tokens, np.ndarray]] = []  # The last two images, with their tokens and their mean.

    def start(self, image: np.ndarray, instances: Sequence[Instance]) -> None:
        """Set the objects to follow; call it again with corrected objects to follow those.

        An object as `advance` returned it, which is not confirmed, is still compared with the image where it was confirmed.

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
        self._image = image
        self._tracks = []
        for instance in with_track_ids(instances):
            track = known.get(instance.track_id)
            if track and not instance.confirmed and track.lost is None and np.array_equal(track.instance.mask, instance.mask):
                self._tracks.append(track)
            elif instance.mask.any():
                self._tracks.append(_Track(instance, instance.mask.astype(np.float32), image, instance.mask))

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
        followed = [track for track in self._tracks if track.lost is None]
        if followed and image.shape == self._image.shape:
            flow = Flow.between(self._image, image)
            for track in followed:
                self._follow(track, image, flow)
        for track in self._tracks:
            if (track.lost or track.instance).mask.shape != image.shape[:2]:
                track.lose(resize_mask((track.lost or track.instance).mask, *image.shape[:2]), 0.0)
        self._image = image
        return self.current()

    def current(self) -> FollowedFrame:
        """Return the objects of the current image."""
        instances = [track.instance for track in self._tracks if track.lost is None]
        return FollowedFrame(instances, [track.lost for track in self._tracks if track.lost is not None])

    def _sources(self, track: _Track) -> Sources:
        """Return the tokens of an object where it was confirmed and in the last frame where CDNet predicted it."""
        if track.tokens is None:
            tokens, center = self._encode(track.image)
            track.tokens = example_sources(tokens, center, track.mask, ~track.mask)
            track.similarity = float(_to_pixels(similarity(tokens, center, track.tokens), track.mask)[track.mask].mean())
        return join_sources([track.tokens, track.recent or track.tokens])

    def _follow(self, track: _Track, image: np.ndarray, flow: Flow) -> None:
        """Follow one object into an image."""
        prob = flow.move(track.prob)
        near = _surroundings(prob > 0.5)
        unknown = near & ~flow.is_consistent
        track.unchecked += 1
        if np.count_nonzero(unknown) >= MIN_REDRAWN_SHARE * np.count_nonzero(near):
            prob, track.certainty = self._redraw(track, image, prob, unknown)
            track.unchecked = 0
        elif track.unchecked >= MAX_UNCHECKED_FRAMES:
            track.certainty = self._quality_ratio(track, image, prob > 0.5)
            track.unchecked = 0
        mask = prob > 0.5
        certainty = track.certainty if _is_large(mask, track) else 0.0
        if certainty < self._min_certainty:
            track.lose(track.instance.mask, certainty)
            return
        track.prob = prob
        track.instance = replace(track.instance, mask=mask, score=certainty, alpha=None, confirmed=False)

    def _redraw(self, track: _Track, image: np.ndarray, moved: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, float]:
        """Draw the mask where the flow is inconsistent: as the flow moves it, hidden, or as CDNet predicts it.

        The candidate with the highest estimated quality is taken. If the moved mask is good, there are no others.

        Args:
            track: The object.
            image: The image.
            moved: The mask of the last frame, moved by the flow, float32 (H, W) in [0, 1].
            unknown: Where the flow is inconsistent, bool (H, W).

        Returns:
            The mask, float32 (H, W) in [0, 1], and its certainty.
        """
        ratio = self._quality_ratio(track, image, moved > 0.5)
        if ratio >= MIN_GOOD_RATIO:
            return moved, ratio
        sources = self._sources(track)
        tokens, center = self._encode(image)
        similar = _to_pixels(similarity(tokens, center, sources), moved)
        candidates = [moved, np.where(unknown, np.float32(0), moved), self._predict(image, moved, unknown, similar)]
        ratios = [ratio, *(self._quality_ratio(track, image, prob > 0.5) for prob in candidates[1:])]
        best = int(np.argmax(ratios))
        mask = candidates[best] > 0.5
        if not mask.any():
            return candidates[best], 0.0
        track.recent = example_sources(tokens, center, mask, ~mask)
        return candidates[best], min(ratios[best], float(similar[mask].mean()) / max(track.similarity, 1e-6))

    def _predict(self, image: np.ndarray, moved: np.ndarray, unknown: np.ndarray, similar: np.ndarray) -> np.ndarray:
        """Return the moved mask with CDNet's prediction where the flow is inconsistent, float32 (H, W) in [0, 1]."""
        prior = np.where(unknown, similar, moved).astype(np.float32)
        if not (prior > 0.5).any():
            return prior
        known = (prior > 0.5) & ~unknown
        depth = core_distance(known if known.any() else prior > 0.5)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        self._set_image(image)
        predicted = self._predictor.predict([Click(float(x), float(y))], prior).prob
        return np.where(unknown, predicted, moved).astype(np.float32)

    def _quality_ratio(self, track: _Track, image: np.ndarray, mask: np.ndarray) -> float:
        """Return the estimated probability that a mask is good, relative to the confirmed one's, at most 1."""
        if not _is_large(mask, track):
            return 0.0
        if track.quality is None:
            self._quality.set_image(track.image)
            track.quality = self._quality.estimate(track.mask).good_probability
        self._quality.set_image(image)
        quality = self._quality.estimate(mask).good_probability
        return min(1.0, (quality + QUALITY_OFFSET) / (track.quality + QUALITY_OFFSET))

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

    The certainty compares a mask with the confirmed one: the smaller one of two ratios, at most 1: of the estimated probabilities that
    they are good, and of their similarities to the confirmed object's tokens. An object is lost when its certainty falls below a threshold.
    It is not followed further; correct it in that frame, and call `follow` from there. An image that cannot be read is passed over, and
    its frame says why.

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
    width = max(3, round(SURROUNDINGS * max(x1 - x0, y1 - y0)))
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= width


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


def resize_mask(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a mask, bool (H, W), resized to another image."""
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
