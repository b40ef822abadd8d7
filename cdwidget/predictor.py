"""The one thing the rest of the package knows about a model: `set_image` and `predict`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, Sequence

import numpy as np

from cdwidget.prompts import Prompt


@dataclass(frozen=True)
class Prediction:
    """What a model answers to a set of prompts.

    mask: bool (H, W). prob: float32 (H, W) in [0, 1], the mask is prob > 0.5.
    alternatives: bool (H, W) masks, other readings of the same prompts (part or whole), best first; may be empty.
    factors: what the model recorded on the way (for CDNet the FDM and PDM factors); None when it records nothing.
    """

    mask: np.ndarray
    prob: np.ndarray
    alternatives: tuple[np.ndarray, ...] = ()
    factors: Any = field(default=None, repr=False)


class Predictor(Protocol):
    """Any model that answers prompts; give one to `Session`, the benchmark or a job."""

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB; what can be computed before the first prompt is computed here."""

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Answer all the prompts given so far; `prior` is the previous mask, bool or float in [0, 1], (H, W)."""
