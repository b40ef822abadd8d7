"""Manual tools for edits that the model cannot make.

Each tool has one file here, and one in js/src/tools.

A tool's file holds its action, a frozen dataclass; its function, which receives a `Canvas` and returns a `PixelEdit`; and the
`Tool` that declares both. Sessions, logs and the browser take everything else from `TOOLS`.
"""

from __future__ import annotations

from cdwidget._deprecated import renamed_names
from cdwidget.prompts import Action
from cdwidget.tools.brush import BRUSH, ERASER, Brush
from cdwidget.tools.canvas import Canvas, PixelEdit, Tool, ToolAction
from cdwidget.tools.commands import FILL_HOLES, GROW, KEEP_LARGEST, SHRINK, SMOOTH, FillHoles, Grow, KeepLargest, Shrink, Smooth
from cdwidget.tools.matte import MATTE, Matte
from cdwidget.tools.polygon import LASSO, POLYGON, Lasso, Polygon
from cdwidget.tools.scissors import Scissors
from cdwidget.tools.superpixel import SUPERPIXEL, Superpixel, superpixels
from cdwidget.tools.wand import WAND, Wand

TOOLS: tuple[Tool, ...] = (  # Journals number sources in this order, so a new tool goes to the end.
    BRUSH,
    ERASER,
    SUPERPIXEL,
    LASSO,
    POLYGON,
    WAND,
    FILL_HOLES,
    KEEP_LARGEST,
    SMOOTH,
    GROW,
    SHRINK,
    MATTE,
)
TOOL_OF_ACTION: dict[type[Action], Tool] = {tool.action: tool for tool in TOOLS}

__all__ = [
    "TOOLS",
    "TOOL_OF_ACTION",
    "Brush",
    "Canvas",
    "FillHoles",
    "Grow",
    "KeepLargest",
    "Lasso",
    "Matte",
    "PixelEdit",
    "Polygon",
    "Scissors",
    "Shrink",
    "Smooth",
    "Superpixel",
    "Tool",
    "ToolAction",
    "Wand",
    "superpixels",
]

__getattr__ = renamed_names(__name__, {"Painted": "PixelEdit"})
