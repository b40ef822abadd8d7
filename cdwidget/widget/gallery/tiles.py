"""The tiles of a gallery: instances, and images without objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterable, cast

import numpy as np

from cdwidget.catalogue import STATUSES, Catalogue, InstanceRow, ItemRow, ScoreValue
from cdwidget.catalogue.thumbnails import Thumbnail
from cdwidget.masks import EMPTY_BBOX


class Tiles:
    """Rows, pictures and statuses by the ids of tiles.

    The tile of an instance has the id of the instance; the tile of an image without objects has minus the id of its item.

    Args:
        catalogue: The catalogue.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def ids(self, **filters: Any) -> np.ndarray:
        """Return the ids of the tiles for a query of instances or items, int64 (N,); arguments as for `Catalogue.ids`."""
        ids = self._catalogue.ids(**filters)
        return -ids if filters["of"] == "items" else ids

    def of_item(self, item: int) -> list[int]:
        """Return the ids of all tiles that an edit of an item may change."""
        return [-item, *(row.id for row in self._catalogue.query(of="instances", where=[("item", "=", item)], limit=None))]

    def find(self, item: int, number: int) -> list[InstanceRow]:
        """Return the row of an instance by its number in an item; none if it does not exist."""
        found = self._catalogue.query(of="instances", where=[("item", "=", item), ("number", "=", number)])
        return cast(list[InstanceRow], found)

    def rows(self, ids: Iterable[int]) -> list[InstanceRow]:
        """Return the rows of tiles in their order; ids that do not exist are skipped."""
        wanted = [int(id) for id in ids]
        rows = cast(list[InstanceRow], self._catalogue.rows([id for id in wanted if id > 0], of="instances"))
        by_id = {row.id: row for row in [*rows, *map(_tile_of_image, self._items(wanted))]}
        return [by_id[id] for id in wanted if id in by_id]

    def object_counts(self, ids: Iterable[int]) -> dict[int, int]:
        """Return the number of objects of each tile that shows a whole image."""
        return {-row.id: row.instances for row in self._items(ids)}

    def reasons(self, ids: Iterable[int]) -> dict[int, list[ScoreValue]]:
        """Return the highest scores of each tile; images without objects have none."""
        return self._catalogue.reasons(ids)

    def thumbnails(self, ids: Iterable[int], size: int) -> list[Thumbnail]:
        """Return the pictures of tiles, at most `size` pixels per side."""
        wanted = [int(id) for id in ids]
        images = self._catalogue.image_thumbnails([-id for id in wanted if id < 0], size)
        return [*self._catalogue.thumbnails([id for id in wanted if id > 0], size), *(replace(one, id=-one.id) for one in images)]

    def set_status(self, ids: Iterable[int], status: str) -> None:
        """Set the status of instances and of images without objects."""
        wanted = list(ids)
        for of, chosen in (("instances", [id for id in wanted if id > 0]), ("items", [-id for id in wanted if id < 0])):
            self._catalogue.set_status(chosen, status, of=of)  # type: ignore[arg-type]

    def count_statuses(self, ids: np.ndarray) -> dict[str, int]:
        """Count the statuses of listed tiles; only decided ones are read, the others are new."""
        of = "items" if len(ids) and ids[0] < 0 else "instances"
        decided = {
            status: int(np.isin(self.ids(status=status, of=of), ids, assume_unique=True).sum()) for status in STATUSES if status != "new"
        }
        return {"new": len(ids) - sum(decided.values()), **decided}

    def _items(self, ids: Iterable[int]) -> list[ItemRow]:
        return cast(list[ItemRow], self._catalogue.rows([-id for id in ids if id < 0]))


def _tile_of_image(item: ItemRow) -> InstanceRow:
    """Return the row of a tile that shows a whole image: an instance without a number, a label and pixels."""
    height, width = item.height or 0, item.width or 0
    return InstanceRow(-item.id, item.id, 0, item.path, "", item.status, None, 0, EMPTY_BBOX, height, width, item.version, 0)
