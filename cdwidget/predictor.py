"""The one thing the rest of the package knows about a model: `set_image` and `predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Sequence

import numpy as np

from cdwidget.prompts import Prompt


@dataclass(frozen=True)
class FocusFactors:
    """A second, closer prediction where the newest prompt changed the mask.

    box: (x0, y0, x1, y1), the part of the image that was predicted again. pixels: uint8 (S, S, 3), its view. prior: float32 (S, S), the
    probability before. logits: float32 (h, w), the answer, which was taken in the box.
    """

    box: tuple[int, int, int, int]
    pixels: np.ndarray
    prior: np.ndarray
    logits: np.ndarray


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
    focus: the focus view, which everything above does not include; None where there was none.
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
