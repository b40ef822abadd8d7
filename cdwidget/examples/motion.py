"""The motion of pixels that are hidden or new, continued from the pixels around them."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.examples.flow import pixel_grid

HOMOGRAPHY_ERROR_PX = 3.0  # Largest error of an inlier of the homography.
MAX_DEVIATION_PX = 12.0  # Pixels that deviate more from the homography have another motion.
MAX_POINTS = 500  # Points to which a homography is fitted.
MIN_POINTS = 30  # With fewer, the motion is not continued.
SMOOTHING_PX = 40  # Distance over which deviations from the homography are continued.
SMOOTHING_STEP_PX = 8  # Distance between the points at which these deviations are computed.


def continue_motion(sources: np.ndarray, known: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Return sources, float32 (h, w, 2), where those that are not known continue a motion.

    The motion is a homography plus its smoothed error at the pixels that nearly follow it.

    Args:
        sources: The sources.
        known: Where they are known, bool (h, w).
        moving: The known pixels to which the homography is fitted, bool (h, w).
    """
    y, x = np.nonzero(moving)
    if known.all() or len(y) < MIN_POINTS:
        return sources
    step = max(1, len(y) // MAX_POINTS)
    points = np.stack([x, y], 1).astype(np.float32)[::step]
    homography, _ = cv2.findHomography(points, sources[y, x][::step], cv2.RANSAC, HOMOGRAPHY_ERROR_PX)
    if homography is None:
        return sources
    fitted = cv2.perspectiveTransform(pixel_grid(*known.shape), homography)
    return np.where(known[..., None], sources, fitted + _smooth_error(sources - fitted, moving)).astype(np.float32)


def _smooth_error(error: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Return the error of a homography, float32 (h, w, 2), as a weighted mean over the moving pixels that nearly follow it."""
    height, width = moving.shape
    follows = moving & (np.linalg.norm(error, axis=2) <= MAX_DEVIATION_PX)
    size = max(1, width // SMOOTHING_STEP_PX), max(1, height // SMOOTHING_STEP_PX)
    totals, weights = (
        cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), SMOOTHING_PX / SMOOTHING_STEP_PX)
        for values in (np.where(follows[..., None], error, 0), follows.astype(np.float32))
    )
    return cv2.resize(totals / (weights[..., None] + 1e-3), (width, height), interpolation=cv2.INTER_LINEAR)
