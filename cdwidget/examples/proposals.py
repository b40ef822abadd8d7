"""Show one, get all: objects like given examples, in the same image and in other ones."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any, Iterable, Sequence

import numpy as np

from cdwidget.examples.affinity import SHARPNESS
from cdwidget.examples.search import Candidate, Evidence, Example, TokenPredictor, describe, find_candidates
from cdwidget.masks import Patch, as_mask, intersects
from cdwidget.session import Session

# Weights of a logistic regression for an IoU above 0.5 on 274 candidates in five training images.
INTERCEPT = -0.72
WEIGHTS = Evidence(match=2.36, iou=2.17)
DUPLICATE_OVERLAP = 0.6  # Two masks show the same object if they share this fraction of the smaller one
MAX_DUPLICATE_RATIO = 4.0  # and the larger one is at most this many times larger.
MIN_SCORE = 0.5


@dataclass(frozen=True, eq=False)
class Proposal:
    """An object like the examples; nothing accepts it by itself.

    Attributes:
        patch: The packed mask.
        size: Height and width of the image in pixels.
        score: Estimated probability that it is such an object with a usable mask, in [0, 1].
        descriptor: Mean normalized token of the mask, float32 (C,).
    """

    patch: Patch
    size: tuple[int, int]
    score: float
    descriptor: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """The mask, bool (H, W)."""
        mask = np.zeros(self.size, bool)
        self.patch.paste(mask)
        return mask

    def __repr__(self) -> str:
        return f"<Proposal: score {self.score:.2f}, bbox {self.patch.bbox}>"


class ExamplePredictor:
    """Finds objects like examples in any image.

    More examples make it more certain; a rejected proposal counts as an example of other objects.

    Args:
        predictor: A CDNet, such as `cdwidget.load_predictor` returns. Its image is not changed.

    Raises:
        TypeError: If the predictor has no tokens.

    Example:
        >>> examples = ExamplePredictor(cdwidget.load_predictor())
        >>> examples.add(image, mask)
        >>> proposals = examples.predict(other_image)
    """

    def __init__(self, predictor: Any) -> None:
        self._predictor = as_token_predictor(predictor)
        self._image: np.ndarray | None = None
        self._examples: list[Example] = []
        self._rejected: list[np.ndarray] = []
        self._searched: np.ndarray | None = None
        self._candidates: list[Candidate] | None = None  # In the searched image; None if the examples have changed since.
        self._proposed: list[Proposal] = []  # In the searched image, and rejected ones of these.
        self._refused: list[Patch] = []

    def add(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Add an example.

        Args:
            image: uint8 (H, W, 3) RGB.
            mask: The object, bool (H, W), not empty.

        Raises:
            ValueError: If the mask is empty or has another size than the image.
        """
        self._examples.append(self._describe(image, mask))
        self._candidates = None

    def add_other(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Add an example of other objects, such as a proposal that was rejected earlier.

        Args:
            image: uint8 (H, W, 3) RGB.
            mask: The object, bool (H, W), not empty.

        Raises:
            ValueError: If the mask is empty or has another size than the image.
        """
        self._rejected.append(self._describe(image, mask).descriptor)

    def _describe(self, image: np.ndarray, mask: np.ndarray) -> Example:
        own = example_mask(image, mask)
        self._set_image(image)
        return describe(self._predictor, own)

    def reject(self, proposal: Proposal) -> None:
        """Count a proposal as an example of other objects.

        Call `predict` again for the remaining ones. Objects that are more like it than like the examples get a lower score, and it is not
        proposed again in its image as long as no other image is searched.
        """
        self._rejected.append(proposal.descriptor)
        if any(one is proposal for one in self._proposed):
            self._refused.append(proposal.patch)

    def predict(self, image: np.ndarray, known: Iterable[np.ndarray] = (), min_score: float = MIN_SCORE) -> list[Proposal]:
        """Return objects like the examples, the highest score first.

        A second call for the same image only ranks the candidates again, which takes milliseconds.

        Args:
            image: uint8 (H, W, 3) RGB.
            known: Masks of labeled objects, bool (H, W) each; they are not proposed again.
            min_score: Lowest score to return.

        Raises:
            ValueError: If there is no example, or a known mask has another size than the image.
        """
        if not self._examples:
            raise ValueError("there is no example yet; call add(image, mask) first")
        size = image.shape[:2]
        labeled = [Patch.of(as_mask(mask, *size)) for mask in known]
        if self._searched is not image:
            self._searched, self._candidates, self._proposed, self._refused = image, None, [], []
        if self._candidates is None:
            self._set_image(image)
            self._candidates = find_candidates(self._predictor, size, self._examples, self._occupied(size, labeled))
        ranked = sorted(((self._score(one), one) for one in self._candidates), key=lambda pair: -pair[0])
        proposals: list[Proposal] = []
        for score, one in ranked:
            taken = [*labeled, *self._refused, *(other.patch for other in proposals)]
            if score >= min_score and not any(is_duplicate(one.patch, other) for other in taken):
                proposals.append(Proposal(one.patch, size, score, one.descriptor))
        self._proposed += proposals
        return proposals

    def _set_image(self, image: np.ndarray) -> None:
        if self._image is not image:
            self._predictor.set_image(image)
            self._image = image

    def _occupied(self, size: tuple[int, int], labeled: Sequence[Patch]) -> np.ndarray:
        """Return the pixels of labeled objects about as large as the examples; larger ones may contain such objects."""
        occupied = np.zeros(size, bool)
        largest = MAX_DUPLICATE_RATIO * max(one.area for one in self._examples)
        for patch in labeled:
            if np.count_nonzero(patch.pixels()) <= largest:
                patch.add_to(occupied)
        return occupied

    def _score(self, candidate: Candidate) -> float:
        probability = 1 / (1 + exp(-INTERCEPT - float(np.dot(WEIGHTS, candidate.evidence))))
        if not self._rejected:
            return probability
        cosines = np.array([candidate.descriptor @ one.descriptor for one in self._examples])
        likeness, other = (np.exp(SHARPNESS * values).max() for values in (cosines, np.stack(self._rejected) @ candidate.descriptor))
        return float(probability * min(1.0, 2 * likeness / (likeness + other)))  # Unchanged if the examples are as close.


def as_token_predictor(predictor: Any) -> TokenPredictor:
    """Return a twin of a predictor, whose image can be set without changing the predictor's.

    Raises:
        TypeError: If the predictor has no tokens.
    """
    if hasattr(predictor, "load"):  # A LazyPredictor.
        predictor = predictor.load()
    if not (hasattr(predictor, "tokens") and hasattr(predictor, "predict_each")):
        raise TypeError(f"{type(predictor).__name__} has no encoder tokens; examples need a CDNet, such as load_predictor() returns")
    twin: TokenPredictor = predictor.twin()
    return twin


def example_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mask of an example as bool (H, W).

    Raises:
        ValueError: If it is empty, has another size than its image, or is no mask.
    """
    found = as_mask(mask, *image.shape[:2])
    if not found.any():
        raise ValueError("an example needs a mask with pixels; this one is empty")
    return found


def is_duplicate(a: Patch, b: Patch) -> bool:
    """Return whether two masks show the same object: they overlap, and their sizes are similar."""
    if not intersects(a.bbox, b.bbox):
        return False
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = a.bbox, b.bbox
    x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1), min(ay1, by1)
    mine, theirs = a.pixels(), b.pixels()
    shared = int(np.count_nonzero(mine[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0] & theirs[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0]))
    small, large = sorted((int(np.count_nonzero(mine)), int(np.count_nonzero(theirs))))
    return shared >= DUPLICATE_OVERLAP * small and large <= MAX_DUPLICATE_RATIO * small


