"""Superpixels: the image in some hundreds of pieces of like colour, to be taken one by one.

They are computed on a reduced image: the labels L are (h, w), the image is (H, W), and image pixel (column c, row r) lies in segment
L[floor((r + 0.5) * h / H), floor((c + 0.5) * w / W)], here and in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.masks import bbox
from cdwidget.tools.canvas import Canvas, Painted, nothing, painted

LONGER_SIDE = 1024  # of the reduced image; SLIC takes a second there, 12 of them on 12 megapixels
FEWEST, MOST = 10, 10_000
COMPACTNESS, SIGMA = 20.0, 1.0  # nearness against likeness; the blur first. Of those tried, these follow the borders of GrabCut best


@dataclass(frozen=True)
class Superpixel:
    """Every pixel of these segments, ids in the map of `count` superpixels, is in the object (add) or not in it."""

    segments: tuple[int, ...]
    count: int
    add: bool = True


def take_superpixels(canvas: Canvas, action: Superpixel) -> Painted:
    """Decide all pixels of the segments; ValueError for a count that is not allowed or a segment that there is not."""
    check_count(action.count)
    labels = canvas.superpixels(action.count)
    chosen = np.zeros(int(labels.max()) + 1, bool)
    for segment in action.segments:
        if not 0 <= segment < len(chosen):
            raise ValueError(f"there is no superpixel {segment}; with count={action.count} this image has 0 to {len(chosen) - 1}")
        chosen[segment] = True
    found = chosen[labels]
    if not found.any():
        return nothing()
    left, top, right, bottom = bbox(found)
    rows, columns = lookup(labels.shape[0], canvas.mask.shape[0]), lookup(labels.shape[1], canvas.mask.shape[1])
    y0, y1 = (int(row) for row in np.searchsorted(rows, (top, bottom)))
    x0, x1 = (int(column) for column in np.searchsorted(columns, (left, right)))
    return painted((x0, y0, x1, y1), found[rows[y0:y1, None], columns[x0:x1]], action.add)


def superpixels(image: np.ndarray, count: int) -> np.ndarray:
    """Return about `count` superpixels of a uint8 (H, W, 3) image: int32 (h, w), connected segments 0..n-1, always the same ones.

    h and w are at most LONGER_SIDE; the module says which segment an image pixel lies in. Takes about a second. ValueError for a
    count outside FEWEST..MOST.
    """
    from skimage.segmentation import slic  # loads SciPy, which an import of a session or a widget need not wait for

    check_count(count)
    height, width = image.shape[:2]
    scale = min(1.0, LONGER_SIDE / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels = slic(image, n_segments=count, compactness=COMPACTNESS, sigma=SIGMA, start_label=0, channel_axis=-1)
    return np.ascontiguousarray(labels, np.int32)


def lookup(reduced: int, full: int) -> np.ndarray:
    """Return for each of `full` rows (or columns) of the image the one of `reduced` in the labels, int64, never falling."""
    return np.floor((np.arange(full) + 0.5) * reduced / full).astype(np.int64)


def check_count(count: int) -> None:
    """Raise ValueError when there cannot be this many superpixels."""
    if not FEWEST <= count <= MOST:
        raise ValueError(f"{count} superpixels are asked for; allowed are {FEWEST} to {MOST}")
