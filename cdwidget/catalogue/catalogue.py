"""The catalogue: images and masks in one SQLite file, for scoring, review and export."""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any, ContextManager, Iterable, Sequence, Sized

from tqdm.auto import tqdm

from cdwidget._deprecated import renamed_property, warn_renamed
from cdwidget.catalogue.adding import (
    IS_IMPORTED_SQL,
    KNOWN_CHOICES,
    KNOWN_PATHS_SQL,
    AddResult,
    add_to_known,
    delete_problems,
    insert_items,
    record_dataset,
)
from cdwidget.catalogue.editing import ItemEditor, checked_tags
from cdwidget.catalogue.external import ImageAccess
from cdwidget.catalogue.images import current_user, expand_paths, relative_to_catalogue
from cdwidget.catalogue.integrity import check_images, relocate_images
from cdwidget.catalogue.job_state import JobState
from cdwidget.catalogue.open_sessions import OpenSessions
from cdwidget.catalogue.query import Condition, Texts
from cdwidget.catalogue.records import encode_items
from cdwidget.catalogue.rows import Problem, ScoreValue
from cdwidget.catalogue.schema import STATUSES
from cdwidget.catalogue.subset import Subset, make_subset
from cdwidget.catalogue.writer import write_scores
from cdwidget.formats import load
from cdwidget.formats.dataset import Dataset, ReadProblem
from cdwidget.items import Item
from cdwidget.registry import lookup

ADD_BATCH_ITEMS = 500  # items per transaction


