"""The tools of the hand: what the model cannot do. One file a tool, beside one generator in js/src/tools."""

from __future__ import annotations

from typing import Any, Callable

from cdwidget.tools.brush import Brush, brush
from cdwidget.tools.canvas import Canvas, Painted

TOOLS: dict[type, Callable[[Canvas, Any], Painted]] = {
    Brush: brush,
}
