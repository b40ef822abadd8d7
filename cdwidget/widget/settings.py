"""The settings of an Annotator: its traits, and the checks of their values."""

from __future__ import annotations

from typing import Any

import traitlets as t
from PIL import ImageColor

from cdwidget.session import SOURCES
from cdwidget.tools import TOOLS
from cdwidget.widget.transport import SharedWidget

PROMPT_TOOLS = (
    {"name": "click", "label": "Click", "source": "model", "key": "C"},
    {"name": "box", "label": "Box", "source": "model", "key": "R"},
    {"name": "stroke", "label": "Stroke", "source": "model", "key": "K"},
)
MANUAL_TOOLS = tuple({"name": tool.name, "label": tool.label, "source": tool.source, "key": tool.key} for tool in TOOLS if tool.key)
COMMANDS = tuple({"name": tool.name, "label": tool.label, "source": tool.source, "key": ""} for tool in TOOLS if not tool.key)
COLORS = ["#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6", "#84cc16", "#ec4899"]
SHORTCUTS = {
    "undo": ["Ctrl+Z"],
    "redo": ["Ctrl+Shift+Z", "Ctrl+Y"],
    "finish": ["Enter", "N"],
    "cancel": ["Escape"],
    "delete_last": ["Backspace"],
    "delete": ["Delete"],
    **{tool["name"]: [tool["key"]] for tool in (*PROMPT_TOOLS, *MANUAL_TOOLS)},
    "smaller": ["["],
    "larger": ["]"],
    "lock": ["T"],
    "alternative": ["Tab"],
    "previous_alternative": ["Shift+Tab"],
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


class AnnotatorSettings(SharedWidget):
    """The traits of an Annotator."""

    _commands = SHORTCUTS

    tool = t.Enum([tool["name"] for tool in (*PROMPT_TOOLS, *MANUAL_TOOLS)], "click", help="the active tool").tag(sync=True)
    label = t.Unicode("", help="the label of the object being edited").tag(sync=True)
    labels = t.List(t.Unicode(), help="the labels to choose from; keys 1-9").tag(sync=True)
    colors = t.List(t.Unicode(), COLORS, minlen=1, help="CSS colors of the labels, or of the objects without one of them").tag(sync=True)
    selected = t.Int(1, help="the id of the object being edited").tag(sync=True)
    locked = t.Bool(False, help="whether manually drawn pixels are protected from the model").tag(sync=True)
    brush_size = t.Float(20.0, min=1, max=2048, help="diameter of the brush in image pixels").tag(sync=True)
    tolerance = t.Float(12.0, min=0, max=255, help="largest color difference from the clicked pixel that the wand selects").tag(sync=True)
    superpixels = t.Int(1000, min=10, max=10_000, help="approximate number of superpixels of an image").tag(sync=True)
    capture_scroll = t.Bool(True, help="whether the wheel zooms while the widget has the focus; False: only with Ctrl").tag(sync=True)
    height = t.Int(None, min=120, allow_none=True, help="height of the image area in CSS pixels; None: from the image's shape").tag(
        sync=True
    )
    can_undo = t.Bool(False, read_only=True, help="whether there is a change to undo").tag(sync=True)
    can_redo = t.Bool(False, read_only=True, help="whether there is a change to redo").tag(sync=True)

    _image = t.Dict(help="the image being shown: key, name, width, height, index, count").tag(sync=True)
    _phase = t.Dict({"name": "idle", "error": ""}, help="progress of loading the model and encoding the image").tag(sync=True)
    _buttons = t.List(t.Unicode(), help="the buttons of submit and skip that have a callback").tag(sync=True)
    _tools = t.List(
        t.Dict(), [*PROMPT_TOOLS, *MANUAL_TOOLS, *COMMANDS], read_only=True, help="name, label, source and key of each tool and command"
    ).tag(sync=True)
    _sources = t.List(t.Unicode(), list(SOURCES), read_only=True, help="names of the pixel sources, by number").tag(sync=True)
    _notice = t.Unicode("", help="save status of the image").tag(sync=True)

    @t.validate("colors")
    def _known_colors(self, proposal: Any) -> list[str]:
        for color in proposal["value"]:
            try:
                ImageColor.getrgb(color)
            except ValueError:
                message = f"{color!r} is no color; allowed are '#rrggbb', 'rgb(r, g, b)' and CSS names such as 'tomato'"
                raise t.TraitError(message) from None
        return proposal["value"]
