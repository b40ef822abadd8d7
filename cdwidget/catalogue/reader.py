"""The read side of a catalogue: queries, items, scores, history, pictures and export."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence, Union, cast

import numpy as np

from cdwidget.catalogue.external import ImageAccess
from cdwidget.catalogue.images import resolve_path
from cdwidget.catalogue.query import Condition, Query, RowKind, Texts
from cdwidget.catalogue.records import from_json
from cdwidget.catalogue.rows import (
    OVERALL_SCORE,
    ROW_SQL,
    CatalogueItem,
    HistoryEntry,
    InstanceRow,
    ItemRow,
    RecordLoader,
    ScoreValue,
    instance_row,
    item_row,
    png_to_heat,
)
from cdwidget.catalogue.storage import Database
from cdwidget.catalogue.thumbnails import HeatMap, Thumbnail, Thumbnails
from cdwidget.catalogue.writer import read_records
from cdwidget.formats.dataset import ReadProblem
from cdwidget.formats.instances import LazyInstances
from cdwidget.items import Instance
from cdwidget.registry import lookup

Row = Union[ItemRow, InstanceRow]
MAX_ATTRIBUTE_VALUES = 100


class Reader:
    """Reads the file of a catalogue; `Catalogue` also writes it.

    Attributes:
        path: Absolute path of the file.
        database: The file's connections, for further SQL.
        images: Decides which images may be opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False, private: bool = False, external: bool = False) -> None:
        """Open the file at an absolute path; arguments as for `Catalogue`."""
        self.path = path
        self.database = Database(path, read_only=read_only, private=private)
        self.images = ImageAccess(path.parent, external)
        self._thumbnails = Thumbnails(self.database)

    def __len__(self) -> int:
        return self.count()

    # ---- queries -------------------------------------------------------------------------------------------------

    def query(
        self, status: Texts = None, label: Texts = None, order_by: str = "id", where: Sequence[Condition] = (), limit: int | None = 100,
        offset: int = 0, *, tag: Texts = None, of: RowKind = "items", after: int | None = None,
    ) -> list[Row]:  # fmt: skip
        """Return a page of items or instances.

        Args:
            status: One or several statuses.
            label: One or several labels; an item matches if any of its instances does.
            order_by: "id", "score" or "status"; for items also "path" or "changed"; for instances also "label", "area", "confidence" or
                the name of a score. "-" before it for descending.
            where: Conditions (column, operator, value) that must all hold, such as ("area", "<", 100). Operators are = != < <= > >=
                contains in. Columns of instances include the names of scores, "confidence", "track_id", "attributes.<name>", and "text",
                which is the path and the label. Items have "instances", the number of their instances.
            limit: Maximum number of rows; None for all.
            offset: Number of rows to skip.
            tag: One or several tags.
            of: "items" or "instances".
            after: The id of the last row of the previous page: as fast on the last page as on the first, unlike `offset`.

        Returns:
            Item rows or instance rows.

        Raises:
            ValueError: If a name does not exist; the message lists the choices.

        Example:
            >>> catalogue.query("new", "cat", "-score", of="instances")
            >>> catalogue.query(of="instances", where=[("attributes.occluded", "=", True)])
            >>> catalogue.query(where=[("instances", "=", 0)])  # Images without objects.
        """
        query = self._query(status, label, tag, order_by, where, of, after)
        return self.rows((row[0] for row in self.database.rows(*query.sql(self._selective(query), limit, offset))), of)

    def count(
        self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), *, tag: Texts = None, of: RowKind = "items"
    ) -> int:
        """Return the number of rows of a query; arguments as for `query`."""
        query = self._query(status, label, tag, "id", where, of)
        return int(self.database.rows(*query.count_sql(self._selective(query)))[0][0])

    def ids(
        self, status: Texts = None, label: Texts = None, order_by: str = "id", where: Sequence[Condition] = (), *, tag: Texts = None,
        of: RowKind = "items",
    ) -> np.ndarray:  # fmt: skip
        """Return the ids of all rows of a query, int64 (N,); arguments as for `query`.

        A million ids take 8 MB, and any page of them is fast: `rows(ids[a:b])`.
        """
        query = self._query(status, label, tag, order_by, where, of)
        if selective := self._selective(query):
            return self.database.ids(*query.sql(selective))
        ordered, *filtered = (self.database.ids(*single.sql()) for single in query.single_queries())
        return ordered[np.all([np.isin(ordered, ids) for ids in filtered], axis=0)] if filtered else ordered

    def rows(self, ids: Iterable[int], of: RowKind = "items") -> list[Row]:
        """Return the rows with these ids in their order; ids that do not exist are skipped."""
        wanted = [int(id) for id in ids]
        sql = f"{lookup(ROW_SQL, of, 'kind of row')} WHERE {of}.id IN (SELECT value FROM json_each(?))"
        path_column, make_row = (1, item_row) if of == "items" else (3, instance_row)
        found = self.database.rows(sql, (json.dumps(wanted),))
        resolve = cache(self._resolve)  # Many instances are in one image.
        by_id: dict[int, Row] = {columns[0]: make_row(columns, resolve(columns[path_column])) for columns in found}
        return [by_id[id] for id in wanted if id in by_id]

    def item(self, item_id: int) -> CatalogueItem:
        """Return an item; its instances are decoded on access.

        Raises:
            ValueError: If it does not exist.
        """
        sql = "SELECT path, status, version, height, width, extra FROM items WHERE id = ?"
        found = self.database.rows(sql, (item_id,))
        if not found:
            raise ValueError(f"there is no item {item_id!r} in {self.path}")
        ((path, status, version, height, width, extra),) = found
        tags = tuple(tag for (tag,) in self.database.rows("SELECT tag FROM tags WHERE item = ?", (item_id,)))
        with self.database.connection() as connection:
            records = read_records(connection, item_id) if height else []
        instances: Sequence[Instance] = LazyInstances(len(records), RecordLoader(records, height, width, f"{self.path}, item {item_id}"))
        size = (height, width) if height else None
        return CatalogueItem(
            self._resolve(path), instances, from_json(extra), id=item_id, status=status, version=version, size=size, tags=tags,
            records=records,
        )  # fmt: skip

    def items(self, ids: Iterable[int] | None = None, **filters: Any) -> Iterator[CatalogueItem]:
        """Yield items one by one, so that only one is in memory.

        Args:
            ids: Item ids; None for the items of a query.
            filters: Arguments of `ids`; none for all items.
        """
        for item_id in self.ids(**filters) if ids is None else ids:
            yield self.item(int(item_id))

    def labels(self) -> list[str]:
        """Return all labels, sorted, also of classes without an instance."""
        return sorted({*self._distinct("instances", "label"), *self.classes()})

    def classes(self) -> dict[str, int]:
        """Return the classes with a number, by number: from imported data sets and `set_classes`."""
        return dict(self.database.rows("SELECT label, number FROM classes ORDER BY number"))

    def attributes(self) -> dict[str, list[Any]]:
        """Return the values of each attribute, sorted; at most the first 100 of each."""
        sql = """SELECT key, value, type FROM instances, json_each(instances.attributes) WHERE instances.attributes IS NOT NULL
            AND json_valid(instances.attributes) AND type NOT IN ('object', 'array', 'null')
            GROUP BY key, value, type ORDER BY key, value"""
        found: dict[str, list[Any]] = {}
        for name, value, kind in self.database.rows(sql):
            values = found.setdefault(name, [])
            if len(values) < MAX_ATTRIBUTE_VALUES:
                values.append(kind == "true" if kind in ("true", "false") else value)
        return found

    def tags(self) -> list[str]:
        """Return all tags, sorted."""
        return self._distinct("tags", "tag")

    def score_names(self) -> list[str]:
        """Return the names of all scores, sorted."""
        return self._distinct("scores", "name")

    def problems(self, start: int = 0, stop: int | None = None) -> list[ReadProblem]:
        """Return the entries of imported data sets that could not be read as they are.

        Each import keeps at most the first 10,000; importing a data set again replaces its problems.

        Args:
            start: Position of the first one to return.
            stop: Position after the last one; None for all.
        """
        sql = "SELECT file, image, annotation, message, advice FROM problems ORDER BY id LIMIT ? OFFSET ?"
        return [ReadProblem(*row) for row in self.database.rows(sql, (-1 if stop is None else max(0, stop - start), start))]

    def count_problems(self) -> int:
        """Return the number of `problems`."""
        return int(self.database.rows("SELECT count(*) FROM problems")[0][0])

    # ---- one item or instance ------------------------------------------------------------------------------------

    def history(self, item_id: int) -> list[HistoryEntry]:
        """Return the changes of an item, newest last."""
        sql = "SELECT what, who, at, detail, undone FROM changes WHERE item = ? ORDER BY id"
        rows = self.database.rows(sql, (item_id,))
        return [
            HistoryEntry(action, user, datetime.fromtimestamp(time).astimezone(), json.loads(detail), bool(undone))
            for action, user, time, detail, undone in rows
        ]

    def scores(self, item_id: int) -> list[ScoreValue]:
        """Return the scores of an item's instances."""
        sql = "SELECT number, name, value, reason, heat FROM instances JOIN scores ON instance = id WHERE item = ? ORDER BY number, name"
        rows = self.database.rows(sql, (item_id,))
        return [ScoreValue(number, name, value, reason, png_to_heat(png)) for number, name, value, reason, png in rows]

    def reasons(self, ids: Iterable[int], most: int = 3) -> dict[int, list[ScoreValue]]:
        """Return the highest scores of instances, without the overall score and without heat maps.

        Args:
            ids: Ids of instances in the catalogue.
            most: Maximum number of scores per instance.

        Returns:
            The scores of each id, highest first.
        """
        sql = (
            "SELECT instance, number, name, value, reason FROM scores JOIN instances ON id = instance "
            "WHERE instance IN (SELECT value FROM json_each(?)) AND name != ? ORDER BY value DESC, name"
        )
        wanted = [int(id) for id in ids]
        found: dict[int, list[ScoreValue]] = {id: [] for id in wanted}
        for id, number, name, value, reason in self.database.rows(sql, (json.dumps(wanted), OVERALL_SCORE)):
            if len(found[id]) < most:
                found[id].append(ScoreValue(number, name, value, reason))
        return found

    def statuses(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the statuses of items by id, without items that no longer exist."""
        return self._item_values("status", ids)

    def item_scores(self, ids: Iterable[int]) -> dict[int, float]:
        """Return the overall scores of items by id, without items that have none."""
        return self._item_values("score", ids)

    def main_labels(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the label that covers most pixels of each item, by item id.

        Rejected instances do not count.
        """
        sql = """SELECT item, label FROM (SELECT item, label, sum(area) AS covered FROM instances WHERE status != 'rejected'
            AND item IN (SELECT value FROM json_each(?)) GROUP BY item, label ORDER BY item, covered, label DESC)"""
        return dict(self.database.rows(sql, (json.dumps([int(id) for id in ids]),)))  # The last row of each item is kept.

    def label_counts(self, item_id: int, limit: int = 3) -> list[tuple[str, int]]:
        """Return the most frequent labels of an item, with their numbers of instances."""
        sql = "SELECT label, count(*) FROM instances WHERE item = ? GROUP BY label ORDER BY count(*) DESC, label LIMIT ?"
        return [(label, count) for label, count in self.database.rows(sql, (item_id, limit))]

    def thumbnails(self, ids: Iterable[int], size: int = 160) -> list[Thumbnail]:
        """Return thumbnails of instances; the thumbnail of an unreadable image has an `error`.

        Args:
            ids: Ids of instances in the catalogue.
            size: Maximum of width and height in pixels.
        """
        return self._thumbnails.render(cast(list[InstanceRow], self.rows(ids, of="instances")), size)

    def image_thumbnails(self, ids: Iterable[int], size: int = 160) -> list[Thumbnail]:
        """Return pictures of whole images, without masks, as `thumbnails` does.

        Args:
            ids: Ids of items.
            size: Maximum of width and height in pixels.
        """
        return self._thumbnails.render_images(cast(list[ItemRow], self.rows(ids)), size)

    def heat(self, instance: int, name: str | None = None, size: int = 160) -> HeatMap | None:
        """Return the heat map of a score in the frame of the instance's thumbnail.

        Args:
            instance: Id of the instance in the catalogue.
            name: Name of the score; None for the highest one that has a heat map.
            size: Size of the thumbnail in pixels.

        Returns:
            The heat map; None if there is none.
        """
        rows = cast(list[InstanceRow], self.rows([instance], of="instances"))
        return self._thumbnails.heat_map(rows[0], name, size) if rows else None

    # ---- internals -----------------------------------------------------------------------------------------------

    def _resolve(self, name: str) -> str:
        return self.images.marked(resolve_path(name if isinstance(name, str) else repr(name), self.path.parent))

    def _query(
        self, status: Texts, label: Texts, tag: Texts, order_by: str, where: Sequence[Condition], of: RowKind, after: int | None = None
    ) -> Query:
        return Query(of, status, label, tag, order_by, where, after, scores=self.score_names())

    def _selective(self, query: Query) -> list[str]:
        """Return the filters that leave few rows."""
        return [name for names, sql, values in query.selectivity_probes() if self.database.rows(sql, values)[0][0] for name in names]

    def _item_values(self, column: str, ids: Iterable[int]) -> dict[int, Any]:
        sql = f"SELECT id, {column} FROM items WHERE {column} IS NOT NULL AND id IN (SELECT value FROM json_each(?))"
        return dict(self.database.rows(sql, (json.dumps([int(id) for id in ids]),)))

    def _distinct(self, table: str, column: str) -> list[str]:
        """Return the values of an indexed column, stepping from each to the next larger one."""
        following = f"(SELECT min({column}) FROM {table} WHERE {column} > seen)"
        steps = f"SELECT min({column}) FROM {table} UNION ALL SELECT {following} FROM steps WHERE seen IS NOT NULL"
        return [row[0] for row in self.database.rows(f"WITH steps (seen) AS ({steps}) SELECT seen FROM steps WHERE seen IS NOT NULL")]
