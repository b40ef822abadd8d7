"""Changes of labels over a whole catalogue, as a few statements: a million instances take seconds.

Each item gets an entry in its history, so that one item, or the whole change, can be undone.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from time import time
from typing import Any, Mapping, Sequence

NO_LABEL = ""


@dataclass(frozen=True)
class LabelChange:
    """A change of the labels of many instances.

    Attributes:
        action: Its name in the history.
        label: The new label.
        chosen: SQL that selects the rows of `instances`, with `?` for its values.
        values: The values.
        detail: Plain JSON for the history.
        is_rename: Whether the class stays the same: scores then stay valid.
        keeps_scores: Whether scores stay until the next run of `Score`.
    """

    action: str
    label: str
    chosen: str
    values: Sequence[Any]
    detail: Mapping[str, Any] = field(default_factory=dict)
    is_rename: bool = False
    keeps_scores: bool = False


def change_labels(connection: sqlite3.Connection, change: LabelChange, user: str, classes: Mapping[str, int] | None = None) -> int:
    """Change labels inside the open transaction.

    Args:
        connection: A connection in a transaction.
        change: The change.
        user: Recorded in the history.
        classes: The classes and their numbers after the change; None to keep them.

    Returns:
        The number of instances with a new label.
    """
    before = read_classes(connection)
    connection.execute("DROP TABLE IF EXISTS temp.chosen")
    connection.execute(
        f"CREATE TEMP TABLE chosen AS SELECT id, item, number, label FROM instances WHERE label != ? AND ({change.chosen})",
        (change.label, *change.values),
    )
    (count,) = connection.execute("SELECT count(*) FROM chosen").fetchone()
    if not count and classes in (None, before):
        return 0
    renamed = {str(label): change.label for label in change.values} if change.is_rename else {}
    now = time()
    _record(connection, change, user, now, {"classes": before, "renamed": renamed}, count)
    connection.execute("UPDATE instances SET label = ? WHERE id IN (SELECT id FROM chosen)", (change.label,))
    if not (change.is_rename or change.keeps_scores):
        _delete_scores(connection)
    connection.execute(
        "UPDATE items SET version = version + 1, drawn = drawn + ?, changed = ? WHERE id IN (SELECT item FROM chosen)",
        (not change.is_rename, now),
    )
    if classes is not None:
        write_classes(connection, classes)
    if change.is_rename:
        _rename_fields(connection, renamed)
    connection.execute("DROP TABLE temp.chosen")
    return int(count)


def _record(
    connection: sqlite3.Connection, change: LabelChange, user: str, now: float, before: Mapping[str, object], count: int
) -> None:  # fmt: skip
    """Add a change of the chosen instances to the history: once as a whole, and once for each item."""
    (bulk,) = connection.execute("SELECT ifnull(max(bulk), 0) + 1 FROM changes WHERE bulk IS NOT NULL").fetchone()
    detail = json.dumps({**change.detail, "instances": count})
    sql = "INSERT INTO changes (at, who, what, detail, before, bulk) VALUES (?, ?, ?, ?, ?, ?)"
    connection.execute(sql, (now, user, change.action, detail, json.dumps(before), bulk))
    connection.execute(
        """INSERT INTO changes (item, at, who, what, detail, before, bulk)
            SELECT item, ?, ?, ?, ?, json_object('status', items.status, 'instances',
                json_group_object(cast(number AS TEXT), json_object('label', label))), ?
            FROM chosen JOIN items ON items.id = item GROUP BY item""",
        (now, user, change.action, json.dumps(change.detail), bulk),
    )


def _delete_scores(connection: sqlite3.Connection) -> None:
    """Delete the scores of the chosen instances, which belong to their old labels."""
    connection.execute("DELETE FROM scores WHERE instance IN (SELECT id FROM chosen)")
    connection.execute("UPDATE instances SET score = NULL WHERE score IS NOT NULL AND id IN (SELECT id FROM chosen)")
    connection.execute(
        """UPDATE items SET score = (SELECT max(score) FROM instances WHERE item = items.id)
        WHERE score IS NOT NULL AND id IN (SELECT item FROM chosen)"""
    )


def undo_labels(connection: sqlite3.Connection, user: str) -> int:
    """Undo the newest change of `change_labels`, except on items that were changed after it.

    Args:
        connection: A connection in a transaction.
        user: Recorded in the history.

    Returns:
        The number of instances that got their old label.
    """
    sql = """SELECT id, bulk, what, detail, before FROM changes
        WHERE bulk IS NOT NULL AND item IS NULL AND NOT undone ORDER BY bulk DESC LIMIT 1"""
    found = connection.execute(sql).fetchone()
    if found is None:
        return 0
    change, bulk, action, detail, before = found
    now = time()
    connection.execute("DROP TABLE IF EXISTS temp.undone")
    connection.execute("DROP TABLE IF EXISTS temp.restored")
    connection.execute(
        """CREATE TEMP TABLE undone AS SELECT id, item, before FROM changes AS one WHERE bulk = ? AND item IS NOT NULL AND NOT undone
            AND NOT EXISTS (SELECT 1 FROM changes AS later WHERE later.item = one.item AND later.id > one.id AND NOT later.undone)""",
        (bulk,),
    )
    connection.execute("CREATE TEMP TABLE restored (id INTEGER PRIMARY KEY, label TEXT)")
    count = connection.execute(
        """INSERT INTO restored SELECT instances.id, json_extract(old.value, '$.label')
            FROM undone, json_each(undone.before, '$.instances') AS old
            JOIN instances ON instances.item = undone.item AND instances.number = cast(old.key AS INTEGER)"""
    ).rowcount
    connection.execute(
        "UPDATE instances SET label = (SELECT label FROM restored WHERE restored.id = instances.id) WHERE id IN (SELECT id FROM restored)"
    )
    connection.execute(
        "UPDATE items SET version = version + 1, drawn = drawn + 1, changed = ? WHERE id IN (SELECT item FROM undone)", (now,)
    )
    connection.execute("UPDATE changes SET undone = 1 WHERE id = ? OR id IN (SELECT id FROM undone)", (change,))
    sql = "INSERT INTO changes (item, at, who, what, detail, undone) SELECT item, ?, ?, 'undo', ?, 1 FROM undone"
    connection.execute(sql, (now, user, json.dumps({"what": action})))
    old, detail = json.loads(before), json.loads(detail)
    write_classes(connection, _restored_classes(read_classes(connection), old["classes"], detail.get("labels", ()), detail["into"]))
    _rename_fields(connection, {new: label for label, new in old.get("renamed", {}).items()})
    connection.execute("DROP TABLE temp.undone")
    connection.execute("DROP TABLE temp.restored")
    return int(count)


def _restored_classes(now: Mapping[str, int], before: Mapping[str, int], labels: Sequence[str], into: str) -> dict[str, int]:
    """Return the classes after undoing a change of `labels` to `into`; classes that were added or numbered later stay.

    Args:
        now: The classes and their numbers.
        before: The classes and their numbers before the change.
        labels: The classes that the change removed; none if it did not change the classes.
        into: The class that replaced them.
    """
    restored = [label for label in labels if label in before and label not in now]
    classes = {label: number for label, number in now.items() if not (restored and label == into and into not in before)}
    used = set(classes.values())
    for label in restored:
        classes[label] = before[label] if before[label] not in used else max(used) + 1
        used.add(classes[label])
    return classes


def _rename_fields(connection: sqlite3.Connection, names: Mapping[str, str]) -> None:
    """Rename the classes whose fields, such as supercategories, imported data sets have."""
    for id, text in connection.execute("SELECT id, extra FROM datasets").fetchall():
        extra = json.loads(text)
        for own in extra.values():
            categories = own.get("categories") if isinstance(own, dict) else None
            if isinstance(categories, dict) and not names.keys().isdisjoint(categories):
                own["categories"] = {names.get(label, label): fields for label, fields in categories.items()}
        connection.execute("UPDATE datasets SET extra = ? WHERE id = ?", (json.dumps(extra), id))


def read_classes(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the classes and their numbers, by number."""
    return dict(connection.execute("SELECT label, number FROM classes ORDER BY number").fetchall())


def write_classes(connection: sqlite3.Connection, classes: Mapping[str, int]) -> None:
    """Replace the classes and their numbers."""
    connection.execute("DELETE FROM classes")
    connection.executemany("INSERT INTO classes VALUES (?, ?)", classes.items())
