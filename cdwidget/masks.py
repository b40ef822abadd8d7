"""Masks, bounding boxes and packed pixels.

A mask is bool (H, W). A bbox is (x0, y0, x1, y1) in whole pixels, half-open; the bbox of an empty mask is (0, 0, 0, 0).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import cv2
import numpy as np

Bbox = tuple[int, int, int, int]
EMPTY_BBOX: Bbox = (0, 0, 0, 0)


def as_mask(value: Any, height: int, width: int) -> np.ndarray:
    """Convert an array to a mask of an image's size.

    Args:
        value: (height, width), bool, whole numbers (not 0 is inside the object) or floats in [0, 1] (above 0.5 is inside).
        height: Rows of the image.
        width: Columns of the image.

    Returns:
        A new array, bool (height, width).

    Raises:
        ValueError: If the shape, dtype or range is another one.
    """
    mask = np.asarray(value)
    if mask.shape != (height, width):
        raise ValueError(f"the mask has shape {mask.shape}, the image needs ({height}, {width}); give one 2-D mask of the image's size")
    if mask.dtype == bool:
        return mask.view(np.uint8) != 0  # An array viewed as bool may hold other bytes than 0 and 1.
    if np.issubdtype(mask.dtype, np.integer):
        return mask != 0
    if np.issubdtype(mask.dtype, np.floating):
        if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
            raise ValueError(f"a float mask must lie in [0, 1], this one spans {mask.min()} to {mask.max()}; threshold it to bool first")
        return mask > 0.5
    raise ValueError(f"a mask of dtype {mask.dtype} is not supported; allowed are bool, whole numbers and floats in [0, 1]")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the intersection over union of two masks, bool (H, W); 1.0 if both are empty.

    Raises:
        ValueError: If the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"the masks have shapes {a.shape} and {b.shape}; IoU needs two masks of one size")
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def bbox(mask: np.ndarray) -> Bbox:
    """Return the smallest bbox that holds all pixels of a mask, bool (H, W)."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask, dtype=bool).view(np.uint8))
    return (x, y, x + width, y + height) if width else EMPTY_BBOX


def join_bboxes(a: Bbox, b: Bbox) -> Bbox:
    """Return the smallest bbox that holds two others."""
    if EMPTY_BBOX in (a, b):
        return a if b == EMPTY_BBOX else b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def intersects(a: Bbox, b: Bbox) -> bool:
    """Return whether two bboxes have a pixel in common."""
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def expand_bbox(box: tuple[float, float, float, float], margin: float | tuple[float, float], shape: tuple[int, ...]) -> Bbox:
    """Return the bbox of a box with a margin, clipped to an image.

    Args:
        box: (x0, y0, x1, y1) in pixels.
        margin: Added on each side, in pixels, or (horizontal, vertical) margins.
        shape: Shape of the image, (H, W, ...).

    Returns:
        The bbox; empty if all of it lies outside the image.
    """
    margin_x, margin_y = margin if isinstance(margin, tuple) else (margin, margin)
    x0, y0 = max(0, floor(box[0] - margin_x)), max(0, floor(box[1] - margin_y))
    x1, y1 = min(shape[1], ceil(box[2] + margin_x)), min(shape[0], ceil(box[3] + margin_y))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else EMPTY_BBOX


def crop(array: np.ndarray, box: Bbox) -> np.ndarray:
    """Return the view of an array, (H, W, ...), inside a bbox."""
    return array[box[1] : box[3], box[0] : box[2]]


def pack(values: np.ndarray) -> bytes:
    """Compress a uint8 array: deflated runs, first their values, then their uint32 lengths."""
    flat = values.ravel()
    if not flat.size:
        return b""
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(starts, prepend=0, append=flat.size).astype("<u4")
    return zlib.compress(flat[np.r_[0, starts]].tobytes() + lengths.tobytes(), 1)


def unpack(packed: bytes, height: int, width: int) -> np.ndarray:
    """Return the uint8 (height, width) array that `pack` compressed; zeros for b"".

    Raises:
        ValueError: If the bytes are damaged, or hold an array of another size.
    """
    if not packed:
        return np.zeros((height, width), np.uint8)
    values, lengths = check_packed(packed, height, width)
    return np.repeat(values, lengths).reshape(height, width)


