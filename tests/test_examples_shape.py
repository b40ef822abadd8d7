"""The shape of examples: where a similarity map shows it, and at which size."""

from __future__ import annotations

import numpy as np
import pytest

from cdwidget.examples.shape import Shape

BOX = (0, 0, 256, 256)


def ellipse(x: float, y: float, width: float, height: float, side: int = 256) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] + 0.5
    return ((columns - x) / width * 2) ** 2 + ((rows - y) / height * 2) ** 2 < 1


def cells(mask: np.ndarray) -> np.ndarray:
    """Return a mask as a similarity map of 128 x 128 cells."""
    return mask.reshape(128, 2, 128, 2).mean((1, 3)).astype(np.float32)


def test_peaks_have_the_center_and_the_size_of_each_object() -> None:
    shape = Shape.of(ellipse(60, 60, 40, 28))
    mask = ellipse(60, 60, 40, 28) | ellipse(180, 70, 80, 56) | ellipse(120, 200, 20, 14)
    peaks = shape.peaks(cells(mask), BOX, 0.6)
    found = sorted((256 * one.x, 256 * one.y, 256 * one.width, 256 * one.height) for one in peaks)
    assert found[0] == pytest.approx((60, 60, 40, 28), abs=2)
    assert found[1] == pytest.approx((120, 200, 20, 14), abs=2)
    assert found[2] == pytest.approx((180, 70, 80, 56), abs=2)
    assert len(found) == 3


def test_the_shape_at_a_peak_is_the_object() -> None:
    mask = ellipse(100, 120, 60, 90)
    shape = Shape.of(mask)
    (peak,) = shape.peaks(cells(mask), BOX, 0.6)
    difference = (shape.at(peak, 128) > 0.5) ^ (cells(mask) > 0.5)
    assert difference.sum() < 0.05 * (cells(mask) > 0.5).sum()


def test_the_core_of_a_ring_lies_on_it() -> None:
    ring = ellipse(100, 100, 90, 90) & ~ellipse(100, 100, 40, 40)
    x, y = Shape.of(ring).core
    assert ring[int(55 + 90 * y), int(55 + 90 * x)]


def test_the_mean_of_two_shapes_has_a_mean_size() -> None:
    mean = Shape.mean([Shape.of(ellipse(60, 60, 20, 40)), Shape.of(ellipse(60, 60, 80, 40))])
    assert (mean.width, mean.height) == pytest.approx((40, 40), abs=1)
    assert 0 < mean.mask.mean() < 1


def test_a_shape_larger_than_the_view_is_looked_for_at_the_size_of_the_view() -> None:
    peaks = Shape.of(ellipse(128, 128, 250, 250)).peaks(cells(ellipse(128, 128, 200, 200)), (0, 0, 32, 32), 0.05)
    assert peaks and all((one.width, one.height) == (1, 1) for one in peaks)
