"""Editing items of a catalogue: sessions, masks, statuses and tags."""

from __future__ import annotations

import sqlite3
from math import isfinite
from typing import Iterable, Sequence, cast

from cdwidget.catalogue.labels import LabelEditor
from cdwidget.catalogue.open_sessions import OpenSessions
from cdwidget.catalogue.query import RowKind
from cdwidget.catalogue.records import encode_instances, with_attribute
from cdwidget.catalogue.rows import InstanceRow
from cdwidget.catalogue.schema import STATUSES
from cdwidget.catalogue.windows import write_windows
from cdwidget.catalogue.writer import Edit, merge_records, read_records, undo_change, with_status, write_edit
from cdwidget.images import WindowLike
from cdwidget.items import Instance, with_window
from cdwidget.predictor import Predictor
from cdwidget.registry import lookup
from cdwidget.session import Session


class ItemEditor(LabelEditor):
    """Changes items; each change is recorded in the history of its item and can be undone."""

    _open_sessions: OpenSessions

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
            origin = self._open_sessions.origin(session, item_id, self.database.open_transaction)
            version, detail = origin.version if version is None else version, origin.detail(session)
            given = encode_instances(session.instances)
            size: tuple[int, int] | None = (session.height, session.width)
        else:
            given, detail = encode_instances(session), {}
            size = given.size

        def write(connection: sqlite3.Connection) -> int:
            after = merge_records(read_records(connection, item_id), given, status, numbers)
            edit = Edit(status or "update", after, detail, status, size, None if overwrite else version)
            return write_edit(connection, item_id, edit, self.user)

        new_version = self.database.write(write)
        if isinstance(session, Session):
            self._open_sessions.mark_saved(session, new_version, self.database.open_transaction)
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

        def write(connection: sqlite3.Connection) -> None:
            for item, numbers in self._numbers_by_item(ids, of).items():
                chosen = [record for record in read_records(connection, item) if numbers is None or record.number in numbers]
                write_edit(connection, item, Edit(status, with_status(chosen, status), status=status), self.user)

        self.database.write(write)

    def set_attribute(self, ids: int | Iterable[int], name: str, value: str | float | bool | None) -> int:
        """Set an attribute of instances; their scores stay.

        Args:
            ids: Ids of instances.
            name: Name of the attribute.
            value: Its value; None to remove it.

        Returns:
            The number of instances with a new value.

        Raises:
            ValueError: If an id does not exist, or the name or value is not allowed.

        Example:
            >>> catalogue.set_attribute(gallery.selected, "occluded", True)
        """
        is_finite = not isinstance(value, float) or isfinite(value)
        if not isinstance(name, str) or not name.strip() or not isinstance(value, (str, int, float, type(None))) or not is_finite:
            raise ValueError(f"an attribute has a name and a text, finite number, True, False or None, not {name!r}: {value!r}")

        def write(connection: sqlite3.Connection) -> int:
            count = 0
            for item, numbers in self._numbers_by_item(ids, "instances").items():
                chosen = [record for record in read_records(connection, item) if record.number in (numbers or ())]
                changed = {record.number: with_attribute(record, name, value) for record in chosen}
                count += sum(record != changed[record.number] for record in chosen)
                write_edit(connection, item, Edit("set attribute", changed, {"attributes": {name: value}}), self.user)
            return count

        return self.database.write(write)

    def undo(self, item_id: int) -> bool:
        """Undo the newest change of an item's masks, labels and statuses.

        Deleted scores are not restored.

        Returns:
            False if there is nothing to undo.
        """
        return self.database.write(undo_change, item_id, self.user)

    def tag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Add tags to items; raise ValueError if an id does not exist."""
        pairs = [(item, tag) for item in self._numbers_by_item(ids, "items") for tag in checked_tags(tags)]
        self.database.write(sqlite3.Connection.executemany, "INSERT OR IGNORE INTO tags VALUES (?, ?)", pairs)

    def untag(self, ids: int | Iterable[int], *tags: str) -> None:
        """Remove tags from items; raise ValueError if an id does not exist."""
        pairs = [(item, tag) for item in self._numbers_by_item(ids, "items") for tag in checked_tags(tags)]
        self.database.write(sqlite3.Connection.executemany, "DELETE FROM tags WHERE item = ? AND tag = ?", pairs)

    def set_window(self, ids: int | Iterable[int], window: WindowLike) -> None:
        """Set the intensity window through which images of more than 8 bits are shown, predicted on and scored.

        Args:
            ids: Ids of items.
            window: (low, high), (low, high, gamma) or a `Window`; None for the one that `read_image` chooses.

        Raises:
            ValueError: If an id does not exist, or the window is empty.

        Example:
            >>> catalogue.set_window(catalogue.ids(), (200, 1800))
        """
        items = list(self._numbers_by_item(ids, "items"))
        with_window({}, window)  # Raises for a wrong one.
        self.database.write(write_windows, items, window)

    def write(self, item_id: int, edit: Edit) -> int:
        """Apply the edit of a job and return the item's new version; raises as `update` does."""
        return self.database.write(write_edit, item_id, edit, self.user)

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


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Return tags as a list; raise ValueError if they are not texts."""
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise ValueError(f"tags must be a list of texts, not {tags!r}")
    return list(tags)
