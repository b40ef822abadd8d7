"""What is done with masks everywhere: run lengths, bounding boxes, IoU and packed patches.

A mask is bool (H, W). A bbox is (x0, y0, x1, y1) in whole pixels, half-open; the bbox of nothing is (0, 0, 0, 0).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Mapping

import cv2
import numpy as np

Bbox = tuple[int, int, int, int]
NOWHERE: Bbox = (0, 0, 0, 0)


def as_mask(value: Any, height: int, width: int) -> np.ndarray:
    """Return `value` as a fresh bool (height, width) mask.

    Allowed are bool, whole numbers (anything but 0 is in the object) and floats in [0, 1] (above 0.5 is in the object).
    Raises ValueError for another shape, dtype or range.
    """
    mask = np.asarray(value)
    if mask.shape != (height, width):
        raise ValueError(f"the mask has shape {mask.shape}, the image needs ({height}, {width}); give one 2-D mask of the image's size")
    if mask.dtype == bool:
        return mask.copy()
    if np.issubdtype(mask.dtype, np.integer):
        return mask != 0
    if np.issubdtype(mask.dtype, np.floating):
        if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
            raise ValueError(f"a float mask must lie in [0, 1], this one spans {mask.min()} to {mask.max()}; threshold it to bool first")
        return mask > 0.5
    raise ValueError(f"a mask of dtype {mask.dtype} is not supported; allowed are bool, whole numbers and floats in [0, 1]")


def bbox(mask: np.ndarray) -> Bbox:
    """Return the smallest box (x0, y0, x1, y1), half-open, that holds all of a bool (H, W) mask; (0, 0, 0, 0) for an empty one."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask, dtype=bool).view(np.uint8))
    return (x, y, x + width, y + height) if width else NOWHERE


def join(a: Bbox, b: Bbox) -> Bbox:
    """Return the smallest bbox that holds two."""
    if NOWHERE in (a, b):
        return a if b == NOWHERE else b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two bool (H, W) masks, 1.0 when both are empty; ValueError when the shapes differ."""
    if a.shape != b.shape:
        raise ValueError(f"the masks have shapes {a.shape} and {b.shape}; IoU needs two masks of one size")
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Return a bool (H, W) mask as uncompressed COCO run lengths: column by column, the first run counts zeros; plain ints.

    >>> encode_rle(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': [1, 3]}
    """
    height, width = mask.shape
    flat = np.ascontiguousarray(mask.T, dtype=bool).ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(starts, prepend=0, append=flat.size).tolist()
    return {"size": [height, width], "counts": [0, *counts] if flat.size and flat[0] else counts}


def decode_rle(rle: Mapping[str, Any]) -> np.ndarray:
    """Return the bool (H, W) mask of `encode_rle`'s answer; ValueError when the runs do not fill the size."""
    try:
        height, width = (_whole(n) for n in rle["size"])
        counts = [_whole(n) for n in rle["counts"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "the run lengths are not valid: expected {'size': [height, width], 'counts': [whole numbers >= 0]}, "
            f"column by column, zeros first ({type(error).__name__}: {error})"
        ) from error
    if sum(counts) != height * width:
        raise ValueError(f"the run lengths add up to {sum(counts)}, the size {height}x{width} needs {height * width}")
    values = np.zeros(len(counts), dtype=bool)
    values[1::2] = True
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def _whole(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 0:
        raise ValueError(f"{number!r} is not a whole number >= 0")
    return int(number)


def pack(values: np.ndarray) -> bytes:
    """Return a uint8 array as deflated runs, the values and then their uint32 lengths: small and quick where neighbours are alike."""
    flat = values.ravel()
    if not flat.size:
        return b""
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(starts, prepend=0, append=flat.size).astype("<u4")
    return zlib.compress(flat[np.r_[0, starts]].tobytes() + lengths.tobytes(), 1)


def unpack(packed: bytes, height: int, width: int) -> np.ndarray:
    """Return the uint8 (height, width) array of `pack`'s answer; zeros of b""."""
    if not packed:
        return np.zeros((height, width), np.uint8)
    runs = zlib.decompress(packed)
    count = len(runs) // 5
    return np.repeat(np.frombuffer(runs, np.uint8, count), np.frombuffer(runs, "<u4", count, count)).reshape(height, width)


@dataclass(frozen=True)
class Patch:
    """The pixels of an instance inside one bbox, packed: what the history keeps and the browser gets.

    bits: row by row, 8 pixels a byte, the first pixel in the highest bit (`np.packbits`): pixel (row r, column c) of the
    box, i = r * (x1 - x0) + c, is bit 7 - i % 8 of byte i // 8.
    sources: who decided each pixel, uint8, packed by `pack`; b"" where nobody did. alpha: uint8, likewise; None for no alpha at all.
    """

    bbox: Bbox
    bits: bytes
    sources: bytes = b""
    alpha: bytes | None = None

    @classmethod
    def of(cls, mask: np.ndarray, box: Bbox | None = None) -> Patch:
        """Pack what a bool (H, W) mask holds in `box`, by default in the smallest box that holds all of it."""
        x0, y0, x1, y1 = found = bbox(mask) if box is None else box
        return cls(found, np.packbits(mask[y0:y1, x0:x1]).tobytes())

    def mask_only(self) -> Patch:
        """Return just the mask, in the smallest box that holds it; the empty patch when no pixel is in it."""
        pixels = self.pixels()
        inner = Patch.of(pixels)
        left, top = self.bbox[:2]
        x0, y0, x1, y1 = inner.bbox
        return Patch((left + x0, top + y0, left + x1, top + y1), inner.bits) if inner.bits else EMPTY_PATCH

    @property
    def nbytes(self) -> int:
        """How much memory the packed pixels take."""
        return len(self.bits) + len(self.sources) + len(self.alpha or b"")

    def any(self) -> bool:
        """Say whether any pixel of the box is in the mask."""
        return bool(np.frombuffer(self.bits, np.uint8).any())

    def blank(self) -> Patch:
        """Return the same box with nothing in it."""
        return Patch(self.bbox, bytes(len(self.bits)))

    def pixels(self) -> np.ndarray:
        """Return the bool (y1 - y0, x1 - x0) pixels of the box."""
        x0, y0, x1, y1 = self.bbox
        count = (y1 - y0) * (x1 - x0)
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count).view(bool).reshape(y1 - y0, x1 - x0)

    def paste(self, mask: np.ndarray) -> None:
        """Write the pixels into a bool (H, W) mask, in place."""
        x0, y0, x1, y1 = self.bbox
        mask[y0:y1, x0:x1] = self.pixels()


EMPTY_PATCH = Patch(NOWHERE, b"")
