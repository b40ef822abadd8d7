"""Several objects in one view: a small window around each gives the mask of the whole view, and nothing outside."""

from __future__ import annotations

import numpy as np
import pytest

from cdwidget.masks import iou
from cdwidget.model import CDNetPredictor, load_predictor
from cdwidget.prompts import Click

CENTERS = [(70, 70), (180, 80), (90, 190)]  # (x, y)
WHOLE = (0, 0, 256, 256)


@pytest.fixture(scope="module")
def predictor() -> CDNetPredictor:
    """A predictor whose image shows a disk at each center."""
    rows, columns = np.mgrid[:256, :256]
    image = np.full((256, 256, 3), 90, np.uint8)
    for x, y in CENTERS:
        image[np.hypot(columns - x, rows - y) < 20] = (200, 40, 40)
    predictor = load_predictor(device="cpu")
    predictor.set_image(image)
    return predictor


def test_a_window_gives_the_mask_of_the_whole_view(predictor: CDNetPredictor) -> None:
    clicks = [[Click(x, y)] for x, y in CENTERS]
    whole, window = predictor.predict_each(WHOLE, clicks), predictor.predict_each(WHOLE, clicks, window=0.4)
    assert whole.probs.shape == window.probs.shape and whole.iou.shape == window.iou.shape
    for (x, y), a, b in zip(CENTERS, whole.probs[:, 0], window.probs[:, 0]):
        assert iou(a > 0.5, b > 0.5) > 0.9
        rows, columns = np.nonzero(b)
        assert abs(rows.mean() * 2 - y) < 12 and abs(columns.mean() * 2 - x) < 12  # The view has 128 x 128 cells.
        assert 0.38 * 128 <= np.ptp(rows) + 1 <= 0.45 * 128


def test_a_prior_decides_which_object_is_meant(predictor: CDNetPredictor) -> None:
    rows, columns = np.mgrid[:128, :128]
    prior = (np.hypot(columns - 35, rows - 35) < 12).astype(np.float32)
    small, large = predictor.predict_each(WHOLE, [[Click(70, 70)]] * 2, [prior * 0, prior]).probs[:, 0]
    assert (large > 0.5).sum() > (small > 0.5).sum()
