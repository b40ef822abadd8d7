"""The shape of an example: the mask that it suggests for an object in another box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from cdwidget.examples.boxes import Box
from cdwidget.masks import bbox, crop

SHAPE_SIDE = 64  # cells of a shape along each side


@dataclass(frozen=True, eq=False)
class Shape:
    """The mean shape of objects.

    Attributes:
        mask: Fraction of the objects that cover each cell of their bounding box, float32 (SHAPE_SIDE, SHAPE_SIDE).
    """

    mask: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Shape:
        """Return the shape of one mask, bool (H, W), not empty."""
        inside = crop(mask, bbox(mask)).astype(np.float32)
        return cls(cv2.resize(inside, (SHAPE_SIDE, SHAPE_SIDE), interpolation=cv2.INTER_AREA))

    @classmethod
    def mean(cls, shapes: Sequence[Shape]) -> Shape:
        """Return the mean of shapes."""
        return cls(np.mean([one.mask for one in shapes], 0))

    @property
    def core(self) -> tuple[float, float]:
        """The point farthest from the border, (x, y) as fractions of the sides of the bounding box."""
        inside = np.pad((self.mask >= 0.5 * self.mask.max()).astype(np.uint8), 1)
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
        ys, xs = np.nonzero(distance >= 0.95 * distance.max())
        nearest = int(np.argmin((xs - SHAPE_SIDE / 2) ** 2 + (ys - SHAPE_SIDE / 2) ** 2))
        return (float(xs[nearest]) + 0.5) / SHAPE_SIDE, (float(ys[nearest]) + 0.5) / SHAPE_SIDE

    def at(self, box: Box, side: int) -> np.ndarray:
        """Return the shape in a box of a view.

        Args:
            box: The box (x0, y0, x1, y1), as fractions of the view's sides.
            side: Cells of the view along each side.

        Returns:
            float32 (side, side) in [0, 1].
        """
        x0, y0, x1, y1 = (value * side for value in box)
        to_cells = np.array([[(x1 - x0) / SHAPE_SIDE, 0, x0], [0, (y1 - y0) / SHAPE_SIDE, y0]])
        return cv2.warpAffine(self.mask, to_cells, (side, side), flags=cv2.INTER_LINEAR)
