"""What can be set on a Gallery, from Python and in the page: its traits, and what they ask of the catalogue."""

from __future__ import annotations

from typing import Any

import traitlets as t
from ipywidgets import widget_serialization

from cdwidget.catalogue import OVERALL, STATUSES
from cdwidget.catalogue.query import Condition
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.base import SharedWidget

ORDERS = ("score", "id", "label", "area", "status")  # beside the names of scores
SHORTCUTS = {
    "accept": ["Y"],
    "reject": ["N"],
    "skip": ["S"],
    "undo": ["U", "Ctrl+Z"],
    "edit": ["Enter"],
    "select": ["Space"],
    "select_all": ["Ctrl+A"],
    "cancel": ["Escape"],
    "heat": ["H"],
    "peek": ["V"],
    "refresh": ["R"],
    "search": ["/"],
    "accept_edit": ["Ctrl+Enter"],
    "reject_edit": ["Ctrl+Backspace"],
    "skip_edit": ["Alt+S"],
    "next": ["D"],
    "previous": ["A"],
    "back": [],
    "fullscreen": ["F"],
    "help": ["?"],
}
ASKED = ("order_by", "status", "labels", "tag", "text", "min_score", "max_score", "only")  # the traits that say what is listed


class GallerySettings(SharedWidget):
    """The traits."""

    _commands = SHORTCUTS

    order_by = t.Unicode("-score", help="score, id, label, area, status or the name of a score; '-' before it: the highest first").tag(
        sync=True
    )
    status = t.List(t.Enum(STATUSES), help="those of these statuses; [] = all").tag(sync=True)
    labels = t.List(t.Unicode(), help="those with these labels; [] = all").tag(sync=True)
    tag = t.List(t.Unicode(), help="those whose item has one of these tags; [] = all").tag(sync=True)
    text = t.Unicode("", help="those that have it in their path or label").tag(sync=True)
    min_score = t.Float(None, allow_none=True, help="of the score that is ordered by, else the overall one").tag(sync=True)
    max_score = t.Float(None, allow_none=True, help="as min_score").tag(sync=True)
    only = t.List(t.Int(), help="those of these items, by their ids; [] = all").tag(sync=True)
    selected = t.List(t.Int(), help="ids of the instances that are selected").tag(sync=True)
    tile = t.Int(160, min=48, max=512, help="CSS pixels, the side of a thumbnail").tag(sync=True)
    height = t.Int(None, min=240, allow_none=True, help="CSS pixels of the tiles' area; None: what suits a notebook").tag(sync=True)

    _query = t.Dict({"key": 0, "count": 0, "error": ""}, help="which list is shown: a new key whenever it is another one").tag(sync=True)
    _choices = t.Dict(help="what one can filter and order by").tag(sync=True)
    _progress: t.Dict[str, Any] = t.Dict(help="how much of the list is judged, and how fast").tag(sync=True)
    _editor = t.Instance(Annotator, allow_none=True, help="over the tiles, while an instance is open").tag(
        sync=True, **widget_serialization
    )
    _notice = t.Unicode("", help="what the user must know").tag(sync=True)

    def _asked(self) -> dict[str, Any]:
        """What the traits ask of `Catalogue.ids`."""
        named = self.order_by.removeprefix("-")
        score = "score" if named in (*ORDERS, OVERALL) else named
        where: list[Condition] = []
        if self.text:
            where.append(("text", "contains", self.text))
        if self.min_score is not None:
            where.append((score, ">=", self.min_score))
        if self.max_score is not None:
            where.append((score, "<=", self.max_score))
        if self.only:
            where.append(("item", "in", list(self.only)))
        filters = {"status": list(self.status) or None, "label": list(self.labels) or None, "tag": list(self.tag) or None}
        return {**filters, "order_by": self.order_by, "where": where, "of": "instances"}
