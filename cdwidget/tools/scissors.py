"""Intelligent scissors: the path along edges from where the last point was put down to the pointer.

Mortensen and Barrett, "Intelligent scissors for image composition", SIGGRAPH 1995, as OpenCV has them. A path is a proposal; what is
recorded is the `Lasso` that the browser makes of all paths.
"""

from __future__ import annotations

from math import isfinite
from threading import Lock

import cv2
import numpy as np

from cdwidget.masks import Bbox
from cdwidget.prompts import Click, check_prompt
from cdwidget.tools.canvas import FARTHEST, around, crop

SIDE = 384  # pixels that the map of paths is computed on at most, across and down: 40 ms an anchor; a path then takes less than 1
NARROWEST = 32  # pixels of a window in which there is anything to follow


class Scissors:
    """Paths in one image. The map of all paths from an anchor is kept until another anchor, so that following the pointer is quick.

    May be called from any thread.

    >>> Scissors(image).path((120, 88), (160, 95))
    [(120, 88), ..., (160, 95)]
    """

    def __init__(self, image: np.ndarray) -> None:
        """image: uint8 (H, W, 3) RGB."""
        self._image = image
        self._lock = Lock()
        self._tool = cv2.segmentation.IntelligentScissorsMB()
        self._tool.setEdgeFeatureCannyParameters(32, 100)
        self._tool.setGradientMagnitudeMaxLimit(200)
        self._built: tuple[tuple[int, int], float] | None = None
        self._box: Bbox = (0, 0, 0, 0)
        self._scale = (1.0, 1.0)

    def path(self, anchor: tuple[float, float], target: tuple[float, float], window: float = SIDE) -> list[tuple[float, float]]:
        """Return the points (x, y) from `anchor` to `target`, both among them, along edges where there are any.

        window: pixels across and down, round the anchor, that edges are followed in; one wider than SIDE is looked at reduced. A
        target outside of it is reached by a straight line. Raises ValueError for an anchor outside the image, a target that is not
        finite, or a window that is not allowed.
        """
        height, width = self._image.shape[:2]
        start = Click(*anchor)
        check_prompt(start, width, height)
        if not (isfinite(target[0]) and isfinite(target[1])):
            raise ValueError(f"the path is to lead to x={target[0]:g}, y={target[1]:g}; it needs finite image pixels")
        if not NARROWEST <= window <= FARTHEST:
            raise ValueError(f"the window is {window:g} pixels wide; allowed are {NARROWEST} to {FARTHEST:.0f}")
        with self._lock:
            if self._built != (start.pixel, window):
                self._build(start.pixel, window)
            (x0, y0, x1, y1), (across, down) = self._box, self._scale
            column = int((min(max(target[0], x0), x1 - 0.5) - x0) * across)
            row = int((min(max(target[1], y0), y1 - 0.5) - y0) * down)
            contour = self._tool.getContour((column, row))
        bends = cv2.approxPolyDP(contour, 0.5, False).reshape(-1, 2)  # without the steps from pixel to pixel
        between = (bends[1:-1] + 0.5) / (across, down) + (x0, y0)
        return [anchor, *map(tuple, between.tolist()), target]

    def _build(self, pixel: tuple[int, int], window: float) -> None:
        row, column = pixel
        self._built = None
        self._box = around((column, row, column + 1, row + 1), window / 2, self._image.shape)
        image = crop(self._image, self._box)
        scale = min(1.0, SIDE / max(image.shape))
        height, width = (max(1, round(length * scale)) for length in image.shape[:2])
        self._scale = width / image.shape[1], height / image.shape[0]
        self._tool.applyImage(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
        self._tool.buildMap((int((column + 0.5 - self._box[0]) * self._scale[0]), int((row + 0.5 - self._box[1]) * self._scale[1])))
        self._built = pixel, window
