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
MAX_FLOW_ERROR = 0.004  # Largest disagreement of forward and backward flow, as a fraction of the image diagonal.
MAX_RELATIVE_FLOW_ERROR = 0.05  # Further disagreement allowed, as a fraction of the flow.
MIN_FLOW_SIDE_PX = 16  # Shorter side of the images between which flow is computed.


@dataclass(frozen=True, eq=False)
class Flow:
    """Optical flow between two images of one size.

    Attributes:
        sources: Column and row in the earlier image of each pixel of the later one, float32 (H, W, 2).
        is_consistent: Whether the flow back to the earlier image agrees with the flow from it, bool (H, W).
    """

    sources: np.ndarray
    is_consistent: np.ndarray

    @staticmethod
    def between(earlier: np.ndarray, later: np.ndarray) -> Flow:
        """Compute the flow between two images, uint8 (H, W, 3), of one size."""
        height, width = later.shape[:2]
        factor = min(1.0, FLOW_SIDE_PX / max(height, width))
        size = max(MIN_FLOW_SIDE_PX, round(width * factor)), max(MIN_FLOW_SIDE_PX, round(height * factor))
        grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (earlier, later)]
        first, second = (cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray in grays)
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        backward, forward = dis.calc(second, first, None), dis.calc(first, second, None)
        target = _grid(*size) + backward
        error = np.linalg.norm(backward + cv2.remap(forward, target, None, cv2.INTER_LINEAR), axis=2)
        inside = ((target >= 0) & (target <= np.array(size) - 1)).all(2)
        agrees = inside & (error <= MAX_FLOW_ERROR * np.hypot(*size) + MAX_RELATIVE_FLOW_ERROR * np.linalg.norm(backward, axis=2))
        scale = np.array([width / size[0], height / size[1]], np.float32)
        full = cv2.resize(backward, (width, height), interpolation=cv2.INTER_LINEAR) * scale
        is_consistent = cv2.resize(agrees.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        return Flow(_grid(width, height) + full, is_consistent)

    def move(self, values: np.ndarray) -> np.ndarray:
        """Move values of the earlier image, float32 (H, W), to the later one; 0 where they come from outside."""
        return cv2.remap(values, self.sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _grid(width: int, height: int) -> np.ndarray:
    """Return the column and row of each pixel, float32 (H, W, 2)."""
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), 2)
