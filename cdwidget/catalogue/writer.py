"""Changes of the items of a catalogue that can be undone, and their scores."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from time import time
from typing import Any, Collection, Iterable, Mapping, Sequence

from cdwidget.catalogue.images import file_name
from cdwidget.catalogue.records import (
    COLUMNS,
    INSTANCE_COLUMNS,
    MASK_COLUMNS,
    EncodedItem,
    Record,
    instance_values,
    mask_values,
    record_from_json,
    record_to_json,
)
from cdwidget.catalogue.rows import OVERALL_SCORE, ScoreValue, heat_to_png
from cdwidget.rle import decode


class Conflict(RuntimeError):
    """An item was changed by someone else since it was read; nothing was written."""


def read_records(connection: sqlite3.Connection, item: int) -> list[Record]:
    """Return the records of an item in painting order."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM instances JOIN masks ON instance = id WHERE item = ? ORDER BY position, number"
    return [Record._make((*row[:4], bool(row[4]), *row[5:])) for row in connection.execute(sql, (item,))]


def read_past_records(connection: sqlite3.Connection, item: int, records: Sequence[Record]) -> list[Record]:
    """Return the records of an item as they were before each change, the newest first; `records` are the present ones."""
    state = {record.number: record_to_json(record) for record in records}
    past = []
    for (before,) in connection.execute("SELECT before FROM changes WHERE item = ? ORDER BY id DESC", (item,)):
        if before is None:  # Earlier states are not known.
            break
        for number, old in ((int(number), old) for number, old in json.loads(before)["instances"].items()):
            if old is None:
                state.pop(number, None)
            else:
                state[number] = {**state.get(number, {}), **old}
                past.append(record_from_json(state[number]))
    return past


@dataclass(frozen=True)
class Edit:
    """A change of one item.

    Attributes:
        action: Its name in the history.
        after: The new record of each changed number, None to delete it; other instances stay.
        detail: Plain JSON for the history.
        status: The item's new status if it has no instances; None to keep it.
        size: (height, width) of the records' masks in pixels.
        version: The item's version when it was read; None to write in any case.
    """

    action: str
    after: Mapping[int, Record | None]
    detail: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    size: tuple[int, int] | None = None
    version: int | None = None


def write_edit(connection: sqlite3.Connection, item: int, edit: Edit, user: str) -> int:
    """Change an item inside the open transaction.

    Args:
        connection: A connection in a transaction.
        item: The item's id.
        edit: The change.
        user: Recorded in the history.

    Returns:
        The item's new version.

    Raises:
        ValueError: If the item does not exist or has another size.
        Conflict: If the item's version differs from the edit's version.
    """
    found = connection.execute("SELECT version, status, height, width, path FROM items WHERE id = ?", (item,)).fetchone()
    if found is None:
        raise ValueError(f"there is no item {item} in this catalogue")
    version, status, height, width, path = found
    if edit.version is not None and edit.version != version:
        raise Conflict(_conflict_message(connection, item, path))
    if edit.size and (height, width) not in ((None, None), edit.size) and edit.after:
        raise ValueError(f"item {item} is {width}x{height} pixels, the given masks are {edit.size[1]}x{edit.size[0]}")
    before = {record.number: record for record in read_records(connection, item)}
    now = {number: record for number, record in {**before, **edit.after}.items() if record is not None}
    touched = {number: before.get(number) for number, record in edit.after.items() if record != before.get(number)}
    drawn = [_replace(connection, item, number, old, now.get(number), edit.size or (height, width)) for number, old in touched.items()]
    after = item_status([record.status for record in now.values()]) if now else edit.status or status
    if touched or after != status:
        undo_data = {"status": status, "instances": {number: _difference(old, now.get(number)) for number, old in touched.items()}}
        sql = "INSERT INTO changes (item, at, who, what, detail, before) VALUES (?, ?, ?, ?, ?, ?)"
        connection.execute(sql, (item, time(), user, edit.action, json.dumps(dict(edit.detail)), json.dumps(undo_data)))
        version += 1
    sql = "UPDATE items SET version = ?, drawn = drawn + ?, status = ?, changed = ?, height = ?, width = ? WHERE id = ?"
    connection.execute(sql, (version, any(drawn), after, time(), *(edit.size or (height, width)), item))
    _update_item_score(connection, item)
    return int(version)


def merge_records(
    before: Sequence[Record], given: EncodedItem, status: str | None, numbers: Collection[int] | None
) -> dict[int, Record | None]:  # fmt: skip
    """Return the edit that replaces an item's records by the given ones.

    Given records keep the old status and crowd flag, and the old run lengths if their pixels are the same.

    Args:
        before: The stored records.
        given: The new records.
        status: New status; None to keep it.
        numbers: The instances that get the status; None for all.

    Returns:
        The new record of each number; None for deleted ones.
    """
    after: dict[int, Record | None] = {record.number: None for record in before}
    known = {record.number: record for record in before}
    for record in given.records:
        old = known.get(record.number)
        if old is not None:
            same = given.size is not None and has_same_pixels(old, record, *given.size)
            record = record._replace(status=old.status, crowd=old.crowd, counts=old.counts if same else record.counts)
        if status is not None and (numbers is None or record.number in numbers):
            record = record._replace(status=status)
        after[record.number] = record
    return after


