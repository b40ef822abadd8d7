"""The EmbeddingMap: the images of a catalogue as points, alike ones near each other; what a lasso holds is shown in the gallery."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Callable, Iterable

import cv2
import numpy as np
import traitlets as t
from PIL import ImageColor

from cdwidget.catalogue import Catalogue
from cdwidget.catalogue.similarity import PROJECTIONS
from cdwidget.widget.base import SharedWidget, bundled
from cdwidget.widget.transport import Answer, Channel

if TYPE_CHECKING:
    from cdwidget.widget.gallery.gallery import Gallery
import json
from collections import Counter
from dataclasses import dataclass
from threading import RLock
from typing import Sequence

from cdwidget.catalogue import STATUSES, ItemRow
from cdwidget.catalogue.images import file_name, read
from cdwidget.catalogue.similarity import project, read_embeddings
from cdwidget.registry import lookup
from cdwidget.widget.settings import COLORS

# MERGED from widget.plane: What an EmbeddingMap shows: where the points are, what they are coloured by, and the image behind one.


NONE = 255  # the number of what has no class and no score
OTHERS = "#8a929c"  # also of points without a class
STATUS_COLORS = {"new": "#7c8794", "accepted": "#1a9a5b", "rejected": "#d8433a", "skipped": "#d9a520"}
STEPS = 255  # of a scale
QUALITY = 85


@dataclass(frozen=True)
class Legend:
    """What the colours of points mean. numbers: uint8 (N,), a class or a step of a scale, NONE for neither.

    classes: (name, colour, how many points); empty for a scale, which goes from low to high.
    """

    numbers: np.ndarray
    classes: tuple[tuple[str, str, int], ...] = ()
    low: float = 0.0
    high: float = 1.0

    def scale(self) -> list[tuple[int, ...]]:
        """The colours of the steps of a scale, from blue over yellow to red: the page has the same."""
        stops = np.array([(37, 99, 190), (96, 180, 190), (240, 205, 90), (214, 60, 50)], float)
        at = np.linspace(0, 3, STEPS)
        return [tuple(int(np.interp(x, range(4), stops[:, c]) + 0.5) for c in range(3)) for x in at]


class Plane:
    """The points of a catalogue, placed when they are asked for and then kept."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = RLock()  # pages ask from several threads
        self._read: tuple[np.ndarray, np.ndarray] | None = None
        self._placed: dict[str, np.ndarray] = {}

    def forget(self) -> None:
        """Read the catalogue again when something is asked for next."""
        with self._lock:
            self._read = None
            self._placed = {}

    def has(self, projection: str) -> bool:
        """Whether points can be had at once."""
        return projection in self._placed or projection == "pca"

    def points(self, projection: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the items, int64 (N,), and their places, float32 (N, 2) within -1..1."""
        with self._lock:
            ids, vectors = self._embeddings()
            if projection not in self._placed:
                self._placed[projection] = project(vectors, projection)
            return ids, self._placed[projection]

    def legend(self, by: str) -> Legend:
        """Return what each point is by a name in COLOURINGS, as the catalogue has it now."""
        with self._lock:
            ids, _ = self._embeddings()
        return lookup(COLOURINGS, by, "colouring")(self._catalogue, ids)

    def look(self, item: int, size: int) -> tuple[dict[str, Any], bytes | None]:
        """Return what is known of an item, and its image as a JPEG of at most `size` pixels a side; None where it cannot be read."""
        rows = [row for row in self._catalogue.rows([item]) if isinstance(row, ItemRow)]
        if not rows:
            return {"item": item, "name": "", "labels": "", "status": "", "score": None, "error": "It is no longer in the catalogue."}, None
        (row,) = rows
        sql = "SELECT label, count(*) FROM instances WHERE item = ? GROUP BY label ORDER BY count(*) DESC, label LIMIT 3"
        counted = self._catalogue.database.rows(sql, (item,))
        labels = ", ".join(f"{label or '(none)'}{f' × {count}' if count > 1 else ''}" for label, count in counted)
        about = {"item": item, "name": file_name(row.path), "labels": labels, "status": row.status, "score": row.score, "error": ""}
        try:
            image = read(row.path)
        except (OSError, ValueError) as error:
            return {**about, "error": str(error)}, None
        factor = min(1.0, size / max(image.shape[:2]))
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return about, cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

    def _embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        if self._read is None:
            self._read = read_embeddings(self._catalogue)
        return self._read


def by_label(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """The label that covers most of the image; the ten most frequent ones have a colour, as in the annotator and the gallery."""
    sql = """SELECT item, label FROM (SELECT item, label, sum(area) AS covered FROM instances WHERE status != 'rejected'
        AND item IN (SELECT value FROM json_each(?)) GROUP BY item, label ORDER BY item, covered, label DESC)"""
    main = dict(catalogue.database.rows(sql, (_json(ids),)))  # of several, the last one stays: the largest
    names = [main.get(id) for id in ids.tolist()]
    counts = Counter(name for name in names if name is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    place = {name: number for number, name in enumerate(catalogue.labels())}
    shown = ranked[: len(COLORS)] if len(ranked) <= len(COLORS) else ranked[: len(COLORS) - 1]
    free = iter([color for color in COLORS if color not in {COLORS[place[name] % len(COLORS)] for name in shown}])
    taken: set[str] = set()
    classes = []
    for name in shown:
        color = COLORS[place[name] % len(COLORS)]
        color = next(free) if color in taken else color  # two of the shown ones would look the same
        taken.add(color)
        classes.append((name, color, counts[name]))
    if others := ranked[len(shown) :]:
        classes.append((f"{len(others)} others", OTHERS, sum(counts[name] for name in others)))
    number = {**{name: at for at, name in enumerate(shown)}, **dict.fromkeys(others, len(shown))}
    numbers = np.array([NONE if name is None else number[name] for name in names], np.uint8)
    return Legend(numbers, tuple(classes))


def by_status(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """The status of the item."""
    sql = "SELECT id, status FROM items WHERE id IN (SELECT value FROM json_each(?))"
    found = dict(catalogue.database.rows(sql, (_json(ids),)))
    numbers = np.array([STATUSES.index(found[id]) if id in found else NONE for id in ids.tolist()], np.uint8)
    return Legend(numbers, tuple((name, STATUS_COLORS[name], int((numbers == at).sum())) for at, name in enumerate(STATUSES)))


def by_score(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """The item's score, that of its worst instance, from 0 to 1."""
    sql = "SELECT id, score FROM items WHERE score IS NOT NULL AND id IN (SELECT value FROM json_each(?))"
    found = dict(catalogue.database.rows(sql, (_json(ids),)))
    values = np.array([found.get(id, np.nan) for id in ids.tolist()], float)
    steps = np.clip(values, 0, 1) * (STEPS - 1)
    return Legend(np.where(np.isnan(values), NONE, np.nan_to_num(steps)).astype(np.uint8))


COLOURINGS: dict[str, Callable[[Catalogue, np.ndarray], Legend]] = {"label": by_label, "status": by_status, "score": by_score}


def _json(ids: Sequence[int] | np.ndarray) -> str:
    return json.dumps(np.asarray(ids).tolist())


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
