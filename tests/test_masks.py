import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdwidget.masks import EMPTY_PATCH, Patch, as_mask, bbox, iou, pack, unpack

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


@given(masks)
def test_bbox_is_the_smallest_box(mask):
    x0, y0, x1, y1 = bbox(mask)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    if mask.any():
        inside = mask[y0:y1, x0:x1]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
    else:
        assert (x0, y0, x1, y1) == (0, 0, 0, 0)


@given(masks)
def test_a_patch_holds_the_mask(mask):
    patch = Patch.of(mask)
    assert patch.bbox == bbox(mask)
    assert (patch == EMPTY_PATCH) == (not mask.any())
    copy = np.zeros_like(mask)
    patch.paste(copy)
    assert np.array_equal(copy, mask)


def test_the_bits_of_a_patch_are_as_documented():
    mask = np.zeros((4, 9), bool)
    mask[1, 2] = mask[2, 7] = True
    patch = Patch.of(mask)
    assert patch.bbox == (2, 1, 8, 3)
    assert patch.bits == bytes([0b10000000, 0b00010000])  # Pixel 0, and pixel 1 * 6 + 5 = 11.


def test_a_patch_of_a_box_only_writes_inside_it():
    mask = np.ones((5, 5), bool)
    patch = Patch.of(~mask, (1, 2, 4, 3))
    patch.paste(mask)
    assert not mask[2, 1:4].any()
    assert mask.sum() == 22


@given(masks)
def test_mask_only_is_the_mask_in_its_bbox(mask):
    height, width = mask.shape
    wide = Patch((0, 0, width, height), np.packbits(mask).tobytes(), pack(mask.astype(np.uint8)))
    assert wide.mask_only() == Patch.of(mask)
    assert wide.any() == mask.any() and not wide.blank().any()


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.integers(0, 3)))
def test_unpack_inverts_pack(values):
    assert np.array_equal(unpack(pack(values), *values.shape), values)


def test_large_packed_values_are_small():
    values = np.zeros((1000, 1000), np.uint8)
    values[200:900, 300:700] = 5
    assert len(pack(values)) < 1000 and np.array_equal(unpack(pack(values), 1000, 1000), values)
    assert not unpack(b"", 2, 3).any() and pack(values[:0]) == b""


def test_iou():
    a, b = np.zeros((2, 2), bool), np.array([[True, True], [False, False]])
    assert iou(a, a) == 1.0
    assert iou(a, b) == 0.0
    assert iou(b, b.T) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="one size"):
        iou(a, np.zeros((3, 2), bool))


@pytest.mark.parametrize(
    "value",
    [
        np.array([[False, True]]),
        np.array([[0, 255]], np.uint8),
        [[0, 1]],
        np.array([[0.5, 0.51]], np.float32),
    ],
)
def test_as_mask_converts_many_dtypes(value):
    mask = as_mask(value, 1, 2)
    assert mask.dtype == bool
    assert mask.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((2, 1)), r"shape \(2, 1\), the image needs \(1, 2\)"),
        (np.zeros((1, 2, 1)), "shape"),
        (np.array([[0, 255.0]]), "spans 0.0 to 255.0"),
        (np.array([[0, np.nan]]), "float mask"),
        (np.array([["a", "b"]]), "dtype"),
    ],
)
def test_as_mask_refuses_other_arrays(value, message):
    with pytest.raises(ValueError, match=message):
        as_mask(value, 1, 2)


def test_a_bool_view_of_other_numbers_is_a_mask_of_zeros_and_ones():
    labels = np.array([[0, 2, 4], [1, 0, 255]], np.uint8)
    mask = as_mask(labels.view(bool), 2, 3)
    assert mask.view(np.uint8).tolist() == [[0, 1, 1], [1, 0, 1]]


@given(masks, st.booleans())
def test_as_mask_never_shares_memory(mask, contiguous):
    given_mask = mask if contiguous else mask[::-1]
    assert not np.shares_memory(as_mask(given_mask, *mask.shape), given_mask)
