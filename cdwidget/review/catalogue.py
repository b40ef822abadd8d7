"""The catalogue: images and their masks in one SQLite file, to be scored, reviewed, mended and exported."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Sequence, Sized, Union, cast

import numpy as np
from tqdm.auto import tqdm

from cdwidget.formats import read as read_format
from cdwidget.formats.instances import Lazy
from cdwidget.items import Instance, Item
from cdwidget.lookup import lookup
from cdwidget.predictor import Predictor
from cdwidget.review.curate import Subset, choose
from cdwidget.review.database import Database
from cdwidget.review.export import export
from cdwidget.review.figures import Stats, frame, stats
from cdwidget.review.opened import Opener
from cdwidget.review.places import place, stored, user
from cdwidget.review.records import record_instances, record_items
from cdwidget.review.rows import (
    OVERALL,
    ROWS,
    CatalogueItem,
    Decoder,
    InstanceRow,
    ItemRow,
    Past,
    Problem,
    Score,
    heat_to_png,
    instance_row,
    item_row,
    png_to_heat,
)
from cdwidget.review.schema import STATUSES
from cdwidget.review.selection import Condition, Of, Selection, Texts
from cdwidget.review.thumbnails import Heat, Thumbnail, Thumbnails
from cdwidget.review.upkeep import check_images, relocate_images
from cdwidget.review.work import Work
from cdwidget.review.writing import KNOWN, Added, Edit, insert, merged, records_of, undo, update_score, with_status, write
from cdwidget.session import Session

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

BATCH = 500  # items that are written in one transaction
Row = Union[ItemRow, InstanceRow]


class Catalogue:
    """Items, their instances, scores, statuses, tags and history in one file; images stay where they are.

    Any number of threads and processes may have it open. A method that has returned has written to the disk; one that raises has
    changed nothing. Items and instances have ids, whole numbers from 1; the `number` of an instance is its id within its item.

    >>> catalogue = Catalogue("labels.db")
    >>> catalogue.import_("coco", "annotations.json")
    >>> for row in catalogue.query(status="new", order_by="-score", limit=10): ...
    """

    def __init__(self, path: str | os.PathLike[str], who: str | None = None) -> None:
        """Open a catalogue, or make it. who: whose changes these are, by default the user of this machine."""
        self.path = Path(os.path.abspath(os.path.expanduser(path)))
        self.who = who or user()
        self._database = Database(self.path)
        self._opener = Opener(self.path)
        self._thumbnails = Thumbnails(self._database)

    def __reduce__(self) -> Any:
        return Catalogue, (self.path, self.who)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"Catalogue({str(self.path)!r}): {len(self)} items"

    def close(self) -> None:
        """Close the file; it is opened again when something is asked of it."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make one of all changes inside: quicker, and all of them or none are kept. Other writers wait meanwhile."""
        with self._database.transaction():
            yield

    # ---- adding --------------------------------------------------------------------------------------------------

    def add(
        self, items: Iterable[Item | str | os.PathLike[str]], *, status: str = "new", tags: Sequence[str] = (), progress: bool | None = None
    ) -> Added:
        """Add items, or paths and URLs of images. Known paths stay as they are, so that a run which was killed may be started again.

        A known item that has no instances and was never changed gets those given. Masks that cannot be read are left out and listed in
        the `problems` of the answer. status: of all instances. progress: show a bar; None: only on a terminal or in a notebook.
        """
        lookup(dict.fromkeys(STATUSES), status, "status")
        added = Added()
        total = len(items) if isinstance(items, Sized) else None
        wanted = (item if isinstance(item, Item) else Item(item) for item in items)
        with tqdm(total=total, unit="item", desc="add", disable=None if progress is None else not progress) as bar:
            while batch := list(islice(wanted, BATCH)):
                recorded = record_items(self._unknown(batch, added), status)
                with self._database.transaction() as connection:
                    insert(connection, recorded, added, status, _texts(tags), self.path.parent)
                bar.update(len(batch))
        return added

    def import_(self, format: str, path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, **options: Any) -> Added:
        """Add a data set; format, path and images as for `cdwidget.read`, options as for `add`. Raises what `cdwidget.read` does."""
        return self.add(read_format(format, path, images), **options)

    # ---- asking --------------------------------------------------------------------------------------------------

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
        return self.rows((row[0] for row in self._database.rows(*found.sql(self._few(found), limit, offset))), of)

    def count(
        self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), *, tag: Texts = None, of: Of = "items"
    ) -> int:
        """Return how many rows a query has."""
        found = self._selection(status, label, tag, "id", where, of)
        return int(self._database.rows(*found.counting(self._few(found)))[0][0])

    def ids(
        self, status: Texts = None, label: Texts = None, order_by: str = "id", where: Sequence[Condition] = (), *, tag: Texts = None,
        of: Of = "items",
    ) -> np.ndarray:  # fmt: skip
        """Return the ids of all rows of a query, int64 (N,): 8 MB a million. Any page of them is quick: `rows(ids[a:b])`."""
        found = self._selection(status, label, tag, order_by, where, of)
        if few := self._few(found):
            return self._database.ids(*found.sql(few))
        ordered, *filtered = (self._database.ids(*one.sql()) for one in found.apart())
        return ordered[np.all([np.isin(ordered, ids) for ids in filtered], axis=0)] if filtered else ordered

    def rows(self, ids: Iterable[int], of: Of = "items") -> list[Row]:
        """Return the rows of these ids, in their order; those that are no more are left out."""
        wanted = [int(id) for id in ids]
        sql = f"{lookup(ROWS, of, 'kind of row')} WHERE {of}.id IN (SELECT value FROM json_each(?))"
        place_at, make = (1, item_row) if of == "items" else (3, instance_row)
        found = self._database.rows(sql, (json.dumps(wanted),))
        by_id: dict[int, Row] = {row[0]: make(row, self._place(row[place_at])) for row in found}
        return [by_id[id] for id in wanted if id in by_id]

    def item(self, item_id: int) -> CatalogueItem:
        """Return an item with its instances, which are decoded when they are asked for; ValueError when there is none."""
        sql = "SELECT path, status, version, height, width FROM items WHERE id = ?"
        found = self._database.rows(sql, (item_id,))
        if not found:
            raise ValueError(f"there is no item {item_id!r} in {self.path}")
        ((path, status, version, height, width),) = found
        tags = tuple(tag for (tag,) in self._database.rows("SELECT tag FROM tags WHERE item = ?", (item_id,)))
        records = records_of(self._database.connection, item_id) if height else []
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
        rows = self._database.rows(sql, (item_id,))
        return [Past(what, who, at, json.loads(detail), bool(undone)) for what, who, at, detail, undone in rows]

    def stats(self) -> Stats:
        """Return how many there are of what."""
        return stats(self._database)

    def to_pandas(self, of: Of = "instances", **filters: Any) -> pandas.DataFrame:
        """Return a frame of a query's rows, with a column for each score of the instances; ModuleNotFoundError without pandas."""
        rows = self.query(of=of, limit=None, **filters)
        return frame(self._database, of, rows)

    def subset(self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), **options: Any) -> Subset:
        """Choose items, by a query and: ids=, below= and above= (of their scores), tag=; the answer has more to choose by, and exports."""
        return choose(self, status=status, label=label, where=where, **options)

    def figure(self, kind: str) -> Figure:
        """Return a matplotlib Figure: "scores", "labels", "sizes" or "effort" (prompts and seconds an object has cost)."""
        from cdwidget.review.plots import figure  # matplotlib takes long to load

        return figure(self._database, kind)

    # ---- editing -------------------------------------------------------------------------------------------------

    def session(
        self, item_id: int, predictor: Predictor | None = None, *, selected: int | None = None, autosave: bool = True
    ) -> Session:  # fmt: skip
        """Open an item for editing; `update(item_id, session)` writes back what was done.

        selected: the number of the instance to edit first, by default a new one.
        autosave: keep every change in a file beside the catalogue before it is in force, so that a session which was killed goes on
        where it was when the item is opened again, if nobody has changed it meanwhile; from the first update on, `update` alone saves.
        Raises FileNotFoundError or ValueError when the image cannot be read.
        """
        return self._opener.session(self.item(item_id), predictor, selected, autosave)

    def update(
        self, item_id: int, session: Session | Iterable[Instance], *, status: str | None = None,
        instance: int | Iterable[int] | None = None, version: int | None = None, overwrite: bool = False,
    ) -> int:  # fmt: skip
        """Write the instances of a session, or those given, in place of an item's, all or nothing; return the item's new version.

        status: of all its instances from now on, or of those whose numbers are `instance`; None: as they were, "new" for new ones.
        version: of the item when it was read; a session that was opened here knows it. Scores of masks and labels that are others now
        are dropped. Raises Conflict when somebody else has changed the item meanwhile: then nothing is written, unless `overwrite`.
        """
        if status is not None:
            lookup(dict.fromkeys(STATUSES), status, "status")
        meant = {instance} if isinstance(instance, int) else None if instance is None else set(instance)
        if isinstance(session, Session):
            opened = self._opener.opened(session, item_id)
            version, detail = opened.version if version is None else version, opened.detail(session)
            given = record_instances(session.instances)
            size: tuple[int, int] | None = (session.height, session.width)
        else:
            given, detail = record_instances(session), {}
            size = given.size
        with self._database.transaction() as connection:
            after = merged(records_of(connection, item_id), given, status, meant)
            edit = Edit(status or "update", after, detail, status, size, None if overwrite else version)
            written = write(connection, item_id, edit, self.who)
        if isinstance(session, Session):
            self._opener.written(session, written)
        return written

    def set_status(self, ids: int | Iterable[int], status: str, of: Of = "items") -> None:
        """Give items with all their instances, or instances, a status; ValueError for an id there is not."""
        lookup(dict.fromkeys(STATUSES), status, "status")
        with self._database.transaction() as connection:
            for item, numbers in self._by_item(ids, of).items():
                chosen = [record for record in records_of(connection, item) if numbers is None or record.number in numbers]
                write(connection, item, Edit(status, with_status(chosen, status), status=status), self.who)

    def undo(self, item_id: int) -> bool:
        """Take the newest change of an item back (masks, labels, statuses); False when there is none left. Scores do not come back."""
        with self._database.transaction() as connection:
            return undo(connection, item_id, self.who)

    def tag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Give items tags."""
        pairs = [(item, tag) for item in self._by_item(ids, "items") for tag in _texts(tags)]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", pairs)

    def untag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Take tags from items."""
        pairs = [(item, tag) for item in self._by_item(ids, "items") for tag in _texts(tags)]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM tags WHERE item = ? AND tag = ?", pairs)

    # ---- scores --------------------------------------------------------------------------------------------------

    def put_scores(self, item_id: int, scores: Iterable[Score], version: int | None = None) -> bool:
        """Keep scores of an item's instances, in place of those of the same names; ValueError for one of an instance there is not.

        version: of the item when it was read. Where it has been changed since, nothing is kept and the answer is False: score it anew.
        """
        with self._database.transaction() as connection:
            found = connection.execute("SELECT version FROM items WHERE id = ?", (item_id,)).fetchone()
            if version is not None and found != (version,):
                return False
            rows = dict(connection.execute("SELECT number, id FROM instances WHERE item = ?", (item_id,)).fetchall())
            for score in scores:
                if score.instance not in rows or not isfinite(score.value):
                    raise ValueError(
                        f"{score} is of no instance of item {item_id} ({', '.join(map(str, rows))}), or its value is no number"
                    )
                values = (rows[score.instance], score.name, float(score.value), score.reason, heat_to_png(score.heat))
                connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)", values)
                if score.name == OVERALL:
                    connection.execute("UPDATE instances SET score = ? WHERE id = ?", (float(score.value), rows[score.instance]))
            update_score(connection, item_id)
        return True

    def scores(self, item_id: int) -> list[Score]:
        """Return the scores of an item's instances."""
        sql = "SELECT number, name, value, reason, heat FROM instances JOIN scores ON instance = id WHERE item = ? ORDER BY number, name"
        return [
            Score(number, name, value, reason, png_to_heat(png))
            for number, name, value, reason, png in self._database.rows(sql, (item_id,))
        ]

    def reasons(self, ids: Iterable[int], most: int = 3) -> dict[int, list[Score]]:
        """Return the highest scores of instances by their ids, the highest first, without the overall one and without heat maps."""
        sql = (
            "SELECT instance, number, name, value, reason FROM scores JOIN instances ON id = instance "
            "WHERE instance IN (SELECT value FROM json_each(?)) AND name != ? ORDER BY value DESC, name"
        )
        wanted = [int(id) for id in ids]
        found: dict[int, list[Score]] = {id: [] for id in wanted}
        for id, number, name, value, reason in self._database.rows(sql, (json.dumps(wanted), OVERALL)):
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

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def work(self, job: str, setting: str) -> Work:
        """Return which items a job has been done on; setting: how it is done, and what was done otherwise does not count."""
        return Work(self._database, job, setting)

    def write(self, item_id: int, edit: Edit) -> int:
        """Change an item as a job wants it, and return its version from now on; raises what `update` does."""
        with self._database.transaction() as connection:
            return write(connection, item_id, edit, self.who)

    # ---- out, and upkeep -----------------------------------------------------------------------------------------

    def export(self, format: str, path: str | os.PathLike[str], *, rejected: bool = False, **options: Any) -> Path:
        """Write a data set and return its path; `cdwidget.write` with the items of a query.

        options: status, label, tag, where, as for `query`, and ids, of the items to write; all others are the format's own. Instances that
        were rejected are left out unless `rejected`. Items whose image the format needs and that cannot be had are left out with a warning.
        """
        chosen = {name: options.pop(name) for name in ("status", "label", "tag", "where") if name in options}
        ids = options.pop("ids", None)
        items = self.items(ids, **chosen)
        return export(items, format, Path(path).expanduser(), rejected, options)

    def check(self, decode: bool = False, progress: bool | None = None, ids: Iterable[int] | None = None) -> list[Problem]:
        """Look for every image, and return what is missing, corrupt or not of its masks' size; also what `where=[("problem", ...)]` finds.

        decode: read the pixels too, not only the headers. ids: of the items to look at, by default all.
        """
        return check_images(self._database, self._place, decode, progress, None if ids is None else [int(id) for id in ids])

    def relocate(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
        """Say that what was in the folder (or below the URL) `old`, or was this file, is now at `new`; return how many items that are.

        Files are not touched. ValueError when another item has one of the paths already; then nothing is changed.
        """
        return relocate_images(self._database, self.path.parent, os.fspath(old), os.fspath(new), self.who)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _place(self, name: str) -> str:
        return place(name, self.path.parent)

    def _unknown(self, items: Sequence[Item], added: Added) -> list[Item]:
        """The items that `insert` may have to write; the others need not be encoded."""
        names = [self._stored(item) for item in items]
        known = {name for (name,) in self._database.rows(KNOWN, (json.dumps(names),))}
        added.known += sum(name in known for name in names)
        return [item for item, name in zip(items, names) if name not in known]

    def _stored(self, item: Item) -> str | None:
        try:
            return stored(item.path, self.path.parent)
        except ValueError:  # `insert` says what is wrong with it
            return None

    def _selection(
        self, status: Texts, label: Texts, tag: Texts, order_by: str, where: Sequence[Condition], of: Of, after: int | None = None
    ) -> Selection:
        return Selection(of, status, label, tag, order_by, where, after, scores=self.score_names())

    def _few(self, found: Selection) -> list[str]:
        return [name for names, sql, values in found.probes() if self._database.rows(sql, values)[0][0] for name in names]

    def _by_item(self, ids: int | Iterable[int], of: Of) -> dict[int, set[int] | None]:
        """Item -> the numbers of its instances that are meant, None for all."""
        wanted = [int(id) for id in (ids if isinstance(ids, Iterable) else [ids])]
        found = self.rows(wanted, of)
        if len(found) < len(wanted):
            gone = sorted(set(wanted) - {row.id for row in found})
            raise ValueError(f"there are no {of} {gone[:10]} in {self.path}")
        meant: dict[int, set[int] | None] = {}
        for row in found:
            if isinstance(row, InstanceRow):
                cast(set[int], meant.setdefault(row.item, set())).add(row.number)
            else:
                meant[row.id] = None
        return meant

    def _distinct(self, table: str, column: str) -> list[str]:
        """The values of an indexed column: from one to the next, so that a million rows need not be read."""
        following = f"(SELECT min({column}) FROM {table} WHERE {column} > seen)"
        steps = f"SELECT min({column}) FROM {table} UNION ALL SELECT {following} FROM steps WHERE seen IS NOT NULL"
        return [row[0] for row in self._database.rows(f"WITH steps (seen) AS ({steps}) SELECT seen FROM steps WHERE seen IS NOT NULL")]


def _texts(tags: Sequence[str]) -> list[str]:
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(f"tags are a list of texts, not {tags!r}")
    return list(tags)
