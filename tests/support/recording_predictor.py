"""A predictor without a network that compares tokens by their color and records all factors."""

from __future__ import annotations

from copy import copy
from typing import Sequence

import cv2
import numpy as np

from cdwidget.masks import Bbox
from cdwidget.predictor import Factors, Prediction, Tokens
from cdwidget.prompts import Click, Prompt

GRID, SIZE = 32, 512


class RecordingPredictor:
    """Predicts the pixels whose color is closer to the positive clicks than to the negative ones."""

    predict_each = None  # A predictor with tokens has it; no test calls it.

    def twin(self) -> RecordingPredictor:
        return copy(self)

    def tokens(self, box: Bbox) -> Tokens:
        return Tokens(self._tokens.reshape(GRID, GRID, -1), box)

    def set_image(self, image: np.ndarray) -> None:
        self.image = image
        self.pixels = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        small = cv2.resize(self.pixels, (GRID, GRID), interpolation=cv2.INTER_AREA).reshape(-1, 3) / 255
        waves = np.random.default_rng(0).normal(0, 2, (3, 8))
        self._tokens = np.concatenate([np.cos(small @ waves), np.sin(small @ waves)], 1).astype(np.float32) * 3

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        height, width = self.image.shape[:2]
        clicks, seeds = np.zeros((2, GRID, GRID), np.float32), np.zeros((SIZE // 2, SIZE // 2), np.float32)
        distances = np.full((2, SIZE // 4, SIZE // 4), 3.0, np.float32)
        colors = cv2.resize(self.pixels, (SIZE // 4, SIZE // 4), interpolation=cv2.INTER_AREA) / np.float32(255)
        for click in prompts:
            if isinstance(click, Click):
                x, y, branch = click.x / width, click.y / height, 0 if click.positive else 1
                clicks[branch, int(y * GRID), int(x * GRID)] = 1
                seeds[int(y * SIZE / 2), int(x * SIZE / 2)] = 1 - 2 * branch
                distance = np.linalg.norm(colors - colors[int(y * SIZE / 4), int(x * SIZE / 4)], axis=2)
                distances[branch] = np.minimum(distances[branch], distance)
        logits = 8 * (np.minimum(distances[1], 0.6) - distances[0])
        heads = np.stack([logits, *(logits + shift for shift in (-2, -1, 1, 2))]).astype(np.float32)
        gate = 1 / (1 + np.exp(-cv2.resize(logits, (GRID, GRID), interpolation=cv2.INTER_AREA)))
        sources = clicks.reshape(2, -1)
        destination = np.stack([gate.reshape(-1), 1 - gate.reshape(-1)])
        prob = cv2.resize(1 / (1 + np.exp(-logits)), (width, height), interpolation=cv2.INTER_LINEAR)
        added = self._tokens * destination[:, :, None].astype(np.float32)
        box, grid = (0, 0, width, height), (GRID, GRID)
        tokens = self._tokens
        factors = Factors(
            box, grid, tokens, tokens, tokens, sources, sources, destination, gate, "log", tokens, added, heads, self.pixels, seeds, 10
        )
        return Prediction(prob > 0.5, prob, factors=factors)
