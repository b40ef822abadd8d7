"""What was done, in order: bounded undo and redo of changes, and the unbounded list of applied actions."""

from __future__ import annotations

from collections import deque

from cdwidget.session.actions import Action
from cdwidget.session.document import Change


class History:
    """Undo and redo stacks of at most `limit` bytes together; when full, the oldest change can no longer be undone.

    The newest change is always kept, however large. Actions that can no longer be undone stay in `applied`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._nbytes = 0
        self._settled: list[tuple[Action, bool]] = []
        self._done: deque[Change] = deque()
        self._undone: list[Change] = []

    @property
    def newest(self) -> Change | None:
        """The change to take back next; None when there is none."""
        return self._done[-1] if self._done else None

    @property
    def undone(self) -> Change | None:
        """The change to bring back next, the one undone last; None when there is none."""
        return self._undone[-1] if self._undone else None

    @property
    def applied(self) -> list[tuple[Action, bool]]:
        """Every action in force, oldest first, and whether it was merged progressively; undone ones are not in it."""
        return [*self._settled, *((change.action, change.progressive) for change in self._done)]

    @property
    def undoable(self) -> list[Change]:
        """The changes that can be taken back, oldest first."""
        return list(self._done)

    def push(self, change: Change) -> None:
        """Record a change; what was undone can no longer be redone."""
        self._nbytes += change.nbytes - sum(undone.nbytes for undone in self._undone)
        self._undone.clear()
        self._done.append(change)
        while self._nbytes > self._limit and len(self._done) > 1:
            oldest = self._done.popleft()
            self._nbytes -= oldest.nbytes
            self._settled.append((oldest.action, oldest.progressive))

    def undo(self) -> None:
        """Move the newest change to the redo stack."""
        self._undone.append(self._done.pop())

    def redo(self) -> None:
        """Move the change undone last back."""
        self._done.append(self._undone.pop())
