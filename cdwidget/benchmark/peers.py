"""Other methods, as predictors, to compare with by the same clicks."""

from __future__ import annotations

from math import ceil
from typing import Callable, Sequence

import cv2
import numpy as np

from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click, Prompt

SEED_RADIUS = 5  # pixels of a click's disk that are certain
GUESS_SHARE = 0.25  # the first guess is a disk round the positive clicks, of this share of the shorter side
ITERATIONS = 5


class GrabCut:
    """OpenCV's GrabCut, seeded by clicks: their disks are certain, the prior (or a disk round the positive clicks) is the first guess.

    Rother et al., "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004.
    """

    def __init__(self) -> None:
        self._image: np.ndarray | None = None

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB."""
        self._image = np.ascontiguousarray(image)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Answer clicks; TypeError for other prompts, ValueError before `set_image`."""
        if self._image is None:
            raise ValueError("GrabCut has no image yet; call set_image first")
        clicks = [prompt for prompt in prompts if isinstance(prompt, Click)]
        if len(clicks) < len(prompts):
            raise TypeError("GrabCut answers clicks only, neither strokes nor boxes")
        mask = self._cut(clicks, prior)
        return Prediction(mask=mask, prob=mask.astype(np.float32))

    def _cut(self, clicks: Sequence[Click], prior: np.ndarray | None) -> np.ndarray:
        assert self._image is not None
        height, width = self._image.shape[:2]
        guess = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        if prior is not None and (prior > 0.5).any():
            guess[prior > 0.5] = cv2.GC_PR_FGD
        else:
            self._disks(guess, clicks, ceil(GUESS_SHARE * min(height, width)), {True: cv2.GC_PR_FGD})
        self._disks(guess, clicks, SEED_RADIUS, {True: cv2.GC_FGD, False: cv2.GC_BGD})
        foreground = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
        if foreground.all() or not foreground.any():  # GrabCut needs samples of both
            return foreground
        cv2.setRNGSeed(0)  # its k-means starts at random
        cv2.grabCut(self._image, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), ITERATIONS, cv2.GC_INIT_WITH_MASK)
        return (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)

    @staticmethod
    def _disks(guess: np.ndarray, clicks: Sequence[Click], radius: int, values: dict[bool, int]) -> None:
        for click in clicks:
            if click.positive in values:
                row, column = click.pixel
                cv2.circle(guess, (column, row), radius, values[click.positive], thickness=-1)


PEERS: dict[str, Callable[[], Predictor]] = {
    "grabcut": GrabCut,
}
