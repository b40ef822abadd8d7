"""The undo and redo steps of a session, as an immutable value.

An interrupt between two lines of code therefore never leaves half a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Union

from cdwidget.prompts import Action
from cdwidget.session.document import Change

KEPT_SHARE = 7 / 8  # Share of the limit that is kept when steps are discarded, so that this does not happen at every step.


class SavedChange(Protocol):
    """A change in a journal that is decoded when it is needed."""

    @property
    def action(self) -> Action:
        """The action."""

    @property
    def progressive(self) -> bool:
        """Whether the prediction was merged progressively."""

    @property
    def nbytes(self) -> int:
        """Approximate memory, in bytes."""

    def load(self) -> Change:
        """Decode the change; raises ValueError if it is damaged."""


class Step(NamedTuple):
    """A change in a chain, newest first.

    Args:
        change: The change.
        older: The step before it; None for the oldest.
        nbytes: Memory of this step and the older ones.
    """

    change: Union[Change, SavedChange]
    older: Step | None
    nbytes: int


@dataclass(frozen=True, eq=False)
class History:
    """The undo and redo steps of a session.

    They use at most `limit` bytes: the oldest are discarded first, the newest is always kept.

    Args:
        limit: Bytes.
        done: The change to undo next, with the older ones.
        undone: The change to redo next, the one undone last, with those undone before.
        discarded: The discarded actions, oldest first, and whether the prediction of each was merged progressively.
    """

    limit: int
    done: Step | None = None
    undone: Step | None = None
    discarded: tuple[tuple[Action, bool], ...] = field(default=(), repr=False)

    @property
    def newest(self) -> Change | None:
        """The change to undo next; None if there is none."""
        return self.done and _loaded(self.done.change)

    @property
    def newest_undone(self) -> Change | None:
        """The change to redo next; None if there is none."""
        return self.undone and _loaded(self.undone.change)

    @property
    def applied(self) -> list[tuple[Action, bool]]:
        """All actions that were not undone, oldest first, also discarded ones.

        Each comes with whether its prediction was merged progressively.
        """
        kept = [(change.action, change.progressive) for change in _changes(self.done)]
        return [*self.discarded, *reversed(kept)]

    def undoable(self) -> Iterator[Change]:
        """Yield the changes that can be undone, newest first."""
        return map(_loaded, _changes(self.done))

    def redoable(self) -> Iterator[Change]:
        """Yield the changes that can be redone, the next one first."""
        return map(_loaded, _changes(self.undone))

    def push(self, change: Change | SavedChange) -> History:
        """Return the history with a new change; undone changes can no longer be redone."""
        done = _step(change, self.done)
        if done.nbytes <= self.limit or done.older is None:
            return History(self.limit, done, None, self.discarded)
        kept: list[Change | SavedChange] = []
        discarded: list[tuple[Action, bool]] = []
        nbytes = 0
        for one in _changes(done):
            nbytes += one.nbytes
            if kept and (discarded or nbytes > KEPT_SHARE * self.limit):
                discarded.append((one.action, one.progressive))
            else:
                kept.append(one)
        chain = None
        for one in reversed(kept):
            chain = _step(one, chain)
        return History(self.limit, chain, None, (*self.discarded, *reversed(discarded)))

    def undo(self, change: Change | SavedChange) -> History:
        """Return the history after undoing `change`, its newest one."""
        assert self.done is not None
        return History(self.limit, self.done.older, _step(change, self.undone), self.discarded)

    def redo(self, change: Change | SavedChange) -> History:
        """Return the history after redoing `change`, the one undone last."""
        assert self.undone is not None
        return History(self.limit, _step(change, self.done), self.undone.older, self.discarded)


def _loaded(change: Change | SavedChange) -> Change:
    return change if isinstance(change, Change) else change.load()


def _step(change: Change | SavedChange, older: Step | None) -> Step:
    return Step(change, older, change.nbytes + (older.nbytes if older else 0))


def _changes(step: Step | None) -> Iterator[Change | SavedChange]:
    while step is not None:
        yield step.change
        step = step.older
