"""How well a mask's border is met, and how much a border may be off before an object counts as wrong."""

from __future__ import annotations

from math import hypot

import cv2
import numpy as np

from cdwidget.clicks import core_distance
from cdwidget.masks import iou

DIAGONAL_SHARE = 0.02  # width of the boundary as a fraction of the image's diagonal (Cheng et al., "Boundary IoU", CVPR 2021)
NARROW_PX = 2.0  # width of the narrow boundary, image pixels
TOLERANT_IOU = 0.90


def boundary_iou(truth: np.ndarray, mask: np.ndarray, width: float | None = None) -> float:
    """Compute the IoU of two masks' inner boundaries: the pixels of each mask at most `width` from its border.

    truth, mask: bool (H, W). width: in pixels, by default 2 % of the image's diagonal. The image's border counts as a border.
    """
    width = max(1.0, round(DIAGONAL_SHARE * hypot(*truth.shape))) if width is None else width
    return iou(_inner_boundary(truth, width), _inner_boundary(mask, width))


def tolerance(truth: np.ndarray, ignore: np.ndarray) -> float:
    """Compute the IoU of the truth with itself grown by one pixel, 8-connected: low for small, thin and jagged objects."""
    grown = cv2.dilate(truth.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return iou(truth & ~ignore, grown & ~ignore)


def _inner_boundary(mask: np.ndarray, width: float) -> np.ndarray:
    return mask & (core_distance(mask) <= width)
