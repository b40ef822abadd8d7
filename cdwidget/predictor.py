"""The protocols of models that predict masks and that estimate the quality of masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Sequence

import numpy as np

from cdwidget._deprecated import renamed_names
from cdwidget.prompts import Prompt


@dataclass(frozen=True)
class FocusFactors:
    """The second, closer prediction where the newest prompt changes the mask.

    Args:
        box: The part of the image that was predicted once more, (x0, y0, x1, y1).
        pixels: The view, uint8 (S, S, 3), RGB.
        prior: The prediction before, probabilities, float32 (S, S).
        prob: The closer prediction, probabilities, float32 (h, w); it replaces the prediction in the box.
    """

    box: tuple[int, int, int, int]
    pixels: np.ndarray
    prior: np.ndarray
    prob: np.ndarray


@dataclass(frozen=True)
class Factors:
    """Intermediate results of one forward pass of CDNet.

    The inspection computes all its maps from them.

    The network sees a square view of S x S pixels as N tokens with C channels. FDM is its feature diffusion, PDM its pixel diffusion.

    Args:
        box: The part of the image that the view shows, (x0, y0, x1, y1).
        grid: (rows, columns) of the tokens.
        q: Queries of FDM, float32 (N, C).
        k: Keys of FDM, float32 (N, C).
        v: Values of FDM, float32 (N, C).
        clicks: Click maps at the tokens, float32 (2, N), foreground then background.
        source: Source weights of FDM, float32 (2, N), computed from clicks and gate.
        destination: Destination weights of FDM, float32 (2, N), computed from clicks and gate.
        gate: Coarse foreground probability, float32 (rows, columns) in [0, 1].
        variant: The variant of FDM.
        features: Input of FDM, float32 (N, C).
        added: Output of each branch that FDM adds to its input, float32 (2, N, C).
        logits: Before PDM, float32 (1 + latent heads, h, w): the main head, then the alternatives.
        pixels: The view, uint8 (S, S, 3), RGB.
        seeds: Clicks at the resolution of PDM, float32 (S / n, S / n) for a whole number n: 1 positive, -1 negative, 0 elsewhere.
        pdm_steps: Number of PDM steps; 0 for none.
        focus: The focus view, which nothing above includes; None if there was none.
    """

    box: tuple[int, int, int, int]
    grid: tuple[int, int]
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    clicks: np.ndarray
    source: np.ndarray
    destination: np.ndarray
    gate: np.ndarray
    variant: str
    features: np.ndarray
    added: np.ndarray
    logits: np.ndarray
    pixels: np.ndarray
    seeds: np.ndarray
    pdm_steps: int
    focus: FocusFactors | None = None


@dataclass(frozen=True)
class Prediction:
    """The output of a predictor for a set of prompts.

    Args:
        mask: The predicted mask, bool (H, W): prob > 0.5.
        prob: Foreground probability, float32 (H, W) in [0, 1].
        alternatives: Other masks for the same prompts, for instance a part or the whole, bool (H, W), best first. Any sequence:
            CDNet's resizes a mask to the image when it is accessed.
        factors: Intermediate results; None if the model records none.
    """

    mask: np.ndarray
    prob: np.ndarray
    alternatives: Sequence[np.ndarray] = ()
    factors: Factors | None = field(default=None, repr=False)


class Predictor(Protocol):
    """A model that predicts a mask from prompts; `Session`, the benchmark and jobs take any.

    Example:
        >>> predictor.set_image(image)
        >>> prediction = predictor.predict([Click(120, 88)])
    """

    def set_image(self, image: np.ndarray) -> None:
        """Set the image and compute its encoding.

        Args:
            image: uint8 (H, W, 3), RGB.
        """

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Predict the mask for all prompts given so far.

        Args:
            prompts: Clicks, boxes and strokes, oldest first.
            prior: The previous mask, (H, W): bool if a person has edited it, float in [0, 1] if only the model has drawn it;
                None for none.

        Returns:
            The predicted mask with its alternatives.

        Raises:
            ValueError: If a prompt lies outside the image.
        """


GRANULARITIES = (0.25, 0.5)  # of the suggestions for a first prompt; 1, the whole, is about what a prediction without granularity shows.


