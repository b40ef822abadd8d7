"""What the predictor was asked when a prompt was given, what it answered, and what the answers make of the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from cdwidget.predictor import Factors
from cdwidget.prompts import Prompt
from cdwidget.session.engine import check_answer
from cdwidget.session.merge import merge, take
from cdwidget.tools.canvas import Painted


@dataclass(frozen=True, eq=False)
class Asked:
    """One prompt of an instance, seen afterwards.

    prompts: all given until then, the one in question last. before, answer, after: bool (H, W), the mask before the prompt, the
    predictor's whole answer, and the mask that was made of the two. factors: what the model recorded; None when it records nothing.
    alternatives: bool (H, W), its other answers, best first.
    """

    prompts: tuple[Prompt, ...]
    before: np.ndarray
    answer: np.ndarray
    after: np.ndarray
    factors: Factors | None
    alternatives: Sequence[np.ndarray] = ()

    def outcome(self, answer: np.ndarray, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> Painted:
        """Return what one of the answers would change; ValueError where it does not fit the image.

        image: uint8 (H, W, 3). progressive: merge the answer, else take it whole. locked: bool (H, W), pixels to leave alone, or None.
        own: whether nobody but the model has made the mask.
        """
        check_answer(answer, image)
        if progressive:
            return merge(image, self.before, answer, self.prompts[-1], self.prompts[:-1], locked, own)
        return take(self.before, answer, locked)

    def outcomes(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> list[Painted]:
        """Return what each answer would change, the main one first, without those that do what an earlier one does; see `outcome`."""
        found: dict[object, Painted] = {}
        for answer in (self.answer, *self.alternatives):
            done = self.outcome(answer, image, progressive, locked, own)
            found.setdefault((done.bbox, done.where.tobytes()), done)
        return list(found.values())
