"""The settings of an Annotator: its traits, and the checks of their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import traitlets as t
from PIL import ImageColor

from cdwidget.session import SOURCES
from cdwidget.tools import TOOLS
from cdwidget.widget.annotator.attributes import AttributeKinds
from cdwidget.widget.colors import COLORS
from cdwidget.widget.static_files import bundled
from cdwidget.widget.transport import SharedWidget

PROMPT_TOOLS = (
    {"name": "click", "label": "Click", "source": "model", "key": "C"},
    {"name": "box", "label": "Box", "source": "model", "key": "R"},
    {"name": "stroke", "label": "Stroke", "source": "model", "key": "K"},
)
MANUAL_TOOLS = tuple({"name": tool.name, "label": tool.label, "source": tool.source, "key": tool.key} for tool in TOOLS if tool.key)
VIEW_TOOLS = ({"name": "select", "label": "Select", "source": "", "key": "X"},)
COMMANDS = tuple({"name": tool.name, "label": tool.label, "source": tool.source, "key": ""} for tool in TOOLS if not tool.key)
NO_MATTING = "needs: pip install 'cdwidget[matting]'"
SHORTCUTS = {
    "undo": ["Ctrl+Z"],
    "redo": ["Ctrl+Shift+Z", "Ctrl+Y"],
    "finish": ["Enter"],
    "submit": ["Ctrl+Enter", "Y"],
    "skip": ["S"],
    "cancel": ["Escape"],
    "delete_last": ["Backspace"],
    "delete": ["Delete"],
    **{tool["name"]: [tool["key"]] for tool in (*VIEW_TOOLS, *PROMPT_TOOLS, *MANUAL_TOOLS)},
    "smaller": ["["],
    "larger": ["]"],
    "lock": ["T"],
    "alternative": ["Tab"],
    "previous_alternative": ["Shift+Tab"],
    "classes": ["/"],
    "rename": ["F2"],
    "select_all": ["Ctrl+A"],
    "duplicate": ["Ctrl+D"],
    "copy_previous": ["Ctrl+Shift+V"],
    "follow_previous": ["Shift+F"],
    "following": ["N"],
    "similar": ["Shift+X"],
    "merge": ["Ctrl+E"],
    "split": ["Ctrl+Shift+E"],
    "fill_holes": ["H"],
    "keep_largest": ["Shift+H"],
    "smooth": ["J"],
    "snap": ["Shift+J"],
    "grow": ["G"],
    "shrink": ["Shift+G"],
    "forward": ["Alt+ArrowUp"],
    "backward": ["Alt+ArrowDown"],
    "sources": ["O"],
    "names": ["I"],
    "color_by_object": ["Shift+I"],
    "pan": ["Space"],
    "fit": ["0"],
    "zoom_in": ["+", "="],
    "zoom_out": ["-"],
    "peek": ["V"],
    "preview": ["Q"],
    "next": ["D"],
    "previous": ["A"],
    "goto": ["Ctrl+G"],
    "next_unlabeled": ["Shift+D"],
    "filmstrip": ["Z"],
    "fullscreen": ["F"],
    "help": ["?"],
}


class ClassNames(t.List):
    """A list of texts; errors say how to convert other values."""

    def __init__(self, **options: Any) -> None:
        super().__init__(t.Unicode(), **options)

    def set(self, obj: Any, value: Any) -> None:
        """Set the list; raise TraitError for one text, which `List` would take as its only element."""
        if isinstance(value, str):
            names = [name.strip() for name in value.split(",")]
            raise t.TraitError(f"{self.name} is the text {value!r}; give a list: {self.name}={names}")
        super().set(obj, value)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the list; raise TraitError for another value."""
        if isinstance(value, Mapping):
            raise t.TraitError(f"{self.name} is a {type(value).__name__}; give a list of its names: {self.name}=list(names.values())")
        values = list(value) if isinstance(value, Iterable) else value
        if isinstance(values, list) and (other := next((name for name in values if not isinstance(name, str)), None)) is not None:
            raise t.TraitError(f"{self.name} holds {other!r}; names are text: {self.name}={[str(name) for name in values[:5]]}")
        return super().validate(obj, values)


