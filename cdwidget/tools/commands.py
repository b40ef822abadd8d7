"""Commands on a whole mask: fill holes, keep the largest part, smooth, grow, shrink.

Distances are Euclidean between pixel centers, and exact. Parts are 8-connected, so holes are 4-connected. The outside of the image
is neither object nor background, so an object at the edge of the image stays there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt

import cv2
import numpy as np

from cdwidget.masks import bbox, crop, expand_bbox
from cdwidget.tools.canvas import NO_EDIT, Canvas, PixelEdit, Tool, ToolAction, check_radius, replace_pixels


@dataclass(frozen=True)
class FillHoles(ToolAction):
    """Add all regions of the background that the object encloses to the mask."""


@dataclass(frozen=True)
class KeepLargest(ToolAction):
    """Remove all connected parts except the largest.

    Of equal parts, the topmost stays, then the leftmost.
    """


@dataclass(frozen=True)
class Smooth(ToolAction):
    """Smooth the border of the mask: morphological opening, then closing, by a disk.

    Args:
        radius: Image pixels, 1 to 1024.
    """

    radius: float


@dataclass(frozen=True)
class Grow(ToolAction):
    """Add all pixels near the object to the mask.

    Args:
        pixels: Largest distance from the object, 1 to 1024.
    """

    pixels: float


@dataclass(frozen=True)
class Shrink(ToolAction):
    """Remove all pixels near the background from the mask.

    Args:
        pixels: Largest distance from the background, 1 to 1024.
    """

    pixels: float


def fill_holes(canvas: Canvas, action: FillHoles) -> PixelEdit:
    """Add the pixels of all holes."""
    box = bbox(canvas.mask)
    mask = crop(canvas.mask, box)
    outside = np.pad(mask.view(np.uint8), 1)  # The padding joins all regions that are open to a side.
    cv2.floodFill(outside, None, (0, 0), 2, flags=4)
    return replace_pixels(box, mask, outside[1:-1, 1:-1] != 2) if mask.size else NO_EDIT


def keep_largest(canvas: Canvas, action: KeepLargest) -> PixelEdit:
    """Remove the pixels of all parts except the largest."""
    box = bbox(canvas.mask)
    mask = crop(canvas.mask, box)
    if not mask.size:
        return NO_EDIT
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # The background.
    largest = areas == areas.max()
    return replace_pixels(box, mask, labels == labels.flat[np.argmax(largest[labels])])


def smooth(canvas: Canvas, action: Smooth) -> PixelEdit:
    """Open and close the mask; raise ValueError for a radius that is not allowed."""
    radius = check_radius(action, "radius", 1)
    box = expand_bbox(bbox(canvas.mask), ceil(radius) + 1, canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return replace_pixels(box, mask, _shrunk(_grown(_grown(_shrunk(mask, radius), radius), radius), radius)) if mask.any() else NO_EDIT


def grow(canvas: Canvas, action: Grow) -> PixelEdit:
    """Add the pixels around the object; raise ValueError for a distance that is not allowed."""
    pixels = check_radius(action, "pixels", 1)
    box = expand_bbox(bbox(canvas.mask), ceil(pixels), canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return replace_pixels(box, mask, _grown(mask, pixels)) if mask.any() else NO_EDIT


def shrink(canvas: Canvas, action: Shrink) -> PixelEdit:
    """Remove the pixels along the border; raise ValueError for a distance that is not allowed."""
    pixels = check_radius(action, "pixels", 1)
    box = expand_bbox(bbox(canvas.mask), 1, canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return replace_pixels(box, mask, _shrunk(mask, pixels)) if mask.any() else NO_EDIT


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels at most `radius` from a pixel of the mask, bool."""
    if not mask.any():
        return mask
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance < sqrt(floor(radius * radius) + 0.5)  # Squared distances are whole; + 0.5 is safe from rounding.


def _shrunk(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels of a mask that are farther than `radius` from all others, bool."""
    return ~_grown(~mask, radius)


FILL_HOLES = Tool("fill_holes", "Fill holes", FillHoles, fill_holes, source="command")
KEEP_LARGEST = Tool("keep_largest", "Keep the largest part", KeepLargest, keep_largest, source="command")
SMOOTH = Tool("smooth", "Smooth", Smooth, smooth, source="command")
GROW = Tool("grow", "Grow", Grow, grow, source="command")
SHRINK = Tool("shrink", "Shrink", Shrink, shrink, source="command")