def find_similar(session: Session, instance: int | None = None, *, min_score: float = MIN_SCORE) -> list[Proposal]:
    """Return the objects of a session's image that look like one of its instances.

    The session is not changed.

    Args:
        session: A session with a CDNet as its predictor.
        instance: Id of the example; None for the selected instance.
        min_score: Lowest score to return.

    Returns:
        The proposals, the highest score first.

    Raises:
        ValueError: If the session has no predictor, or the instance no pixels.
        TypeError: If the predictor has no tokens.

    Example:
        >>> session.apply(Click(120, 88))
        >>> for proposal in cdwidget.find_similar(session):
        ...     print(proposal.score, proposal.mask.sum())
    """
    examples = session_examples(session, [session.selected if instance is None else instance])
    return examples.predict(session.image, [one.mask for one in session.instances], min_score)


def session_examples(session: Session, instances: Sequence[int]) -> ExamplePredictor:
    """Return an `ExamplePredictor` with instances of a session as its examples; raises the errors of `find_similar`."""
    if session.predictor is None:
        raise ValueError("This session has no predictor. Open it with Session(image, load_predictor()).")
    examples = ExamplePredictor(session.predictor)
    for id in instances:
        mask = np.zeros((session.height, session.width), bool)
        session.patch(id).paste(mask)
        examples.add(session.image, mask)
    return examples
