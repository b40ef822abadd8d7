"""The catalogue: images and masks in one SQLite file, for scoring, review and export."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence, Sized, cast

from tqdm.auto import tqdm

from cdwidget._deprecated import renamed_property, warn_renamed
from cdwidget.catalogue.images import current_user, relative_to_catalogue
from cdwidget.catalogue.integrity import check_images, relocate_images
from cdwidget.catalogue.job_state import JobState
from cdwidget.catalogue.open_sessions import OpenSessions
from cdwidget.catalogue.query import Condition, RowKind, Texts
from cdwidget.catalogue.reader import Reader
from cdwidget.catalogue.records import encode_instances, encode_items
from cdwidget.catalogue.rows import InstanceRow, Problem, ScoreValue
from cdwidget.catalogue.storage import STATUSES
from cdwidget.catalogue.subset import Subset, make_subset
from cdwidget.catalogue.writer import (
    KNOWN_PATHS_SQL,
    AddResult,
    Edit,
    insert_items,
    merge_records,
    read_records,
    undo_change,
    with_status,
    write_edit,
    write_scores,
)
from cdwidget.formats import read as read_format
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.registry import lookup
from cdwidget.session import Session

ADD_BATCH_ITEMS = 500  # items per transaction


class Catalogue(Reader):
    """Images with their instances, scores, statuses, tags and history in one file.

    Image files stay where they are. Any number of threads and processes may open the catalogue. Changes are on the disk when a method
    returns; a method that raises has changed nothing. Items and instances have ids from 1; the `number` of an instance is its id within
    its item.

    Example:
        >>> catalogue = Catalogue("labels.db")
        >>> catalogue.import_("coco", "annotations.json")
        >>> for row in catalogue.query(status="new", order_by="-score", limit=10): ...
    """

    def __init__(self, path: str | os.PathLike[str], user: str | None = None, *, who: str | None = None) -> None:
        """Open a catalogue; the file is created if it does not exist.

        Args:
            path: Path of the file.
            user: Recorded in the history as the author of changes; None for the current user.
            who: Deprecated name of `user`.

        Raises:
            FileNotFoundError: If the file's folder does not exist.
            ValueError: If the file is not a catalogue.
        """
        if who is not None:
            warn_renamed("Catalogue(who=...)", "Catalogue(user=...)")
        super().__init__(Path(os.path.abspath(os.path.expanduser(path))))
        self.user = user or who or current_user()
        self._open_sessions = OpenSessions(self.path)

    who = renamed_property("who", "user")

    def __reduce__(self) -> Any:
        return Catalogue, (self.path, self.user)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Catalogue({str(self.path)!r}): {len(self)} items"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes inside the block together, or none of them; faster than one by one.

        Other writers wait until the block ends.

        Example:
            >>> with catalogue.transaction():
            ...     catalogue.tag([1, 2], "night")
        """
        with self.database.transaction():
            yield

    # ---- adding --------------------------------------------------------------------------------------------------

    def add(
        self, items: Iterable[Item | str | os.PathLike[str]], *, status: str = "new", tags: Sequence[str] = (), progress: bool | None = None
    ) -> AddResult:
        """Add images, with or without instances.

        Images already in the catalogue are skipped, so an interrupted call can be repeated; one that has no instances and was never changed
        gets the given ones. Instances that cannot be encoded are omitted.

        Args:
            items: Items, or paths and URLs of images.
            status: Status of the new items and instances.
            tags: Tags of the new items.
            progress: Show a progress bar; None shows it only in a terminal or notebook.

        Returns:
            Counts, and descriptions of the items that could not be added.

        Raises:
            ValueError: If the status does not exist.
        """
        lookup(dict.fromkeys(STATUSES), status, "status")
        added = AddResult()
        total = len(items) if isinstance(items, Sized) else None
        remaining = (item if isinstance(item, Item) else Item(item) for item in items)
        with tqdm(total=total, unit="item", desc="add", disable=None if progress is None else not progress) as bar:
            while batch := list(islice(remaining, ADD_BATCH_ITEMS)):
                encoded = encode_items(self._without_known(batch, added), status)
                with self.database.transaction() as connection:
                    insert_items(connection, encoded, added, status, _checked_tags(tags), self.path.parent)
                bar.update(len(batch))
        return added

    def import_(self, format: str, path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, **options: Any) -> AddResult:
        """Add a data set.

        Args:
            format: A name of `cdwidget.formats.FORMATS`.
            path: The data set's file or folder.
            images: The folder of its images, if it is not where the format expects it.
            options: Arguments of `add`.

        Returns:
            Counts, and descriptions of the items that could not be added.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If the data set cannot be read.

        Example:
            >>> catalogue.import_("coco", "annotations.json", tags=["night"])
        """
        return self.add(read_format(format, path, images), **options)

    def subset(self, status: Texts = None, label: Texts = None, where: Sequence[Condition] = (), **options: Any) -> Subset:
        """Choose items for training.

        Args:
            status: As for `query`.
            label: As for `query`.
            where: As for `query`.
            options: `tag` as for `query`; `ids` of items; `below` and `above` limit the item's score.

        Returns:
            The subset, with methods to balance, split and export it.

        Raises:
            ValueError: If a name or an id does not exist.
        """
        return make_subset(self, status=status, label=label, where=where, **options)

    # ---- editing -------------------------------------------------------------------------------------------------

    def session(
        self, item_id: int, predictor: Predictor | None = None, *, selected: int | None = None, autosave: bool = True
    ) -> Session:  # fmt: skip
        """Open an item for editing; `update(item_id, session)` saves the result.

        Args:
            item_id: The item's id.
            predictor: Predicts masks from prompts; None if there will be none.
            selected: Number of the instance to edit first; None for a new one.
            autosave: Write every change to a file next to the catalogue. If the process ends before `update`, opening the item again
                restores them, unless the item has changed in the meantime.

        Returns:
            The session.

        Raises:
            FileNotFoundError: If the image does not exist.
            ValueError: If the item does not exist or its image cannot be read.
        """
        return self._open_sessions.open(self.item(item_id), predictor, selected, autosave)

    def update(
        self, item_id: int, session: Session | Iterable[Instance], *, status: str | None = None,
        instance: int | Iterable[int] | None = None, version: int | None = None, overwrite: bool = False,
    ) -> int:  # fmt: skip
        """Replace the instances of an item.

        Scores of instances whose mask or label changes are deleted.

        Args:
            item_id: The item's id.
            session: A session, or the new instances.
            status: New status of the instances; None keeps the old ones, and gives new instances "new".
            instance: Numbers of the instances that get the status; None for all.
            version: The item's version when it was read; known for a session of this catalogue. None does not detect conflicts.
            overwrite: Write even if the item was changed in the meantime.

        Returns:
            The item's new version.

        Raises:
            Conflict: If the item was changed in the meantime; nothing is written.
            ValueError: If the item or status does not exist, or a mask does not fit the image.
        """
        if status is not None:
            lookup(dict.fromkeys(STATUSES), status, "status")
        numbers = {instance} if isinstance(instance, int) else None if instance is None else set(instance)
        if isinstance(session, Session):
            origin = self._open_sessions.origin(session, item_id)
            version, detail = origin.version if version is None else version, origin.detail(session)
            given = encode_instances(session.instances)
            size: tuple[int, int] | None = (session.height, session.width)
        else:
            given, detail = encode_instances(session), {}
            size = given.size
        with self.database.transaction() as connection:
            after = merge_records(read_records(connection, item_id), given, status, numbers)
            edit = Edit(status or "update", after, detail, status, size, None if overwrite else version)
            new_version = write_edit(connection, item_id, edit, self.user)
        if isinstance(session, Session):
            self._open_sessions.mark_saved(session, new_version)
        return new_version

    def set_status(self, ids: int | Iterable[int], status: str, of: RowKind = "items") -> None:
        """Set the status of instances, or of items with all their instances.

        Args:
            ids: One id or several.
            status: One of STATUSES.
            of: Whether the ids are of "items" or "instances".

        Raises:
            ValueError: If an id or the status does not exist.

        Example:
            >>> catalogue.set_status([1, 2], "accepted")
        """
        lookup(dict.fromkeys(STATUSES), status, "status")
        with self.database.transaction() as connection:
            for item, numbers in self._numbers_by_item(ids, of).items():
                chosen = [record for record in read_records(connection, item) if numbers is None or record.number in numbers]
                write_edit(connection, item, Edit(status, with_status(chosen, status), status=status), self.user)

    def undo(self, item_id: int) -> bool:
        """Undo the newest change of an item's masks, labels and statuses.

        Deleted scores are not restored.

        Returns:
            False if there is nothing to undo.
        """
        with self.database.transaction() as connection:
            return undo_change(connection, item_id, self.user)

    def tag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Add tags to items; raise ValueError if an id does not exist."""
        pairs = [(item, tag) for item in self._numbers_by_item(ids, "items") for tag in _checked_tags(tags)]
        with self.database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", pairs)

    def untag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Remove tags from items; raise ValueError if an id does not exist."""
        pairs = [(item, tag) for item in self._numbers_by_item(ids, "items") for tag in _checked_tags(tags)]
        with self.database.transaction() as connection:
            connection.executemany("DELETE FROM tags WHERE item = ? AND tag = ?", pairs)

    # ---- scores and jobs -----------------------------------------------------------------------------------------

    def put_scores(
        self, item_id: int, scores: Iterable[ScoreValue], version: int | None = None, names: Iterable[str] | None = None
    ) -> bool:  # fmt: skip
        """Store scores of an item's instances, replacing scores of the same names.

        Args:
            item_id: The item's id.
            scores: The scores.
            version: The item's version when it was read; None to store in any case.
            names: The scores that were computed: an instance without one of them loses its old value. None keeps old values.

        Returns:
            False if the item was changed in the meantime; nothing is stored then.

        Raises:
            ValueError: If an instance does not exist or a value is not finite.
        """
        with self.database.transaction() as connection:
            return write_scores(connection, item_id, scores, version, [] if names is None else list(names))

    def job_state(self, job: str, setting: str) -> JobState:
        """Return the progress of a job.

        Args:
            job: Name of the job.
            setting: Description of the job's parameters; progress with another setting does not count.
        """
        return JobState(self.database, job, setting)

    def work(self, job: str, setting: str) -> JobState:
        """Return the progress of a job; deprecated name of `job_state`."""
        warn_renamed("Catalogue.work", "Catalogue.job_state")
        return self.job_state(job, setting)

    def write(self, item_id: int, edit: Edit) -> int:
        """Apply the edit of a job and return the item's new version; raises as `update` does."""
        with self.database.transaction() as connection:
            return write_edit(connection, item_id, edit, self.user)

    # ---- image files ---------------------------------------------------------------------------------------------

    def check(self, decode: bool = False, progress: bool | None = None, ids: Iterable[int] | None = None) -> list[Problem]:
        """Find images that are missing, corrupt, or not of their masks' size.

        The result is stored: `query(where=[("problem", "!=", None)])` finds these items.

        Args:
            decode: Read all pixels, not only the headers.
            progress: Show a progress bar; None shows it only in a terminal or notebook.
            ids: Items to check; None for all.

        Returns:
            The problems.
        """
        return check_images(self.database, self._resolve, decode, progress, None if ids is None else [int(id) for id in ids])

    def relocate(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> int:
        """Update the paths of images that were moved; no files are touched.

        Args:
            old: Former path of a file or folder, or URL.
            new: Its new path or URL.

        Returns:
            The number of relocated items.

        Raises:
            ValueError: If another item already has one of the new paths; nothing is changed then.

        Example:
            >>> catalogue.relocate("/data/photos", "/mnt/photos")
        """
        return relocate_images(self.database, self.path.parent, os.fspath(old), os.fspath(new), self.user)

    # ---- internals -----------------------------------------------------------------------------------------------

    def _without_known(self, items: Sequence[Item], added: AddResult) -> list[Item]:
        """Return the items that `insert_items` may write, so that only these are encoded."""
        names = [self._stored_name(item) for item in items]
        known = {name for (name,) in self.database.rows(KNOWN_PATHS_SQL, (json.dumps(names),))}
        added.known += sum(name in known for name in names)
        return [item for item, name in zip(items, names) if name not in known]

    def _stored_name(self, item: Item) -> str | None:
        try:
            return relative_to_catalogue(item.path, self.path.parent)
        except ValueError:  # `insert_items` reports it.
            return None

    def _numbers_by_item(self, ids: int | Iterable[int], of: RowKind) -> dict[int, set[int] | None]:
        """Return the numbers of the chosen instances of each item; None for all."""
        wanted = [int(id) for id in (ids if isinstance(ids, Iterable) else [ids])]
        found = self.rows(wanted, of)
        if len(found) < len(wanted):
            missing = sorted(set(wanted) - {row.id for row in found})
            raise ValueError(f"there are no {of} {missing[:10]} in {self.path}")
        numbers: dict[int, set[int] | None] = {}
        for row in found:
            if isinstance(row, InstanceRow):
                cast(set[int], numbers.setdefault(row.item, set())).add(row.number)
            else:
                numbers[row.id] = None
        return numbers


def _checked_tags(tags: Sequence[str]) -> list[str]:
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(f"tags must be a list of texts, not {tags!r}")
    return list(tags)