def undo_change(connection: sqlite3.Connection, item: int, user: str) -> bool:
    """Undo the newest change of an item that is not undone yet; return False if there is none."""
    sql = "SELECT id, what, before FROM changes WHERE item = ? AND before IS NOT NULL AND NOT undone ORDER BY id DESC LIMIT 1"
    found = connection.execute(sql, (item,)).fetchone()
    if found is None:
        return False
    change, action, text = found
    before = json.loads(text)
    now = {record.number: record for record in read_records(connection, item)}
    after: dict[int, Record | None] = {}
    for number, old in ((int(number), old) for number, old in before["instances"].items()):
        is_changed = number in now and old is not None
        after[number] = None if old is None else record_from_json({**(record_to_json(now[number]) if is_changed else {}), **old})
    write_edit(connection, item, Edit("undo", after, {"what": action}, before["status"]), user)
    connection.execute("UPDATE changes SET undone = 1 WHERE id = ? OR (item = ? AND id > ?)", (change, item, change))
    return True


def has_same_pixels(a: Record, b: Record, height: int, width: int) -> bool:
    """Return whether two records have the same mask; one mask can be encoded in several ways."""
    if a.counts == b.counts:
        return True
    return (a.area, a.bbox) == (b.area, b.bbox) and bool((decode(a.counts, height, width) == decode(b.counts, height, width)).all())


def item_status(statuses: Sequence[str]) -> str:
    """Return an item's status, given the statuses of its instances.

    The item has the first of these statuses that any instance has: new, skipped, accepted, rejected.
    """
    return next(status for status in ("new", "skipped", "accepted", "rejected") if status in statuses)


def with_status(records: Sequence[Record], status: str) -> dict[int, Record | None]:
    """Return records with another status, by number."""
    return {record.number: record._replace(status=status) for record in records}


def write_scores(
    connection: sqlite3.Connection, item: int, scores: Iterable[ScoreValue], version: int | None, computed: Sequence[str]
) -> bool:
    """Store scores of an item's instances inside the open transaction.

    Args:
        connection: A connection in a transaction.
        item: The item's id.
        scores: The scores.
        version: The item's version when it was read; None to store in any case.
        computed: Names of the scores that lose their old values.

    Returns:
        False if the item's version differs; nothing is stored then.

    Raises:
        ValueError: If an instance does not exist or a value is not finite.
    """
    found = connection.execute("SELECT version FROM items WHERE id = ?", (item,)).fetchone()
    if version is not None and found != (version,):
        return False
    instance_ids = dict(connection.execute("SELECT number, id FROM instances WHERE item = ?", (item,)).fetchall())
    sql = "DELETE FROM scores WHERE name IN (SELECT value FROM json_each(?)) AND instance IN (SELECT value FROM json_each(?))"
    connection.execute(sql, (json.dumps(list(computed)), json.dumps(list(instance_ids.values()))))
    if OVERALL_SCORE in computed:
        connection.execute("UPDATE instances SET score = NULL WHERE item = ?", (item,))
    for score in scores:
        if score.instance not in instance_ids or not isfinite(score.value):
            numbers = ", ".join(map(str, instance_ids))
            raise ValueError(f"{score} names no instance of item {item} ({numbers}), or its value is not finite")
        id, value = instance_ids[score.instance], float(score.value)
        row = (id, score.name, value, score.reason, heat_to_png(score.heat))
        connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?)", row)
        if score.name == OVERALL_SCORE:
            connection.execute("UPDATE instances SET score = ? WHERE id = ?", (value, id))
    _update_item_score(connection, item)
    return True


def _update_item_score(connection: sqlite3.Connection, item: int) -> None:
    """Set an item's score to the highest one of its instances."""
    connection.execute("UPDATE items SET score = (SELECT max(score) FROM instances WHERE item = items.id) WHERE id = ?", (item,))


def _replace(connection: sqlite3.Connection, item: int, number: int, old: Record | None, new: Record | None, size: tuple[int, int]) -> bool:
    """Replace one record by another; return whether the mask or label changed."""
    if new is None:
        connection.execute("DELETE FROM instances WHERE item = ? AND number = ?", (item, number))
        return True
    if old is None:
        cursor = connection.execute(insert_sql("instances", "item", *INSTANCE_COLUMNS), (item, *instance_values(new)))
        connection.execute(insert_sql("masks", "instance", *MASK_COLUMNS), (cursor.lastrowid, *mask_values(new)))
        return True
    (row,) = connection.execute("SELECT id FROM instances WHERE item = ? AND number = ?", (item, number)).fetchone()
    for table, key, names, values in (
        ("instances", "id", INSTANCE_COLUMNS, instance_values),
        ("masks", "instance", MASK_COLUMNS, mask_values),
    ):
        if values(old) != values(new):
            assignments = ", ".join(f"{name} = ?" for name in names)
            connection.execute(f"UPDATE {table} SET {assignments} WHERE {key} = ?", (*values(new), row))
    if old.label == new.label and has_same_pixels(old, new, *size):
        return False
    connection.execute("DELETE FROM scores WHERE instance = ?", (row,))  # They describe the old mask and label.
    connection.execute("UPDATE instances SET score = NULL WHERE id = ?", (row,))
    return True


def _difference(old: Record | None, new: Record | None) -> dict[str, Any] | None:
    """Return the columns to restore: all of a deleted record, None for an added one."""
    if old is None:
        return None
    kept = record_to_json(new) if new is not None else {}
    return {name: value for name, value in record_to_json(old).items() if name not in kept or kept[name] != value}


def _conflict_message(connection: sqlite3.Connection, item: int, path: str) -> str:
    sql = "SELECT who, at, what FROM changes WHERE item = ? ORDER BY id DESC LIMIT 1"
    user, at, action = connection.execute(sql, (item,)).fetchone() or ("another user", time(), "change")
    return (
        f"item {item} ({file_name(path)}) changed since you opened it: {action} by {user}, {datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}. "
        f"Nothing was overwritten, and your changes are still in your session: open the item again to continue from the newer version, "
        f"or write yours with update({item}, session, overwrite=True), which undo({item}) reverts."
    )


def insert_sql(table: str, *names: str) -> str:
    """Return the statement that inserts a row with these columns."""
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
