"""The tools of the hand, for what the model cannot do: one file a tool, beside one generator in js/src/tools.

An action is a frozen dataclass; its function is given a `Canvas`, writes to nothing, and returns what it decided as `Painted`. It
raises ValueError, which says what is allowed, for an action that cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from cdwidget.tools.brush import Brush, draw_brush
from cdwidget.tools.canvas import Canvas, Painted
from cdwidget.tools.commands import FillHoles, Grow, KeepLargest, Shrink, Smooth, fill_holes, grow, keep_largest, shrink, smooth
from cdwidget.tools.matte import Matte, solve_matte
from cdwidget.tools.polygon import Lasso, Polygon, fill_polygon
from cdwidget.tools.scissors import Scissors
from cdwidget.tools.superpixel import Superpixel, superpixels, take_superpixels
from cdwidget.tools.wand import Wand, wave_wand

ToolAction = Union[Brush, Polygon, Lasso, Superpixel, Wand, FillHoles, KeepLargest, Smooth, Grow, Shrink, Matte]

TOOLS: dict[type, Callable[[Canvas, Any], Painted]] = {
    Brush: draw_brush,
    Polygon: fill_polygon,
    Lasso: fill_polygon,
    Superpixel: take_superpixels,
    Wand: wave_wand,
    FillHoles: fill_holes,
    KeepLargest: keep_largest,
    Smooth: smooth,
    Grow: grow,
    Shrink: shrink,
    Matte: solve_matte,
}

__all__ = [
    "TOOLS",
    "Brush",
    "Canvas",
    "FillHoles",
    "Grow",
    "KeepLargest",
    "Lasso",
    "Matte",
    "Painted",
    "Polygon",
    "Scissors",
    "Shrink",
    "Smooth",
    "Superpixel",
    "ToolAction",
    "Wand",
    "superpixels",
]
