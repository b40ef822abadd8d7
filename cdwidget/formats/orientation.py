"""The EXIF orientation of image files, and masks that were drawn on the pixels as they are stored."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from cdwidget.images.orientation import EXIF_ORIENTATION, upright

UPRIGHT = 1  # Value of the tag.
EXIF_MARKERS = (b"Exif", b"eXIf", b"EXIF", b"II*\0", b"MM\0*")  # In JPEG, PNG, WebP and TIFF files.
HEAD_BYTES = 4096  # The markers are near the beginning of a file.


def read_orientation(path: str | Path) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 for a file that has none or cannot be read."""
    if not os.path.isfile(path):
        return UPRIGHT
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            if not any(marker in head for marker in EXIF_MARKERS):  # Opening an image takes longer.
                return UPRIGHT
            with Image.open(file) as image:
                orientation = image.getexif().get(EXIF_ORIENTATION)
    except Exception:  # Pillow raises errors of many types. The file is examined when the image is read.
        return UPRIGHT
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else UPRIGHT


def turn_upright(mask: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a mask as stored, (H, W), as Pillow's `exif_transpose` turns its image."""
    return np.ascontiguousarray(upright(mask, orientation))
