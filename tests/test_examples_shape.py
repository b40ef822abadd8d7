"""The shape of examples in another box, and boxes that overlap."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from cdwidget.examples.boxes import box_iou, fractions, without_overlaps
from cdwidget.examples.shape import Shape


def ellipse(x: float, y: float, width: float, height: float, side: int = 256) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] + 0.5
    return ((columns - x) / width * 2) ** 2 + ((rows - y) / height * 2) ** 2 < 1


def test_the_shape_in_another_box_is_scaled_to_it() -> None:
    shape = Shape.of(ellipse(100, 120, 60, 90))
    found = shape.at((0.25, 0.5, 0.75, 0.75), 256) > 0.5
    expected = ellipse(128, 160, 128, 64)
    assert (found ^ expected).sum() < 0.03 * expected.sum()


def test_the_core_of_a_ring_lies_on_it() -> None:
    ring = ellipse(100, 100, 90, 90) & ~ellipse(100, 100, 40, 40)
    x, y = Shape.of(ring).core
    assert ring[int(55 + 90 * y), int(55 + 90 * x)]


def test_the_mean_of_two_shapes_covers_both_in_part() -> None:
    square, disk = Shape.of(np.ones((8, 8), bool)), Shape.of(ellipse(60, 60, 80, 80))
    mean = Shape.mean([square, disk])
    assert mean.mask[0, 0] == pytest.approx(0.5) and mean.mask[32, 32] == pytest.approx(1)


def test_the_iou_of_boxes_and_their_fractions_of_a_view() -> None:
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 2, 2), (2, 0, 3, 2)) == 0
    assert fractions((20, 30, 40, 50), (10, 10, 50, 90)) == (0.25, 0.25, 0.75, 0.5)


def test_of_boxes_that_overlap_the_first_stays() -> None:
    found = [SimpleNamespace(box=(0, 0, 10, 10)), SimpleNamespace(box=(1, 1, 11, 11)), SimpleNamespace(box=(9, 0, 19, 10))]
    assert without_overlaps(found) == [found[0], found[2]]
