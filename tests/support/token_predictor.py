"""A predictor with tokens and without a network."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from cdwidget.masks import Bbox
from cdwidget.model.matching import CDNetTokens
from cdwidget.predictor import Prediction, ViewMasks
from cdwidget.prompts import Click, Prompt

CELL_PX = 4  # side of a token
SQUARE_PX = 16
BRIGHT = 128


class BrightPredictor:
    """Predicts the bright region at a click; its tokens are the brightness of cells."""

    def twin(self) -> BrightPredictor:
        return BrightPredictor()

    def set_image(self, image: np.ndarray) -> None:
        self.image = image

    def predict(self, prompts: Sequence[Prompt], prior: Any = None) -> Prediction:
        mask = self._region(prompts[-1])
        return Prediction(mask, mask.astype(np.float32))

    def tokens(self, box: Bbox) -> CDNetTokens:
        x0, y0, x1, y1 = box
        levels = [self.image[y0:y1:step, x0:x1:step, 0].astype(np.float32) / 255 for step in (1, 2, CELL_PX)]
        *finer, features = (np.stack([values, 1 - values], -1) for values in levels)
        return CDNetTokens(features, box, finer)

    def predict_each(self, box: Bbox, prompts: Sequence[Sequence[Prompt]], priors: Any = (), window: float = 1.0) -> ViewMasks:
        x0, y0, x1, y1 = box
        masks = np.stack([self._region(one[0])[y0:y1, x0:x1] for one in prompts])
        return ViewMasks(box, masks[:, None].astype(np.float32), np.ones((len(masks), 1), np.float32))

    def _region(self, click: Prompt) -> np.ndarray:
        assert isinstance(click, Click)
        bright = self.image[..., 0] > BRIGHT
        row, column = click.pixel
        if not bright[row, column]:
            return np.zeros_like(bright)
        rows, columns = (slice(i // 32 * 32, i // 32 * 32 + 32) for i in (row, column))  # One square lies in each 32 x 32 pixels.
        region = np.zeros_like(bright)
        region[rows, columns] = bright[rows, columns]
        return region


def bright_squares(corners: Sequence[tuple[int, int]], side: int = 64) -> np.ndarray:
    """Return a dark image with a bright square of SQUARE_PX pixels at each corner (x, y)."""
    image = np.full((side, side, 3), 40, np.uint8)
    for left, top in corners:
        image[top : top + SQUARE_PX, left : left + SQUARE_PX] = 220
    return image