class Catalogue(ItemEditor):
    """Images with their instances, scores, statuses, tags and history in one file.

    Image files stay where they are. Any number of threads and processes may open the catalogue. Changes are on the disk when a method
    returns; a method that raises has changed nothing. Items and instances have ids from 1; the `number` of an instance is its id within
    its item.

    Example:
        >>> catalogue = Catalogue("labels.db")
        >>> catalogue.import_("coco", "annotations.json")
        >>> for row in catalogue.query(status="new", order_by="-score", limit=10): ...
    """

    def __init__(
        self, path: str | os.PathLike[str], user: str | None = None, *, read_only: bool = False, external: bool = False,
        private: bool = False, who: str | None = None,
    ) -> None:  # fmt: skip
        """Open a catalogue; the file is created if it does not exist.

        A file that cannot be written is opened for reading. An older file is upgraded, and a copy of it kept.

        Args:
            path: Path of the file; ":memory:" for a catalogue that is not stored.
            user: Recorded in the history as the author of changes; None for the current user.
            read_only: Only look at the catalogue: never change the file.
            external: Open all images. By default, images on servers, and in folders outside of the catalogue's from which you have
                not added images on this computer, are not opened: a catalogue made by another person may name any file.
            private: Make the file, and unsaved edits next to it, unreadable for other users of the computer.
            who: Deprecated name of `user`.

        Raises:
            FileNotFoundError: If the file's folder does not exist, or there is no file to read.
            ValueError: If the file is not a catalogue.

        Example:
            >>> Catalogue("shared/labels.db", read_only=True)
        """
        if who is not None:
            warn_renamed("Catalogue(who=...)", "Catalogue(user=...)")
        self._options = {"read_only": read_only, "external": external, "private": private}
        super().__init__(Path(os.path.abspath(os.path.expanduser(path))), read_only=read_only, private=private, external=external)
        self.user = user or who or current_user()
        self._open_sessions = OpenSessions(self.path, private, autosave=not (self.database.read_only or self.database.in_memory))

    who = renamed_property("who", "user")

    def __reduce__(self) -> Any:
        self.database.__reduce__()  # Raises for a catalogue in memory.
        return _open, (self.path, self.user, self._options, self.images)

    @property
    def read_only(self) -> bool:
        """Whether the catalogue can only be read."""
        return self.database.read_only

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Catalogue({str(self.path)!r}): {len(self)} items"

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self.database.close()

    def transaction(self) -> ContextManager[Any]:
        """Commit all changes inside the block together, or none of them; faster than one by one.

        Other writers wait until the block ends.

        Example:
            >>> with catalogue.transaction():
            ...     catalogue.tag([1, 2], "night")
        """
        return self.database.transaction()

    # ---- adding --------------------------------------------------------------------------------------------------

    def add(
        self, items: Iterable[Item | str | os.PathLike[str]] | str | os.PathLike[str], *, status: str = "new", tags: Sequence[str] = (),
        known: str | None = None, progress: bool | None = None,
    ) -> AddResult:  # fmt: skip
        """Add images, with or without instances.

        Images already in the catalogue are not added again, so a call can be repeated; one that has no instances and was never changed
        gets the given ones. Instances that cannot be encoded are omitted.

        Args:
            items: Items, or paths and URLs of images; a data set of `cdwidget.read`; or a folder, with its subfolders, or a pattern such
                as "photos/*.jpg".
            status: Status of the new items and instances.
            tags: Tags of the new items.
            known: What to do with instances of images that are in the catalogue already: "skip" them, or "add" those that differ from the
                present ones in mask or label, for example the classes of a second file. `undo` takes them back. None adds those of a data
                set that is imported for the first time, except instances that an image has had before, and skips all others.
            progress: Show a progress bar; None shows it only in a terminal or notebook.

        Returns:
            Counts, and descriptions of the items that could not be added.

        Raises:
            FileNotFoundError: If a folder or pattern has no images.
            ValueError: If the status or the choice `known` does not exist.
            TypeError: If `items` is a table instead of one of its columns.

        Example:
            >>> catalogue.add("photos/", tags=["night"])
        """
        lookup(dict.fromkeys(STATUSES), status, "status")
        readd = known is not None
        known = self._choice_for_known(items) if known is None else known
        lookup(dict.fromkeys(KNOWN_CHOICES), known, "choice for known images")
        last = 0 if known == "add" else self.database.rows("SELECT ifnull(max(id), 0) FROM items")[0][0]
        added = AddResult()
        if isinstance(items, Dataset):
            added.problems.extend(items.problems)
        total = len(items) if isinstance(items, Sized) and not isinstance(items, str) else None
        remaining = (item if isinstance(item, Item) else Item(item) for item in expand_paths(items))
        with tqdm(total=total, unit="item", desc="add", disable=None if progress is None else not progress) as bar:
            while batch := list(islice(remaining, ADD_BATCH_ITEMS)):
                self.images.allow(item.path for item in batch)
                encoded = encode_items(self._without_known(batch, last, added), status)
                encoded = self.database.write(add_to_known, encoded, added, self.user, self.path.parent, readd)
                repeated = self.database.write(insert_items, encoded, added, status, checked_tags(tags), self.path.parent)
                self.database.write(add_to_known, repeated, added, self.user, self.path.parent, readd)
                bar.update(len(batch))
        if isinstance(items, Dataset):
            self.database.write(record_dataset, items, added.problems)
        return added

    def import_(self, format: str, path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, **options: Any) -> AddResult:
        """Add a data set.

        Its classes and their numbers, and fields that cdwidget does not use, are kept for `export`. Entries that cannot be read are left
        out and listed by `problems`.

        Args:
            format: A name of `cdwidget.formats.FORMATS`.
            path: The data set's file or folder.
            images: The folder of its images, if it is not where the format expects it.
            options: Arguments of `add`.

        Returns:
            Counts, and descriptions of the entries that could not be read or added.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If nothing in the data set can be read.

        Example:
            >>> catalogue.import_("coco", "annotations.json", tags=["night"])
        """
        return self.add(load(format, path, images), **options)

    def dismiss_problems(self, problems: Iterable[ReadProblem] | None = None) -> int:
        """Delete problems of imported data sets from the list; an import finds them again.

        Args:
            problems: Entries of `problems()`; None for all.

        Returns:
            The number of deleted problems.

        Example:
            >>> catalogue.dismiss_problems(catalogue.problems()[:10])
        """
        return self.database.write(delete_problems, problems)

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
        return self.database.write(write_scores, item_id, scores, version, [] if names is None else list(names))

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

    # ---- image files ---------------------------------------------------------------------------------------------

    def check(self, decode: bool = False, progress: bool | None = None, ids: Iterable[int] | None = None) -> list[Problem]:
        """Find missing, corrupt and linked images, and those not of their masks' size.

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

    def _choice_for_known(self, items: object) -> str:
        """Return whether the instances of known images are added or skipped.

        A data set that was imported before is skipped, which takes less time.
        """
        is_new = isinstance(items, Dataset) and items.path and not self.database.rows(IS_IMPORTED_SQL, (items.format, items.path))
        return "add" if is_new else "skip"

    def _without_known(self, items: Sequence[Item], last: int, added: AddResult) -> Sequence[Item]:
        """Return the items without those that are known under an id up to `last`, so that only these are encoded."""
        if last == 0:
            return items
        names = [self._stored_name(item) for item in items]
        known = {name for (name,) in self.database.rows(KNOWN_PATHS_SQL, (json.dumps(names), last))}
        added.known += sum(name in known for name in names)
        return [item for item, name in zip(items, names) if name not in known]

    def _stored_name(self, item: Item) -> str | None:
        try:
            return relative_to_catalogue(item.path, self.path.parent)
        except ValueError:  # `insert_items` reports it.
            return None


def _open(path: Path, user: str, options: dict[str, Any], images: ImageAccess) -> Catalogue:
    catalogue = Catalogue(path, user, **options)
    catalogue.images = images
    return catalogue
