"""The one thing the rest of the package knows about a model: `set_image` and `predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Sequence

import numpy as np

from cdwidget.prompts import Prompt


@dataclass(frozen=True)
class Factors:
    """What CDNet recorded on the way to a prediction; from it every map of the inspection is rebuilt.

    box: (x0, y0, x1, y1), the part of the image the network saw, as a square view of S x S pixels. grid: (rows, columns) of its N tokens.
    q, k, v: float32 (N, C). clicks: float32 (2, N), the click maps at the tokens, foreground then background; source, destination: (2, N),
    what the variant of FDM made of clicks and gate. gate: float32 (rows, columns) in [0, 1]. variant: of FDM.
    features: float32 (N, C), what came into FDM; added: float32 (2, N, C), what each branch added to it.
    logits: float32 (1 + latent heads, h, w), before pixel diffusion: the main head, then those that became alternatives.
    pixels: uint8 (S, S, 3), the view's image. seeds: float32, as large as the image that PDM works on (S over a whole number), 1 at
    positive and -1 at negative clicks. pdm_steps: rounds of PDM that made the answer, 0 for none.
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


@dataclass(frozen=True)
class Prediction:
    """What a model answers to a set of prompts.

    mask: bool (H, W). prob: float32 (H, W) in [0, 1], the mask is prob > 0.5.
    alternatives: bool (H, W) masks, other readings of the same prompts (part or whole), best first; may be empty. A sequence of any kind:
    CDNet's scales a mask to the image when it is asked for it.
    factors: what the model recorded on the way; None when it records nothing.
    """

    mask: np.ndarray
    prob: np.ndarray
    alternatives: Sequence[np.ndarray] = ()
    factors: Factors | None = field(default=None, repr=False)


class Predictor(Protocol):
    """Any model that answers prompts; give one to `Session`, the benchmark or a job."""

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB; what can be computed before the first prompt is computed here."""

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Answer all the prompts given so far; `prior` is the previous mask, (H, W): bool, somebody's, or float in [0, 1], a model's."""


# MERGED from critic: What scores know about a critic: a network that says of any mask how good it is and where it is wrong.


BAD = 0.85  # IoU with the truth below which a mask is bad


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a critic says of a mask. iou: estimated, with the truth. good: the chance that it is not BAD. missed, taken: float32 (H, W),
    the chance of each pixel to belong to the object though the mask has it not, and not to belong to it though the mask has it.
    """

    iou: float
    good: float
    missed: np.ndarray
    taken: np.ndarray


class Critic(Protocol):
    """Judges masks without ground truth and without clicks."""

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB."""

    def judge(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> Judgement:
        """Judge a bool (H, W) mask that is not empty, among the other masks of its image, as far as they are known."""

    def look(self, mask: np.ndarray) -> np.ndarray:
        """Describe what is in a bool (H, W) mask that is not empty, float32 (D,): what looks alike lies near each other."""
