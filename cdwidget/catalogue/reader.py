"""What can be asked of a catalogue; the owner of its file's connections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Sequence, Union, cast

import numpy as np

from cdwidget.catalogue.images import place
from cdwidget.catalogue.plots import Stats, frame, stats
from cdwidget.catalogue.query import Condition, Of, Selection, Texts
from cdwidget.catalogue.rows import (
    OVERALL,
    ROWS,
    CatalogueItem,
    Decoder,
    InstanceRow,
    ItemRow,
    Past,
    Score,
    instance_row,
    item_row,
    png_to_heat,
)
from cdwidget.catalogue.storage import Database
from cdwidget.catalogue.thumbnails import Heat, Thumbnail, Thumbnails
from cdwidget.catalogue.writer import records_of
from cdwidget.formats.io import Lazy
from cdwidget.items import Instance
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

Row = Union[ItemRow, InstanceRow]


class Reader:
    """The file of a catalogue, read: items, instances, scores, history and pictures. `Catalogue` also writes."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. database: for what else is computed of it by SQL, and for whoever writes."""
        self.path = path
        self.database = Database(path)
        self._thumbnails = Thumbnails(self.database)

    def __len__(self) -> int:
        return self.count()

    def query(
        self, status: Texts = None, label: Texts = None, order_by: str = "id", where: Sequence[Condition] = (), limit: int | None = 100,
        offset: int = 0, *, tag: Texts = None, of: Of = "items", after: int | None = None,
    ) -> list[Row]:  # fmt: skip
        """Return a page of items, or of instances.

        status, label, tag: one or several, of which one must hold; of items, that any instance has the label.
        order_by: "id", "score", "status"; of items "path", "changed"; of instances "label", "area", or the name of a score. With "-" before
        it the highest first. where: conditions (column, operator, value) that all hold, such as ("area", "<", 100); operators: = != < <= >
        >= contains in; of instances also the names of scores, and "text", the path or the label. offset: rows to leave out; or after: the
        id of the last row seen, which is as quick on the last page as on the first.
        Raises ValueError that lists the choices for a name there is not.

        >>> catalogue.query("new", "cat", "-score", of="instances")
        """
        found = self._selection(status, label, tag, order_by, where, of, after)
        return self.rows((row[0] for row in self.database.rows(*found.sql(self._few(found), limit, offset))), of)

    def count(
        self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), *, tag: Texts = None, of: Of = "items"
    ) -> int:
        """Return how many rows a query has."""
        found = self._selection(status, label, tag, "id", where, of)
        return int(self.database.rows(*found.counting(self._few(found)))[0][0])

    def ids(
        self, status: Texts = None, label: Texts = None, order_by: str = "id", where: Sequence[Condition] = (), *, tag: Texts = None,
        of: Of = "items",
    ) -> np.ndarray:  # fmt: skip
        """Return the ids of all rows of a query, int64 (N,): 8 MB a million. Any page of them is quick: `rows(ids[a:b])`."""
        found = self._selection(status, label, tag, order_by, where, of)
        if few := self._few(found):
            return self.database.ids(*found.sql(few))
        ordered, *filtered = (self.database.ids(*one.sql()) for one in found.apart())
        return ordered[np.all([np.isin(ordered, ids) for ids in filtered], axis=0)] if filtered else ordered

    def rows(self, ids: Iterable[int], of: Of = "items") -> list[Row]:
        """Return the rows of these ids, in their order; those that are no more are left out."""
        wanted = [int(id) for id in ids]
        sql = f"{lookup(ROWS, of, 'kind of row')} WHERE {of}.id IN (SELECT value FROM json_each(?))"
        place_at, make = (1, item_row) if of == "items" else (3, instance_row)
        found = self.database.rows(sql, (json.dumps(wanted),))
        by_id: dict[int, Row] = {row[0]: make(row, self._place(row[place_at])) for row in found}
        return [by_id[id] for id in wanted if id in by_id]

    def item(self, item_id: int) -> CatalogueItem:
        """Return an item with its instances, which are decoded when they are asked for; ValueError when there is none."""
        sql = "SELECT path, status, version, height, width FROM items WHERE id = ?"
        found = self.database.rows(sql, (item_id,))
        if not found:
            raise ValueError(f"there is no item {item_id!r} in {self.path}")
        ((path, status, version, height, width),) = found
        tags = tuple(tag for (tag,) in self.database.rows("SELECT tag FROM tags WHERE item = ?", (item_id,)))
        with self.database.connection() as connection:
            records = records_of(connection, item_id) if height else []
        instances: Sequence[Instance] = Lazy(len(records), Decoder(records, height, width))
        size = (height, width) if height else None
        return CatalogueItem(self._place(path), instances, item_id, status, version, size, tags, records)

    def items(self, ids: Iterable[int] | None = None, **filters: Any) -> Iterator[CatalogueItem]:
        """Yield items one by one: those of these ids, or those of a query (by default all). For jobs: nothing but one is in memory."""
        for item_id in self.ids(**filters) if ids is None else ids:
            yield self.item(int(item_id))

    def labels(self) -> list[str]:
        """Return the labels there are, sorted."""
        return self._distinct("instances", "label")

    def tags(self) -> list[str]:
        """Return the tags there are, sorted."""
        return self._distinct("tags", "tag")

    def score_names(self) -> list[str]:
        """Return the names of the scores there are, sorted."""
        return self._distinct("scores", "name")

    def history(self, item_id: int) -> list[Past]:
        """Return what was done to an item, the newest last."""
        sql = "SELECT what, who, at, detail, undone FROM changes WHERE item = ? ORDER BY id"
        rows = self.database.rows(sql, (item_id,))
        return [Past(what, who, at, json.loads(detail), bool(undone)) for what, who, at, detail, undone in rows]

    def stats(self) -> Stats:
        """Return how many there are of what."""
        return stats(self.database)

    def to_pandas(self, of: Of = "instances", **filters: Any) -> pandas.DataFrame:
        """Return a frame of a query's rows, with a column for each score of the instances; ModuleNotFoundError without pandas."""
        rows = self.query(of=of, limit=None, **filters)
        return frame(self.database, of, rows)

    def figure(self, kind: str) -> Figure:
        """Return a matplotlib Figure: "scores", "labels", "sizes" or "effort" (prompts and seconds an object has cost)."""
        from cdwidget.catalogue.plots import figure  # matplotlib takes long to load

        return figure(self.database, kind)

    def scores(self, item_id: int) -> list[Score]:
        """Return the scores of an item's instances."""
        sql = "SELECT number, name, value, reason, heat FROM instances JOIN scores ON instance = id WHERE item = ? ORDER BY number, name"
        return [
            Score(number, name, value, reason, png_to_heat(png)) for number, name, value, reason, png in self.database.rows(sql, (item_id,))
        ]

    def reasons(self, ids: Iterable[int], most: int = 3) -> dict[int, list[Score]]:
        """Return the highest scores of instances by their ids, the highest first, without the overall one and without heat maps."""
        sql = (
            "SELECT instance, number, name, value, reason FROM scores JOIN instances ON id = instance "
            "WHERE instance IN (SELECT value FROM json_each(?)) AND name != ? ORDER BY value DESC, name"
        )
        wanted = [int(id) for id in ids]
        found: dict[int, list[Score]] = {id: [] for id in wanted}
        for id, number, name, value, reason in self.database.rows(sql, (json.dumps(wanted), OVERALL)):
            if len(found[id]) < most:
                found[id].append(Score(number, name, value, reason))
        return found

    def thumbnails(self, ids: Iterable[int], size: int = 160) -> list[Thumbnail]:
        """Return pictures of instances by their ids, at most `size` pixels a side; an image that cannot be read is said so in them."""
        return self._thumbnails.of(cast(list[InstanceRow], self.rows(ids, of="instances")), size)

    def heat(self, instance: int, name: str | None = None, size: int = 160) -> Heat | None:
        """Return where an instance, by its id, has a score from, in the frame of its thumbnail; name: of the score, by default the highest.

        None where there is no heat map.
        """
        rows = cast(list[InstanceRow], self.rows([instance], of="instances"))
        return self._thumbnails.heat(rows[0], name, size) if rows else None

    def _place(self, name: str) -> str:
        return place(name, self.path.parent)

    def _selection(
        self, status: Texts, label: Texts, tag: Texts, order_by: str, where: Sequence[Condition], of: Of, after: int | None = None
    ) -> Selection:
        return Selection(of, status, label, tag, order_by, where, after, scores=self.score_names())

    def _few(self, found: Selection) -> list[str]:
        return [name for names, sql, values in found.probes() if self.database.rows(sql, values)[0][0] for name in names]

    def _distinct(self, table: str, column: str) -> list[str]:
        """The values of an indexed column: from one to the next, so that a million rows need not be read."""
        following = f"(SELECT min({column}) FROM {table} WHERE {column} > seen)"
        steps = f"SELECT min({column}) FROM {table} UNION ALL SELECT {following} FROM steps WHERE seen IS NOT NULL"
        return [row[0] for row in self.database.rows(f"WITH steps (seen) AS ({steps}) SELECT seen FROM steps WHERE seen IS NOT NULL")]
