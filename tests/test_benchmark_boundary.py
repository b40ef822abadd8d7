"""Boundary IoU and tolerant objects, with figures that can be counted on squares."""

from dataclasses import replace

import numpy as np
import pytest

from cdwidget.benchmark import Result, Run
from cdwidget.benchmark.boundary import boundary_iou, grown_iou
from cdwidget.benchmark.report import boundary_table, iou_table, noc_spread, spread_table, tolerant_table

NOTHING = np.zeros((100, 100), bool)


def square(side: int, left: int = 20) -> np.ndarray:
    mask = NOTHING.copy()
    mask[20 : 20 + side, left : left + side] = True
    return mask


def test_equal_masks_have_equal_boundaries() -> None:
    assert boundary_iou(square(40), square(40)) == boundary_iou(square(40), square(40), 2) == boundary_iou(NOTHING, NOTHING) == 1.0


def test_only_the_boundary_counts() -> None:
    with_hole = square(40)
    with_hole[30:50, 30:50] = False  # 10 px from the border of the square
    outer, inner = 40**2 - 36**2, 24**2 - 20**2 - 4 * 3  # At each corner of the hole, three pixels are more than 2 px away.
    assert boundary_iou(square(40), with_hole, 2) == pytest.approx(outer / (outer + inner))


def test_the_boundary_of_a_shifted_square() -> None:
    # One pixel wide, two sides of 40 - 1 pixels overlap, and 4 * 40 - 4 pixels are in each boundary.
    assert boundary_iou(square(40), square(40, left=21), 1) == pytest.approx(78 / (2 * 156 - 78))


def test_the_default_width_is_two_percent_of_the_diagonal() -> None:
    truth, shifted = square(40), square(40, left=21)
    assert boundary_iou(truth, shifted) == boundary_iou(truth, shifted, 3) != boundary_iou(truth, shifted, 2)  # 2 % of 141 px


def test_the_image_border_is_a_border() -> None:
    everything, all_but_the_frame = ~NOTHING, np.pad(~NOTHING[1:-1, 1:-1], 1)
    assert boundary_iou(everything, all_but_the_frame, 1) == 0.0


def test_a_grown_square() -> None:
    assert grown_iou(square(40), NOTHING) == pytest.approx(40**2 / 42**2)
    assert grown_iou(square(40), ~square(40)) == 1.0, "ignored pixels do not count"
    assert [Run("a", (1.0,), 1.0, grown_iou=grown_iou(square(side), NOTHING)).tolerant for side in (36, 38)] == [False, True]


def result() -> Result:
    """An object that needs one click, and one that is not tolerant and never reaches 0.85."""
    easy = Run("easy", (0.96,), 1.0, "a", boundary_ious=(0.8,), narrow_boundary_ious=(0.6,), grown_iou=0.95)
    hard = Run("hard", (0.5, 0.6), 1.0, "b", boundary_ious=(0.1, 0.4), narrow_boundary_ious=(0.1, 0.2), grown_iou=0.7)
    return Result("one", 20, (easy, hard))


def test_tolerant_objects_are_reported_separately() -> None:
    rows = [line.split() for line in tolerant_table([result()]).splitlines()[1:]]
    assert rows == [["a", "1", "1.00/1.00"], ["tolerant", "1", "1.00/1.00"], ["not", "tolerant", "1", "20.00/20.00"]]
    rows = [line.split() for line in tolerant_table([result().by_group()["b"]]).splitlines()[1:]]
    assert rows == [["not", "tolerant", "1", "20.00/20.00"]], "no tolerant object"


def test_iou_by_set_is_given_as_a_difference_to_the_first_method() -> None:
    better = Result("two", 20, tuple(replace(run, ious=(run.ious[0], 0.97)) for run in result().runs))
    assert [line.split() for line in iou_table([result(), better]).splitlines()] == [
        ["mIoU@1/mIoU@3", "objects", "one", "two"],
        ["a", "1", "0.960/0.960", "+0.000/+0.010"],
        ["b", "1", "0.500/0.600", "+0.000/+0.370"],
        ["all", "2", "0.730/0.780", "+0.000/+0.190"],
    ]


def test_boundary_iou_is_reported_next_to_iou() -> None:
    header, row = (line.split() for line in boundary_table([result()]).splitlines())
    assert header == ["method", "mIoU@5", "boundary-2%@5", "boundary-2px@5", "mIoU@20", "boundary-2%@20", "boundary-2px@20"]
    assert row == ["one", *["0.780", "0.600", "0.400"] * 2]
    assert result().boundary_iou_at(1) == pytest.approx(0.45)
    assert Result("one", 20, (Run("a", (1.0,), 1.0),)).boundary_iou_at(5) is None


def test_the_spread_compares_runs_of_the_same_objects() -> None:
    def run(*clicks: int) -> Result:
        return Result("one", 20, tuple(Run(str(i), (0.0,) * (n - 1) + (0.92,), 1.0) for i, n in enumerate(clicks)))

    repeats = [[run(1, 3)], [run(2, 4)]]  # NoC90 2 and 3
    figures = noc_spread(repeats)["one"]
    assert figures["0.9"] == {"mean": 2.5, "standard_deviation": pytest.approx(0.5**0.5), "spread": pytest.approx(1 / 2.5)}
    assert figures["0.95"] == {"mean": 20.0, "standard_deviation": 0.0, "spread": 0.0}
    assert spread_table(repeats).splitlines()[1].split()[:6] == ["one", "2", "2.50", "±", "0.71", "40.0%"]
    assert noc_spread(repeats[:1])["one"]["0.9"]["standard_deviation"] == 0.0
