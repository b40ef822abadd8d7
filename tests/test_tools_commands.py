from math import nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import binary_fill_holes
from skimage.measure import label, regionprops
from skimage.morphology import dilation, disk, erosion

from cdwidget.tools import TOOL_OF_ACTION, Canvas, FillHoles, Grow, KeepLargest, Shrink, Smooth

small = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))
large = st.builds(  # Parts as thick as the tested radii.
    lambda seeds, size: dilation(seeds, disk(size)),
    hnp.arrays(bool, st.tuples(st.integers(8, 40), st.integers(8, 40)), elements=st.sampled_from([False] * 30 + [True])),
    st.integers(0, 5),
)
masks = st.one_of(small, large)
radii = st.one_of(st.sampled_from([1.0, 2.0, 5.0]), st.floats(1, 9))


def run(action, mask):
    """Return the mask after a command; checks that it only sets pixels that change."""
    before = mask.copy()
    edit = TOOL_OF_ACTION[type(action)].run(Canvas(np.zeros((*mask.shape, 3), np.uint8), mask, None), action)
    assert np.array_equal(mask, before)
    x0, y0, x1, y1 = edit.bbox
    after = mask.copy()
    after[y0:y1, x0:x1][edit.where] = edit.pixels[edit.where]
    assert np.array_equal(edit.where, (after != mask)[y0:y1, x0:x1])
    return after


def disk_of(radius):
    """Return the pixels at most `radius` from the center."""
    reach = int(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return rows**2 + columns**2 <= radius**2


@given(masks)
def test_holes_are_enclosed_background(mask):
    assert np.array_equal(run(FillHoles(), mask), binary_fill_holes(mask))


@given(masks)
@example(np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]], bool))  # Connected at a corner; two parts of equal size.
def test_the_largest_part_stays(mask):
    parts = regionprops(label(mask, connectivity=2))  # In the order of their first pixels.
    largest = max(parts, key=lambda part: part.area, default=None)
    expected = np.zeros_like(mask)
    if largest:
        expected[tuple(largest.coords.T)] = True
    assert np.array_equal(run(KeepLargest(), mask), expected)


@given(masks, radii)
def test_growing_reaches_all_pixels_within_the_distance(mask, pixels):
    assert np.array_equal(run(Grow(pixels), mask), dilation(mask, disk_of(pixels), mode="ignore"))


@given(masks, radii)
def test_shrinking_removes_all_pixels_within_the_distance_of_the_background(mask, pixels):
    assert np.array_equal(run(Shrink(pixels), mask), erosion(mask, disk_of(pixels), mode="ignore"))


@given(masks, radii)
def test_smoothing_opens_and_closes(mask, radius):
    opened = dilation(erosion(mask, disk_of(radius), mode="ignore"), disk_of(radius), mode="ignore")
    closed = erosion(dilation(opened, disk_of(radius), mode="ignore"), disk_of(radius), mode="ignore")
    after = run(Smooth(radius), mask)
    assert np.array_equal(after, closed)


def test_smoothing_keeps_straight_sides():
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    after = run(Smooth(4), mask)
    assert (after <= mask).all()
    assert after[20, 30:50].all() and not after[20, 20]


def test_distances_are_exact_up_to_the_largest_radius():
    mask = np.zeros((1100, 1100), bool)
    mask[3, 5] = True
    rows, columns = np.indices(mask.shape)
    square = (rows - 3) ** 2 + (columns - 5) ** 2
    for pixels in (500.0, 724.5, 1000.0, 1024.0):
        assert np.array_equal(run(Grow(pixels), mask), square <= pixels**2)


def test_full_and_empty_masks_stay():
    for mask in (np.zeros((9, 7), bool), np.ones((9, 7), bool)):
        for action in (FillHoles(), KeepLargest(), Smooth(3), Grow(3), Shrink(3)):
            assert np.array_equal(run(action, mask), mask)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Smooth(0.5), "a Smooth's radius is 0.5; allowed are 1 to 1024 image pixels"),
        (Grow(-3), "a Grow's pixels is -3"),
        (Shrink(nan), "a Shrink's pixels is nan"),
        (Grow(2000), "2000"),
    ],
)
def test_an_invalid_length_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        run(action, np.ones((5, 5), bool))
