"""The tables of a catalogue, by version of the file, and the upgrade of older files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from cdwidget.catalogue.connections import retry_while_locked, roll_back

APPLICATION_ID = 0x63647767  # "cdwg": distinguishes a catalogue from other SQLite files.
STATUSES = ("new", "accepted", "rejected", "skipped")
SCORE_SQL = "ifnull(score, -9e999)"  # Rows without a score sort before all others.

_STATUS_COLUMN = f"status TEXT NOT NULL DEFAULT 'new' CHECK (status IN {STATUSES})"

# Masks have a separate table, so that the rows that queries filter and order stay small. There is an index for every order of
# `query.ORDERS` combined with the filters of a review queue; SQLite appends the row id to each index.
_VERSION_1 = (
    f"""CREATE TABLE items (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, height INTEGER, width INTEGER, {_STATUS_COLUMN}, score REAL,
        version INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL, problem TEXT)""",
    f"""CREATE TABLE instances (
        id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, number INTEGER NOT NULL,
        position INTEGER NOT NULL, label TEXT NOT NULL, {_STATUS_COLUMN}, crowd INTEGER NOT NULL, area INTEGER NOT NULL,
        x0 INTEGER NOT NULL, y0 INTEGER NOT NULL, x1 INTEGER NOT NULL, y1 INTEGER NOT NULL, score REAL, UNIQUE (item, number))""",
    "CREATE TABLE masks (instance INTEGER PRIMARY KEY REFERENCES instances ON DELETE CASCADE, counts TEXT NOT NULL, alpha BLOB)",
    """CREATE TABLE scores (
        instance INTEGER NOT NULL REFERENCES instances ON DELETE CASCADE, name TEXT NOT NULL, value REAL NOT NULL,
        reason TEXT NOT NULL, heat BLOB, UNIQUE (instance, name))""",
    """CREATE TABLE tags (
        item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, tag TEXT NOT NULL, PRIMARY KEY (item, tag)) WITHOUT ROWID""",
    """CREATE TABLE changes (
        id INTEGER PRIMARY KEY, item INTEGER REFERENCES items ON DELETE CASCADE, at REAL NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, detail TEXT NOT NULL, before TEXT, undone INTEGER NOT NULL DEFAULT 0)""",
    f"CREATE INDEX items_by_score ON items ({SCORE_SQL})",
    f"CREATE INDEX items_by_status ON items (status, {SCORE_SQL})",
    "CREATE INDEX items_by_change ON items (changed)",
    "CREATE INDEX items_with_problems ON items (problem) WHERE problem IS NOT NULL",
    f"CREATE INDEX instances_by_score ON instances ({SCORE_SQL})",
    f"CREATE INDEX instances_by_status ON instances (status, {SCORE_SQL})",
    f"CREATE INDEX instances_by_label ON instances (label, {SCORE_SQL})",
    f"CREATE INDEX instances_by_both ON instances (status, label, {SCORE_SQL})",
    "CREATE INDEX instances_by_area ON instances (area)",
    "CREATE INDEX scores_by_value ON scores (name, value, instance)",
    "CREATE INDEX tags_by_tag ON tags (tag, item)",
    "CREATE INDEX changes_of_item ON changes (item)",
)
# items.drawn counts the changes of an item's masks and labels. A row of `done` records that a job with a setting has processed an item, and
# the value of `drawn` at that time; NULL if the job need not process the item again after a change.
_VERSION_2 = (
    "ALTER TABLE items ADD COLUMN drawn INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE done (
        item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, job TEXT NOT NULL, setting TEXT NOT NULL, drawn INTEGER,
        PRIMARY KEY (item, job)) WITHOUT ROWID""",
)
# Caches of values computed from the images; see `similarity`.
_VERSION_3 = (
    "CREATE TABLE embeddings (item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, model TEXT NOT NULL, vector BLOB NOT NULL)",
    "CREATE TABLE fingerprints (item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, value BLOB NOT NULL)",
)
# Version 4: values of instances, items and data sets that formats carry, kept for export. `confidence` is `Instance.score`. `attributes`
# and `extra` are JSON, NULL for none. `problems` are entries of an imported data set that were not read as they are. `changes.bulk` numbers
# the changes of one bulk change.
_VERSION_4 = (
    "ALTER TABLE instances ADD COLUMN confidence REAL",
    "ALTER TABLE instances ADD COLUMN track_id INTEGER",
    "ALTER TABLE instances ADD COLUMN attributes TEXT",
    "ALTER TABLE masks ADD COLUMN extra TEXT",
    "ALTER TABLE items ADD COLUMN extra TEXT",
    "ALTER TABLE changes ADD COLUMN bulk INTEGER",
    "CREATE INDEX instances_by_confidence ON instances (confidence) WHERE confidence IS NOT NULL",
    "CREATE INDEX changes_of_bulk ON changes (bulk) WHERE bulk IS NOT NULL",
    "CREATE TABLE classes (label TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE) WITHOUT ROWID",
    """CREATE TABLE datasets (
        id INTEGER PRIMARY KEY, format TEXT NOT NULL, path TEXT NOT NULL, at REAL NOT NULL, extra TEXT NOT NULL)""",
    """CREATE TABLE problems (
        id INTEGER PRIMARY KEY, dataset INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE, file TEXT NOT NULL, image TEXT NOT NULL,
        annotation TEXT NOT NULL, message TEXT NOT NULL, advice TEXT NOT NULL)""",
    "CREATE INDEX problems_of_dataset ON problems (dataset)",
)
# Statements that upgrade version 0, 1, ... to the next one. Released entries never change; new ones are appended.
MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


def migrate(connection: sqlite3.Connection, path: Path | None = None) -> None:
    """Upgrade an open database to the newest version in one transaction.

    Args:
        connection: The database.
        path: Its file, which is copied to <name>.v<version> before an upgrade; None for no copy.

    Raises:
        ValueError: If the file is not a catalogue, or was written by a newer cdwidget.
    """
    with closing(retry_while_locked(lambda: connection.execute("PRAGMA user_version"))) as cursor:
        if cursor.fetchone() == (len(MIGRATIONS),):
            retry_while_locked(lambda: file_version(connection))  # Raises if it is not a catalogue.
            return
    try:
        retry_while_locked(lambda: connection.execute("BEGIN IMMEDIATE"))  # Another process may be upgrading the file at the same time.
        version = file_version(connection)
        if path is not None and 0 < version < len(MIGRATIONS):
            _copy(path, path.with_name(f"{path.name}.v{version}"))
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        retry_while_locked(lambda: connection.execute("COMMIT"))
    except BaseException:
        roll_back(connection)
        raise


def file_version(connection: sqlite3.Connection) -> int:
    """Return the version of the tables; raise ValueError if they are not those of a catalogue, or too new."""
    version, application = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise ValueError("it is an SQLite file of another application, not a catalogue; give another path")
    if version > len(MIGRATIONS):
        raise ValueError(f"its format is version {version}, this cdwidget reads up to {len(MIGRATIONS)}; install a newer cdwidget")
    return int(version)


def _copy(path: Path, target: Path) -> None:
    """Copy a database with all committed changes, unless there is a copy already."""
    if target.exists():
        return
    draft = target.with_name(f".{uuid4().hex}.tmp")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as copy:
            source.backup(copy)
        shutil.copymode(path, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
