"""COCO run lengths: the one codec for masks in catalogues, COCO files, logs and journals.

A mask is read column by column; run lengths count its pixels in turn outside and inside the object, the first ones outside. *Compressed*
run lengths are a text of 5 bits a character, as pycocotools writes them: a catalogue keeps masks in this form, and measures and crops them
without decoding. *Uncompressed* run lengths are a list of numbers in a dict with the mask's size.
"""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
from pycocotools import mask as reference

from cdwidget.masks import Bbox, bbox

COMPRESSED_TEXT = re.compile("[0-o]*[0-O]")  # The last character ends a number.
MAX_DIGITS = 6  # characters of one number, enough for runs of 2 ** 29 pixels
CHUNK_CHARS = 100_000  # Characters per batch, which take about 10 MB of memory.


class Extent(NamedTuple):
    """The area of a mask in pixels and its bounding box (x0, y0, x1, y1), half-open."""

    area: int
    x0: int
    y0: int
    x1: int
    y1: int


def encode(mask: np.ndarray) -> str:
    """Return the compressed run lengths of a mask, bool (H, W).

    Example:
        >>> encode(np.array([[False, True], [True, True]]))
        '13'
    """
    height, width = mask.shape
    x0, _, x1, _ = bbox(mask)
    if 2 * (x1 - x0) > width or x0 == x1:
        counts: bytes = reference.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]
        return counts.decode("ascii")
    runs = encode_uncompressed(mask[:, x0:x1])["counts"]  # Only the columns of the object, which is much faster for a small one.
    left, right = x0 * height, (width - x1) * height  # px
    runs[0] += left
    if len(runs) % 2:  # The last run is outside the object.
        runs[-1] += right
    elif right:
        runs.append(right)
    return str(reference.frPyObjects({"size": [height, width], "counts": runs}, height, width)["counts"], "ascii")


def decode(counts: str, height: int, width: int) -> np.ndarray:
    """Decode compressed run lengths.

    Args:
        counts: Compressed run lengths.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.

    Returns:
        The mask, bool (height, width).

    Raises:
        ValueError: If the text is not compressed run lengths, or they do not add up to the size.

    Example:
        >>> decode("13", 2, 2)
        array([[False,  True],
               [ True,  True]])
    """
    runs = _checked_runs(counts, height, width)
    return np.ascontiguousarray(np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(width, height).T)


def decode_box(counts: str, height: int, width: int, box: Bbox) -> np.ndarray:
    """Decode one box of a mask without decoding the rest.

    Args:
        counts: Compressed run lengths.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.
        box: The part to decode, (x0, y0, x1, y1) in pixels, inside the mask.

    Returns:
        The mask inside the box, bool (y1 - y0, x1 - x0).

    Raises:
        ValueError: If the text is not compressed run lengths, or they do not add up to the size.
    """
    runs = _checked_runs(counts, height, width)
    x0, y0, x1, y1 = box
    stops = np.clip(np.cumsum(runs, dtype=np.int64), x0 * height, x1 * height)
    columns = np.repeat(np.arange(runs.size) % 2 == 1, np.diff(stops, prepend=x0 * height))
    return np.ascontiguousarray(columns.reshape(x1 - x0, height)[:, y0:y1].T)


def encode_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> str:
    """Return the union of polygons, rasterized by pycocotools, as compressed run lengths.

    Args:
        polygons: Lists of coordinates x0, y0, x1, y1, ... in pixels. Every edge takes time in proportion to its length.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.

    Returns:
        Compressed run lengths of a mask of (height, width).
    """
    counts: bytes = _rasterize(polygons, height, width)["counts"]
    return counts.decode("ascii")


def decode_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """Rasterize polygons as `encode_polygons` does and return the mask, bool (height, width)."""
    return np.ascontiguousarray(reference.decode(_rasterize(polygons, height, width)).view(bool))


def encode_uncompressed(mask: np.ndarray) -> dict[str, Any]:
    """Return a mask, bool (H, W), as uncompressed run lengths that JSON can hold.

    Example:
        >>> encode_uncompressed(np.array([[False, True], [True, True]]))
        {'size': [2, 2], 'counts': [1, 3]}
    """
    height, width = mask.shape
    flat = np.ascontiguousarray(mask.T, dtype=bool).ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(starts, prepend=0, append=flat.size).tolist()
    return {"size": [height, width], "counts": [0, *counts] if flat.size and flat[0] else counts}


