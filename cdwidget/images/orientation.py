"""The EXIF orientation of images."""

from __future__ import annotations

import numpy as np

EXIF_ORIENTATION = 0x0112  # Tag of EXIF and of TIFF.
SIDEWAYS_ORIENTATIONS = range(5, 9)  # Values of the tag for images turned by 90 or 270 degrees.


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels, (H, W, bands), that are stored in an orientation of 1 to 8; others are ignored."""
    if orientation in SIDEWAYS_ORIENTATIONS:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
