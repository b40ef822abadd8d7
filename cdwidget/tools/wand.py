"""Magic wand: add or remove the region of similar color around a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite

import cv2
import numpy as np

from cdwidget.masks import crop
from cdwidget.prompts import Click, check_prompt
from cdwidget.tools.canvas import Canvas, PixelEdit, Tool, ToolAction, set_pixels


@dataclass(frozen=True)
class Wand(ToolAction):
    """Add the connected region of similar color around a pixel, or remove it.

    Args:
        x: Image pixels from the left edge.
        y: Image pixels from the top edge.
        tolerance: Largest difference from the pixel's color in each channel, in gray levels, 0 to 255.
        add: Whether the region is added or removed.
    """

    x: float
    y: float
    tolerance: float
    add: bool = True


def select_region(canvas: Canvas, action: Wand) -> PixelEdit:
    """Set the 4-connected region; raise ValueError for an invalid point or tolerance."""
    height, width = canvas.mask.shape
    point = Click(action.x, action.y)
    check_prompt(point, width, height)
    if not (isfinite(action.tolerance) and 0 <= action.tolerance <= 255):
        raise ValueError(f"a Wand's tolerance is {action.tolerance:g}; allowed are 0 to 255 gray levels")
    row, column = point.pixel
    color, tolerance = canvas.image[row, column].astype(int), floor(action.tolerance)
    similar = cv2.inRange(canvas.image, np.maximum(color - tolerance, 0), np.minimum(color + tolerance, 255))
    found = np.zeros((height + 2, width + 2), np.uint8)  # OpenCV's flood fill needs a border of one pixel.
    flags = 4 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY
    _, _, _, (x, y, w, h) = cv2.floodFill(similar, found, (column, row), 1, flags=flags)
    box = x, y, x + w, y + h
    return set_pixels(box, crop(found[1:-1, 1:-1], box).view(bool), action.add)


WAND = Tool("wand", "Wand", Wand, select_region, source="wand", key="W")
