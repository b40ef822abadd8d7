"""One SQLite file, open in any number of threads and processes: a connection a thread, one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, Union
from weakref import WeakSet

import numpy as np

from cdwidget.review.schema import migrate

WAIT = 30.0  # seconds for another writer
CACHE = 64 * 1024  # KiB a connection
ADVICE = {  # what SQLite says -> what to do about it
    "full": "Free some space and do it again.",
    "disk I/O error": "The disk may be full, a quota reached or the drive gone: free some space, or look after it, and do it again.",
    "locked": f"Another process has been writing for more than {WAIT:.0f} seconds; do it again when it is done.",
    "readonly": "Let yourself write to the file and its folder, or copy it to where you may.",
    "unable to open": "Its folder must exist, and you must be allowed to write there; a full disk says the same.",
}
Parameters = Union[Sequence[Any], Mapping[str, Any]]


class _Open:
    """A connection, and the process that opened it: after a fork it must not be used."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.process = os.getpid()


class Database:
    """The file of a catalogue. What is committed is on the disk; what is not has never been."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. FileNotFoundError when there is no such folder, ValueError when the file is something else."""
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent} to keep the catalogue in; make it first")
        self._local = threading.local()
        self._all: WeakSet[_Open] = WeakSet()
        with self._explained():
            self.connection  # noqa: B018, it makes the file

    def __reduce__(self) -> Any:
        return Database, (self.path,)  # a worker opens it anew

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        found: _Open | None = getattr(self._local, "open", None)
        if found is None or found.process != os.getpid():
            found = self._local.open = _Open(self._connect())
            self._all.add(found)
        return found.connection

    def close(self) -> None:
        """Close the connections of all threads; whoever asks again opens a new one."""
        for found in list(self._all):
            self._all.discard(found)
            if found.process == os.getpid():
                found.connection.close()
        self._local = threading.local()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query."""
        with self._explained():
            return self.connection.execute(sql, parameters).fetchall()

    def ids(self, sql: str, parameters: Parameters = ()) -> np.ndarray:
        """Return what a query for `id` finds, in its order, int64 (N,): as one text, which is three times as quick as rows."""
        ((text,),) = self.rows(f"SELECT group_concat(id) FROM ({sql})", parameters)
        return np.fromstring(text or "", np.int64, sep=",")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing; inside another one, a part of that.

        Raises OSError when it cannot be kept; its message says why.
        """
        connection = self.connection
        if connection.in_transaction:
            yield connection
            return
        with self._explained():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have ended it
                    connection.execute("ROLLBACK")
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)  # another may close it
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
