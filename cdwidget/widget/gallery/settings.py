"""The settings of a Gallery: its traits, and the catalogue query that they describe."""

from __future__ import annotations

from typing import Any

import traitlets as t
from ipywidgets import widget_serialization

from cdwidget._deprecated import renamed_property
from cdwidget.catalogue import OVERALL_SCORE, STATUSES, Catalogue
from cdwidget.catalogue.query import ATTRIBUTE_PREFIX, Condition
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.transport import SharedWidget

ORDERS = ("score", "id", "label", "area", "status", "confidence")  # Orders in addition to the names of scores.
SHORTCUTS = {
    "accept": ["Y", "Ctrl+Enter"],
    "reject": ["N"],
    "skip": ["S"],
    "label": ["L"],
    "add_tag": ["T"],
    "attribute": ["B"],
    "undo": ["U", "Ctrl+Z"],
    "edit": ["Enter"],
    "select": ["Space"],
    "select_all": ["Ctrl+A"],
    "cancel": ["Escape"],
    "heat": ["H"],
    "peek": ["V"],
    "refresh": ["R"],
    "search": ["/"],
    "accept_edit": ["Ctrl+Enter", "Y"],
    "reject_edit": ["Ctrl+Backspace", "N"],
    "skip_edit": ["Alt+S", "S"],
    "next": ["D"],
    "previous": ["A"],
    "back": [],
    "fullscreen": ["F"],
    "help": ["?"],
}
QUERY_TRAITS = (
    "order_by",
    "status",
    "filter_labels",
    "tag",
    "text",
    "min_score",
    "max_score",
    "min_confidence",
    "max_confidence",
    "attributes",
    "only",
    "without_objects",
)
WITHOUT_OBJECTS: Condition = ("instances", "=", 0)  # Of items.


class GallerySettings(SharedWidget):
    """The traits of a Gallery."""

    _commands = SHORTCUTS
    _renamed_traits = {"labels": "filter_labels"}

    order_by = t.Unicode(
        "-score", help="score, id, label, area, status, confidence or the name of a score; with '-', the highest first"
    ).tag(sync=True)
    status = t.List(t.Enum(STATUSES), help="list only these statuses; [] for all").tag(sync=True)
    filter_labels = t.List(t.Unicode(), help="list only these labels; [] for all").tag(sync=True)
    tag = t.List(t.Unicode(), help="list only instances of items with one of these tags; [] for all").tag(sync=True)
    text = t.Unicode("", help="list only instances with this text in their path or label").tag(sync=True)
    min_score = t.Float(None, allow_none=True, help="lowest value of the score in `order_by`, else of the overall score").tag(sync=True)
    max_score = t.Float(None, allow_none=True, help="highest value of that score").tag(sync=True)
    min_confidence = t.Float(None, allow_none=True, help="lowest confidence, which is `Instance.score`").tag(sync=True)
    max_confidence = t.Float(None, allow_none=True, help="highest confidence").tag(sync=True)
    attributes = t.Dict(help="list only instances with these values of attributes, such as {'occluded': True}; {} for all").tag(sync=True)
    only = t.List(t.Int(), help="list only instances of the items with these ids; [] for all").tag(sync=True)
    without_objects = t.Bool(False, help="list the images without objects instead of instances").tag(sync=True)
    selected = t.List(t.Int(), help="ids of the selected instances").tag(sync=True)
    tile = t.Int(160, min=48, max=512, help="side of a thumbnail in CSS pixels").tag(sync=True)
    height = t.Int(None, min=240, allow_none=True, help="height of the grid in CSS pixels; None: fits a notebook").tag(sync=True)

    labels = renamed_property("labels", "filter_labels")

    _query = t.Dict({"key": 0, "count": 0, "error": ""}, help="the list being shown; the key increases with every other list").tag(
        sync=True
    )
    _choices = t.Dict(help="statuses, labels, tags and scores to filter and order by, and the number of problems").tag(sync=True)
    _progress: t.Dict[str, Any] = t.Dict(help="how much of the list is decided, and the rate").tag(sync=True)
    _editor = t.Instance(Annotator, allow_none=True, help="the editor over the grid, while an instance is open").tag(
        sync=True, **widget_serialization
    )
    _notice = t.Unicode("", help="a message for the user").tag(sync=True)

    @t.validate("attributes")
    def _plain_attributes(self, proposal: Any) -> dict[str, Any]:
        for name, value in proposal["value"].items():
            if not isinstance(name, str) or not isinstance(value, (str, int, float, type(None))):
                raise t.TraitError(f"attributes maps names to texts, numbers, True, False or None, not {name!r} to {value!r}")
        return dict(proposal["value"])

    def _query_filters(self) -> dict[str, Any]:
        """Return the arguments of `Tiles.ids` that the traits describe."""
        filters: dict[str, Any] = {"status": list(self.status) or None, "tag": list(self.tag) or None}
        if self.without_objects:
            return {**filters, "where": [WITHOUT_OBJECTS, *self._conditions(text="path", item="id")], "of": "items"}
        name = self.order_by.removeprefix("-")
        score = "score" if name in (*ORDERS, OVERALL_SCORE) else name
        where = self._conditions(text="text", item="item")
        if self.min_score is not None:
            where.append((score, ">=", self.min_score))
        if self.max_score is not None:
            where.append((score, "<=", self.max_score))
        if self.min_confidence is not None:
            where.append(("confidence", ">=", self.min_confidence))
        if self.max_confidence is not None:
            where.append(("confidence", "<=", self.max_confidence))
        where += [(f"{ATTRIBUTE_PREFIX}{name}", "=", value) for name, value in self.attributes.items()]
        return {**filters, "label": list(self.filter_labels) or None, "order_by": self.order_by, "where": where, "of": "instances"}

    def _conditions(self, text: str, item: str) -> list[Condition]:
        """Return the conditions that instances and images have; `text` and `item` are the names of their columns."""
        searched: list[Condition] = [(text, "contains", self.text)] if self.text else []
        return [*searched, (item, "in", list(self.only))] if self.only else searched


def read_choices(catalogue: Catalogue) -> dict[str, Any]:
    """Return the values of a catalogue to filter and order by, and its number of problems."""
    has_confidence = bool(catalogue.query(of="instances", order_by="confidence", limit=1))
    orders = [name for name in ORDERS if name != "confidence" or has_confidence]
    return {
        "statuses": list(STATUSES),
        "labels": catalogue.labels(),
        "tags": catalogue.tags(),
        "scores": [*orders, *(name for name in catalogue.score_names() if name != OVERALL_SCORE)],
        "has_confidence": has_confidence,
        "problems": catalogue.count_problems(),
    }
