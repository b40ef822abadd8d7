"""A small image with two masks, and predictors that answer what a test wants, at once."""

from __future__ import annotations

from typing import Sequence
from zlib import crc32

import numpy as np

from cdwidget.predictor import Prediction
from cdwidget.prompts import Prompt

HEIGHT, WIDTH = 14, 18
IMAGE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
NOTHING = np.zeros((HEIGHT, WIDTH), bool)
LEFT = NOTHING.copy()
LEFT[:, :6] = True
RIGHT = NOTHING.copy()
RIGHT[:, 12:] = True


class Scripted:
    """Gives the answers it was given, in order, the last one again and again."""

    def __init__(self, *answers: np.ndarray) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[tuple[Prompt, ...], np.ndarray | None]] = []

    def set_image(self, image: np.ndarray) -> None:
        pass

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        self.asked.append((tuple(prompts), prior))
        mask = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Prediction(mask, mask.astype(np.float32))


class Erratic:
    """Gives a wild mask that depends on the image, the prompts and the prior alone: deterministic, and never helpful."""

    def set_image(self, image: np.ndarray) -> None:
        self.image = image.copy()

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        seed = crc32(self.image.tobytes() + repr(list(prompts)).encode() + (b"" if prior is None else prior.tobytes()))
        coarse = np.random.default_rng(seed).random([-(-side // 4) for side in self.image.shape[:2]]) < 0.5
        mask = np.kron(coarse, np.ones((4, 4), bool))[: self.image.shape[0], : self.image.shape[1]]
        return Prediction(mask, mask.astype(np.float32))