def decode_uncompressed(rle: Mapping[str, Any]) -> np.ndarray:
    """Decode uncompressed run lengths.

    Args:
        rle: A dict of "size", [height, width], and "counts", a list of whole numbers.

    Returns:
        The mask, bool (height, width).

    Raises:
        ValueError: If an entry is missing or of another type, or the run lengths do not add up to the size.
    """
    try:
        height, width = (_whole(number) for number in rle["size"])
        counts = [_whole(number) for number in rle["counts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "the run lengths are not valid: expected {'size': [height, width], 'counts': [whole numbers >= 0]}, "
            f"column by column, zeros first ({type(error).__name__}: {error})"
        ) from error
    if sum(counts) != height * width:
        raise _wrong_total(sum(counts), height, width)
    values = np.zeros(len(counts), dtype=bool)
    values[1::2] = True
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def measure(counts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Extent | None]:
    """Measure many masks in one call without decoding them.

    Args:
        counts: Compressed run lengths, one text a mask.
        sizes: (height, width) of each mask in pixels.

    Returns:
        The area and bounding box of each mask; None for a text that is not valid or does not add up to the size.
    """
    found: list[Extent | None] = [None] * len(counts)
    valid = [index for index, text in enumerate(counts) if COMPRESSED_TEXT.fullmatch(text)]
    for chunk in _chunks(valid, counts):
        for index, extent in zip(chunk, _measure([counts[index] for index in chunk], [sizes[index] for index in chunk])):
            found[index] = extent
    return found


def _rasterize(polygons: Sequence[Sequence[float]], height: int, width: int) -> dict[str, Any]:
    parts = reference.frPyObjects(polygons, height, width)
    merged: dict[str, Any] = parts[0] if len(parts) == 1 else reference.merge(parts)
    return merged


def _checked_runs(counts: str, height: int, width: int) -> np.ndarray:
    """Unpack one text into its run lengths, int32 (N,), which add up to the size."""
    if not COMPRESSED_TEXT.fullmatch(counts):
        raise ValueError(f"the run lengths are not compressed COCO run lengths: {counts[:40]!r}")
    runs, _, _, digits = _unpack([counts])
    if digits.max() > MAX_DIGITS:
        raise ValueError(f"the run lengths contain a number that is too long: {counts[:40]!r}")
    if runs.min() < 0:
        raise ValueError(f"the run lengths contain a negative number: {counts[:40]!r}")
    total = int(runs.sum(dtype=np.int64))
    if total != height * width:
        raise _wrong_total(total, height, width)
    return runs


def _wrong_total(total: int, height: int, width: int) -> ValueError:
    return ValueError(f"the run lengths add up to {total}, the size {height}x{width} needs {height * width}")


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 0:
        raise ValueError(f"{number!r} is not a whole number >= 0")
    return int(number)


def _chunks(indices: Sequence[int], counts: Sequence[str]) -> Iterator[list[int]]:
    chunk, size = [], 0
    for index in indices:
        chunk.append(index)
        size += len(counts[index])
        if size > CHUNK_CHARS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _unpack(counts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unpack valid compressed texts.

    Returns:
        The run lengths of all texts in a row, int32 (R,); the index of each text's first run, (T,); the number of runs of each text, (T,);
        and the number of characters of each run, (R,).
    """
    # Each character holds 5 bits, the lowest ones first, and a flag (32) whether the number continues.
    digits = np.frombuffer("".join(counts).encode(), np.uint8).astype(np.int32) - 48
    ends = np.flatnonzero(digits & 32 == 0) + 1
    starts = np.r_[0, ends[:-1]]
    lengths = ends - starts
    shift = 5 * (np.arange(digits.size, dtype=np.int32) - np.repeat(starts, lengths).astype(np.int32))
    runs = np.add.reduceat((digits & 31) << np.minimum(shift, 5 * MAX_DIGITS - 5), starts)
    negative = digits[ends - 1] & 16 != 0
    runs[negative] -= 1 << (5 * np.minimum(lengths, MAX_DIGITS))[negative].astype(np.int32)

    last = np.searchsorted(ends, np.cumsum([len(text) for text in counts]), side="right")
    first = np.r_[0, last[:-1]]
    count = last - first
    number = np.arange(runs.size) - np.repeat(first, count)
    odd = number % 2 == 1
    # From the fourth on, a number is the difference from the one two places before: sum the odd and the even ones.
    for chain in (odd, ~odd & (number > 0)):
        own = np.where(chain, runs, 0)
        sums = np.cumsum(own, dtype=np.int32)  # Overflow is harmless: the differences of two sums stay right.
        runs = np.where(chain, sums - np.repeat((sums - own)[first], count), runs)
    return runs, first, count, lengths


def _measure(counts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> Iterator[Extent | None]:
    """Measure all texts of one chunk."""
    runs, first, count, lengths = _unpack(counts)
    odd = (np.arange(runs.size) - np.repeat(first, count)) % 2 == 1
    height, width = np.array(sizes, np.int64).T
    column = np.repeat(height, count).astype(np.int32)
    stops = np.cumsum(runs, dtype=np.int32)
    stops -= np.repeat((stops - runs)[first], count)
    left, top = np.divmod(stops - runs, column)
    right, bottom = np.divmod(stops - 1, column)
    drawn = odd & (runs > 0)
    wraps = left != right  # A run that continues in the next column touches the upper and the lower border.
    far = np.iinfo(np.int32).max
    x0 = np.minimum.reduceat(np.where(drawn, left, far), first)
    y0 = np.minimum.reduceat(np.where(drawn, np.where(wraps, 0, top), far), first)
    x1 = np.maximum.reduceat(np.where(drawn, right + 1, 0), first)
    y1 = np.maximum.reduceat(np.where(drawn, np.where(wraps, column, bottom + 1), 0), first)
    area = np.add.reduceat(np.where(odd, runs, 0), first, dtype=np.int64)
    total = np.add.reduceat(runs, first, dtype=np.int64)
    fits = (np.minimum.reduceat(runs, first) >= 0) & (total == height * width) & (np.maximum.reduceat(lengths, first) <= MAX_DIGITS)
    for good, *extent in zip(*(values.tolist() for values in (fits, area, x0, y0, x1, y1))):
        yield None if not good else Extent(*extent) if extent[0] else Extent(0, 0, 0, 0, 0)
