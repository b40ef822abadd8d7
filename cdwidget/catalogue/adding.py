"""Adding items and data sets to a catalogue."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import time
from typing import Iterable, Mapping, Sequence

from cdwidget.catalogue.images import relative_to_catalogue
from cdwidget.catalogue.records import INSTANCE_COLUMNS, MASK_COLUMNS, EncodedItem, Record, instance_values, mask_values, to_json
from cdwidget.catalogue.writer import Edit, has_same_pixels, insert_sql, read_past_records, read_records, write_edit
from cdwidget.formats.dataset import Dataset, Problems, ReadProblem

# An item that was changed or has instances; `insert_items` leaves it as it is.
IS_TOUCHED_SQL = "(version > 0 OR EXISTS (SELECT 1 FROM instances WHERE item = items.id))"
KNOWN_PATHS_SQL = f"SELECT path FROM items WHERE path IN (SELECT value FROM json_each(?)) AND id <= ? AND {IS_TOUCHED_SQL}"
IS_IMPORTED_SQL = "SELECT 1 FROM datasets WHERE format = ? AND path = ?"
PROBLEM_COLUMNS = ("file", "image", "annotation", "message", "advice")  # Attributes of `ReadProblem`.
MAX_CLASS_NUMBER = 2**62
KNOWN_CHOICES = ("skip", "add")  # What `Catalogue.add` does with the instances of an image that is in the catalogue already.


@dataclass
class AddResult:
    """The result of `Catalogue.add`.

    Attributes:
        items: Number of new items.
        instances: Number of new instances.
        known: Number of items that were in the catalogue already and got no instances.
        problems: The entries that could not be read, and the items and instances that could not be added; `problems.total` counts them.
    """

    items: int = 0
    instances: int = 0
    known: int = 0
    problems: Problems = field(default_factory=Problems)

    def __str__(self) -> str:
        problems = f", {self.problems.total:,} problems" if self.problems.total else ""
        return f"{self.items:,} items and {self.instances:,} instances added, {self.known:,} items known already{problems}"


def insert_items(
    connection: sqlite3.Connection, batch: Sequence[EncodedItem], added: AddResult, status: str, tags: Sequence[str], folder: Path
) -> list[EncodedItem]:
    """Insert items with new paths.

    A known item without instances gets the given instances; other known items do not change.

    Args:
        connection: A connection in a transaction.
        batch: The items.
        added: Counts of added items and instances; changed in place.
        status: Status of the new items.
        tags: Tags of the new items.
        folder: The folder of the catalogue's file.

    Returns:
        The items with instances whose image an earlier item of the batch has given instances; they are not inserted.
    """
    (next_id,) = connection.execute("SELECT ifnull(max(id), 0) + 1 FROM instances").fetchone()
    instances, masks = [], []
    given: set[str] = set()  # Paths of the items that get instances.
    repeated = []
    for encoded in batch:
        for problem in encoded.problems:
            added.problems.report(problem)
        try:
            path = relative_to_catalogue(encoded.item.path, folder)
        except ValueError as error:
            added.problems.add(f"{error}, so the image was not added", file=repr(os.fspath(encoded.item.path)))
            continue
        if path in given and encoded.records:
            repeated.append(replace(encoded, problems=[]))
            continue
        item = _insert_item(connection, path, encoded, status)
        if item is not None:
            added.items += 1
        elif (item := _renew_item(connection, path, encoded, status)) is None:
            added.known += 1
            continue
        connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(item, tag) for tag in tags])
        if encoded.records:
            given.add(path)
        for record in encoded.records:
            instances.append((next_id, item, *instance_values(record)))
            masks.append((next_id, *mask_values(record)))
            next_id += 1
    added.instances += len(instances)
    connection.executemany(insert_sql("instances", "id", "item", *INSTANCE_COLUMNS), instances)
    connection.executemany(insert_sql("masks", "instance", *MASK_COLUMNS), masks)
    return repeated


def _insert_item(connection: sqlite3.Connection, path: str, encoded: EncodedItem, status: str) -> int | None:
    """Insert an item without its instances, and return its id; None if the path is known."""
    height, width = encoded.size or (None, None)
    values = (path, height, width, status, time(), to_json(encoded.item.extra))
    sql = "INSERT INTO items (path, height, width, status, changed, extra) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
    cursor = connection.execute(sql, values)
    return cursor.lastrowid if cursor.rowcount == 1 else None


def _renew_item(connection: sqlite3.Connection, path: str, encoded: EncodedItem, status: str) -> int | None:
    """Give a known item the size and status of an item with instances, and return its id; None if it stays as it is."""
    item: int
    item, is_touched = connection.execute(f"SELECT id, {IS_TOUCHED_SQL} FROM items WHERE path = ?", (path,)).fetchone()
    if is_touched or not encoded.records:
        return None
    height, width = encoded.size or (None, None)
    sql = "UPDATE items SET height = ?, width = ?, status = ?, changed = ?, extra = ifnull(extra, ?), drawn = drawn + 1 WHERE id = ?"
    connection.execute(sql, (height, width, status, time(), to_json(encoded.item.extra), item))
    return item


def add_to_known(
    connection: sqlite3.Connection, batch: Sequence[EncodedItem], added: AddResult, user: str, folder: Path, readd: bool
) -> list[EncodedItem]:  # fmt: skip
    """Add instances to known items, as one change that can be undone; those that an item has already are skipped.

    Args:
        connection: A connection in a transaction.
        batch: The items.
        added: Counts of added instances and of known items; changed in place.
        user: Recorded in the history.
        folder: The folder of the catalogue's file.
        readd: Whether to add instances that an item has had, and that were edited or deleted since.

    Returns:
        The items that `insert_items` may write.
    """
    rest = []
    for encoded in batch:
        try:
            path = relative_to_catalogue(encoded.item.path, folder)
        except ValueError:  # `insert_items` reports it.
            path = ""
        found = connection.execute(f"SELECT id FROM items WHERE path = ? AND {IS_TOUCHED_SQL}", (path,)).fetchone()
        if found is None:
            rest.append(encoded)
            continue
        for problem in encoded.problems:
            added.problems.report(problem)
        records = read_records(connection, found[0])
        after = _further_records(records, [] if readd else read_past_records(connection, found[0], records), encoded)
        if not after:
            added.known += 1
            continue
        try:
            write_edit(connection, found[0], Edit("import", after, {"instances": len(after)}, size=encoded.size), user)
            added.instances += len(after)
        except ValueError as error:
            added.problems.add(f"{error}, so they were not added", file=os.fspath(encoded.item.path))
    return rest


def _further_records(before: Sequence[Record], past: Sequence[Record], encoded: EncodedItem) -> dict[int, Record | None]:
    """Return the records that differ from all present and past ones in mask or label, by the next numbers, in front of the present ones."""
    assert encoded.size is not None or not encoded.records
    number = max((record.number for record in before), default=0)
    position = max((record.position for record in before), default=-1)
    after: dict[int, Record | None] = {}
    for record in encoded.records:
        if not any(old.label == record.label and has_same_pixels(old, record, *encoded.size) for old in (*before, *past)):  # type: ignore[misc]
            number, position = number + 1, position + 1
            after[number] = record._replace(number=number, position=position)
    return after


def record_dataset(connection: sqlite3.Connection, dataset: Dataset, problems: Problems) -> None:
    """Store the classes, fields and problems of a data set inside the open transaction.

    Fields and problems replace those of an earlier import of the same data set.

    Args:
        connection: A connection in a transaction.
        dataset: The data set.
        problems: Its problems, and those of adding it.
    """
    _merge_classes(connection, dataset.classes)
    connection.execute("DELETE FROM datasets WHERE format = ? AND path = ?", (dataset.format, dataset.path))
    row = (dataset.format, dataset.path, time(), to_json(dataset.extra) or "{}")
    (number,) = connection.execute("INSERT INTO datasets (format, path, at, extra) VALUES (?, ?, ?, ?) RETURNING id", row).fetchone()
    rows = ((number, *_problem_values(problem)) for problem in problems)
    connection.executemany(insert_sql("problems", "dataset", *PROBLEM_COLUMNS), rows)


def _merge_classes(connection: sqlite3.Connection, classes: Mapping[str, int]) -> None:
    """Add classes; one whose number another class has gets the next free number."""
    known = dict(connection.execute("SELECT label, number FROM classes").fetchall())
    used = set(known.values())
    for label, number in classes.items():
        if label in known:
            continue
        number = number if number not in used and abs(number) < MAX_CLASS_NUMBER else max(used, default=0) + 1
        used.add(number)
        connection.execute("INSERT INTO classes VALUES (?, ?)", (label, number))


def _problem_values(problem: ReadProblem) -> tuple[str, ...]:
    return tuple(_storable(getattr(problem, name)) for name in PROBLEM_COLUMNS)


def _storable(text: str) -> str:
    """Return a text with escapes for what SQLite cannot store: file names need not be valid Unicode."""
    return text.encode(errors="backslashreplace").decode()


def delete_problems(connection: sqlite3.Connection, problems: Iterable[ReadProblem] | None) -> int:
    """Delete problems inside the open transaction, all of them for None; return how many."""
    before = connection.total_changes
    if problems is None:
        connection.execute("DELETE FROM problems")
    else:
        condition = " AND ".join(f"{name} = ?" for name in PROBLEM_COLUMNS)
        connection.executemany(f"DELETE FROM problems WHERE {condition}", map(_problem_values, problems))
    return connection.total_changes - before
