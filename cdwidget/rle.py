"""Compressed COCO run lengths: how the catalogue keeps masks, measured without decoding them."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence

import numpy as np
from pycocotools import mask as reference

from cdwidget.masks import Bbox

VALID = re.compile("[0-o]*[0-O]")  # the last number is complete
LONGEST = 6  # digits of a number: runs of 2 ** 29 pixels
AT_ONCE = 100_000  # characters; about 10 MB on the way


class Extent(NamedTuple):
    """The pixels of a mask, and its bbox (x0, y0, x1, y1), half-open."""

    area: int
    x0: int
    y0: int
    x1: int
    y1: int


def encode(mask: np.ndarray) -> str:
    """Return a bool (H, W) mask as compressed run lengths."""
    counts: bytes = reference.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]
    return counts.decode("ascii")


def decode(counts: str, height: int, width: int) -> np.ndarray:
    """Return the bool (height, width) mask; ValueError when the runs do not fill that size."""
    if measure([counts], [(height, width)])[0] is None:  # the reference implementation would read past the end of a broken text
        raise _broken(counts, height, width)
    return np.ascontiguousarray(reference.decode({"size": [height, width], "counts": counts.encode()})).view(bool)


def decode_box(counts: str, height: int, width: int, box: Bbox) -> np.ndarray:
    """Return the part of the bool (height, width) mask inside `box`, without making all of it; ValueError as `decode`."""
    runs, *_ = _runs([counts]) if VALID.fullmatch(counts) else (np.zeros(1, np.int32),)
    stops = np.cumsum(runs, dtype=np.int64)
    if runs.min() < 0 or stops[-1] != height * width:
        raise _broken(counts, height, width)
    x0, y0, x1, y1 = box
    drawn = np.arange(runs.size) % 2 == 1
    ends = np.clip(stops, x0 * height, x1 * height)
    columns = np.repeat(drawn, ends - np.r_[x0 * height, ends[:-1]])
    return np.ascontiguousarray(columns.reshape(x1 - x0, height)[:, y0:y1].T)


def _broken(counts: str, height: int, width: int) -> ValueError:
    return ValueError(f"these are no run lengths of a mask of {width}x{height} pixels: {counts[:40]!r}")


def measure(counts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> list[Extent | None]:
    """Return the extent of each mask, given as compressed run lengths and (height, width); None where they do not fit together."""
    found: list[Extent | None] = [None] * len(counts)
    valid = [index for index, text in enumerate(counts) if VALID.fullmatch(text)]
    for chunk in _chunks(valid, counts):
        for index, extent in zip(chunk, _measure([counts[index] for index in chunk], [sizes[index] for index in chunk])):
            found[index] = extent
    return found


def _chunks(indices: Sequence[int], counts: Sequence[str]) -> Iterator[list[int]]:
    chunk, size = [], 0
    for index in indices:
        chunk.append(index)
        size += len(counts[index])
        if size > AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _runs(counts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the run lengths of all texts, one behind the other; of each text where they begin and how many they are; and their digits.

    Numbers of 5 bits a character, the lowest first, each from a text's fourth on relative to the last but one.
    """
    digits = np.frombuffer("".join(counts).encode(), np.uint8).astype(np.int32) - 48
    ends = np.flatnonzero(digits & 32 == 0) + 1
    starts = np.r_[0, ends[:-1]]
    lengths = ends - starts
    place = 5 * (np.arange(digits.size, dtype=np.int32) - np.repeat(starts, lengths).astype(np.int32))
    runs = np.add.reduceat((digits & 31) << np.minimum(place, 5 * LONGEST - 5), starts)
    negative = digits[ends - 1] & 16 != 0
    runs[negative] -= 1 << (5 * np.minimum(lengths, LONGEST))[negative].astype(np.int32)

    last = np.searchsorted(ends, np.cumsum([len(text) for text in counts]), side="right")
    first = np.r_[0, last[:-1]]  # of the numbers of each text
    count = last - first
    number = np.arange(runs.size) - np.repeat(first, count)
    odd = number % 2 == 1
    for chain in (odd, ~odd & (number > 0)):  # sums may run over and come back: differences stay right
        own = np.where(chain, runs, 0)
        sums = np.cumsum(own, dtype=np.int32)
        runs = np.where(chain, sums - np.repeat((sums - own)[first], count), runs)
    return runs, first, count, lengths


def _measure(counts: Sequence[str], sizes: Sequence[tuple[int, int]]) -> Iterator[Extent | None]:
    """All texts at once."""
    runs, first, count, lengths = _runs(counts)
    odd = (np.arange(runs.size) - np.repeat(first, count)) % 2 == 1
    height, width = np.array(sizes, np.int64).T
    column = np.repeat(height, count).astype(np.int32)
    stops = np.cumsum(runs, dtype=np.int32)
    stops -= np.repeat((stops - runs)[first], count)
    left, top = np.divmod(stops - runs, column)
    right, bottom = np.divmod(stops - 1, column)
    drawn = odd & (runs > 0)
    across = left != right  # a run that goes on in the next column touches both borders
    far = np.iinfo(np.int32).max
    x0 = np.minimum.reduceat(np.where(drawn, left, far), first)
    y0 = np.minimum.reduceat(np.where(drawn, np.where(across, 0, top), far), first)
    x1 = np.maximum.reduceat(np.where(drawn, right + 1, 0), first)
    y1 = np.maximum.reduceat(np.where(drawn, np.where(across, column, bottom + 1), 0), first)
    area = np.add.reduceat(np.where(odd, runs, 0), first, dtype=np.int64)
    total = np.add.reduceat(runs, first, dtype=np.int64)
    fits = (np.minimum.reduceat(runs, first) >= 0) & (total == height * width) & (np.maximum.reduceat(lengths, first) <= LONGEST)
    for good, *extent in zip(*(values.tolist() for values in (fits, area, x0, y0, x1, y1))):
        yield None if not good else Extent(*extent) if extent[0] else Extent(0, 0, 0, 0, 0)
