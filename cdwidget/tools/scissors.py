"""Intelligent scissors: the path along edges from a lasso's last point to the pointer.

Mortensen and Barrett, "Intelligent scissors for image composition", SIGGRAPH 1995, as implemented in OpenCV. A path is a proposal;
the browser joins the paths to the `Lasso` that a session records.
"""

from __future__ import annotations

from math import isfinite
from threading import Lock

import cv2
import numpy as np

from cdwidget.masks import Bbox, crop, expand_bbox
from cdwidget.prompts import Click, check_prompt
from cdwidget.tools.canvas import MAX_COORDINATE_PX

MAX_SIDE_PX = 384  # Longer side of the map of paths: an anchor takes 40 ms, then a path less than 1 ms.
MAX_SNAP_PX = 256
MIN_EDGE = 60.0  # Gradient of an edge that a point snaps to, in gray levels of the 3x3 Sobel filter; noise has less.
MIN_WINDOW_PX = 32  # A smaller window shows no edge to follow.


class Scissors:
    """Paths along the edges of one image, for any thread.

    The map of all paths from an anchor is kept until the next anchor, so that following the pointer is fast.

    Args:
        image: uint8 (H, W, 3), RGB.

    Example:
        >>> Scissors(image).path((120, 88), (160, 95))
        [(120, 88), ..., (160, 95)]
    """

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self._lock = Lock()
        self._tool = cv2.segmentation.IntelligentScissorsMB()
        self._tool.setEdgeFeatureCannyParameters(32, 100)
        self._tool.setGradientMagnitudeMaxLimit(200)
        self._built: tuple[tuple[int, int], float] | None = None
        self._box: Bbox = (0, 0, 0, 0)
        self._scale = (1.0, 1.0)

    def path(
        self, anchor: tuple[float, float], target: tuple[float, float], window: float = MAX_SIDE_PX, snap: float = 0.0
    ) -> list[tuple[float, float]]:  # fmt: skip
        """Return the path between two points along edges.

        Args:
            anchor: Start, (x, y) in image pixels.
            target: End, (x, y); outside of the window, the path ends with a straight line.
            window: Side of the square around the anchor that is searched, in image pixels; reduced if it is above 384.
            snap: The path ends at the strongest edge within this distance of `target`, in pixels; 0 to end at `target` itself.

        Returns:
            The points (x, y) of the path, from `anchor` to `target` or the edge near it, both included.

        Raises:
            ValueError: If the anchor is outside the image, the target is not finite, or the window or `snap` is not allowed.
        """
        height, width = self._image.shape[:2]
        start = Click(*anchor)
        check_prompt(start, width, height)
        if not (isfinite(target[0]) and isfinite(target[1])):
            raise ValueError(f"the path ends at x={target[0]:g}, y={target[1]:g}; it needs finite image pixels")
        if not MIN_WINDOW_PX <= window <= MAX_COORDINATE_PX:
            raise ValueError(f"the window is {window:g} pixels wide; allowed are {MIN_WINDOW_PX} to {MAX_COORDINATE_PX:.0f}")
        if not 0 <= snap <= MAX_SNAP_PX:
            raise ValueError(f"snap is {snap:g} pixels; allowed are 0 to {MAX_SNAP_PX}")
        target = nearest_edge(self._image, target, snap) if snap else target
        with self._lock:
            if self._built != (start.pixel, window):
                self._build(start.pixel, window)
            (x0, y0, x1, y1), (across, down) = self._box, self._scale
            column = int((min(max(target[0], x0), x1 - 0.5) - x0) * across)
            row = int((min(max(target[1], y0), y1 - 0.5) - y0) * down)
            contour = self._tool.getContour((column, row))
        bends = cv2.approxPolyDP(contour, 0.5, False).reshape(-1, 2)  # This removes the steps from pixel to pixel.
        between = (bends[1:-1] + 0.5) / (across, down) + (x0, y0)
        return [anchor, *map(tuple, between.tolist()), target]

    def _build(self, pixel: tuple[int, int], window: float) -> None:
        row, column = pixel
        self._built = None
        self._box = expand_bbox((column, row, column + 1, row + 1), window / 2, self._image.shape)
        image = crop(self._image, self._box)
        scale = min(1.0, MAX_SIDE_PX / max(image.shape))
        height, width = (max(1, round(length * scale)) for length in image.shape[:2])
        self._scale = width / image.shape[1], height / image.shape[0]
        self._tool.applyImage(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
        self._tool.buildMap((int((column + 0.5 - self._box[0]) * self._scale[0]), int((row + 0.5 - self._box[1]) * self._scale[1])))
        self._built = pixel, window


def nearest_edge(image: np.ndarray, point: tuple[float, float], radius: float) -> tuple[float, float]:
    """Return the strongest edge near a point, or the point itself if there is none.

    Args:
        image: uint8 (H, W, 3), RGB.
        point: (x, y) in image pixels.
        radius: Largest distance in pixels; at that distance, an edge counts half.
    """
    x, y = point
    box = expand_bbox((x, y, x, y), radius + 1, image.shape)
    part = crop(image, box)
    if not part.size:
        return point
    gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    slopes = [cv2.Sobel(gray, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
    rows, columns = np.indices(gray.shape) + 0.5
    distance = np.hypot(columns + box[0] - x, rows + box[1] - y)
    strength = np.hypot(*slopes) * (distance <= radius)
    row, column = np.unravel_index(np.argmax(strength * (1 - 0.5 * distance / radius)), gray.shape)
    return (box[0] + column + 0.5, box[1] + row + 0.5) if strength[row, column] >= MIN_EDGE else point
