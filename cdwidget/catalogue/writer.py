"""What is written to a catalogue: new items, and changes of known ones with what was there before, so that they can be taken back."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import time
from typing import Any, Collection, Mapping, Sequence

from cdwidget.catalogue.images import file_name, stored
from cdwidget.catalogue.records import COLUMNS, OF_INSTANCE, OF_MASK, Record, Recorded, as_json, columns, from_json
from cdwidget.rle import decode

TOUCHED = "(version > 0 OR EXISTS (SELECT 1 FROM instances WHERE item = items.id))"
KNOWN = f"SELECT path FROM items WHERE path IN (SELECT value FROM json_each(?)) AND {TOUCHED}"  # what `insert` leaves as it is


class Conflict(RuntimeError):
    """An item was changed by somebody else since it was read; what was to be written was not."""


@dataclass
class Added:
    """What `add` did: new items, their instances, items that were known already, and in words what could not be taken."""

    items: int = 0
    instances: int = 0
    known: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        wrong = f", {len(self.problems)} problems" if self.problems else ""
        return f"{self.items} items and {self.instances} instances added, {self.known} items known already{wrong}"


def insert(connection: sqlite3.Connection, batch: Sequence[Recorded], added: Added, status: str, tags: Sequence[str], home: Any) -> None:
    """Add items whose paths are new; known ones without instances get theirs, others stay as they are."""
    now = time()
    (next_id,) = connection.execute("SELECT ifnull(max(id), 0) + 1 FROM instances").fetchone()
    instances, masks = [], []
    for one in batch:
        added.problems += [f"{one.item.path}: {problem}" for problem in one.problems]
        try:
            path = stored(one.item.path, home)
        except ValueError as error:
            added.problems.append(str(error))
            continue
        height, width = one.size or (None, None)
        sql = "INSERT INTO items (path, height, width, status, changed) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        cursor = connection.execute(sql, (path, height, width, status, now))
        if cursor.rowcount == 1:
            added.items += 1
            item = cursor.lastrowid
        else:
            item, touched = connection.execute(f"SELECT id, {TOUCHED} FROM items WHERE path = ?", (path,)).fetchone()
            if touched or not one.records:
                added.known += 1
                continue
            sql = "UPDATE items SET height = ?, width = ?, status = ?, changed = ?, drawn = drawn + 1 WHERE id = ?"
            connection.execute(sql, (height, width, status, now, item))
        if tags:
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(item, tag) for tag in tags])
        for record in one.records:
            instances.append((next_id, item, *columns(record, OF_INSTANCE)))
            masks.append((next_id, *columns(record, OF_MASK)))
            next_id += 1
    added.instances += len(instances)
    connection.executemany(_insert("instances", "id", "item", *OF_INSTANCE), instances)
    connection.executemany(_insert("masks", "instance", *OF_MASK), masks)


def records_of(connection: sqlite3.Connection, item: int) -> list[Record]:
    """Return the records of an item in painting order."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM instances JOIN masks ON instance = id WHERE item = ? ORDER BY position, number"
    return [Record(**dict(zip(COLUMNS, row)) | {"crowd": bool(row[4])}) for row in connection.execute(sql, (item,))]


@dataclass(frozen=True)
class Edit:
    """What is to become of an item.

    what, detail: for the history. after: number -> its record from now on, None for no instance of that number; others stay.
    status: for the item, where it has no instances. size: (height, width). version: of the item when it was read, None to write anyway.
    """

    what: str
    after: Mapping[int, Record | None]
    detail: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    size: tuple[int, int] | None = None
    version: int | None = None


def write(connection: sqlite3.Connection, item: int, edit: Edit, who: str) -> int:
    """Change an item in the transaction that is open, and return its version from now on.

    Raises ValueError when there is no such item, Conflict when its version is another than `edit` says.
    """
    found = connection.execute("SELECT version, status, height, width, path FROM items WHERE id = ?", (item,)).fetchone()
    if found is None:
        raise ValueError(f"there is no item {item} in this catalogue")
    version, status, height, width, path = found
    if edit.version is not None and edit.version != version:
        raise Conflict(_conflict(connection, item, path))
    if edit.size and (height, width) not in ((None, None), edit.size) and edit.after:
        raise ValueError(f"item {item} is {width}x{height} pixels, the masks given are {edit.size[1]}x{edit.size[0]}")
    before = {record.number: record for record in records_of(connection, item)}
    now = {number: record for number, record in {**before, **edit.after}.items() if record is not None}
    touched = {number: before.get(number) for number, record in edit.after.items() if record != before.get(number)}
    drawn = [_replace(connection, item, number, old, now.get(number), edit.size or (height, width)) for number, old in touched.items()]
    after = overall([record.status for record in now.values()]) if now else edit.status or status
    if touched or after != status:
        undo = {"status": status, "instances": {number: _difference(old, now.get(number)) for number, old in touched.items()}}
        sql = "INSERT INTO changes (item, at, who, what, detail, before) VALUES (?, ?, ?, ?, ?, ?)"
        connection.execute(sql, (item, time(), who, edit.what, json.dumps(dict(edit.detail)), json.dumps(undo)))
        version += 1
    sql = "UPDATE items SET version = ?, drawn = drawn + ?, status = ?, changed = ?, height = ?, width = ? WHERE id = ?"
    connection.execute(sql, (version, any(drawn), after, time(), *(edit.size or (height, width)), item))
    update_score(connection, item)
    return int(version)


