"""Boxes (x0, y0, x1, y1) of floats: overlap and non-maximum suppression."""

from __future__ import annotations

from typing import Protocol, Sequence, TypeVar

Box = tuple[float, float, float, float]
MAX_OVERLAP = 0.4  # IoU of the boxes of two objects


class Boxed(Protocol):
    """Something with a box."""

    @property
    def box(self) -> Box:
        """The box (x0, y0, x1, y1)."""


AnyBoxed = TypeVar("AnyBoxed", bound=Boxed)


def box_iou(a: Box, b: Box) -> float:
    """Return the IoU of two boxes."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared, 1e-6)


def fractions(box: Box, view: Box) -> Box:
    """Return a box as fractions of the sides of a view."""
    left, top, right, bottom = view
    width, height = right - left, bottom - top
    return (box[0] - left) / width, (box[1] - top) / height, (box[2] - left) / width, (box[3] - top) / height


def without_overlaps(found: Sequence[AnyBoxed]) -> list[AnyBoxed]:
    """Return the elements whose box does not overlap the box of an earlier one: non-maximum suppression, if the best come first."""
    kept: list[AnyBoxed] = []
    for one in found:
        if all(box_iou(one.box, other.box) < MAX_OVERLAP for other in kept):
            kept.append(one)
    return kept
