"""What can be set on an Annotator, from Python and in the page: its traits, and the checks of their values."""

from __future__ import annotations

from typing import Any

import traitlets as t
from PIL import ImageColor

from cdwidget.widget.base import SharedWidget

TOOLS = ("click", "box", "stroke", "brush", "eraser", "polygon", "lasso", "superpixel", "wand", "matte")
COLORS = ["#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6", "#84cc16", "#ec4899"]
SHORTCUTS = {
    "undo": ["Ctrl+Z"],
    "redo": ["Ctrl+Shift+Z", "Ctrl+Y"],
    "finish": ["Enter", "N"],
    "cancel": ["Escape"],
    "delete_last": ["Backspace"],
    "delete": ["Delete"],
    "click": ["C"],
    "box": ["R"],
    "stroke": ["K"],
    "brush": ["B"],
    "eraser": ["E"],
    "polygon": ["P"],
    "lasso": ["L"],
    "superpixel": ["S"],
    "wand": ["W"],
    "matte": ["M"],
    "smaller": ["["],
    "larger": ["]"],
    "lock": ["T"],
    "alternative": ["Tab"],
    "duplicate": ["Ctrl+D"],
    "merge": ["Ctrl+E"],
    "rename": ["F2"],
    "forward": ["Alt+ArrowUp"],
    "backward": ["Alt+ArrowDown"],
    "sources": ["O"],
    "pan": ["Space"],
    "fit": ["0"],
    "zoom_in": ["+", "="],
    "zoom_out": ["-"],
    "peek": ["V"],
    "preview": ["Q"],
    "next": ["D"],
    "previous": ["A"],
    "fullscreen": ["F"],
    "help": ["?"],
}


class Settings(SharedWidget):
    """The traits."""

    _commands = SHORTCUTS

    tool = t.Enum(TOOLS, "click", help="the active tool").tag(sync=True)
    label = t.Unicode("", help="the label of the object being edited").tag(sync=True)
    labels = t.List(t.Unicode(), help="the labels to choose from; keys 1-9").tag(sync=True)
    colors = t.List(t.Unicode(), COLORS, minlen=1, help="of the labels, or of the objects that have none of them").tag(sync=True)
    selected = t.Int(1, help="the id of the object being edited").tag(sync=True)
    locked = t.Bool(False, help="the model leaves the pixels alone that were set by hand").tag(sync=True)
    brush_size = t.Float(20.0, min=1, max=2048, help="diameter of the brush in image pixels").tag(sync=True)
    tolerance = t.Float(12.0, min=0, max=255, help="how far from the clicked colour the wand goes").tag(sync=True)
    superpixels = t.Int(1000, min=10, max=10_000, help="about how many superpixels an image is cut into").tag(sync=True)
    capture_scroll = t.Bool(True, help="the wheel zooms while the widget has the focus; False: only with Ctrl").tag(sync=True)
    height = t.Int(None, min=120, allow_none=True, help="CSS pixels of the image area; None: by the image's shape").tag(sync=True)
    can_undo = t.Bool(False, read_only=True).tag(sync=True)
    can_redo = t.Bool(False, read_only=True).tag(sync=True)

    _image = t.Dict(help="which image is shown: key, name, width, height, index, count").tag(sync=True)
    _phase = t.Dict({"name": "idle", "error": ""}, help="how far the model is with this image").tag(sync=True)
    _buttons = t.List(t.Unicode(), help="which of submit and skip somebody listens to").tag(sync=True)
    _notice = t.Unicode("", help="what the user must know about this image, such as that it is not saved").tag(sync=True)

    @t.validate("colors")
    def _known_colors(self, proposal: Any) -> list[str]:
        for color in proposal["value"]:
            try:
                ImageColor.getrgb(color)
            except ValueError:
                raise t.TraitError(
                    f"{color!r} is no colour; allowed are '#rrggbb', 'rgb(r, g, b)' and CSS names such as 'tomato'"
                ) from None
        return proposal["value"]
