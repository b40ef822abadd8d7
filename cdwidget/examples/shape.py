"""The shape of the examples: where a similarity map shows it, at which size, and the mask that it suggests there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Sequence

import cv2
import numpy as np

from cdwidget.masks import Bbox, bbox, crop

SHAPE_SIDE = 64  # cells of a shape along each side
SCALES = (0.5, 0.71, 1.0, 1.41, 2.0)  # sizes to look for, relative to the examples
RING_WIDTH = 0.35  # width of the ring around a shape, relative to its sides
PEAK_DISTANCE = 0.6  # smallest distance of two peaks, relative to the sides of the smaller one


class Peak(NamedTuple):
    """A place in a view that looks like the examples; lengths are fractions of the view's sides.

    Attributes:
        x: Horizontal position of the center of the object's box.
        y: Vertical position.
        width: Width of the box.
        height: Height of the box.
        contrast: Mean similarity inside the shape less that in the ring around it, at most 1.
    """

    x: float
    y: float
    width: float
    height: float
    contrast: float


@dataclass(frozen=True, eq=False)
class Shape:
    """The mean shape and size of objects.

    Attributes:
        mask: Fraction of the objects that cover each cell of their bounding box, float32 (SHAPE_SIDE, SHAPE_SIDE).
        width: Width of the bounding box in image pixels.
        height: Height of the bounding box in image pixels.
    """

    mask: np.ndarray
    width: float
    height: float

    @classmethod
    def of(cls, mask: np.ndarray) -> Shape:
        """Return the shape of one mask, bool (H, W), not empty."""
        x0, y0, x1, y1 = box = bbox(mask)
        inside = crop(mask, box).astype(np.float32)
        return cls(cv2.resize(inside, (SHAPE_SIDE, SHAPE_SIDE), interpolation=cv2.INTER_AREA), x1 - x0, y1 - y0)

    @classmethod
    def mean(cls, shapes: Sequence[Shape]) -> Shape:
        """Return the mean of shapes; sizes are averaged on a logarithmic scale."""
        width, height = (float(np.exp(np.mean(np.log([getattr(one, side) for one in shapes])))) for side in ("width", "height"))
        return cls(np.mean([one.mask for one in shapes], 0), width, height)

    @property
    def core(self) -> tuple[float, float]:
        """The point farthest from the border, (x, y) as fractions of the sides of the bounding box."""
        inside = np.pad((self.mask >= 0.5 * self.mask.max()).astype(np.uint8), 1)
        distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
        ys, xs = np.nonzero(distance >= 0.95 * distance.max())
        nearest = int(np.argmin((xs - SHAPE_SIDE / 2) ** 2 + (ys - SHAPE_SIDE / 2) ** 2))
        return (float(xs[nearest]) + 0.5) / SHAPE_SIDE, (float(ys[nearest]) + 0.5) / SHAPE_SIDE

    def at(self, peak: Peak, side: int) -> np.ndarray:
        """Return the shape at a peak, in a view of side x side cells, float32 in [0, 1]."""
        return self._warped(peak.width * side, peak.height * side, peak.x * side, peak.y * side, (side, side))

    def _warped(self, width: float, height: float, x: float, y: float, size: tuple[int, int]) -> np.ndarray:
        """Return the shape with a size and a center in cells, in an array of `size` (columns, rows)."""
        to_cells = np.array([[width / SHAPE_SIDE, 0, x - width / 2], [0, height / SHAPE_SIDE, y - height / 2]])
        return cv2.warpAffine(self.mask, to_cells, size, flags=cv2.INTER_LINEAR)

    def peaks(self, similarity: np.ndarray, box: Bbox, min_contrast: float) -> list[Peak]:
        """Return where the similarity shows the shape, at several sizes, the highest contrast first.

        A shape that is larger than the view at all sizes is looked for at the size of the view.

        Args:
            similarity: Similarity to the examples in a view, float32 (S, S).
            box: The view (x0, y0, x1, y1) in image pixels.
            min_contrast: Smallest contrast of a peak.
        """
        side = len(similarity)
        sizes = [(scale * self.width / (box[2] - box[0]), scale * self.height / (box[3] - box[1])) for scale in SCALES]
        width, height = sizes[len(SCALES) // 2]
        sizes = [size for size in sizes if max(size) <= 1 and min(size) * side >= 2] or [(min(width, 1.0), min(height, 1.0))]
        contrasts = np.stack([cv2.filter2D(similarity, -1, self._filter(*size, side), borderType=cv2.BORDER_REFLECT) for size in sizes])
        best, scale = contrasts.max(0), contrasts.argmax(0)
        ys, xs = np.nonzero(best >= min_contrast)
        peaks: list[Peak] = []
        for i in np.argsort(-best[ys, xs], kind="stable"):
            x, y, (width, height) = (xs[i] + 0.5) / side, (ys[i] + 0.5) / side, sizes[scale[ys[i], xs[i]]]
            if not any(_are_close(one, x, y, width, height) for one in peaks):
                peaks.append(Peak(float(x), float(y), width, height, float(best[ys[i], xs[i]])))
        return peaks

    def _filter(self, width: float, height: float, side: int) -> np.ndarray:
        """Return the filter whose response is the contrast of the shape, float32 (odd, odd)."""
        half_x, half_y = (max(1, round(length * side * (0.5 + RING_WIDTH))) for length in (width, height))
        inside = self._warped(width * side, height * side, half_x + 0.5, half_y + 0.5, (2 * half_x + 1, 2 * half_y + 1))
        return (inside / max(inside.sum(), 1e-6) - (1 - inside) / max((1 - inside).sum(), 1e-6)).astype(np.float32)


def _are_close(peak: Peak, x: float, y: float, width: float, height: float) -> bool:
    """Return whether a box is too close to a better peak to hold another object."""
    return abs(peak.x - x) < PEAK_DISTANCE * min(peak.width, width) and abs(peak.y - y) < PEAK_DISTANCE * min(peak.height, height)
