"""The EmbeddingMap: the images of a catalogue as points, similar ones close together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

import cv2
import numpy as np
import traitlets as t
from PIL import ImageColor

from cdwidget.catalogue import Catalogue
from cdwidget.catalogue.similarity import PROJECTIONS
from cdwidget.widget.points import LEGENDS, NO_CLASS, OTHER_COLOR, Legend, Points
from cdwidget.widget.static_files import bundled
from cdwidget.widget.transport import Channel, Operation, Reply, SharedWidget

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
THREADED_REQUESTS = ("points", "thumb")  # They take long, and other requests must not wait for them.
PNG_SIZE_PX = 480, 320  # Width and height of the image that a notebook keeps.
PNG_MARGIN_PX = 12
PNG_POINT_RADIUS_PX = 3


class EmbeddingMap(SharedWidget):
    """Draw a lasso around points to select images; a linked gallery then shows only these.

    Shift adds to the selection, Alt removes from it, Escape clears it. The wheel zooms, Space and a drag move. The ? button lists
    all keys.

    Args:
        catalogue: The catalogue, with embeddings made by `cdwidget.Embed`.
        gallery: A gallery that shows the selection; None for none.
        **traits: Initial values of public traits, such as `color_by="score"`, `projection="tsne"`.

    Attributes:
        catalogue: The catalogue.
        gallery: The linked gallery.
        points: Positions and legends of the points.

    Raises:
        TypeError: If a keyword is unknown, or `catalogue` is not a Catalogue.

    Example:
        >>> cdwidget.run(cdwidget.Embed(), catalogue)       # once
        >>> m = EmbeddingMap(catalogue, gallery)
        >>> m
        >>> catalogue.subset(ids=m.selected)
    """

    _esm = bundled("embedding_map.js")
    _css = bundled("embedding_map.css")
    _commands = SHORTCUTS

    color_by = t.Enum(tuple(LEGENDS), "label", help="the meaning of the colors").tag(sync=True)
    projection = t.Enum(tuple(PROJECTIONS), "pca", help="projection to the plane; tsne takes a minute for a few thousand images").tag(
        sync=True
    )
    selected = t.List(t.Int(), help="ids of the selected items").tag(sync=True)
    point = t.Float(None, min=1, max=20, allow_none=True, help="diameter of a point in CSS pixels; None: by their number").tag(sync=True)
    opacity = t.Float(0.85, min=0, max=1, help="opacity of the points, 0 to 1").tag(sync=True)
    height = t.Int(420, min=200, help="height of the map in CSS pixels").tag(sync=True)

    _map = t.Dict({"key": 0}, help="the points being shown; the key increases when they change").tag(sync=True)

    def __init__(self, catalogue: Catalogue, gallery: Gallery | None = None, **traits: Any) -> None:
        if not isinstance(catalogue, Catalogue):
            raise TypeError(f"a map shows a cdwidget.Catalogue, not {type(catalogue).__name__}: EmbeddingMap(Catalogue('labels.db'))")
        self.catalogue, self.gallery = catalogue, gallery
        self.points = Points(catalogue)
        super().__init__(**traits)
        operations: dict[str, Operation] = {
            "points": self._send_points,
            "colors": self._send_colors,
            "thumb": self._send_thumbnail,
            "refresh": self._refresh,
        }
        self._channel = Channel(self, operations, THREADED_REQUESTS)
        self.observe(lambda change: self._show(), names=["projection"])
        self.observe(lambda change: self._filter_gallery(change["new"]), names=["selected"])
        if self.selected:
            self._filter_gallery(self.selected)

    def __repr__(self) -> str:
        return f"<EmbeddingMap: {self.catalogue!r}, {len(self.selected):,} selected>"

    def refresh(self) -> None:
        """Show the current content of the catalogue: new embeddings, labels, statuses and scores."""
        self.points.refresh()
        self._show()

    def select(self, ids: Iterable[int]) -> None:
        """Select items by their ids."""
        self.selected = [int(id) for id in ids]

    def _show(self) -> None:
        self._map = {"key": self._map["key"] + 1}
        self._saved_picture.renew_later()

    def _filter_gallery(self, ids: list[int]) -> None:
        if self.gallery is not None:
            self.gallery.only = list(ids)

    def _send_points(self, key: int) -> Reply:
        """Return {key, missing}, how many items have no embedding, with ids and positions.

        The ids are int32 (N,), the positions float32 (2, N), all x before all y.
        """
        ids, positions = self.points.positions(self.projection)
        missing = len(self.catalogue) - len(ids)
        return {"key": key, "missing": missing}, [ids.astype("<i4").tobytes(), positions.T.astype("<f4").tobytes()]

    def _send_colors(self, by: str) -> Reply:
        """Return {by, classes | low and high, none}, with the uint8 number of each point."""
        legend = self.points.legend(by)
        classes = [{"name": name, "color": color, "count": count} for name, color, count in legend.classes]
        none = int((legend.numbers == NO_CLASS).sum())
        return {"by": by, "classes": classes, "low": legend.low, "high": legend.high, "none": none}, [legend.numbers.tobytes()]

    def _send_thumbnail(self, item: int, size: int) -> Reply:
        """Return {item, name, labels, status, score, error}, with a JPEG of a readable image."""
        description, file = self.points.describe(item, size)
        return description, [file] if file else []

    def _refresh(self) -> Reply:
        self.refresh()
        return {}, []

    def _draw_snapshot(self) -> np.ndarray | None:
        if not self.points.is_ready(self.projection):
            return None
        _, positions = self.points.positions(self.projection)
        return _draw_points(positions, self.points.legend(self.color_by))


def _draw_points(positions: np.ndarray, legend: Legend) -> np.ndarray:
    """Draw the points on white, uint8 (h, w, 3) RGB."""
    width, height = PNG_SIZE_PX
    image = np.full((height, width, 3), 255, np.uint8)
    colors = [ImageColor.getrgb(color)[:3] for _, color, _ in legend.classes] or legend.scale()
    centers = (positions * (min(PNG_SIZE_PX) / 2 - PNG_MARGIN_PX) + (width / 2, height / 2)).round().astype(int)
    for (x, y), number in zip(centers.tolist(), legend.numbers.tolist()):
        color = colors[number] if number < len(colors) else ImageColor.getrgb(OTHER_COLOR)[:3]
        cv2.circle(image, (x, y), PNG_POINT_RADIUS_PX, color, -1, cv2.LINE_AA)
    return image
