"""The SQLite file of a catalogue: connections, tables and upgrades.

Any number of threads and processes may open it. Each thread borrows a connection for a query; one process writes at a time. A file of an
older version is upgraded when it is opened.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union

import numpy as np

WRITE_TIMEOUT_S = 30.0
CACHE_KIB = 64 * 1024  # per connection
MAX_IDLE_CONNECTIONS = 4
ERROR_ADVICE = {  # a part of SQLite's message -> the advice for it
    "full": "Free some space and try again.",
    "disk I/O error": "The disk may be full, over quota or disconnected: check it and try again.",
    "locked": f"Another process has been writing for more than {WRITE_TIMEOUT_S:.0f} seconds; try again when it is done.",
    "readonly": "Get permission to write to the file and its folder, or copy the file to a writable folder.",
    "unable to open": "Check that its folder exists, that you may write there, and that the disk is not full.",
}
Parameters = Union[Sequence[Any], Mapping[str, Any]]


class Database:
    """The SQLite file of a catalogue.

    Committed changes survive a power failure; uncommitted ones leave no trace.
    """

    _idle: list[sqlite3.Connection]

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Args:
            path: Path of the file; its folder must exist.

        Raises:
            FileNotFoundError: If the folder does not exist.
            ValueError: If the file is not a catalogue.
        """
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent} for the catalogue; create it first")
        self._reset()
        with self._explained_errors(), self.connection():
            pass  # The first connection creates the file.

    def __reduce__(self) -> Any:
        return Database, (self.path,)  # A worker process opens its own connections.

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection for this thread; inside a transaction, its connection.

        Idle connections are reused, because opening one takes 3 ms.
        """
        if self._process != os.getpid():
            self._reset()  # SQLite connections must not be used after a fork.
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
            if idle is self._idle and len(idle) < MAX_IDLE_CONNECTIONS:
                idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close idle connections now, and borrowed ones when they are returned.

        The next query opens a new one.
        """
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._explained_errors(), self.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def ids(self, sql: str, parameters: Parameters = ()) -> np.ndarray:
        """Return the column `id` of a query in its order, int64 (N,).

        SQLite concatenates the ids, which is three times as fast as fetching rows.
        """
        ((text,),) = self.rows(f"SELECT group_concat(id) FROM ({sql})", parameters)
        return np.fromstring(text or "", np.int64, sep=",")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything done inside the block, or nothing of it.

        An inner transaction is a part of the outer one.

        Raises:
            OSError: If the changes cannot be written; the message names the reason.
        """
        with self._explained_errors(), self.connection() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._local.connection = connection
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite ends the transaction itself if the disk is full.
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._local.connection = None

    def _reset(self) -> None:
        self._process = os.getpid()
        self._idle = []
        self._local = threading.local()  # `connection`: the connection of the thread's open transaction.

    def _connect(self) -> sqlite3.Connection:
        # Threads use a connection in turn, never at the same time.
        connection = sqlite3.connect(self.path, timeout=WRITE_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")  # A commit survives a power failure.
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")  # Only after `migrate` has verified that the file is a catalogue.
        except ValueError as error:
            connection.close()
            raise ValueError(f"{self.path} cannot be opened: {error}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """Replace errors of SQLite by errors with advice."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            message = str(error)
            if "not a database" in message or "malformed" in message:
                raise ValueError(f"{self.path} is not a catalogue, or is damaged ({message}); open another file or a backup") from error
            for part, advice in ERROR_ADVICE.items():
                if part in message:
                    raise OSError(
                        f"{self.path} cannot be read or written ({message}). This change was not made; earlier ones are safe. {advice}"
                    ) from error
            raise


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
# Statements that upgrade version 0, 1, ... to the next one. Released entries never change; new ones are appended.
MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)


def migrate(connection: sqlite3.Connection) -> None:
    """Upgrade an open database to the newest version in one transaction.

    Raises:
        ValueError: If the file is not a catalogue, or was written by a newer cdwidget.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")  # Another process may be upgrading the file at the same time.
    try:
        for statements in MIGRATIONS[_version(connection) :]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version, application = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise ValueError("it is an SQLite file of another application, not a catalogue; give another path")
    if version > len(MIGRATIONS):
        raise ValueError(f"its format is version {version}, this cdwidget reads up to {len(MIGRATIONS)}; install a newer cdwidget")
    return int(version)
