"""Superpixels: add or remove segments of similar color.

The segments are computed on a reduced image: with labels L (h, w) of an image (H, W), the image pixel in column c and row r belongs to
segment L[floor((r + 0.5) * h / H), floor((c + 0.5) * w / W)], in Python and in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.masks import bbox
from cdwidget.tools.canvas import NO_EDIT, Canvas, PixelEdit, Tool, ToolAction, set_pixels

MAX_SIDE_PX = 1024  # Longer side of the reduced image. SLIC takes 1 s on it, and 12 s on 12 megapixels.
MIN_COUNT, MAX_COUNT = 10, 10_000
# Parameters of SLIC that follow the borders of GrabCut's objects best.
COMPACTNESS = 20.0  # Weight of distance against color.
BLUR_SIGMA_PX = 1.0


@dataclass(frozen=True)
class Superpixel(ToolAction):
    """Add all pixels of some superpixels to the mask, or remove them.

    Args:
        segments: Labels of the superpixels.
        count: Approximate number of superpixels in the image, 10 to 10,000.
        add: Whether the pixels are added or removed.
    """

    segments: tuple[int, ...]
    count: int
    add: bool = True


def set_superpixels(canvas: Canvas, action: Superpixel) -> PixelEdit:
    """Set all pixels of the segments; raise ValueError for an invalid count or unknown segment."""
    check_count(action.count)
    labels = canvas.superpixels(action.count)
    chosen = np.zeros(int(labels.max()) + 1, bool)
    for segment in action.segments:
        if not 0 <= segment < len(chosen):
            raise ValueError(f"there is no superpixel {segment}; with count={action.count} this image has 0 to {len(chosen) - 1}")
        chosen[segment] = True
    found = chosen[labels]
    if not found.any():
        return NO_EDIT
    left, top, right, bottom = bbox(found)
    rows, columns = label_positions(labels.shape[0], canvas.mask.shape[0]), label_positions(labels.shape[1], canvas.mask.shape[1])
    y0, y1 = (int(row) for row in np.searchsorted(rows, (top, bottom)))
    x0, x1 = (int(column) for column in np.searchsorted(columns, (left, right)))
    return set_pixels((x0, y0, x1, y1), found[rows[y0:y1, None], columns[x0:x1]], action.add)


def superpixels(image: np.ndarray, count: int) -> np.ndarray:
    """Segment an image into superpixels by SLIC, in about a second, deterministically.

    Args:
        image: uint8 (H, W, 3), RGB.
        count: Approximate number of superpixels, 10 to 10,000.

    Returns:
        Labels 0..n-1 of connected segments, int32 (h, w), of the image reduced to at most 1024 pixels per side.

    Raises:
        ValueError: If the count is not allowed.
    """
    from skimage.segmentation import slic  # Imported here because it loads SciPy, which would delay the import of a session.

    check_count(count)
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels = slic(image, n_segments=count, compactness=COMPACTNESS, sigma=BLUR_SIGMA_PX, start_label=0, channel_axis=-1)
    return np.ascontiguousarray(labels, np.int32)


def label_positions(reduced: int, full: int) -> np.ndarray:
    """Return the row of the labels for each row of the image, int64 (full,); or columns."""
    return np.floor((np.arange(full) + 0.5) * reduced / full).astype(np.int64)


def check_count(count: int) -> None:
    """Raise ValueError if the number of superpixels is not allowed."""
    if not MIN_COUNT <= count <= MAX_COUNT:
        raise ValueError(f"the count is {count} superpixels; allowed are {MIN_COUNT} to {MAX_COUNT}")


SUPERPIXEL = Tool("superpixel", "Superpixel", Superpixel, set_superpixels, source="superpixel", key="U")
