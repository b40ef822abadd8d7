"""The size and EXIF orientation of image files, and masks that were drawn on the pixels as they are stored.

The edges of an image show whether masks count its pixels as stored or as shown, since the borders of masks lie on them.
`benchmarks/stored_pixels.py` measures how surely.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, NamedTuple

import cv2
import numpy as np
from PIL import Image

from cdwidget.formats.image_files import image_size
from cdwidget.images.files import stored_size
from cdwidget.images.orientation import EXIF_ORIENTATION, SIDEWAYS_ORIENTATIONS, upright

UPRIGHT = 1  # Value of the tag.
EXIF_MARKERS = (b"Exif", b"eXIf", b"EXIF", b"II*\0", b"MM\0*")  # In JPEG, PNG, WebP and TIFF files.
MIN_CONTRAST_RATIO = 1.3  # Above it, masks are taken to be drawn on the pixels as stored.
MAX_COMPARED_SIDE = 256  # px
HEAD_BYTES = 4096  # The markers are near the beginning of a file.


class ImageHeader(NamedTuple):
    """The size of an image file's pixels as stored, (height, width), and its EXIF orientation, 1 to 8."""

    size: tuple[int, int]
    orientation: int

    @property
    def shown_size(self) -> tuple[int, int]:
        """(height, width) of the upright image."""
        return self.size[::-1] if self.orientation in SIDEWAYS_ORIENTATIONS else self.size


def read_header(path: str | Path) -> ImageHeader | None:
    """Return the size and the EXIF orientation of an image file; None for one that is not there, or that Pillow cannot read."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            with Image.open(file) as image:
                size = stored_size(image)
                # Most files have no EXIF data, and looking for it takes longer.
                orientation = image.getexif().get(EXIF_ORIENTATION) if any(marker in head for marker in EXIF_MARKERS) else UPRIGHT
    except Exception:  # Pillow raises errors of many types. The file is examined when the image is read.
        return None
    return ImageHeader(size, orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else UPRIGHT)


def is_turned(path: str | Path) -> bool:
    """Return whether an image file has an EXIF orientation other than upright; faster than `read_header` for most files."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return False
    header = read_header(path) if any(marker in head for marker in EXIF_MARKERS) else None
    return header is not None and header.orientation != UPRIGHT


def stored_orientation(size: tuple[int, ...], image: Path) -> int:
    """Return the EXIF orientation to apply to annotations of a size, (height, width).

    It is the image's if the size is that of its pixels as stored, turned by 90 degrees, else 1.
    """
    header = read_header(image)
    return header.orientation if header is not None and header.shown_size != size == header.size else UPRIGHT


def size_of_annotations(size: tuple[int, int], header: ImageHeader | None, report: Callable[[str], None]) -> tuple[int, int]:
    """Compare the size of an image in an annotation file with the image, and report a difference.

    Args:
        size: (height, width) in the file.
        header: The header of the image; None if it cannot be compared.
        report: Receives the problem.

    Returns:
        The size that the annotations have: the image's if height and width are swapped in the file, else that in the file.
    """
    if header is None or size in (header.size, header.shown_size):
        return size
    (height, width), (own_height, own_width) = header.shown_size, size
    difference = f"the file says that it has {own_width}x{own_height} pixels, and it has {width}x{height}"
    if (own_width, own_height) == (height, width):
        report(f"{difference}; width and height were swapped back")
        return height, width
    report(f"{difference}; its masks have the size in the file, so use the image that was annotated, or scale the annotations")
    return size


def fit_to_image(mask: np.ndarray, image: Path) -> np.ndarray:
    """Return a mask, (H, W), turned upright if its size is that of the image's pixels as stored."""
    orientation = UPRIGHT if mask.shape == image_size(image) else stored_orientation(mask.shape, image)
    return mask if orientation == UPRIGHT else turn_upright(mask, orientation)


def turn_upright(mask: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a mask as stored, (H, W), as Pillow's `exif_transpose` turns its image."""
    return np.ascontiguousarray(upright(mask, orientation))


class EdgeContrast:
    """The contrast of an image at the borders of masks.

    Attributes:
        total: Sum of the differences of adjacent pixels, 0 to 255, over all borders.
        count: Number of pairs of adjacent pixels on the borders.
    """

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, pixels: np.ndarray, mask: np.ndarray) -> None:
        """Add the borders of a mask, bool (H, W), on an image, uint8 (H, W, 3)."""
        scale = min(1.0, MAX_COMPARED_SIDE / max(mask.shape))
        size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.int16)
        inside = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        for axis in (0, 1):
            border = np.diff(inside, axis=axis) != 0
            self.total += float(np.abs(np.diff(small, axis=axis)).max(axis=2)[border].sum())
            self.count += int(border.sum())

    def exceeds(self, other: EdgeContrast) -> bool:
        """Return whether the borders lie clearly better on edges of the image than others do."""
        own, theirs = ((each.total + each.count) / max(1, each.count) for each in (self, other))  # One level more, for even images.
        return own > MIN_CONTRAST_RATIO * theirs
