"""Commands on the whole mask of the instance: fill holes, keep the largest part, smooth, grow, shrink.

Lengths are Euclidean, from pixel centre to pixel centre, and exact. Parts are 8-connected, so holes are 4-connected. What lies beyond the
image counts neither as object nor as background: an object that runs out of the picture keeps its edge there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, sqrt

import cv2
import numpy as np

from cdwidget.masks import bbox
from cdwidget.tools.canvas import Canvas, Painted, around, changed, check_radius, crop, nothing


@dataclass(frozen=True)
class FillHoles:
    """Every region of the background that the object encloses becomes part of it."""


@dataclass(frozen=True)
class KeepLargest:
    """Only the largest connected part stays; of equals the one that begins topmost, then leftmost."""


@dataclass(frozen=True)
class Smooth:
    """What a disk of `radius` does not fit into goes, and gaps that it does not fit into close: opening, then closing."""

    radius: float


@dataclass(frozen=True)
class Grow:
    """All pixels at most `pixels` from the object become part of it."""

    pixels: float


@dataclass(frozen=True)
class Shrink:
    """All pixels at most `pixels` from the background become part of it."""

    pixels: float


def fill_holes(canvas: Canvas, action: FillHoles) -> Painted:
    """Decide the pixels of all holes."""
    box = bbox(canvas.mask)
    mask = crop(canvas.mask, box)
    outside = np.pad(mask.view(np.uint8), 1)  # the background round it joins what is open to any side
    cv2.floodFill(outside, None, (0, 0), 2, flags=4)
    return changed(box, mask, outside[1:-1, 1:-1] != 2) if mask.size else nothing()


def keep_largest(canvas: Canvas, action: KeepLargest) -> Painted:
    """Decide the pixels of all parts but the largest."""
    box = bbox(canvas.mask)
    mask = crop(canvas.mask, box)
    if not mask.size:
        return nothing()
    _, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # the background
    largest = areas == areas.max()
    return changed(box, mask, labels == labels.flat[np.argmax(largest[labels])])


def smooth(canvas: Canvas, action: Smooth) -> Painted:
    """Decide the pixels that opening and then closing by a disk change; ValueError for a radius that is not allowed."""
    radius = check_radius(action, "radius", 1)
    box = around(bbox(canvas.mask), ceil(radius) + 1, canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return changed(box, mask, _shrunk(_grown(_grown(_shrunk(mask, radius), radius), radius), radius)) if mask.any() else nothing()


def grow(canvas: Canvas, action: Grow) -> Painted:
    """Decide the pixels round the object; ValueError for a number of pixels that is not allowed."""
    pixels = check_radius(action, "pixels", 1)
    box = around(bbox(canvas.mask), ceil(pixels), canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return changed(box, mask, _grown(mask, pixels)) if mask.any() else nothing()


def shrink(canvas: Canvas, action: Shrink) -> Painted:
    """Decide the pixels along the object's border; ValueError for a number of pixels that is not allowed."""
    pixels = check_radius(action, "pixels", 1)
    box = around(bbox(canvas.mask), 1, canvas.mask.shape)
    mask = crop(canvas.mask, box)
    return changed(box, mask, _shrunk(mask, pixels)) if mask.any() else nothing()


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the bool pixels at most `radius` from those of a mask."""
    if not mask.any():
        return mask
    distance = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return distance < sqrt(floor(radius * radius) + 0.5)  # squared distances are whole: half-way to the next, roundings do not matter


def _shrunk(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the bool pixels of a mask that are farther than `radius` from all others."""
    return ~_grown(~mask, radius)
