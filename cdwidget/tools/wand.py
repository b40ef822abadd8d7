"""The magic wand: what is joined to a pixel and like it in colour."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite

import cv2
import numpy as np

from cdwidget.prompts import Click, check_prompt
from cdwidget.tools.canvas import Canvas, Painted, crop, painted


@dataclass(frozen=True)
class Wand:
    """The region joined to the pixel at (x, y) and like it in colour is in the object (add) or not in it.

    tolerance: grey levels that each of the three channels may differ by from that pixel, 0 to 255.
    """

    x: float
    y: float
    tolerance: float
    add: bool = True


def wave_wand(canvas: Canvas, action: Wand) -> Painted:
    """Decide the 4-connected region; ValueError for a point outside the image or a tolerance outside 0..255."""
    height, width = canvas.mask.shape
    point = Click(action.x, action.y)
    check_prompt(point, width, height)
    if not (isfinite(action.tolerance) and 0 <= action.tolerance <= 255):
        raise ValueError(f"a Wand's tolerance is {action.tolerance:g}; allowed are 0 to 255 grey levels")
    row, column = point.pixel
    colour, tolerance = canvas.image[row, column].astype(int), floor(action.tolerance)
    alike = cv2.inRange(canvas.image, np.maximum(colour - tolerance, 0), np.minimum(colour + tolerance, 255))
    found = np.zeros((height + 2, width + 2), np.uint8)  # flood fill wants a border of one pixel
    flags = 4 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY
    _, _, _, (x, y, w, h) = cv2.floodFill(alike, found, (column, row), 1, flags=flags)
    box = x, y, x + w, y + h
    return painted(box, crop(found[1:-1, 1:-1], box).view(bool), action.add)
