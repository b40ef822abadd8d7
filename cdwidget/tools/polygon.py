"""Polygon and lasso: add or remove the inside of a closed path.

A lasso is a path with many points, drawn freely or by `scissors`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cdwidget.masks import expand_bbox
from cdwidget.polygons import fill
from cdwidget.tools.canvas import NO_EDIT, Canvas, PixelEdit, Tool, ToolAction, check_points, set_pixels


@dataclass(frozen=True)
class Polygon(ToolAction):
    """Add all pixels whose centers are inside a polygon, or remove them.

    Where the polygon crosses itself, the even-odd rule decides.

    Args:
        points: The corners, (x, y) in image pixels, at least three.
        add: Whether the pixels are added or removed.
    """

    points: tuple[tuple[float, float], ...]
    add: bool = True


@dataclass(frozen=True)
class Lasso(ToolAction):
    """Add all pixels whose centers are inside a closed path to the mask, or remove them.

    Args:
        points: The path, (x, y) in image pixels, at least three.
        add: Whether the pixels are added or removed.
    """

    points: tuple[tuple[float, float], ...]
    add: bool = True


def fill_polygon(canvas: Canvas, action: Polygon | Lasso) -> PixelEdit:
    """Set all pixels inside; raise ValueError for fewer than three points."""
    points = check_points(action, 3)
    box = x0, y0, x1, y1 = expand_bbox((*points.min(axis=0), *points.max(axis=0)), 0, canvas.mask.shape)
    where = fill([points - (x0, y0)], y1 - y0, x1 - x0)
    return set_pixels(box, where, action.add) if where.any() else NO_EDIT


POLYGON = Tool("polygon", "Polygon", Polygon, fill_polygon, source="polygon", key="P")
LASSO = Tool("lasso", "Lasso", Lasso, fill_polygon, source="lasso", key="L")
