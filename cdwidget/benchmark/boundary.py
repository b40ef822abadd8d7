"""Boundary IoU, and how much IoU an object loses if its border is one pixel off."""

from __future__ import annotations

from math import hypot

import cv2
import numpy as np

from cdwidget.click_simulation import core_distance
from cdwidget.masks import iou

BOUNDARY_WIDTH = 0.02  # fraction of the image diagonal
NARROW_WIDTH_PX = 2.0


def boundary_iou(gt: np.ndarray, mask: np.ndarray, width: float | None = None) -> float:
    """Return the IoU of the inner boundaries of two masks.

    The inner boundary is the part of a mask at most `width` from its border; the image border is a border, too. Source: Cheng et al.,
    "Boundary IoU", CVPR 2021.

    Args:
        gt: Ground truth, bool (H, W).
        mask: Predicted mask, bool (H, W).
        width: Width of the boundary in pixels; None for 2 % of the image diagonal.

    Returns:
        IoU in [0, 1]; 1.0 if both masks are empty.

    Raises:
        ValueError: If the shapes differ.
    """
    width = max(1.0, round(BOUNDARY_WIDTH * hypot(*gt.shape))) if width is None else width
    return iou(_inner_boundary(gt, width), _inner_boundary(mask, width))


def grown_iou(gt: np.ndarray, ignore: np.ndarray) -> float:
    """Return the IoU of the ground truth with itself grown by one pixel.

    It is low for small, thin and jagged objects: an error of one pixel at their border costs much IoU.

    Args:
        gt: Ground truth, bool (H, W); it grows into all eight neighbors of a pixel.
        ignore: Pixels that do not count, bool (H, W).
    """
    grown = cv2.dilate(gt.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return iou(gt & ~ignore, grown & ~ignore)


def _inner_boundary(mask: np.ndarray, width: float) -> np.ndarray:
    return mask & (core_distance(mask) <= width)
