"""What a query returns, and the items that a catalogue gives out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Sequence

import cv2
import numpy as np

from cdwidget.catalogue.images import read
from cdwidget.catalogue.records import Record
from cdwidget.items import Instance, Item
from cdwidget.masks import Bbox


@dataclass(frozen=True)
class ItemRow:
    """One image in a list. instances: how many it has. score: the highest of theirs. problem: what `check` found wrong with the image."""

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
    """One instance in a list: its id in the catalogue, its item's id, and its number in that; bbox is (x0, y0, x1, y1), half-open."""

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


_COUNT = "(SELECT count(*) FROM instances WHERE item = items.id)"
ROWS = {
    "items": f"SELECT items.id, path, items.status, items.score, {_COUNT}, height, width, version, changed, problem FROM items",
    "instances": "SELECT instances.id, item, number, path, label, instances.status, instances.score, area, x0, y0, x1, y1, height, width, "
    "version FROM instances JOIN items ON items.id = item",
}


def item_row(row: Sequence[Any], path: str) -> ItemRow:
    """Make the row of what ROWS selects; path: where the image is."""
    return ItemRow(row[0], path, *row[2:])


def instance_row(row: Sequence[Any], path: str) -> InstanceRow:
    """Make the row of what ROWS selects; path: where the image is."""
    id, item, number, _, label, status, score, area, x0, y0, x1, y1, height, width, version = row
    return InstanceRow(id, item, number, path, label, status, score, area, (x0, y0, x1, y1), height, width, version)


@dataclass(frozen=True, eq=False)
class CatalogueItem(Item):
    """An item of a catalogue: what a job is given.

    version: for `Catalogue.update`. size: (height, width), None where nobody knows it. records: the instances as they are kept.
    """

    id: int = 0
    status: str = "new"
    version: int = 0
    size: tuple[int, int] | None = None
    tags: tuple[str, ...] = ()
    records: Sequence[Record] = ()

    def read_image(self) -> np.ndarray:
        """Read the file or URL, uint8 (H, W, 3) RGB."""
        pixels: np.ndarray = read(str(self.path))
        return pixels


@dataclass(frozen=True)
class Decoder:
    """Records of one image, decoded when they are asked for."""

    records: Sequence[Record]
    height: int
    width: int

    def __call__(self, indices: Iterable[int]) -> Iterator[Instance]:
        """Yield the instances at these indices."""
        for index in indices:
            yield self.records[index].instance(self.height, self.width)


@dataclass(frozen=True, eq=False)
class Score:
    """How much an instance (its number in the item) is worth a look, and why.

    value: higher = look sooner; the one called OVERALL is what rows show. reason: in words.
    heat: uint8 (h, w) over its bbox, of any resolution.
    """

    instance: int
    name: str
    value: float
    reason: str = ""
    heat: np.ndarray | None = None


OVERALL = "overall"


@dataclass(frozen=True)
class Problem:
    """What is wrong with an item's image: missing, changed or corrupt, in words."""

    item: int
    path: str
    what: str


@dataclass(frozen=True)
class Past:
    """One change in the history of an item. at: seconds since 1970. detail: plain JSON; an update has the actions of its session."""

    what: str
    who: str
    at: float
    detail: dict[str, Any]
    undone: bool


def heat_to_png(heat: np.ndarray | None) -> bytes | None:
    """Return a heat map as a grey PNG, which the browser shows as it is; ValueError for another dtype or shape."""
    if heat is None:
        return None
    if heat.dtype != np.uint8 or heat.ndim != 2:
        raise ValueError(f"a heat map is uint8 (h, w), not {heat.dtype} {heat.shape}")
    return cv2.imencode(".png", heat)[1].tobytes()


def png_to_heat(png: bytes | None) -> np.ndarray | None:
    """Return the uint8 (h, w) heat map of `heat_to_png`'s answer."""
    return None if png is None else cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
