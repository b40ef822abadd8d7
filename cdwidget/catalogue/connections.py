"""Connections to SQLite files: opening, waiting for other processes, rolling back."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial
from time import monotonic, sleep
from typing import Callable, TypeVar

WRITE_TIMEOUT_S = 30.0
WAIT_STEP_S = 0.05  # SQLite waits this long at a time for another writer; an interrupt is noticed in between.
CACHE_KIB = 64 * 1024  # per connection
Result = TypeVar("Result")


def new_connection(name: str, uri: bool = False) -> sqlite3.Connection:
    """Open a file or URI; threads may use the connection in turn, never at the same time."""
    connection = sqlite3.connect(name, timeout=WAIT_STEP_S, isolation_level=None, check_same_thread=False, uri=uri)
    configure(connection, cache_size=f"-{CACHE_KIB}")
    return connection


def configure(connection: sqlite3.Connection, **pragmas: str) -> None:
    """Set pragmas of a connection; SQLite reads the file for them, which another process may just be creating or recovering."""
    for name, value in pragmas.items():
        retry_while_locked(partial(connection.execute, f"PRAGMA {name} = {value}"))


def retry_while_locked(action: Callable[[], Result]) -> Result:
    """Repeat an action that other processes block, up to WRITE_TIMEOUT_S; it can be interrupted."""
    deadline = monotonic() + WRITE_TIMEOUT_S
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > deadline:
                raise
        sleep(WAIT_STEP_S / 10)


def roll_back(connection: sqlite3.Connection) -> None:
    """End an open transaction, unless SQLite has ended it itself, as it does if the disk is full."""
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
