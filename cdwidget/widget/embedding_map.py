"""The EmbeddingMap: the images of a catalogue as points, alike ones near each other; what a lasso holds is shown in the gallery."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Callable, Iterable

import cv2
import numpy as np
import traitlets as t
from PIL import ImageColor

from cdwidget.review import Catalogue
from cdwidget.review.embeddings import PROJECTIONS
from cdwidget.widget.channel import Answer, Channel
from cdwidget.widget.plane import COLOURINGS, NONE, OTHERS, Legend, Plane
from cdwidget.widget.shared import SharedWidget, bundled

if TYPE_CHECKING:
    from cdwidget.widget.gallery import Gallery

SHORTCUTS = {
    "select_all": ["Ctrl+A"],
    "clear": ["Escape"],
    "color": ["C"],
    "pan": ["Space"],
    "fit": ["0"],
    "zoom_in": ["+", "="],
    "zoom_out": ["-"],
    "refresh": ["R"],
    "fullscreen": ["F"],
    "help": ["?"],
}
SLOW = ("points", "thumb")  # answered from threads of their own
PICTURE = 480, 320  # of what stays in a notebook without a kernel


class EmbeddingMap(SharedWidget):
    """Draw a lasso round points: `m.selected` are the ids of their items, and a linked gallery shows these alone.

    Shift adds to the selection, Alt takes away, Escape clears it. The wheel zooms, Space and a drag move. All keys: the ? button.

    >>> cdwidget.run(cdwidget.Embed(), catalogue)       # once
    >>> m = EmbeddingMap(catalogue, gallery)
    >>> m
    >>> catalogue.subset(ids=m.selected)
    """

    _esm = bundled("embedding_map.js")
    _css = bundled("embedding_map.css")
    _commands = SHORTCUTS

    color_by = t.Enum(tuple(COLOURINGS), "label", help="what the colours mean").tag(sync=True)
    projection = t.Enum(tuple(PROJECTIONS), "pca", help="how the points are placed; tsne takes a minute for some thousand").tag(sync=True)
    selected = t.List(t.Int(), help="ids of the items that are selected").tag(sync=True)
    point = t.Float(None, min=1, max=20, allow_none=True, help="CSS pixels across a point; None: by how many there are").tag(sync=True)
    opacity = t.Float(0.85, min=0, max=1, help="of the points").tag(sync=True)
    height = t.Int(420, min=200, help="CSS pixels of the map").tag(sync=True)

    _map = t.Dict({"key": 0}, help="which points are shown: a new key whenever they are others").tag(sync=True)

    def __init__(self, catalogue: Catalogue, gallery: Gallery | None = None, **traits: Any) -> None:
        """Show the items of a catalogue that have embeddings. gallery: shows what is selected here.

        traits: any public trait, for instance color_by="score", projection="tsne". TypeError for an unknown keyword.
        """
        if not isinstance(catalogue, Catalogue):
            raise TypeError(f"a map shows a cdwidget.Catalogue, not {type(catalogue).__name__}: EmbeddingMap(Catalogue('labels.db'))")
        self.catalogue, self.gallery = catalogue, gallery
        self._plane = Plane(catalogue)
        super().__init__(**traits)
        look: dict[str, Callable[..., Answer]] = {"points": self._points, "colors": self._colors, "thumb": self._thumb}
        self._channel = Channel(self, {**look, "refresh": self._refresh}, SLOW)
        self.observe(lambda change: self._show(), names=["projection"])
        self.observe(lambda change: self._link(change["new"]), names=["selected"])
        if self.selected:
            self._link(self.selected)

    def refresh(self) -> None:
        """Show the catalogue as it is now: new embeddings, labels, statuses and scores."""
        self._plane.forget()
        self._show()

    def select(self, ids: Iterable[int]) -> None:
        """Select items, by their ids."""
        self.selected = [int(id) for id in ids]

    # ---- inside --------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._map = {"key": self._map["key"] + 1}

    def _link(self, ids: list[int]) -> None:
        if self.gallery is not None:
            self.gallery.only = list(ids)

    def _points(self, key: int) -> Answer:
        """All points: {key, missing}, how many items have no embedding; then int32 ids, and float32 places, all x before all y."""
        ids, points = self._plane.points(self.projection)
        missing = len(self.catalogue) - len(ids)
        return {"key": key, "missing": missing}, [ids.astype("<i4").tobytes(), points.T.astype("<f4").tobytes()]

    def _colors(self, by: str) -> Answer:
        """What the points are coloured by: {by, classes | low and high, none}, and a uint8 number for each point."""
        legend = self._plane.legend(by)
        classes = [{"name": name, "color": color, "count": count} for name, color, count in legend.classes]
        none = int((legend.numbers == NONE).sum())
        return {"by": by, "classes": classes, "low": legend.low, "high": legend.high, "none": none}, [legend.numbers.tobytes()]

    def _thumb(self, item: int, size: int) -> Answer:
        """What an item is: {item, name, labels, status, score, error}, and a JPEG of its image where it can be read."""
        about, picture = self._plane.look(item, size)
        return about, [picture] if picture else []

    def _refresh(self) -> Answer:
        self.refresh()
        return {}, []

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What a notebook keeps: the widget, and a small picture of the points for readers without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None and self._plane.has(self.projection):
            ids, points = self._plane.points(self.projection)
            bundle[0]["image/png"] = _draw(points, self._plane.legend(self.color_by))
        return bundle


def _draw(points: np.ndarray, legend: Legend) -> str:
    """A PNG, base64, of the points on white."""
    width, height = PICTURE
    picture = np.full((height, width, 3), 255, np.uint8)
    colours = [ImageColor.getrgb(color)[:3] for _, color, _ in legend.classes] or legend.scale()
    places = (points * (min(PICTURE) / 2 - 12) + (width / 2, height / 2)).round().astype(int)
    for (x, y), number in zip(places.tolist(), legend.numbers.tolist()):
        colour = colours[number] if number < len(colours) else ImageColor.getrgb(OTHERS)[:3]
        cv2.circle(picture, (x, y), 3, colour, -1, cv2.LINE_AA)
    return b64encode(cv2.imencode(".png", picture[..., ::-1])[1].tobytes()).decode()
