"""The polygon, and the lasso, which is a polygon of many points that `scissors` proposed or a hand drew."""

from __future__ import annotations

from dataclasses import dataclass

from cdwidget.polygons import fill
from cdwidget.tools.canvas import Canvas, Painted, around, check_points, nothing, painted


@dataclass(frozen=True)
class Polygon:
    """Every pixel whose centre is inside the polygon is in the object (add) or not in it; even-odd where it crosses itself."""

    points: tuple[tuple[float, float], ...]
    add: bool = True


@dataclass(frozen=True)
class Lasso:
    """Every pixel whose centre is inside the closed path is in the object (add) or not in it."""

    points: tuple[tuple[float, float], ...]
    add: bool = True


def fill_polygon(canvas: Canvas, action: Polygon | Lasso) -> Painted:
    """Decide all pixels inside; ValueError for less than three points."""
    points = check_points(action, 3)
    box = x0, y0, x1, y1 = around((*points.min(axis=0), *points.max(axis=0)), 0, canvas.mask.shape)
    where = fill([points - (x0, y0)], y1 - y0, x1 - x0)
    return painted(box, where, action.add) if where.any() else nothing()
