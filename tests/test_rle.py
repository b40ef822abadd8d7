"""Run lengths against pycocotools, the reference implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as reference

from cdwidget.masks import bbox
from cdwidget.rle import (
    Extent,
    decode,
    decode_box,
    decode_polygons,
    decode_uncompressed,
    encode,
    encode_polygons,
    encode_uncompressed,
    measure,
)

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


@given(masks)
def test_uncompressed_run_lengths_match_pycocotools(mask):
    rle = encode_uncompressed(mask)
    assert all(type(number) is int for number in (*rle["size"], *rle["counts"]))
    assert np.array_equal(decode_uncompressed(rle), mask)
    assert np.array_equal(reference.decode(reference.frPyObjects(rle, *mask.shape)).astype(bool), mask)


@pytest.mark.parametrize(
    "rle",
    [
        None,
        {},
        {"size": [2, 2]},
        {"size": [2, 2, 2], "counts": [8]},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [6, -2]},
        {"size": [2, 2], "counts": [4.0]},
        {"size": [2, 2], "counts": "04"},
        {"size": [True, 4], "counts": [4]},
    ],
)
def test_invalid_uncompressed_run_lengths_are_rejected(rle):
    with pytest.raises(ValueError, match="run lengths"):
        decode_uncompressed(rle)


@given(masks)
def test_compressed_run_lengths_match_pycocotools(mask):
    counts = encode(mask)
    assert counts == reference.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()
    assert np.array_equal(decode(counts, *mask.shape), mask) and decode(counts, *mask.shape).flags.c_contiguous
    assert measure([counts], [mask.shape]) == [Extent(np.count_nonzero(mask), *bbox(mask))]


@given(masks, st.integers(0, 40), st.integers(0, 40))
def test_small_objects_are_encoded_as_pycocotools_does(mask, left, right):
    mask = np.pad(mask, ((0, 0), (left, right)))
    assert encode(mask) == reference.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()


def test_runs_of_millions_of_pixels():
    mask = np.zeros((3000, 4000), bool)
    mask[100:2900, 5:3990] = True
    mask[1500, 2000] = False
    assert np.array_equal(decode(encode(mask), 3000, 4000), mask)


@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12), st.integers(1, 12), st.integers(1, 12))
def test_any_text_is_decoded_or_rejected(text, height, width):
    (extent,) = measure([text], [(height, width)])
    try:
        mask = decode(text, height, width)
    except ValueError:
        assert extent is None
        return
    assert np.array_equal(mask, reference.decode({"size": [height, width], "counts": text.encode()}))
    assert extent == Extent(np.count_nonzero(mask), *bbox(mask))


def test_many_masks_are_measured_at_once():
    rng = np.random.default_rng(0)
    drawn = [rng.random((rng.integers(1, 90), rng.integers(1, 90))) < rng.random() for _ in range(300)]
    counts = [encode(mask) for mask in drawn]
    counts[7], counts[250] = "~", counts[250] + "0"
    found = measure(counts, [mask.shape for mask in drawn])
    assert sum(map(len, counts)) > 100_000, "more than one chunk"
    assert [index for index, extent in enumerate(found) if extent is None] == [7, 250]
    assert all(extent == Extent(np.count_nonzero(mask), *bbox(mask)) for mask, extent in zip(drawn, found) if extent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not compressed COCO run lengths"),
        ("~", "not compressed COCO run lengths"),
        ("é", "not compressed COCO run lengths"),
        ("oo", "not compressed COCO run lengths"),
        ("o" * 9 + "0", "too long"),
        ("O", "negative number"),
        ("0", "add up to 0, the size 4x5 needs 20"),
        (encode(np.ones((3, 3), bool)), "add up to 9, the size 4x5 needs 20"),
    ],
)
def test_invalid_compressed_text_is_rejected(text, message):
    with pytest.raises(ValueError, match=message):
        decode(text, 4, 5)
    with pytest.raises(ValueError, match=message):
        decode_box(text, 4, 5, (0, 0, 5, 4))


def test_a_box_of_a_mask_is_decoded_alone():
    rng = np.random.default_rng(0)
    for _ in range(50):
        height, width = rng.integers(1, 40, 2).tolist()
        mask = rng.random((height, width)) < rng.random()
        x0, x1 = sorted(rng.integers(0, width + 1, 2).tolist())
        y0, y1 = sorted(rng.integers(0, height + 1, 2).tolist())
        assert (decode_box(encode(mask), height, width, (x0, y0, x1, y1)) == mask[y0:y1, x0:x1]).all()


def test_polygons_are_joined():
    counts = encode_polygons([[0, 0, 2, 0, 2, 2, 0, 2], [3, 1, 5, 1, 5, 3, 3, 3]], 4, 6)
    expected = np.zeros((4, 6), bool)
    expected[0:2, 0:2] = expected[1:3, 3:5] = True
    assert np.array_equal(decode(counts, 4, 6), expected)
    assert np.array_equal(decode_polygons([[0, 0, 2, 0, 2, 2, 0, 2], [3, 1, 5, 1, 5, 3, 3, 3]], 4, 6), expected)
