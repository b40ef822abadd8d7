"""The settings of an Inspector that are shared with its page."""

from __future__ import annotations

from typing import Any, get_args

import matplotlib
import traitlets as t

from cdwidget._deprecated import renamed_property
from cdwidget.inspection import Branch
from cdwidget.widget.inspector.maps import MAPS, Map, current_name
from cdwidget.widget.static_files import bundled
from cdwidget.widget.transport import SharedWidget

LISTED_COLORMAPS = ("magma", "inferno", "viridis", "cividis", "PiYG", "coolwarm", "gray")


class MapName(t.Enum):
    """The name of a map; deprecated names are replaced."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the current name; raise TraitError if there is no such map."""
        return super().validate(obj, current_name(value) if isinstance(value, str) else value)


def _describe_map(name: str, entry: Map) -> dict[str, Any]:
    """Return the texts of a map for the page; the formula is HTML."""
    return {
        "name": name,
        "title": entry.title,
        "unit": entry.unit,
        "formula": entry.formula,
        "meaning": entry.meaning,
        "has_branches": entry.has_branches,
        "has_colormap": bool(entry.colormap),
    }


class InspectorSettings(SharedWidget):
    """The traits of an Inspector, and the checks of their values."""

    _esm = bundled("inspector.js")
    _css = bundled("inspector.css")

    map = MapName(tuple(MAPS), "column", help="the map being shown").tag(sync=True)
    branch = t.Enum(get_args(Branch), "foreground", help="the branch of FDM").tag(sync=True)
    number = t.Int(0, min=0, help="the step of PDM, or the head (0: the main one)").tag(sync=True)
    query = t.Tuple(t.Float(), t.Float(), default_value=(0.0, 0.0), help="(x, y) in image pixels: the point that the map is shown for").tag(
        sync=True
    )
    compare = t.Unicode("", help="the variant shown next to the map; empty: none").tag(sync=True)
    opacity = t.Float(0.65, min=0, max=1, help="opacity of the map over the photograph, 0 to 1").tag(sync=True)
    colormap = t.Unicode("", help="name of a matplotlib colormap; empty: the map's default colormap").tag(sync=True)
    smooth = t.Bool(False, help="whether to interpolate between tokens").tag(sync=True)
    marks = t.Bool(True, help="whether to show the clicks and the outline of the mask").tag(sync=True)

    _maps = t.List([_describe_map(name, entry) for name, entry in MAPS.items()], help="all maps with their texts").tag(sync=True)
    _colormaps = t.List(list(LISTED_COLORMAPS), help="the colormaps that the page offers").tag(sync=True)
    _steps = t.List(t.Unicode(), help="names of the steps of the map being shown").tag(sync=True)
    _variants = t.List(t.Unicode(), help="variants of the map that `compare` may be").tag(sync=True)
    _message = t.Unicode("", help="why there is nothing to show").tag(sync=True)
    _findings = t.List(t.Dict(), help="the findings: name, text, and whether something is wrong").tag(sync=True)

    colours = renamed_property("colours", "colormap")

    @t.validate("colormap")
    def _known_colormap(self, proposal: Any) -> str:
        if proposal["value"] and proposal["value"] not in matplotlib.colormaps:
            raise ValueError(f"matplotlib has no colormap {proposal['value']!r}; some it has are {', '.join(LISTED_COLORMAPS)}")
        return str(proposal["value"])
