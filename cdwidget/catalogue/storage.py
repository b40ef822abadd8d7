"""The SQLite file of a catalogue: queries and transactions.

Any number of threads and processes may open it. Each thread borrows a connection for a query; one process writes at a time. A file of an
older version is upgraded when it is opened, and a copy of it is kept.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sqlite3
import sys
import threading
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Callable, ContextManager, Iterator, Mapping, Sequence, Union

import numpy as np

from cdwidget.catalogue.connections import WRITE_TIMEOUT_S, Result, configure, new_connection, retry_while_locked, roll_back
from cdwidget.catalogue.schema import MIGRATIONS, file_version, migrate

MEMORY = ":memory:"  # The name of a catalogue that is not stored.
MAX_IDLE_CONNECTIONS = 4
PRIVATE_MODE = 0o600
ERROR_ADVICE = {  # a part of SQLite's message -> the advice for it
    "full": "Free some space and try again.",
    "disk I/O error": "The disk may be full, over quota or disconnected: check it and try again.",
    "locked": f"Another process has been writing for more than {WRITE_TIMEOUT_S:.0f} seconds; try again when it is done.",
    "readonly": "Get permission to write to the file and its folder, or copy the file to a writable folder.",
    "unable to open": "Check that its folder exists, that you may write there, and that the disk is not full.",
}
DAMAGE_MESSAGES = (
    "not a database",
    "malformed",
    "unsupported file format",
    "no such table",
    "no such column",
)  # parts of SQLite's messages
Parameters = Union[Sequence[Any], Mapping[str, Any]]


class Transaction:
    """A transaction of one thread.

    Attributes:
        is_committed: Whether its changes are on the disk.
    """

    is_committed = False


class Database:
    """The SQLite file of a catalogue.

    Committed changes survive a power failure; uncommitted ones leave no trace, also if the process is interrupted.

    Attributes:
        path: Path of the file; its name is MEMORY for a database in memory.
        read_only: Whether the file can only be read.
    """

    _idle: list[sqlite3.Connection]

    def __init__(self, path: Path, *, read_only: bool = False, private: bool = False) -> None:
        """Open or create the file; one that cannot be written is opened for reading.

        Args:
            path: Path of the file; its folder must exist.
            read_only: Never change the file.
            private: Make the file unreadable for other users.

        Raises:
            FileNotFoundError: If the folder does not exist, or there is no file to read.
            ValueError: If the file is not a catalogue.
        """
        self.path = path
        self.read_only = read_only
        self._is_immutable = False
        self._shared: sqlite3.Connection | None = None  # The only connection of a database in memory.
        self._turn: ContextManager[Any] = nullcontext()  # Threads use the only connection in turn.
        self._reset()
        if self.in_memory:
            migrate(self._share(new_connection(MEMORY)))
            return
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent} for the catalogue; create it first")
        if read_only and not path.is_file():
            raise FileNotFoundError(f"there is no catalogue {path} to read")
        if private and not read_only:
            _make_private(path)
        with self._explained_errors():
            self._open()

    @property
    def in_memory(self) -> bool:
        """Whether the catalogue is not stored in a file."""
        return self.path.name == MEMORY

    @property
    def open_transaction(self) -> Transaction | None:
        """The transaction that this thread has open, whose changes are not on the disk yet."""
        return self._local.transaction if self._own_connection() is not None else None

    def __reduce__(self) -> Any:
        if self.in_memory:
            raise TypeError("a catalogue in memory cannot be used by another process; give it a file: Catalogue('labels.db')")
        return _database, (self.path, self.read_only)  # A worker process opens its own connections.

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection for this thread; inside a transaction, its connection.

        Idle connections are reused, because opening one takes 3 ms.
        """
        with self._explained_errors(), self._turn:
            own = self._own_connection()
            if own is not None:
                yield own
                return
            idle, connection = self._borrow()
            try:
                yield connection
            finally:
                self._give_back(idle, connection)

    def close(self) -> None:
        """Close idle connections now, and borrowed ones when they are returned.

        The next query opens a new one. A database in memory stays.
        """
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Return all rows of a query."""
        with self.connection() as connection:
            try:
                return retry_while_locked(lambda: connection.execute(sql, parameters).fetchall())
            except sqlite3.OperationalError as error:
                if "decode to UTF-8" not in str(error):
                    raise
            connection.text_factory = _text  # Another program wrote the text: one value must not cost the other rows.
            try:
                return retry_while_locked(lambda: connection.execute(sql, parameters).fetchall())
            finally:
                connection.text_factory = str

    def ids(self, sql: str, parameters: Parameters = ()) -> np.ndarray:
        """Return the column `id` of a query in its order, int64 (N,).

        SQLite concatenates the ids, which is three times as fast as fetching rows.
        """
        ((text,),) = self.rows(f"SELECT group_concat(id) FROM ({sql})", parameters)
        return np.fromstring(text or "", np.int64, sep=",")

    def write(self, change: Callable[..., Result], *arguments: Any) -> Result:
        """Return change(connection, *arguments); all that it writes is committed, or nothing of it.

        Inside a transaction of this thread, the change is a part of it. An interrupt at any moment leaves no transaction open, which a
        `with` statement cannot promise: it may be interrupted between its block and its end.

        Raises:
            OSError: If the changes cannot be written; the message names the reason.
        """
        with self._explained_errors(), self._turn:
            own = self._own_connection()
            if own is not None:
                return change(own, *arguments)
            self._check_writable()
            idle, connection = self._borrow()
            try:
                retry_while_locked(lambda: connection.execute("BEGIN IMMEDIATE"))
                transaction = Transaction()
                self._local.connection, self._local.transaction = connection, transaction
                result = change(connection, *arguments)
                retry_while_locked(lambda: connection.execute("COMMIT"))
                transaction.is_committed = True
                return result
            except BaseException:
                roll_back(connection)
                raise
            finally:
                self._local.connection = self._local.owner = None
                self._give_back(idle, connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything done inside the block, or nothing of it, as `write` does.

        An inner transaction is a part of the outer one. If an interrupt comes between the block and its end, the transaction is rolled
        back as soon as the error is dropped, or the function with the block has ended and the database is used again.

        Raises:
            OSError: If the changes cannot be written; the message names the reason.
        """
        owner = _calling_frame()
        with self._explained_errors(), self._turn:
            own = self._own_connection()
            if own is not None:
                yield own
                return
            self._check_writable()
            idle, connection = self._borrow()
            try:
                retry_while_locked(lambda: connection.execute("BEGIN IMMEDIATE"))
                transaction = Transaction()
                self._local.connection, self._local.owner, self._local.transaction = connection, owner, transaction
                yield connection
                retry_while_locked(lambda: connection.execute("COMMIT"))
                transaction.is_committed = True
            except BaseException:
                roll_back(connection)
                raise
            finally:
                self._local.connection = self._local.owner = None
                self._give_back(idle, connection)

    # ---- connections ---------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._process = os.getpid()
        self._idle = []
        # `transaction`: the thread's open transaction; `connection`: its connection; `owner`: the function with its block.
        self._local = threading.local()

    def _own_connection(self) -> sqlite3.Connection | None:
        """Return the connection of this thread's transaction; None outside of one."""
        if self._process != os.getpid():
            self._reset()  # SQLite connections must not be used after a fork.
        own: sqlite3.Connection | None = getattr(self._local, "connection", None)
        owner: FrameType | None = getattr(self._local, "owner", None)
        if own is not None and owner is not None and not _is_running(owner):
            self._local.connection = self._local.owner = None
            roll_back(own)
            return None
        return own

    def _borrow(self) -> tuple[list[sqlite3.Connection], sqlite3.Connection]:
        """Return a connection, and the list of idle ones that it returns to."""
        idle = self._idle
        if self._shared is not None:
            return idle, self._shared
        try:
            return idle, idle.pop()
        except IndexError:
            return idle, self._connect()

    def _give_back(self, idle: list[sqlite3.Connection], connection: sqlite3.Connection) -> None:
        """Keep a connection for the next query; one that is inside a transaction is never lent again."""
        roll_back(connection)
        if connection is self._shared:
            return
        if connection.in_transaction or self._is_immutable or idle is not self._idle or len(idle) >= MAX_IDLE_CONNECTIONS:
            connection.close()
        else:
            idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        if self.read_only:
            # An immutable file is opened for each query, because another computer may have replaced it.
            return new_connection(f"{self.path.as_uri()}?mode=ro{'&immutable=1' if self._is_immutable else ''}", uri=True)
        connection = new_connection(str(self.path))
        try:
            configure(connection, synchronous="FULL", foreign_keys="ON")  # FULL: a commit survives a power failure.
            migrate(connection, self.path)
            # Only after `migrate` has verified that the file is a catalogue. SQLite does not wait for other processes here.
            configure(connection, journal_mode="WAL")
        except ValueError as error:
            connection.close()
            raise ValueError(f"{self.path} cannot be opened: {error}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> None:
        """Open the first connection, which creates the file; read-only if it cannot be written."""
        if not self.read_only:
            try:
                return self._give_back(*self._borrow())
            except sqlite3.OperationalError as error:
                if not any(part in str(error) for part in ("readonly", "unable to open", "disk I/O")) or not os.access(self.path, os.R_OK):
                    raise
                self.read_only = True
        try:
            with closing(self._connect()) as connection:
                version = retry_while_locked(partial(file_version, connection))
        except sqlite3.OperationalError:  # SQLite needs a file next to it to read changes of other processes.
            log = Path(f"{self.path}-wal")
            if log.exists() and log.stat().st_size:
                raise
            self._is_immutable = True  # There are no such changes.
            with closing(self._connect()) as connection:
                version = retry_while_locked(partial(file_version, connection))
        if version < len(MIGRATIONS):
            upgraded = self._share(new_connection(MEMORY))
            with closing(self._connect()) as connection:
                connection.backup(upgraded)
            migrate(upgraded)

    def _share(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        """Use one connection for all threads, which take turns."""
        self._shared, self._turn = connection, threading.RLock()
        return connection

    def _check_writable(self) -> None:
        if self.read_only:
            raise OSError(f"{self.path} is open for reading only, so this change was not made. {ERROR_ADVICE['readonly']}")

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        """Replace errors of SQLite by errors with advice."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except OverflowError as error:
            raise ValueError("a number is too large for a catalogue; ids and numbers are below 2**63") from error
        except UnicodeDecodeError as error:  # Of a message of SQLite that quotes the file.
            raise ValueError(f"{self.path} is not a catalogue, or is damaged ({error}); open another file or a backup") from error
        except sqlite3.DatabaseError as error:
            message = str(error)
            if any(part in message for part in DAMAGE_MESSAGES):
                raise ValueError(f"{self.path} is not a catalogue, or is damaged ({message}); open another file or a backup") from error
            advice = next((advice for part, advice in ERROR_ADVICE.items() if part in message), "Try again, or open a backup.")
            raise OSError(
                f"{self.path} cannot be read or written ({message}). This change was not made; earlier ones are safe. {advice}"
            ) from error


def _database(path: Path, read_only: bool) -> Database:
    return Database(path, read_only=read_only)


def _calling_frame() -> FrameType | None:
    """Return the function with the `with` block of a context manager; None if it may end before the block does."""
    frame = sys._getframe(2).f_back  # Over the context manager itself, and contextlib.
    suspended = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    if frame is None or frame.f_code.co_filename == contextlib.__file__ or frame.f_code.co_flags & suspended:
        return None
    return frame


def _is_running(frame: FrameType) -> bool:
    """Return whether a function is on the stack of this thread."""
    found: FrameType | None = sys._getframe()
    while found is not None and found is not frame:
        found = found.f_back
    return found is not None


def _make_private(path: Path) -> None:
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_MODE))
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            os.chmod(name, PRIVATE_MODE)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