def check_packed(packed: bytes, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values, uint8, and the lengths, uint32, of the runs that `pack` compressed.

    Raises:
        ValueError: If the bytes are damaged, or hold an array of another size.
    """
    runs = inflate(packed, 5 * height * width)  # At most one run a pixel.
    count, rest = divmod(len(runs), 5)
    lengths = np.frombuffer(runs, "<u4", count, count)
    if rest or int(lengths.sum(dtype=np.int64)) != height * width:
        raise ValueError(f"the packed pixels do not fill {width}x{height} pixels")
    return np.frombuffer(runs, np.uint8, count), lengths


def inflate(data: bytes, max_bytes: int) -> bytes:
    """Decompress deflated bytes.

    Raises:
        ValueError: If they are damaged, or hold more than `max_bytes`.
    """
    decoder = zlib.decompressobj()
    try:
        found = decoder.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise ValueError(f"the compressed pixels are damaged ({error})") from error
    if len(found) > max_bytes or not decoder.eof:
        raise ValueError(f"the compressed pixels are incomplete or hold more than {max_bytes} bytes")
    return found


@dataclass(frozen=True)
class Patch:
    """The compressed pixels of an instance inside a bbox.

    The undo history, the browser and the journal use this form.

    Args:
        bbox: The bounding box of the pixels.
        bits: The mask, 8 pixels a byte as `np.packbits` writes them, row by row.
        sources: The source of each pixel, uint8, compressed by `pack`; b"" if no pixel has one.
        alpha: The alpha of each pixel, uint8, compressed by `pack`; None if the instance has no alpha.
    """

    bbox: Bbox
    bits: bytes
    sources: bytes = b""
    alpha: bytes | None = None

    @classmethod
    def of(cls, mask: np.ndarray, box: Bbox | None = None) -> Patch:
        """Pack the part of a mask, bool (H, W), inside `box`, by default its bbox."""
        x0, y0, x1, y1 = found = bbox(mask) if box is None else box
        return cls(found, np.packbits(mask[y0:y1, x0:x1]).tobytes())

    def mask_only(self) -> Patch:
        """Return only the mask, in its own bbox; the empty patch if the mask is empty."""
        inner = Patch.of(self.pixels())
        left, top = self.bbox[:2]
        x0, y0, x1, y1 = inner.bbox
        return Patch((left + x0, top + y0, left + x1, top + y1), inner.bits) if inner.bits else EMPTY_PATCH

    def __repr__(self) -> str:
        soft = "" if self.alpha is None else ", with alpha"
        return f"<Patch: bbox {self.bbox}, {np.count_nonzero(self.pixels()):,} px{soft}>"

    @property
    def nbytes(self) -> int:
        """Memory of the compressed pixels, in bytes."""
        return len(self.bits) + len(self.sources) + len(self.alpha or b"")

    def any(self) -> bool:
        """Return whether any pixel is in the mask."""
        return bool(np.frombuffer(self.bits, np.uint8).any())

    def blank(self) -> Patch:
        """Return a patch of the same bbox without any pixel in its mask."""
        return Patch(self.bbox, bytes(len(self.bits)))

    def pixels(self) -> np.ndarray:
        """Return the mask inside the bbox, bool (y1 - y0, x1 - x0)."""
        x0, y0, x1, y1 = self.bbox
        count = (y1 - y0) * (x1 - x0)
        return np.unpackbits(np.frombuffer(self.bits, np.uint8), count=count).view(bool).reshape(y1 - y0, x1 - x0)

    def paste(self, mask: np.ndarray) -> None:
        """Write the pixels into a mask, bool (H, W), in place."""
        x0, y0, x1, y1 = self.bbox
        mask[y0:y1, x0:x1] = self.pixels()

    def add_to(self, mask: np.ndarray) -> None:
        """Add the pixels to a mask, bool (H, W), in place."""
        x0, y0, x1, y1 = self.bbox
        mask[y0:y1, x0:x1] |= self.pixels()


EMPTY_PATCH = Patch(EMPTY_BBOX, b"")
