"""Mask files: their values, and whether these mark one object or number several.

A mask file has one channel of 8 or 16 bit, or a palette, or several equal channels. It is one of

- binary: 255 is the object, 0 the background and 128 is ignored;
- soft: a binary mask with values in between at the object's border, from a soft brush, resampling or lossy compression;
- a label map: 0 is the background and any higher value is the id of one object. In 8 bit, 255 is void unless the ids reach it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

import cv2
import numpy as np
from PIL import Image, ImageSequence

from cdwidget.formats.image_files import open_image

ARRAY_SUFFIX = ".npy"
MASK_SUFFIXES = {".png", ".bmp", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".webp", ARRAY_SUFFIX}
LOSSY_SUFFIXES = {".jpg", ".jpeg", ".webp"}  # Compression changes the values, so these files cannot hold ids.
MAX_LOSSY_DIFFERENCE = 16  # Difference of the channels of a gray pixel after lossy compression.
IGNORE_VALUE, FOREGROUND_VALUE = 128, 255  # Values in binary masks.
MIN_PROBABILITY = 0.5  # Of a pixel of the object, in a mask of fractions.
VOID_VALUE = 255  # Value in label maps of 8 bit.
MAX_SOFT_AREA = 0.05  # Uniform areas of other values, as a fraction of the foreground, that compression leaves in a soft mask.


def read_mask_values(path: Path) -> np.ndarray:
    """Read a mask file with one page.

    Returns:
        uint8, uint16 or int32 (H, W); transparent pixels are 0.

    Raises:
        ValueError: If the file cannot be read, has several pages, different channels or fractions.
    """
    first, *others = read_mask_pages(path)
    if others:
        raise ValueError(f"{path} has {1 + len(others)} pages; a mask has one")
    return first


def read_mask_pages(path: Path) -> list[np.ndarray]:
    """Read all pages of a mask file as `read_mask_values` does; a NumPy file may be a stack, (N, H, W)."""
    if path.suffix.lower() == ARRAY_SUFFIX:
        array = np.load(path, allow_pickle=False)
        if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
            raise ValueError(f"{path} is an array {array.dtype} {array.shape}; masks are (H, W) or (N, H, W) numbers")
        return [_one_channel(page, path) for page in (array if array.ndim == 3 else [array])]
    with open_image(path) as file:
        try:
            pages = [np.asarray(page) for page in _pages(file)]
        except Exception as error:  # Pillow raises errors of many types.
            raise ValueError(f"{path} cannot be read as an image: {error}") from error
    return [_one_channel(page, path) for page in pages]


def _pages(file: Image.Image) -> Iterator[Image.Image]:
    """Yield the pages of a TIFF file, or the only image of another file."""
    return ImageSequence.Iterator(file) if file.format == "TIFF" else iter([file])


def _one_channel(pixels: np.ndarray, path: Path) -> np.ndarray:
    if pixels.ndim == 3:
        channels = pixels.shape[2]
        colors = pixels[:, :, : channels - (channels in (2, 4))]
        difference = int((colors.max(2) - colors.min(2)).max(initial=0))
        if difference > (MAX_LOSSY_DIFFERENCE if path.suffix.lower() in LOSSY_SUFFIXES else 0):
            raise ValueError(f"{path} has {channels} channels that differ; a mask has one (gray or palette)")
        gray = colors[:, :, 0]
        if channels in (2, 4) and not gray.any() and not pixels[:, :, -1].all():
            return pixels[:, :, -1]  # A black object on a transparent background.
        if channels in (2, 4):
            gray = ((gray.astype(np.uint16) * pixels[:, :, -1] + 127) // 255).astype(np.uint8)
        return gray
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise ValueError(f"{path} has values that are not finite; a mask has whole numbers, or probabilities from 0 to 1")
        whole = pixels.astype(np.int32)
        if not (whole != pixels).any():
            return whole
        if pixels.min() < 0 or pixels.max() > 1:
            raise ValueError(f"{path} has fractions; a mask has whole numbers, or probabilities from 0 to 1")
        return (pixels >= MIN_PROBABILITY).astype(np.uint8) * np.uint8(FOREGROUND_VALUE)
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


# ---- kinds of masks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MaskKind:
    """The kind of one mask.

    Attributes:
        is_binary: Whether it is a binary or soft mask, else a label map.
        is_soft: Whether it has values between background and foreground.
        has_foreground: Whether it holds an object.
    """

    is_binary: bool
    is_soft: bool
    has_foreground: bool


def kind_of(values: np.ndarray, path: Path) -> MaskKind:
    """Return the kind of a mask from its values and the suffix of its file.

    In a soft mask most pixels are 0 or 255, and hardly any area is uniform in another value. A label map of objects has such areas.
    """
    present = np.unique(values)
    if _has_only_binary_values(values):
        return MaskKind(True, False, bool(present[-1] == FOREGROUND_VALUE))
    if path.suffix.lower() in LOSSY_SUFFIXES:
        return MaskKind(True, True, bool(present[-1] >= IGNORE_VALUE))
    foreground = np.count_nonzero(values == FOREGROUND_VALUE)
    background = np.count_nonzero(values == 0)
    has_bright_border = present[-1] == FOREGROUND_VALUE and present[-2] > IGNORE_VALUE
    if values.dtype != np.uint8 or not has_bright_border or 2 * (foreground + background) < values.size:
        return MaskKind(False, False, True)
    uniform = cv2.erode(values, np.ones((3, 3))) == cv2.dilate(values, np.ones((3, 3)))
    soft = not np.count_nonzero(uniform & (values > 0) & (values < FOREGROUND_VALUE)) > MAX_SOFT_AREA * foreground
    return MaskKind(soft, soft, True)


def are_binary(kinds: Sequence[MaskKind]) -> bool:
    """Return whether a folder holds binary masks: unless label maps outnumber the binary masks with an object."""
    maps = sum(not kind.is_binary for kind in kinds)
    return maps < max(1, sum(kind.is_binary and kind.has_foreground for kind in kinds))


def foreground_pixels(values: np.ndarray) -> np.ndarray:
    """Return the object of a binary or soft mask, bool (H, W); in a soft one, values from 128 are the object."""
    return values == FOREGROUND_VALUE if _has_only_binary_values(values) else values >= IGNORE_VALUE


def ignored_pixels(values: np.ndarray) -> np.ndarray:
    """Return the ignored pixels of a binary mask, bool (H, W); a soft one has none."""
    return (values == IGNORE_VALUE) & _has_only_binary_values(values)


def _has_only_binary_values(values: np.ndarray) -> bool:
    return bool(((values == 0) | (values == IGNORE_VALUE) | (values == FOREGROUND_VALUE)).all())


def void_pixels(values: np.ndarray) -> np.ndarray:
    """Return the void pixels of a label map, bool (H, W).

    Void is 255 in 8 bit, unless the ids 1 to 254 are all used, so that 255 is the next id. Negative values are void too.
    """
    if values.dtype != np.uint8:
        return values < 0
    void = values == VOID_VALUE
    has_all_ids = len(np.unique(values[(values > 0) & ~void])) == VOID_VALUE - 1
    return np.zeros_like(void) if has_all_ids else void


def object_ids(values: np.ndarray) -> list[int]:
    """Return the sorted ids in a label map, without background and void."""
    ids: list[int] = np.unique(values[(values != 0) & ~void_pixels(values)]).tolist()
    return ids


def paste_mask(part: np.ndarray, x: int, y: int, height: int, width: int) -> np.ndarray:
    """Return the mask of an image with a part of it at a place; what lies outside the image is cut off.

    Args:
        part: Pixels in the object, bool (rows, columns).
        x: Column of the part's left edge; negative outside the image.
        y: Row of the part's top edge.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Raises:
        ValueError: If no pixel of the part lies in the image.
    """
    mask = np.zeros((height, width), bool)
    rows, columns = part.shape
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + rows, height), min(x + columns, width)
    if top >= bottom or left >= right:
        raise ValueError(f"its mask of {columns}x{rows} pixels at {x},{y} lies outside the image of {width}x{height} pixels")
    mask[top:bottom, left:right] = part[top - y : bottom - y, left - x : right - x]
    return mask
