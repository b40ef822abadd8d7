"""Optical flow between two images, and where it can be trusted.

The flow is DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016). It is trusted where the flow back agrees with
it up to a constant plus a fraction of its length (Sundaram et al., "Dense point trajectories by GPU-accelerated large displacement optical
flow", ECCV 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

FLOW_SIDE_PX = 512  # Longer side of the images between which flow is computed.
MAX_FLOW_ERROR = 0.004  # Largest disagreement of forward and backward flow, as a fraction of the diagonal of a whole image.
MAX_RELATIVE_FLOW_ERROR = 0.05  # Further disagreement allowed, as a fraction of the flow.
MIN_FLOW_SIDE_PX = 16  # Shorter side of the images between which flow is computed.


@dataclass(frozen=True, eq=False)
class Flow:
    """Optical flow between two images of one size.

    Attributes:
        sources: Column and row in the earlier image of each pixel of the later one, float32 (h, w, 2).
        is_consistent: Whether the flow back to the earlier image agrees with the flow from it, bool (h, w).
    """

    sources: np.ndarray
    is_consistent: np.ndarray

    @staticmethod
    def between(earlier: np.ndarray, later: np.ndarray, max_error: float | None = None) -> Flow:
        """Compute the flow between two images of one size.

        Args:
            earlier: The earlier image, uint8 (h, w, 3), such as `flow_image` returns.
            later: The later image.
            max_error: Disagreement in pixels that is allowed for any flow; None for `MAX_FLOW_ERROR`.
        """
        shape = later.shape[:2]
        first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (np.ascontiguousarray(earlier), np.ascontiguousarray(later)))
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        backward, forward = dis.calc(second, first, None), dis.calc(first, second, None)
        sources = pixel_grid(*shape) + backward
        error = np.linalg.norm(backward + warp(forward, sources), axis=2)
        allowed = MAX_FLOW_ERROR * np.hypot(*shape) if max_error is None else max_error
        agrees = error <= allowed + MAX_RELATIVE_FLOW_ERROR * np.linalg.norm(backward, axis=2)
        return Flow(sources, agrees & is_inside(sources, shape))


def flow_image(image: np.ndarray) -> np.ndarray:
    """Return an image, uint8 (H, W, 3), in the size at which flow is computed, uint8 (h, w, 3)."""
    height, width = image.shape[:2]
    factor = min(1.0, FLOW_SIDE_PX / max(height, width))
    size = max(MIN_FLOW_SIDE_PX, round(width * factor)), max(MIN_FLOW_SIDE_PX, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def warp(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return values (h, w) or (h, w, C) at sources, float32 (h, w, 2), or at the closest pixel inside."""
    return cv2.remap(values, sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def move_mask(prob: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return a mask, float32 (H, W), moved by the flow of small images.

    Args:
        prob: The mask in the earlier image.
        sources: Column and row in the earlier small image of each pixel of the later one, float32 (h, w, 2).

    Returns:
        float32 (H, W), 0 where the mask comes from outside the image.
    """
    scale = np.array([prob.shape[1] / sources.shape[1], prob.shape[0] / sources.shape[0]], np.float32)
    if (scale != 1).any():
        sources = cv2.resize((sources + 0.5) * scale - 0.5, prob.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.remap(prob, sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def is_inside(sources: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return whether sources, float32 (h, w, 2), are inside an image of a shape (H, W), bool (h, w)."""
    return np.all((sources >= 0) & (sources <= np.array(shape[::-1]) - 1), axis=2)


def pixel_grid(height: int, width: int) -> np.ndarray:
    """Return the column and row of each pixel, float32 (height, width, 2)."""
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), 2)
