"""The values that a catalogue returns: rows, items, scores, problems, history entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np

from cdwidget._deprecated import renamed_property
from cdwidget.catalogue.records import Record, from_json
from cdwidget.items import Instance, Item
from cdwidget.masks import Bbox

OVERALL_SCORE = "overall"  # the score that rows show and that the review queue is ordered by


@dataclass(frozen=True)
class ItemRow:
    """One image in the result of a query.

    Attributes:
        id: Its id in the catalogue.
        path: Path or URL of the image.
        status: One of STATUSES.
        score: The highest overall score of its instances; None for none.
        instances: Number of instances.
        height: Height of the masks in pixels; None without masks.
        width: Width of the masks in pixels; None without masks.
        version: Number of changes so far.
        changed: Time of the last change, in seconds since 1970.
        problem: The problem of the image that `Catalogue.check` found; None for none.
    """

    id: int
    path: str
    status: str
    score: float | None
    instances: int
    height: int | None
    width: int | None
    version: int
    changed: float
    problem: str | None


@dataclass(frozen=True)
class InstanceRow:
    """One instance in the result of a query.

    Attributes:
        id: Its id in the catalogue.
        item: The id of its item.
        number: Its id within the item.
        path: Path or URL of the image.
        label: Its class; "" for none.
        status: One of STATUSES.
        score: Its overall score; None for none.
        area: Number of pixels.
        bbox: (x0, y0, x1, y1) in pixels, half-open.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        version: The item's number of changes so far.
        drawn: The item's number of changes of masks and labels so far; a decision does not increase it.
        confidence: Confidence of the model that predicted it, in [0, 1], which is `Instance.score`; None for none.
        track_id: Number of the same object in the images of a sequence; None for none.
        attributes: Values of the user's own.
    """

    id: int
    item: int
    number: int
    path: str
    label: str
    status: str
    score: float | None
    area: int
    bbox: Bbox
    height: int
    width: int
    version: int
    drawn: int
    confidence: float | None = None
    track_id: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)


_INSTANCE_COUNT = "(SELECT count(*) FROM instances WHERE item = items.id)"
ROW_SQL = {
    "items": f"SELECT items.id, path, items.status, items.score, {_INSTANCE_COUNT}, height, width, version, changed, problem FROM items",
    "instances": "SELECT instances.id, item, number, path, label, instances.status, instances.score, area, x0, y0, x1, y1, height, width, "
    "version, drawn, confidence, track_id, attributes FROM instances JOIN items ON items.id = item",
}


def item_row(columns: Sequence[Any], path: str) -> ItemRow:
    """Return the row for the columns of ROW_SQL, with the resolved path of the image."""
    return ItemRow(columns[0], path, *columns[2:])


def instance_row(columns: Sequence[Any], path: str) -> InstanceRow:
    """Return the row for the columns of ROW_SQL, with the resolved path of the image."""
    id, item, number, _, label, status, score, area, x0, y0, x1, y1, height, width, version, drawn, *more = columns
    confidence, track_id, attributes = more
    return InstanceRow(
        id, item, number, path, label, status, score, area, (x0, y0, x1, y1), height, width, version, drawn,
        confidence, track_id, from_json(attributes),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class CatalogueItem(Item):
    """An image of a catalogue with its instances, as jobs receive it.

    Attributes:
        id: Its id in the catalogue.
        status: One of STATUSES.
        version: Number of changes so far; give it to `Catalogue.update` to detect concurrent changes.
        size: (height, width) of the masks in pixels; None without masks.
        tags: Its tags.
        records: The instances as they are stored.
    """

    id: int = 0
    status: str = "new"
    version: int = 0
    size: tuple[int, int] | None = None
    tags: tuple[str, ...] = ()
    records: Sequence[Record] = ()


@dataclass(frozen=True)
class RecordLoader:
    """The stored instances of one image: the `load` function of `LazyInstances`."""

    records: Sequence[Record]
    height: int
    width: int
    source: str  # Where they are stored, for errors.

    def __call__(self, indices: Iterable[int]) -> Iterator[Instance]:
        """Yield the instances at these indices; raise ValueError for a damaged one."""
        for index in indices:
            try:
                yield self.records[index].instance(self.height, self.width)
            except ValueError as error:
                raise ValueError(f"{self.source}, instance {self.records[index].number}: {error}") from error


@dataclass(frozen=True, eq=False)
class ScoreValue:
    """The value of one score of one instance.

    Attributes:
        instance: The instance's id within its item.
        name: Name of the score, such as OVERALL_SCORE.
        value: Higher values are more suspicious.
        reason: An explanation in words; "" for none.
        heat: Heat map over the instance's bbox, uint8 (h, w) of any resolution; None for none.
    """

    instance: int
    name: str
    value: float
    reason: str = ""
    heat: np.ndarray | None = None


@dataclass(frozen=True)
class Problem:
    """A problem of an item: of its image, or an error of a job.

    Attributes:
        item: The item's id.
        path: Path or URL of the image.
        description: The problem in words.
    """

    item: int
    path: str
    description: str

    what = renamed_property("what", "description")


@dataclass(frozen=True)
class HistoryEntry:
    """One change in the history of an item.

    Attributes:
        action: The kind of change, such as "update", "accepted" or "undo".
        user: The author of the change.
        time: Local time of the change.
        detail: Plain JSON; for an edit the actions and the duration of the session.
        undone: Whether the change was undone.
    """

    action: str
    user: str
    time: datetime
    detail: dict[str, Any]
    undone: bool

    def __repr__(self) -> str:
        undone = ", undone" if self.undone else ""
        return f"HistoryEntry({self.action!r} by {self.user}, {self.time:%Y-%m-%d %H:%M:%S}{undone}, detail={self.detail!r})"

    what = renamed_property("what", "action")
    who = renamed_property("who", "user")
    at = renamed_property("at", "time")


def heat_to_png(heat: np.ndarray | None) -> bytes | None:
    """Encode a heat map, uint8 (h, w), as a gray PNG; raise ValueError for another dtype or shape."""
    if heat is None:
        return None
    if heat.dtype != np.uint8 or heat.ndim != 2:
        raise ValueError(f"a heat map is uint8 (h, w), not {heat.dtype} {heat.shape}")
    return cv2.imencode(".png", heat)[1].tobytes()


def png_to_heat(png: bytes | None) -> np.ndarray | None:
    """Decode a heat map, uint8 (h, w), from a PNG of `heat_to_png`."""
    return None if png is None else cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
