"""Whether two images show the same at each pixel, although the light of one differs."""

from __future__ import annotations

import cv2
import numpy as np

WINDOW_PX = 9  # Side of the windows whose gray levels are correlated, and of the smallest area that looks alike.
VARIANCE = 15.0  # Added to the variances of a window, in squared gray levels, so that noise does not count as different.
COLOR_PX = 3  # Side of the windows whose mean colors are compared.
MAX_COLOR_DIFFERENCE = 30.0  # Levels; pixels with a larger difference of their colors look different.
QUANTILES = (0.1, 0.9)  # Dark and bright levels by which the light is adapted.
MIN_CONTRAST = 0.2  # Added to the contrast of both images, as a difference of logarithms, so that noise does not change the light.


def correlate(first: np.ndarray, second: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how well two images match in the best window that contains each pixel.

    Args:
        first: An image, uint8 (h, w, 3) RGB.
        second: Another image; the light of the whole image may differ.
        known: Pixels that show the same in both, from which this difference is estimated, bool (h, w).

    Returns:
        The correlation of the gray levels, float32 (h, w) in [-1, 1]; -1 where the colors differ.
    """
    a, b = _in_light_of(first, second, known), second.astype(np.float32)
    differs = np.abs(cv2.blur(a - b, (COLOR_PX, COLOR_PX))).max(2) > MAX_COLOR_DIFFERENCE
    a, b = a.mean(2), b.mean(2)
    mean_a, mean_b = _mean(a), _mean(b)
    variances = [np.maximum(_mean(one * one) - center**2, 0) + VARIANCE for one, center in ((a, mean_a), (b, mean_b))]
    found = (_mean(a * b) - mean_a * mean_b + VARIANCE) / np.sqrt(variances[0] * variances[1])
    return np.where(differs, np.float32(-1), cv2.dilate(found, np.ones((WINDOW_PX, WINDOW_PX), np.uint8)))


def without_specks(pixels: np.ndarray) -> np.ndarray:
    """Return the parts of a mask, bool (h, w), that hold a whole window."""
    return cv2.morphologyEx(pixels.view(np.uint8), cv2.MORPH_OPEN, np.ones((WINDOW_PX, WINDOW_PX), np.uint8)) > 0


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (WINDOW_PX, WINDOW_PX))


def _in_light_of(image: np.ndarray, other: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return an image, float32 (h, w, 3), with a gain and a gamma for each channel that adapt its known pixels to another image."""
    if not known.any():
        return image.astype(np.float32)
    levels, others = (np.log1p(one[known].astype(np.float32)) for one in (image, other))
    dark, bright = np.quantile(levels, QUANTILES, axis=0).astype(np.float32)
    other_dark, other_bright = np.quantile(others, QUANTILES, axis=0).astype(np.float32)
    gamma = (other_bright - other_dark + MIN_CONTRAST) / (bright - dark + MIN_CONTRAST)
    adapted = (np.log1p(np.arange(256, dtype=np.float32))[:, None] - (dark + bright) / 2) * gamma + (other_dark + other_bright) / 2
    table = np.expm1(np.clip(adapted, 0, np.log1p(np.float32(255))))
    return np.stack([table[:, channel][image[..., channel]] for channel in range(3)], 2)
