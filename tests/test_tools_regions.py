"""Polygon, lasso, superpixels and wand: tools that set a region of the image."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from matplotlib.path import Path
from skimage.measure import label
from skimage.segmentation import flood

from cdwidget.tools import TOOL_OF_ACTION, Canvas, Lasso, Polygon, Superpixel, Wand, superpixels

IMAGE = np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8)


def run(action, image=IMAGE, mask=None, labels=superpixels):
    """Return the pixels that a tool sets, bool (H, W), and the mask after it."""
    before = np.zeros(image.shape[:2], bool) if mask is None else mask
    kept = before.copy()
    edit = TOOL_OF_ACTION[type(action)].run(Canvas(image, before, lambda count: labels(image, count)), action)
    x0, y0, x1, y1 = edit.bbox
    assert edit.where.shape == edit.pixels.shape == (y1 - y0, x1 - x0)
    assert edit.where.dtype == edit.pixels.dtype == bool
    assert np.array_equal(before, kept)
    where, after = np.zeros_like(before), before.copy()
    where[y0:y1, x0:x1] = edit.where
    after[y0:y1, x0:x1][edit.where] = edit.pixels[edit.where]
    return where, after


# ---- polygon and lasso -------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(-20, 80), st.floats(-20, 60)), min_size=3, max_size=3), st.sampled_from([Polygon, Lasso]), st.booleans()
)
def test_a_triangle_holds_the_pixels_whose_centers_are_inside(points, kind, add):
    where, after = run(kind(tuple(points), add), mask=np.full((40, 60), not add))
    rows, columns = np.mgrid[:40, :60] + 0.5
    centers = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    triangle = Path([*points, points[0]], closed=True)
    surely = triangle.contains_points(centers, radius=1e-6) & triangle.contains_points(centers, radius=-1e-6)
    maybe = triangle.contains_points(centers, radius=1e-6) | triangle.contains_points(centers, radius=-1e-6)
    assert (where.ravel() >= surely).all()
    assert (where.ravel() <= maybe).all()
    assert np.array_equal(after, where == add)


def test_a_lasso_that_crosses_itself_is_filled_even_odd():
    twice = ((10, 10), (30, 10), (30, 30), (10, 30), (10, 10), (15, 15), (25, 15), (25, 25), (15, 25), (15, 15))
    where, _ = run(Lasso(twice))
    expected = np.zeros((40, 60), bool)
    expected[10:30, 10:30] = True
    expected[15:25, 15:25] = False
    assert np.array_equal(where, expected)


def test_a_polygon_outside_the_image_sets_nothing():
    where, _ = run(Polygon(((100, 100), (200, 100), (200, 200))))
    assert not where.any()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Polygon(((1, 1), (5, 1))), "a Polygon has 2 points; it needs at least 3"),
        (Lasso(()), "a Lasso has 0 points"),
        (Lasso(((1, 1), (5, 1), (inf, 1))), "Lasso at x=inf, y=1"),
    ],
)
def test_an_invalid_polygon_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        run(action)


# ---- superpixels -------------------------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.lists(st.integers(0, 11), max_size=4),
    st.booleans(),
)
def test_the_label_of_an_image_pixel(reduced, size, segments, add):
    labels = np.arange(reduced[0] * reduced[1]).reshape(reduced) % 12
    labels[0, 0] = 11  # So that all segments up to 11 exist.
    where, after = run(
        Superpixel(tuple(segments), 100, add),
        np.zeros((*size, 3), np.uint8),
        np.full(size, not add),
        lambda image, count: labels.astype(np.int32),
    )
    (h, w), (height, width) = reduced, size
    expected = [
        [labels[int((row + 0.5) * h / height), int((column + 0.5) * w / width)] in segments for column in range(width)]
        for row in range(height)
    ]
    assert np.array_equal(where, expected)
    assert np.array_equal(after, where == add)


@pytest.mark.parametrize(
    ("shape", "reduced"), [((90, 120), (90, 120)), ((1200, 2048), (600, 1024)), ((1, 50), (1, 50)), ((4000, 3), (1024, 1))]
)
def test_superpixels_are_connected_numbered_and_deterministic(shape, reduced):
    rows, columns = np.indices(shape)
    image = np.stack([rows % 256, columns % 256, (rows // 17 + columns // 23) % 2 * 200], axis=-1).astype(np.uint8)
    labels = superpixels(image, 40)
    assert labels.dtype == np.int32 and labels.shape == reduced
    count = labels.max() + 1
    assert np.array_equal(np.unique(labels), np.arange(count))
    assert label(labels + 1, connectivity=1).max() == count
    assert np.array_equal(superpixels(image, 40), labels)


def test_superpixels_follow_an_edge_and_approximate_the_count():
    image = np.full((300, 400, 3), 60, np.uint8)
    image[:, 137:] = 190
    image += np.random.default_rng(0).integers(0, 12, image.shape, np.uint8)
    for count in (50, 400):
        labels = superpixels(image, count)
        assert 0.6 * count < labels.max() + 1 < 1.4 * count
        assert not np.intersect1d(labels[:, :136], labels[:, 138:]).size


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Superpixel((0,), 9), "the count is 9 superpixels; allowed are 10 to 10000"),
        (Superpixel((0,), 10_001), "10001 superpixels"),
        (Superpixel((-1,), 16), "there is no superpixel -1; with count=16 this image has 0 to "),
        (Superpixel((0, 9999), 16), "there is no superpixel 9999"),
    ],
)
def test_unknown_superpixels_are_refused(action, message):
    with pytest.raises(ValueError, match=message):
        run(action)


# ---- wand --------------------------------------------------------------------------------------------------------

levels = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14), st.just(3)), elements=st.sampled_from([0, 60, 70, 75, 80, 255])
)


@given(levels, st.floats(0, 0.999), st.floats(0, 0.999), st.one_of(st.sampled_from([9.9, 10.0]), st.floats(0, 255)), st.booleans())
def test_the_wand_selects_the_flood_filled_region(image, right, down, tolerance, add):
    height, width = image.shape[:2]
    x, y = right * width, down * height
    row, column = int(y), int(x)
    unlike = np.abs(image.astype(int) - image[row, column]).max(axis=2)
    where, after = run(Wand(x, y, tolerance, add), image, np.full((height, width), not add))
    assert np.array_equal(where, flood(unlike, (row, column), tolerance=tolerance, connectivity=1))
    assert np.array_equal(after, where == add)


def test_the_wand_works_on_a_read_only_image():
    image = IMAGE.copy()
    image.flags.writeable = False
    assert run(Wand(3, 3, 255), image)[0].all()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Wand(60, 3, 10), "x=60, y=3 lies outside the image; allowed are 0 <= x < 60"),
        (Wand(nan, 3, 10), "outside"),
        (Wand(3, 3, -1), "tolerance is -1; allowed are 0 to 255"),
        (Wand(3, 3, 256), "tolerance is 256"),
        (Wand(3, 3, nan), "tolerance is nan"),
    ],
)
def test_an_invalid_wand_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        run(action)
