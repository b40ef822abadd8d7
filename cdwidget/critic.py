"""What scores know about a critic: a network that says of any mask how good it is and where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Sequence

import numpy as np

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
