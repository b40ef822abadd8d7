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

    def outcome(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> Painted:
        """Return what the answer would change.

        image: uint8 (H, W, 3). progressive: merge the answer, else take it whole. locked: bool (H, W), pixels to leave alone, or None.
        own: whether nobody but the model has made the mask.
        """
        return self._taken(self.answer, image, progressive, locked, own)

    def outcomes(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> list[Painted]:
        """Return what one can choose from: `outcome`, then what each answer would change where a click is not taken for a touch-up.

        What would change the same as an earlier one is left out. ValueError for an alternative that does not fit the image.
        """
        found: dict[object, Painted] = {}
        wholly = (self._taken(answer, image, progressive, locked, own, touch_up=False) for answer in (self.answer, *self.alternatives))
        for done in (self.outcome(image, progressive, locked, own), *wholly):
            found.setdefault((done.bbox, done.where.tobytes()), done)
        return list(found.values())

    def _taken(
        self, answer: np.ndarray, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool, touch_up: bool = True
    ) -> Painted:
        check_answer(answer, image)
        if progressive:
            return merge(image, self.before, answer, self.prompts[-1], self.prompts[:-1], locked, own, touch_up)
        return take(self.before, answer, locked)
