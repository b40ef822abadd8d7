"""Masks to polygons and back, compared with OpenCV, scikit-image and pycocotools."""

import tracemalloc
from unittest import mock

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco
from skimage import draw

from cdwidget.limits import Limits
from cdwidget.polygons import fill, outlines, parts

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
coordinates = st.floats(-5, 25, width=32)
polygons = st.lists(st.tuples(coordinates, coordinates), max_size=9)


def area(ring: np.ndarray) -> float:
    x, y = ring.T.astype(float)
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


@given(masks)
def test_filled_outlines_are_the_mask(mask: np.ndarray) -> None:
    rings = outlines(mask)
    assert np.array_equal(fill(rings, *mask.shape), mask)
    assert sum(map(area, rings)) == mask.sum()
    for ring in rings:
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps[:, 0] == 0) != (steps[:, 1] == 0)).all(), "every edge runs along the grid"
        assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all(), "every point is a corner"


@given(masks)
def test_parts_are_counted_as_opencv_counts_them(mask: np.ndarray) -> None:
    found = parts(mask)
    assert len(found) == cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[0] - 1
    background = np.pad(~mask, 1, constant_values=True).view(np.uint8)
    assert sum(len(rings) - 1 for rings in found) == cv2.connectedComponents(background, connectivity=4)[0] - 2
    assert all(area(rings[0]) > 0 > max([area(ring) for ring in rings[1:]], default=-1) for rings in found)
    pieces = [fill(rings, *mask.shape) for rings in found]
    assert np.array_equal(sum(pieces, np.zeros(mask.shape, int)), mask), "parts do not overlap, and hold everything"


def test_a_ring_has_a_border_and_a_hole() -> None:
    mask = np.ones((3, 4), bool)
    mask[1, 1] = False
    ((outer, hole),) = parts(mask)
    assert outer.tolist() == [[0, 0], [4, 0], [4, 3], [0, 3]]
    assert hole.tolist() == [[1, 2], [2, 2], [2, 1], [1, 1]]
    assert outlines(np.zeros((3, 4), bool)) == []


@given(st.lists(polygons, max_size=3))
def test_filling_is_even_odd_at_pixel_centers(several: list) -> None:
    mask = fill(several, 16, 20)
    y, x = np.mgrid[:16, :20] + 0.5
    inside = np.zeros((16, 20), bool)
    for polygon in several:
        for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1]):
            if ay > by:
                ax, ay, bx, by = bx, by, ax, ay
            if ay < by:
                inside ^= (ay <= y) & (y < by) & (x >= ax + (y - ay) * ((bx - ax) / (by - ay)))
    assert np.array_equal(mask, inside)


def test_filling_agrees_with_scikit_image() -> None:
    drawn = np.random.default_rng(0).uniform(-10, 70, (50, 7, 2))  # No center lies exactly on an edge.
    for polygon in drawn:
        expected = np.zeros((60, 50), bool)
        expected[draw.polygon(polygon[:, 1] - 0.5, polygon[:, 0] - 0.5, expected.shape)] = True
        assert np.array_equal(fill([polygon], 60, 50), expected)


@given(masks)
def test_pycocotools_fills_the_outline_of_a_part_to_the_same_pixels(mask: np.ndarray) -> None:
    for outer, *holes in parts(mask):
        if not holes and len({tuple(point) for point in outer.tolist()}) == len(outer):
            rle = coco.frPyObjects([outer.astype(float).ravel().tolist()], *mask.shape)
            assert np.array_equal(coco.decode(coco.merge(rle)), fill([outer], *mask.shape))


@given(polygons, st.randoms())
def test_a_path_back_and_forth_fills_nothing(polygon: list, random) -> None:
    assert not fill([polygon + polygon[::-1]], 16, 20).any()


def test_polygons_far_outside_the_image() -> None:
    assert fill([[(-1e300, -1e300), (1e300, -1e300), (0, 1e300)]], 2, 3).all()
    assert not fill([[(5, 0), (9, 0), (9, 9)]], 2, 3).any()
    assert not fill([[(1, 1)], [(0, 0), (3, 3)], []], 2, 3).any()
    assert fill([], 2, 3).shape == (2, 3)


@pytest.mark.parametrize(("polygon", "message"), [([1, 2, 3], r"shape \(3,\)"), ([[0, 0], [1, np.nan]], "finite")])
def test_invalid_polygons_are_refused(polygon: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill([polygon], 2, 3)


@given(st.lists(polygons, max_size=3), st.integers(1, 20))
def test_filling_in_batches_changes_no_pixel(several: list, crossings: int) -> None:
    expected = fill(several, 16, 20)
    with mock.patch("cdwidget.polygons.CROSSINGS_PER_BATCH", crossings):
        assert np.array_equal(fill(several, 16, 20), expected)


def test_a_polygon_that_crosses_many_rows_needs_little_memory() -> None:
    zigzag = [(float(number % 640), 480.0 * (number % 2)) for number in range(4000)]
    tracemalloc.start()
    mask = fill([zigzag], 480, 640)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mask.any() and peak < 64 * 2**20


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_pixels=5), "the mask of a polygon has 6 pixels; the limit is 5.*limits=cdwidget.Limits.max_pixels=6"),
        (Limits(max_points=3), "has 4 points; the limit is 3"),
        (Limits(max_edge_length=3), "has 4 pixels of edges; the limit is 3"),
    ],
)
def test_a_polygon_over_a_limit_is_refused(limits: Limits, message: str) -> None:
    square = [(0, -9), (1, -9), (1, 9), (0, 9)]
    assert fill([square], 2, 3).sum() == 2
    with pytest.raises(ValueError, match=message):
        fill([square], 2, 3, limits)


def test_limits_are_whole_numbers_from_1() -> None:
    for wrong in (0, 1.5, True, "1"):
        with pytest.raises(ValueError, match="max_points is a whole number from 1"):
            Limits(max_points=wrong)  # type: ignore[arg-type]
