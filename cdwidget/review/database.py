"""One SQLite file, open in any number of threads and processes: each borrows a connection, one writes at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union

import numpy as np

from cdwidget.review.schema import migrate

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
