"""The list of instances that a gallery shows, and counts of their statuses."""

from __future__ import annotations

from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Any, Callable, Iterator

import numpy as np

from cdwidget.catalogue import InstanceRow
from cdwidget.widget.gallery.tiles import Tiles

FIRST_BLOCK_ROWS = 200  # Rows read at once in a search; the number grows up to the largest.
LARGEST_BLOCK_ROWS = 20_000


class Listing:
    """The result of the newest query.

    Args:
        tiles: The tiles of the catalogue that is queried.
        notify: Called from the querying thread when the newest background query has finished, with the error message or "".

    Attributes:
        ids: The listed tiles, int64 (N,).
        key: Number of the list; increases whenever another list is shown.
        counts: Number of instances per status.
    """

    def __init__(self, tiles: Tiles, notify: Callable[[str], None]) -> None:
        self.ids = np.zeros(0, np.int64)
        self.key = 0
        self.counts: dict[str, int] = {}
        self._tiles = tiles
        self._notify = notify
        self._next_query: dict[str, Any] | None = None
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()

    def query(self, **filters: Any) -> None:
        """List the result of `Tiles.ids(**filters)`.

        Raises its errors; then the list stays.
        """
        ids = self._tiles.ids(**filters)
        counts = self._tiles.count_statuses(ids)
        with self._lock:
            self.ids, self.counts, self.key = ids, counts, self.key + 1

    def query_in_background(self, **filters: Any) -> None:
        """Run `query` in a thread; if several queries wait, only the newest runs."""
        with self._lock:
            self._next_query = filters
            if self._idle.is_set():
                self._idle.clear()
                # The copied context tells ipykernel which cell the thread's messages belong to.
                Thread(target=copy_context().run, args=(self._run,), daemon=True).start()

    @property
    def is_waiting(self) -> bool:
        """Whether a background query is running."""
        return not self._idle.is_set()

    def wait(self) -> None:
        """Return when all background queries have finished."""
        self._idle.wait()

    def index(self, id: int) -> int | None:
        """Return the position of an instance in the list; None if it is not listed."""
        found = np.flatnonzero(self.ids == id)
        return int(found[0]) if len(found) else None

    def rows_after(self, id: int, condition: Callable[[InstanceRow], bool]) -> Iterator[int]:
        """Yield the instances after one in the list whose row meets a condition.

        If it is not listed, the search starts at the first instance.
        """
        index = self.index(id)
        ids = self.ids[0 if index is None else index + 1 :]
        start, length = 0, FIRST_BLOCK_ROWS
        while start < len(ids):
            rows = self._tiles.rows(ids[start : start + length].tolist())
            yield from (row.id for row in rows if condition(row))
            start, length = start + length, min(4 * length, LARGEST_BLOCK_ROWS)

    def replace(self, old: int, new: int) -> None:
        """Replace the id of an instance, without making another list of it."""
        with self._lock:
            if (index := self.index(old)) is not None:
                self.ids = self.ids.copy()
                self.ids[index] = new

    def count(self, changes: dict[int, tuple[str, str]]) -> None:
        """Update the counts for changed instances: id -> (old status, new status)."""
        with self._lock:
            for id in self.ids[np.isin(self.ids, list(changes))].tolist():
                old, new = changes[id]
                self.counts[old] -= 1
                self.counts[new] += 1

    def _run(self) -> None:
        while True:
            with self._lock:
                filters, self._next_query = self._next_query, None
            message = ""
            try:
                self.query(**(filters or {}))
            except Exception as error:  # The page shows it.
                message = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            with self._lock:
                is_done = self._next_query is None
                if is_done:
                    self._idle.set()  # Before notifying: a waiting thread may hold the lock that `notify` needs.
            if is_done:
                return self._notify(message)