class AnnotatorSettings(SharedWidget):
    """The traits of an Annotator."""

    _esm = bundled("annotator.js")
    _css = bundled("annotator.css")
    _commands = SHORTCUTS

    tool = t.Enum([tool["name"] for tool in (*VIEW_TOOLS, *PROMPT_TOOLS, *MANUAL_TOOLS)], "click", help="the active tool").tag(sync=True)
    label = t.Unicode("", help="the label of the object being edited").tag(sync=True)
    labels = ClassNames(help="the labels to choose from; keys 1-9").tag(sync=True)
    attributes = AttributeKinds(help="the attributes that objects can have: bool, str, int, float or a list of texts, by name")
    mode = t.Enum(["instance", "semantic"], "instance", help="instance: objects may overlap; semantic: one class per pixel").tag(sync=True)
    closed_labels = t.Bool(False, help="whether objects can only have a label from `labels`, or none").tag(sync=True)
    label_finishes = t.Bool(False, help="whether choosing a label by its key or name also finishes the object").tag(sync=True)
    colors = t.List(t.Unicode(), COLORS, minlen=1, help="CSS colors of the labels; of the objects if there are no labels").tag(sync=True)
    selected = t.Int(1, help="the id of the object being edited").tag(sync=True)
    locked = t.Bool(False, help="whether manually drawn pixels are protected from the model").tag(sync=True)
    brush_size = t.Float(20.0, min=1, max=2048, help="diameter of the brush in image pixels").tag(sync=True)
    tolerance = t.Float(12.0, min=0, max=255, help="largest color difference from the clicked pixel that the wand selects").tag(sync=True)
    superpixels = t.Int(1000, min=10, max=10_000, help="approximate number of superpixels of an image").tag(sync=True)
    capture_scroll = t.Bool(True, help="whether the wheel zooms while the widget has the focus; False: only with Ctrl").tag(sync=True)
    height = t.Int(None, min=120, allow_none=True, help="height of the image area in CSS pixels; None: from the image's shape").tag(
        sync=True
    )
    offline = t.Bool(False, help="whether a notebook also saves a page that edits the shown image without a kernel, 10 MB").tag(sync=True)
    can_undo = t.Bool(False, read_only=True, help="whether there is a change to undo").tag(sync=True)
    can_redo = t.Bool(False, read_only=True, help="whether there is a change to redo").tag(sync=True)

    following = t.Bool(False, help="whether going to the next image follows the objects into it; nothing is confirmed by itself").tag(
        sync=True
    )
    _image = t.Dict(help="the image being shown: key, name, width, height, index, count").tag(sync=True)
    _phase = t.Dict({"name": "idle", "error": ""}, help="progress of loading the model and encoding the image").tag(sync=True)
    _buttons = t.List(t.Unicode(), help="the buttons of submit and skip that have a callback").tag(sync=True)
    _tools = t.List(
        t.Dict(), read_only=True, help="name, label, source and key of each tool and command; why_off: why it does not work"
    ).tag(sync=True)
    _sources = t.List(t.Unicode(), list(SOURCES), read_only=True, help="names of the pixel sources, by number").tag(sync=True)
    _notice = t.Unicode("", help="save status of the image").tag(sync=True)
    _in_use = t.Bool(False, help="whether the image is being edited elsewhere, so that it is read-only here").tag(sync=True)

    @t.default("_tools")
    def _available_tools(self) -> list[dict[str, str]]:
        tools = [dict(tool) for tool in (*VIEW_TOOLS, *PROMPT_TOOLS, *MANUAL_TOOLS, *COMMANDS)]
        for tool in tools:
            if tool["name"] == "matte" and not find_spec("pymatting"):
                tool["why_off"] = NO_MATTING
        return tools

    @t.validate("labels")
    def _valid_labels(self, proposal: Any) -> list[str]:
        labels = proposal["value"]
        if blank := [label for label in labels if not label.strip()]:
            raise t.TraitError(f"labels has an empty name {blank[0]!r}; an object without a class has the label ''")
        if double := sorted({label for label in labels if labels.count(label) > 1}):
            raise t.TraitError(f"labels has {', '.join(map(repr, double))} twice; give each class once")
        return list(labels)

    @t.validate("colors")
    def _known_colors(self, proposal: Any) -> list[str]:
        for color in proposal["value"]:
            try:
                ImageColor.getrgb(color)
            except ValueError:
                message = f"{color!r} is no color; allowed are '#rrggbb', 'rgb(r, g, b)' and CSS names such as 'tomato'"
                raise t.TraitError(message) from None
        return proposal["value"]