def merged(before: Sequence[Record], given: Recorded, status: str | None, meant: Collection[int] | None) -> dict[int, Record | None]:
    """Return what becomes of an item's records when the given ones take their place.

    Each keeps its status and crowd, and its run lengths where they are the same pixels; status: of all, or of the numbers `meant`.
    """
    after: dict[int, Record | None] = {record.number: None for record in before}
    known = {record.number: record for record in before}
    for record in given.records:
        old = known.get(record.number)
        if old is not None:
            same = given.size is not None and same_pixels(old, record, *given.size)
            record = replace(record, status=old.status, crowd=old.crowd, counts=old.counts if same else record.counts)
        if status is not None and (meant is None or record.number in meant):
            record = replace(record, status=status)
        after[record.number] = record
    return after


def undo(connection: sqlite3.Connection, item: int, who: str) -> bool:
    """Take the newest change of an item back; False when there is none left."""
    sql = "SELECT id, what, before FROM changes WHERE item = ? AND before IS NOT NULL AND NOT undone ORDER BY id DESC LIMIT 1"
    found = connection.execute(sql, (item,)).fetchone()
    if found is None:
        return False
    change, what, text = found
    before = json.loads(text)
    now = {record.number: record for record in records_of(connection, item)}
    after: dict[int, Record | None] = {}
    for number, old in ((int(number), old) for number, old in before["instances"].items()):
        whole = number in now and old is not None
        after[number] = None if old is None else from_json({**(as_json(now[number]) if whole else {}), **old})
    write(connection, item, Edit("undo", after, {"what": what}, before["status"]), who)
    connection.execute("UPDATE changes SET undone = 1 WHERE id = ? OR (item = ? AND id > ?)", (change, item, change))
    return True


def same_pixels(a: Record, b: Record, height: int, width: int) -> bool:
    """Say whether two records have the same mask, which can be encoded in more than one way."""
    if a.counts == b.counts:
        return True
    return (a.area, a.bbox) == (b.area, b.bbox) and bool((decode(a.counts, height, width) == decode(b.counts, height, width)).all())


def overall(statuses: Sequence[str]) -> str:
    """Return the status of an item from those of its instances: what is left to do; where nothing is, accepted if any of them is."""
    return next(status for status in ("new", "skipped", "accepted", "rejected") if status in statuses)


def update_score(connection: sqlite3.Connection, item: int) -> None:
    """Give an item the highest score of its instances."""
    connection.execute("UPDATE items SET score = (SELECT max(score) FROM instances WHERE item = items.id) WHERE id = ?", (item,))


def _replace(connection: sqlite3.Connection, item: int, number: int, old: Record | None, new: Record | None, size: tuple[int, int]) -> bool:
    """Put one record in another's place; say whether its mask or label is another now."""
    if new is None:
        connection.execute("DELETE FROM instances WHERE item = ? AND number = ?", (item, number))
        return True
    if old is None:
        cursor = connection.execute(_insert("instances", "item", *OF_INSTANCE), (item, *columns(new, OF_INSTANCE)))
        connection.execute(_insert("masks", "instance", *OF_MASK), (cursor.lastrowid, *columns(new, OF_MASK)))
        return True
    (row,) = connection.execute("SELECT id FROM instances WHERE item = ? AND number = ?", (item, number)).fetchone()
    for table, key, names in (("instances", "id", OF_INSTANCE), ("masks", "instance", OF_MASK)):
        if columns(old, names) != columns(new, names):
            sets = ", ".join(f"{name} = ?" for name in names)
            connection.execute(f"UPDATE {table} SET {sets} WHERE {key} = ?", (*columns(new, names), row))
    if old.label == new.label and same_pixels(old, new, *size):
        return False
    connection.execute("DELETE FROM scores WHERE instance = ?", (row,))  # what it was given them for is no more
    connection.execute("UPDATE instances SET score = NULL WHERE id = ?", (row,))
    return True


def _difference(old: Record | None, new: Record | None) -> dict[str, Any] | None:
    """What `undo` needs to make `old` of `new`: all of it where there is no new one, None where there was no old one."""
    if old is None:
        return None
    kept = as_json(new) if new is not None else {}
    return {name: value for name, value in as_json(old).items() if name not in kept or kept[name] != value}


def _conflict(connection: sqlite3.Connection, item: int, path: str) -> str:
    sql = "SELECT who, at, what FROM changes WHERE item = ? ORDER BY id DESC LIMIT 1"
    who, at, what = connection.execute(sql, (item,)).fetchone() or ("somebody", time(), "change")
    return (
        f"item {item} ({file_name(path)}) changed since you opened it: {what} by {who}, {datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}. "
        f"Nothing was overwritten, and what you did is still in your session. Open the item again to go on from theirs, "
        f"or keep yours: update({item}, session, overwrite=True); undo({item}) brings theirs back."
    )


def _insert(table: str, *names: str) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def with_status(records: Sequence[Record], status: str) -> dict[int, Record | None]:
    """Return records with another status, by number."""
    return {record.number: replace(record, status=status) for record in records}
