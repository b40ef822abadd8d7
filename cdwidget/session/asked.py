"""Looking back: what the predictor was asked when a prompt was given, what it answered, and what became of the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.predictor import Factors
from cdwidget.prompts import Prompt


@dataclass(frozen=True, eq=False)
class Asked:
    """One prompt of an instance, seen afterwards.

    prompts: all given until then, the one in question last. before, answer, after: bool (H, W), the mask before the prompt, the
    predictor's whole answer, and the mask that was made of the two. factors: what the model recorded; None when it records nothing.
    """

    prompts: tuple[Prompt, ...]
    before: np.ndarray
    answer: np.ndarray
    after: np.ndarray
    factors: Factors | None
