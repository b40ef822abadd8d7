"""Boundary IoU and tolerance, checked on squares whose values can be counted."""

import numpy as np
import pytest

from cdwidget.benchmark import Result, Run
from cdwidget.benchmark.boundary import boundary_iou, tolerance
from cdwidget.benchmark.report import boundary_table, tolerant_table


def square(side: int, left: int = 20) -> np.ndarray:
    mask = np.zeros((100, 100), bool)
    mask[20 : 20 + side, left : left + side] = True
    return mask


def test_equal_masks_have_equal_boundaries() -> None:
    assert boundary_iou(square(40), square(40)) == boundary_iou(square(40), square(40), 2) == 1.0


def test_only_the_boundary_counts() -> None:
    ring = square(40)
    ring[30:50, 30:50] = False  # 10 px from the border of the square
    outer, inner = 40**2 - 36**2, 24**2 - 20**2 - 4 * 3  # at a corner of the hole three pixels are more than 2 px away
    assert boundary_iou(square(40), ring, 2) == pytest.approx(outer / (outer + inner))
    filled = square(40)
    assert boundary_iou(filled, filled, 50) == 1.0


def test_a_shift_of_one_pixel_costs_the_narrow_boundary_more() -> None:
    truth, shifted = square(40), square(40, left=21)
    assert boundary_iou(truth, shifted, 2) < boundary_iou(truth, shifted, 6) < 0.97


def test_the_default_width_is_two_percent_of_the_diagonal() -> None:
    truth, shifted = square(40), square(40, left=21)
    assert boundary_iou(truth, shifted) == boundary_iou(truth, shifted, 3)  # 2 % of 141 px


def test_tolerance_is_the_iou_with_the_truth_grown_by_one_pixel() -> None:
    nothing = np.zeros((100, 100), bool)
    assert tolerance(square(40), nothing) == pytest.approx(40**2 / 42**2)
    assert tolerance(square(40), ~square(40)) == 1.0, "ignored pixels do not count"


def test_tables_give_tolerant_objects_apart() -> None:
    easy = Run("easy", (0.96,), 1.0, "a", boundary=(0.8,), narrow=(0.6,), tolerance=0.95)
    hard = Run("hard", (0.5, 0.6), 1.0, "b", boundary=(0.1, 0.4), narrow=(0.1, 0.2), tolerance=0.7)
    result = Result("one", 20, (easy, hard))
    rows = [line.split() for line in tolerant_table([result]).splitlines()[1:]]
    assert rows[:2] == [["a", "1", "1.00/1.00"], ["tolerant", "1", "1.00/1.00"]]
    assert rows[2:] == [["not", "tolerant", "1", "20.00/20.00"], ["all", "2", "10.50/10.50"]]
    header, row = (line.split() for line in boundary_table([result]).splitlines())
    cells = dict(zip(header, row))
    assert cells["bIoU2%@5"] == "0.600" and cells["bIoU2px@20"] == "0.400" and cells["mIoU@20"] == "0.780"
