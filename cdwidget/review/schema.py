"""The tables of a catalogue, and how an older file becomes a newer one."""

from __future__ import annotations

import sqlite3

APPLICATION = 0x63647767  # "cdwg": tells a catalogue from every other SQLite file
STATUSES = ("new", "accepted", "rejected", "skipped")
SCORE = "ifnull(score, -9e999)"  # what has none comes before all scores

_STATUS = f"status TEXT NOT NULL DEFAULT 'new' CHECK (status IN {STATUSES})"

# Masks lie apart from the instances, so that what a page is ordered and filtered by stays narrow. The indices hold every order that
# `selection` offers together with the filters that a queue has; an index ends in the row's id by itself.
_FIRST = (
    f"""CREATE TABLE items (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, height INTEGER, width INTEGER, {_STATUS}, score REAL,
        version INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL, problem TEXT)""",
    f"""CREATE TABLE instances (
        id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, number INTEGER NOT NULL,
        position INTEGER NOT NULL, label TEXT NOT NULL, {_STATUS}, crowd INTEGER NOT NULL, area INTEGER NOT NULL,
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
    f"CREATE INDEX items_by_score ON items ({SCORE})",
    f"CREATE INDEX items_by_status ON items (status, {SCORE})",
    "CREATE INDEX items_by_change ON items (changed)",
    "CREATE INDEX items_with_problems ON items (problem) WHERE problem IS NOT NULL",
    f"CREATE INDEX instances_by_score ON instances ({SCORE})",
    f"CREATE INDEX instances_by_status ON instances (status, {SCORE})",
    f"CREATE INDEX instances_by_label ON instances (label, {SCORE})",
    f"CREATE INDEX instances_by_both ON instances (status, label, {SCORE})",
    "CREATE INDEX instances_by_area ON instances (area)",
    "CREATE INDEX scores_by_value ON scores (name, value, instance)",
    "CREATE INDEX tags_by_tag ON tags (tag, item)",
    "CREATE INDEX changes_of_item ON changes (item)",
)
# drawn: goes up whenever the masks or labels of an item change. done: which job was done on which item, how (`setting`), and when it had
# been drawn so often; NULL where the job stays done whatever becomes of the item.
_JOBS = (
    "ALTER TABLE items ADD COLUMN drawn INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE done (
        item INTEGER NOT NULL REFERENCES items ON DELETE CASCADE, job TEXT NOT NULL, setting TEXT NOT NULL, drawn INTEGER,
        PRIMARY KEY (item, job)) WITHOUT ROWID""",
)
# What was computed of the images, once: see `embeddings` and `duplicates`.
_CURATED = (
    "CREATE TABLE embeddings (item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, model TEXT NOT NULL, vector BLOB NOT NULL)",
    "CREATE TABLE fingerprints (item INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE, value BLOB NOT NULL)",
)
# The statements that lead from version 0, 1, ... to the next; what is here never changes, a new one is added.
MIGRATIONS = (_FIRST, _JOBS, _CURATED)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open database to the newest version, in one transaction; ValueError when it is no catalogue, or of a newer cdwidget."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")  # another process may be doing the same
    try:
        for statements in MIGRATIONS[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version, application = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise ValueError("it is an SQLite file of something else, not a catalogue; give another path")
    if version > len(MIGRATIONS):
        raise ValueError(
            f"it is a catalogue of version {version}, and this cdwidget knows versions up to {len(MIGRATIONS)}; install a newer cdwidget"
        )
    return int(version)
