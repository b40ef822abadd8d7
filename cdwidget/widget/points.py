"""The points of an EmbeddingMap: positions, colors, and the image behind each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import RLock
from typing import Any, Callable

import cv2
import numpy as np

from cdwidget.catalogue import STATUSES, Catalogue, ItemRow
from cdwidget.catalogue.images import file_name
from cdwidget.catalogue.similarity import project, read_embeddings
from cdwidget.registry import lookup
from cdwidget.widget.colors import COLORS

NO_CLASS = 255  # The number of a point that has neither a class nor a score.
OTHER_COLOR = "#8a929c"  # Color of unlisted classes and of points without a class.
CLASS_COLORS = COLORS[:10]  # A legend of more classes is longer than the map.
STATUS_COLORS = {"new": "#7c8794", "accepted": "#1a9a5b", "rejected": "#d8433a", "skipped": "#d9a520"}
SCALE_STEPS = 255
SCALE_STOPS = ((37, 99, 190), (96, 180, 190), (240, 205, 90), (214, 60, 50))  # RGB, from low to high; the page has the same.
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Legend:
    """The meaning of the colors of points.

    Args:
        numbers: uint8 (N,), the class or the step of the scale of each point; NO_CLASS for neither.
        classes: Name, CSS color and number of points of each class; empty for a scale.
        low: Lower end of the scale.
        high: Upper end of the scale.
    """

    numbers: np.ndarray
    classes: tuple[tuple[str, str, int], ...] = ()
    low: float = 0.0
    high: float = 1.0

    def scale(self) -> list[tuple[int, ...]]:
        """Return the RGB colors of the steps of the scale, 0 to 255, from low to high."""
        stops = np.array(SCALE_STOPS, float)
        positions = np.linspace(0, len(stops) - 1, SCALE_STEPS)
        return [tuple(int(np.interp(x, range(len(stops)), stops[:, c]) + 0.5) for c in range(3)) for x in positions]


class Points:
    """The items of a catalogue that have embeddings, as points of a plane.

    Positions are computed on demand and kept.

    Args:
        catalogue: The catalogue.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = RLock()  # Pages send requests from several threads.
        self._embeddings: tuple[np.ndarray, np.ndarray] | None = None
        self._positions: dict[str, np.ndarray] = {}

    def refresh(self) -> None:
        """Read the catalogue again at the next request."""
        with self._lock:
            self._embeddings = None
            self._positions = {}

    def is_ready(self, projection: str) -> bool:
        """Return whether positions are available without a long computation."""
        return projection in self._positions or projection == "pca"

    def positions(self, projection: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the items, int64 (N,), and their positions, float32 (N, 2) in [-1, 1]."""
        with self._lock:
            ids, vectors = self._read_embeddings()
            if projection not in self._positions:
                self._positions[projection] = project(vectors, projection)
            return ids, self._positions[projection]

    def legend(self, by: str) -> Legend:
        """Return the legend for a name in LEGENDS, from the current content of the catalogue."""
        with self._lock:
            ids, _ = self._read_embeddings()
        return lookup(LEGENDS, by, "coloring")(self._catalogue, ids)

    def describe(self, item: int, size: int) -> tuple[dict[str, Any], bytes | None]:
        """Describe an item.

        Args:
            item: Id of the item.
            size: Longest side of its image, in pixels.

        Returns:
            {item, name, labels, status, score, error} and its image as a JPEG; None if the image cannot be read.
        """
        rows = [row for row in self._catalogue.rows([item]) if isinstance(row, ItemRow)]
        if not rows:
            return {"item": item, "name": "", "labels": "", "status": "", "score": None, "error": "It is no longer in the catalogue."}, None
        (row,) = rows
        counts = self._catalogue.label_counts(item)
        labels = ", ".join(f"{label or '(none)'}{f' × {count}' if count > 1 else ''}" for label, count in counts)
        description = {"item": item, "name": file_name(row.path), "labels": labels, "status": row.status, "score": row.score, "error": ""}
        try:
            image = self._catalogue.item(item).read_image()
        except (OSError, ValueError) as error:
            return {**description, "error": str(error)}, None
        factor = min(1.0, size / max(image.shape[:2]))
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return description, cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()

    def _read_embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        if self._embeddings is None:
            self._embeddings = read_embeddings(self._catalogue)
        return self._embeddings


def by_label(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """Color points by the label that covers most of their image.

    The most frequent labels have the colors of the gallery.
    """
    main = catalogue.main_labels(ids)
    names = [main.get(id) for id in ids.tolist()]
    counts = Counter(name for name in names if name is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    numbered = sorted(catalogue.labels(), key=lambda name: not name)  # No label comes last: the gallery does not count it.
    index = {name: number for number, name in enumerate(numbered)}
    listed = ranked[: len(CLASS_COLORS)] if len(ranked) <= len(CLASS_COLORS) else ranked[: len(CLASS_COLORS) - 1]
    free = iter([color for color in CLASS_COLORS if color not in {CLASS_COLORS[index[name] % len(CLASS_COLORS)] for name in listed}])
    taken: set[str] = set()
    classes = []
    for name in listed:
        color = CLASS_COLORS[index[name] % len(CLASS_COLORS)]
        color = next(free) if color in taken else color  # Otherwise two listed labels would look the same.
        taken.add(color)
        classes.append((name, color, counts[name]))
    if others := ranked[len(listed) :]:
        classes.append((f"{len(others)} others", OTHER_COLOR, sum(counts[name] for name in others)))
    number = {**{name: position for position, name in enumerate(listed)}, **dict.fromkeys(others, len(listed))}
    numbers = np.array([NO_CLASS if name is None else number[name] for name in names], np.uint8)
    return Legend(numbers, tuple(classes))


def by_status(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """Color points by the status of their item."""
    statuses = catalogue.statuses(ids)
    numbers = np.array([STATUSES.index(statuses[id]) if id in statuses else NO_CLASS for id in ids.tolist()], np.uint8)
    return Legend(numbers, tuple((name, STATUS_COLORS[name], int((numbers == index).sum())) for index, name in enumerate(STATUSES)))


def by_score(catalogue: Catalogue, ids: np.ndarray) -> Legend:
    """Color points by their item's score, which is its worst instance's score, from 0 to 1."""
    scores = catalogue.item_scores(ids)
    values = np.array([scores.get(id, np.nan) for id in ids.tolist()], float)
    steps = np.clip(values, 0, 1) * (SCALE_STEPS - 1)
    return Legend(np.where(np.isnan(values), NO_CLASS, np.nan_to_num(steps)).astype(np.uint8))


LEGENDS: dict[str, Callable[[Catalogue, np.ndarray], Legend]] = {"label": by_label, "status": by_status, "score": by_score}
