"""The list that a gallery shows: ids in an order, asked of the catalogue in a thread of its own, and how many of them are judged."""

from __future__ import annotations

from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Any, Callable

import numpy as np

from cdwidget.catalogue import STATUSES, Catalogue


class Listing:
    """ids: int64 (N,), the instances that are listed. key: another number whenever `ids` is another list. counts: status -> how many.

    tell(error) is called when a question that was asked has been answered, from the thread that asked: error is "" or what went wrong.
    """

    def __init__(self, catalogue: Catalogue, tell: Callable[[str], None]) -> None:
        self.ids = np.zeros(0, np.int64)
        self.key = 0
        self.counts: dict[str, int] = {}
        self._catalogue = catalogue
        self._tell = tell
        self._question: dict[str, Any] | None = None  # the newest one, where nobody is at it yet
        self._lock = Lock()
        self._idle = Event()
        self._idle.set()

    def ask(self, **asked: Any) -> None:
        """List now what `Catalogue.ids(**asked)` answers; raises what that does, and the list before stays."""
        ids = self._catalogue.ids(**asked)
        counts = _counts(self._catalogue, ids)
        with self._lock:
            self.ids, self.counts, self.key = ids, counts, self.key + 1

    def ask_soon(self, **asked: Any) -> None:
        """As `ask`, in a thread; where one question follows the other, only the newest is answered."""
        with self._lock:
            self._question = asked
            if self._idle.is_set():
                self._idle.clear()
                # In a copy of the context, so that ipykernel knows which cell the thread's messages belong to.
                Thread(target=copy_context().run, args=(self._answer,), daemon=True).start()

    @property
    def waiting(self) -> bool:
        """Whether another list is being asked for."""
        return not self._idle.is_set()

    def wait(self) -> None:
        """Return when the newest question has been answered."""
        self._idle.wait()

    def place(self, id: int) -> int | None:
        """Return where an instance is in the list, None when it is not."""
        found = np.flatnonzero(self.ids == id)
        return int(found[0]) if len(found) else None

    def replace(self, old: int, new: int) -> None:
        """An instance has another id now; it is the same list."""
        with self._lock:
            if (place := self.place(old)) is not None:
                self.ids = self.ids.copy()
                self.ids[place] = new

    def count(self, changes: dict[int, tuple[str, str]]) -> None:
        """Count instances, by their ids, that were of one status and are of another now; those that are not listed do not count."""
        with self._lock:
            for id in self.ids[np.isin(self.ids, list(changes))].tolist():
                old, new = changes[id]
                self.counts[old] -= 1
                self.counts[new] += 1

    def _answer(self) -> None:
        while True:
            with self._lock:
                asked, self._question = self._question, None
            error = ""
            try:
                self.ask(**(asked or {}))
            except Exception as wrong:  # the page shows it
                error = str(wrong) if isinstance(wrong, ValueError) else f"{type(wrong).__name__}: {wrong}"
            with self._lock:
                done = self._question is None
                if done:
                    self._idle.set()  # before it is told: whoever waits may hold the lock that telling needs
            if done:
                return self._tell(error)


def _counts(catalogue: Catalogue, ids: np.ndarray) -> dict[str, int]:
    judged = {
        status: int(np.isin(catalogue.ids(status, of="instances"), ids, assume_unique=True).sum()) for status in STATUSES if status != "new"
    }
    return {"new": len(ids) - sum(judged.values()), **judged}
