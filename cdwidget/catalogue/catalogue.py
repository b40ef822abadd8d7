"""The catalogue: images and their masks in one SQLite file, to be scored, reviewed, mended and exported."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence, Sized, cast

from tqdm.auto import tqdm

from cdwidget.catalogue.export import export
from cdwidget.catalogue.images import stored, user
from cdwidget.catalogue.integrity import check_images, relocate_images
from cdwidget.catalogue.job_state import Work
from cdwidget.catalogue.open_sessions import Opener
from cdwidget.catalogue.query import Condition, Of, Texts
from cdwidget.catalogue.reader import Reader
from cdwidget.catalogue.records import record_instances, record_items
from cdwidget.catalogue.rows import OVERALL, InstanceRow, Problem, Score, heat_to_png
from cdwidget.catalogue.storage import STATUSES
from cdwidget.catalogue.subset import Subset, choose
from cdwidget.catalogue.writer import KNOWN, Added, Edit, insert, merged, records_of, undo, update_score, with_status, write
from cdwidget.formats import read as read_format
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.registry import lookup
from cdwidget.session import Session

BATCH = 500  # items that are written in one transaction


class Catalogue(Reader):
    """Items, their instances, scores, statuses, tags and history in one file; images stay where they are.

    Any number of threads and processes may have it open. A method that has returned has written to the disk; one that raises has
    changed nothing. Items and instances have ids, whole numbers from 1; the `number` of an instance is its id within its item.

    >>> catalogue = Catalogue("labels.db")
    >>> catalogue.import_("coco", "annotations.json")
    >>> for row in catalogue.query(status="new", order_by="-score", limit=10): ...
    """

    def __init__(self, path: str | os.PathLike[str], who: str | None = None) -> None:
        """Open a catalogue, or make it. who: whose changes these are, by default the user of this machine."""
        super().__init__(Path(os.path.abspath(os.path.expanduser(path))))
        self.who = who or user()
        self._opener = Opener(self.path)

    def __reduce__(self) -> Any:
        return Catalogue, (self.path, self.who)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Catalogue({str(self.path)!r}): {len(self)} items"

    def close(self) -> None:
        """Close the file; it is opened again when something is asked of it."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make one of all changes inside: quicker, and all of them or none are kept. Other writers wait meanwhile."""
        with self.database.transaction():
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
                with self.database.transaction() as connection:
                    insert(connection, recorded, added, status, _texts(tags), self.path.parent)
                bar.update(len(batch))
        return added

    def import_(self, format: str, path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, **options: Any) -> Added:
        """Add a data set; format, path and images as for `cdwidget.read`, options as for `add`. Raises what `cdwidget.read` does."""
        return self.add(read_format(format, path, images), **options)

    # ---- choosing ------------------------------------------------------------------------------------------------

    def subset(self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), **options: Any) -> Subset:
        """Choose items, by a query and: ids=, below= and above= (of their scores), tag=; the answer has more to choose by, and exports."""
        return choose(self, status=status, label=label, where=where, **options)

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
        with self.database.transaction() as connection:
            after = merged(records_of(connection, item_id), given, status, meant)
            edit = Edit(status or "update", after, detail, status, size, None if overwrite else version)
            written = write(connection, item_id, edit, self.who)
        if isinstance(session, Session):
            self._opener.written(session, written)
        return written

    def set_status(self, ids: int | Iterable[int], status: str, of: Of = "items") -> None:
        """Give items with all their instances, or instances, a status; ValueError for an id there is not."""
        lookup(dict.fromkeys(STATUSES), status, "status")
        with self.database.transaction() as connection:
            for item, numbers in self._by_item(ids, of).items():
                chosen = [record for record in records_of(connection, item) if numbers is None or record.number in numbers]
                write(connection, item, Edit(status, with_status(chosen, status), status=status), self.who)

    def undo(self, item_id: int) -> bool:
        """Take the newest change of an item back (masks, labels, statuses); False when there is none left. Scores do not come back."""
        with self.database.transaction() as connection:
            return undo(connection, item_id, self.who)

    def tag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Give items tags."""
        pairs = [(item, tag) for item in self._by_item(ids, "items") for tag in _texts(tags)]
        with self.database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", pairs)

    def untag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Take tags from items."""
        pairs = [(item, tag) for item in self._by_item(ids, "items") for tag in _texts(tags)]
        with self.database.transaction() as connection:
            connection.executemany("DELETE FROM tags WHERE item = ? AND tag = ?", pairs)

    # ---- scores --------------------------------------------------------------------------------------------------

    def put_scores(
        self, item_id: int, scores: Iterable[Score], version: int | None = None, names: Iterable[str] | None = None
    ) -> bool:  # fmt: skip
        """Keep scores of an item's instances, in place of those of the same names; ValueError for one of an instance there is not.

        version: of the item when it was read. Where it has been changed since, nothing is kept and the answer is False: score it anew.
        names: what was asked for; an instance that is given no score of such a name has none from now on. None: it keeps the old one.
        """
        with self.database.transaction() as connection:
            found = connection.execute("SELECT version FROM items WHERE id = ?", (item_id,)).fetchone()
            if version is not None and found != (version,):
                return False
            rows = dict(connection.execute("SELECT number, id FROM instances WHERE item = ?", (item_id,)).fetchall())
            asked = [] if names is None else list(names)
            sql = "DELETE FROM scores WHERE name IN (SELECT value FROM json_each(?)) AND instance IN (SELECT value FROM json_each(?))"
            connection.execute(sql, (json.dumps(asked), json.dumps(list(rows.values()))))
            if OVERALL in asked:
                connection.execute("UPDATE instances SET score = NULL WHERE item = ?", (item_id,))
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

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def work(self, job: str, setting: str) -> Work:
        """Return which items a job has been done on; setting: how it is done, and what was done otherwise does not count."""
        return Work(self.database, job, setting)

    def write(self, item_id: int, edit: Edit) -> int:
        """Change an item as a job wants it, and return its version from now on; raises what `update` does."""
        with self.database.transaction() as connection:
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
        return check_images(self.database, self._place, decode, progress, None if ids is None else [int(id) for id in ids])

    def relocate(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
        """Say that what was in the folder (or below the URL) `old`, or was this file, is now at `new`; return how many items that are.

        Files are not touched. ValueError when another item has one of the paths already; then nothing is changed.
        """
        return relocate_images(self.database, self.path.parent, os.fspath(old), os.fspath(new), self.who)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _unknown(self, items: Sequence[Item], added: Added) -> list[Item]:
        """The items that `insert` may have to write; the others need not be encoded."""
        names = [self._stored(item) for item in items]
        known = {name for (name,) in self.database.rows(KNOWN, (json.dumps(names),))}
        added.known += sum(name in known for name in names)
        return [item for item, name in zip(items, names) if name not in known]

    def _stored(self, item: Item) -> str | None:
        try:
            return stored(item.path, self.path.parent)
        except ValueError:  # `insert` says what is wrong with it
            return None

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


def _texts(tags: Sequence[str]) -> list[str]:
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(f"tags are a list of texts, not {tags!r}")
    return list(tags)
