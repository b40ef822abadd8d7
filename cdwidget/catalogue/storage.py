"""One SQLite file, open in any number of threads and processes: each borrows a connection, one writes at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union

import numpy as np

WAIT = 30.0  # seconds for another writer
CACHE = 64 * 1024  # KiB a connection
MOST_IDLE = 4  # connections that are kept for whoever is next
ADVICE = {  # what SQLite says -> what to do about it
    "full": "Free some space and do it again.",
    "disk I/O error": "The disk may be full, a quota reached or the drive gone: free some space, or look after it, and do it again.",
    "locked": f"Another process has been writing for more than {WAIT:.0f} seconds; do it again when it is done.",
    "readonly": "Let yourself write to the file and its folder, or copy it to where you may.",
    "unable to open": "Its folder must exist, and you must be allowed to write there; a full disk says the same.",
}
Parameters = Union[Sequence[Any], Mapping[str, Any]]


class Database:
    """The file of a catalogue. What is committed is on the disk; what is not has never been."""

    _idle: list[sqlite3.Connection]

    def __init__(self, path: Path) -> None:
        """Open or make the file. FileNotFoundError when there is no such folder, ValueError when the file is something else."""
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent} to keep the catalogue in; make it first")
        self._forget()
        with self._explained(), self.connection():
            pass  # it makes the file

    def __reduce__(self) -> Any:
        return Database, (self.path,)  # a worker opens it anew

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; inside a transaction, its own. It is used again: to open one takes 3 ms."""
        if self._process != os.getpid():
            self._forget()  # after a fork they must not be used
        own: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if own is not None:
            yield own
            return
        idle = self._idle
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        finally:
            if idle is self._idle and len(idle) < MOST_IDLE:
                idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the connections, those in use when they are given back; whoever asks again opens a new one."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._explained(), self.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def ids(self, sql: str, parameters: Parameters = ()) -> np.ndarray:
        """Return what a query for `id` finds, in its order, int64 (N,): as one text, which is three times as quick as rows."""
        ((text,),) = self.rows(f"SELECT group_concat(id) FROM ({sql})", parameters)
        return np.fromstring(text or "", np.int64, sep=",")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing; inside another one, a part of that.

        Raises OSError when it cannot be kept; its message says why.
        """
        with self._explained(), self.connection() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._local.connection = connection
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._local.connection = None

    def _forget(self) -> None:
        self._process = os.getpid()
        self._idle = []
        self._local = threading.local()  # connection: of the transaction that a thread is in

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)  # one after the other uses it
        try:
            connection.execute("PRAGMA synchronous = FULL")  # a commit outlives a power cut
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE}")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")  # not before it is known to be a catalogue
        except ValueError as error:
            connection.close()
            raise ValueError(f"{self.path} cannot be opened: {error}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            said = str(error)
            if "not a database" in said or "malformed" in said:
                raise ValueError(f"{self.path} is no catalogue, or a damaged one ({said}); give another path, or a copy") from error
            for words, advice in ADVICE.items():
                if words in said:
                    raise OSError(
                        f"{self.path} cannot be written or read ({said}), so this was not done; what was saved before is safe. {advice}"
                    ) from error
            raise


# MERGED from review.schema: The tables of a catalogue, and how an older file becomes a newer one.


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