class GranularPredictor(Predictor, Protocol):
    """A predictor that also takes a granularity: from a part to the whole.

    Attributes:
        granularities: Granularities whose masks a session offers as suggestions for the first prompt of an object.
    """

    granularities: Sequence[float]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None, granularity: float | None = None) -> Prediction:
        """Predict the mask for all prompts given so far.

        Args:
            prompts: Clicks, boxes and strokes, oldest first.
            prior: The previous mask, as for `Predictor.predict`.
            granularity: From 0, a part, to 1, the whole; None lets the model choose.

        Returns:
            The predicted mask with its alternatives.

        Raises:
            ValueError: If a prompt lies outside the image, or the granularity is not in [0, 1].
        """


@dataclass(frozen=True, eq=False)
class Tokens:
    """The encoder's features of one view, before any prompt.

    Attributes:
        features: The coarsest level, float32 (rows, columns, C).
        box: The part of the image that the view shows, (x0, y0, x1, y1).
        finer: The other levels, the finest first, float32 (rows, columns, C) each.
    """

    features: np.ndarray
    box: tuple[int, int, int, int]
    finer: Sequence[np.ndarray] = ()


class Template(NamedTuple):
    """An example object as its tokens show it, to find others like it.

    Attributes:
        levels: Tokens of each level in the object and the ring around it, float32 (C, n, n).
        width: Width of the object's box in image pixels.
        height: Height of the box in image pixels.
    """

    levels: Sequence[np.ndarray]
    width: float
    height: float


class Match(NamedTuple):
    """An object like an example.

    Attributes:
        box: Its box (x0, y0, x1, y1) in image pixels; it may extend beyond the view.
        probability: Probability that such an object is there, in [0, 1].
    """

    box: tuple[float, float, float, float]
    probability: float


class MatchingTokens(Tokens, ABC):
    """Tokens of a view that can be compared with those of examples."""

    @abstractmethod
    def template(self, box: tuple[float, float, float, float]) -> Template:
        """Return the template of an object of the view.

        Args:
            box: Its box (x0, y0, x1, y1) in image pixels.
        """

    @abstractmethod
    def matches(self, templates: Sequence[Template]) -> list[Match]:
        """Return the objects of the view that are like one of several examples; several matches may show the same object."""


@dataclass(frozen=True, eq=False)
class ViewMasks:
    """Predictions for several objects in one view, with all alternatives.

    Attributes:
        box: The part of the image that the view shows, (x0, y0, x1, y1).
        probs: Foreground probabilities of each object and alternative, the main one first, float32 (N, alternatives, h, w).
        iou: Estimated IoU of each, float32 (N, alternatives) in [0, 1].
    """

    box: tuple[int, int, int, int]
    probs: np.ndarray
    iou: np.ndarray


GOOD_IOU = 0.85  # A mask is good if its IoU with the true mask is at least this.


@dataclass(frozen=True, eq=False)
class QualityEstimate:
    """The estimated quality of one mask, without ground truth.

    Attributes:
        iou: Estimated IoU with the true mask, in [0, 1].
        good_probability: Probability that the IoU is at least `GOOD_IOU`.
        false_negatives: Probability that a pixel outside the mask belongs to the object, float32 (H, W); 0 inside the mask.
        false_positives: Probability that a pixel of the mask does not belong to the object, float32 (H, W); 0 outside the mask.
    """

    iou: float
    good_probability: float
    false_negatives: np.ndarray
    false_positives: np.ndarray


class QualityModel(Protocol):
    """A network that estimates the quality of masks without ground truth and without clicks."""

    def set_image(self, image: np.ndarray) -> None:
        """Set the image whose masks are evaluated, uint8 (H, W, 3) RGB."""

    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        """Estimate the quality of one mask.

        Args:
            mask: The mask, bool (H, W), not empty.
            others: The known masks of the other objects in the image, bool (H, W) each.

        Returns:
            The estimate.
        """

    def embed(self, mask: np.ndarray) -> np.ndarray:
        """Return an embedding of the masked region.

        Similar regions have close embeddings, float32 (D,).

        Args:
            mask: The mask, bool (H, W), not empty.
        """


__getattr__ = renamed_names(__name__, {"BAD": "GOOD_IOU", "Critic": "QualityModel", "Judgement": "QualityEstimate"})
