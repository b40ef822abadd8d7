"""What was decided in a gallery: verdicts on instances, each one step that can be taken back, and how fast they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import Callable, Iterable, Mapping, cast

from cdwidget.catalogue import Catalogue, Conflict, InstanceRow, ItemRow

PAUSE = 120.0  # seconds; who thinks longer than that about one has gone for coffee
EDITED = "edited"  # the status of a step that gave none
SOONEST = 5.0  # seconds of work, before which nobody knows a rate


@dataclass(frozen=True)
class Versions:
    """Of an item, before and after a step."""

    before: int
    after: int


@dataclass(frozen=True)
class Step:
    """A verdict. ids: of the instances it is about; status: theirs from then on, EDITED where none was given; items: what it changed.

    numbers: of each instance, its item and its number in that: what it is called when it was deleted and comes back.
    """

    ids: tuple[int, ...]
    status: str
    items: Mapping[int, Versions]
    numbers: Mapping[int, tuple[int, int]]


class Verdicts:
    """The steps of one gallery, the newest last."""

    def __init__(self, catalogue: Catalogue, now: Callable[[], float] = monotonic) -> None:
        self._catalogue = catalogue
        self._steps: list[Step] = []
        self._now = now
        self._last = now()
        self._seconds = 0.0
        self._count = 0

    @property
    def per_hour(self) -> float | None:
        """Instances judged an hour of work, pauses left out; None while nobody knows."""
        return 3600 * self._count / self._seconds if self._count and self._seconds >= SOONEST else None

    def give(self, ids: Iterable[int], status: str) -> Step:
        """Give instances a status, all that there still are or none; ValueError when there is none."""
        wanted = list(dict.fromkeys(int(id) for id in ids))
        with self._catalogue.transaction():
            rows = cast(list[InstanceRow], self._catalogue.rows(wanted, of="instances"))
            if not rows:
                raise ValueError("none of these instances is in the catalogue any more; refresh the list")
            before = {row.item: row.version for row in rows}
            self._catalogue.set_status([row.id for row in rows], status, of="instances")
            return self.keep(rows, status, before)

    def keep(self, rows: Iterable[InstanceRow], status: str, before: Mapping[int, int]) -> Step:
        """Remember what has been written about instances. before: the versions that their items had."""
        after = self._versions(before)
        items = {item: Versions(version, after[item]) for item, version in before.items() if after[item] != version}
        numbers = {row.id: (row.item, row.number) for row in rows}
        step = Step(tuple(numbers), status, items, numbers)
        now = self._now()
        self._seconds += min(now - self._last, PAUSE)
        self._last = now
        self._count += len(step.ids) * (status != EDITED)
        self._steps.append(step)
        return step

    @property
    def newest(self) -> Step | None:
        """The step that `undo` takes back."""
        return self._steps[-1] if self._steps else None

    @property
    def judged(self) -> set[int]:
        """The ids of the instances that have been given a status here."""
        return {id for step in self._steps if step.status != EDITED for id in step.ids}

    def undo(self) -> list[int]:
        """Take the newest step back; return the items that somebody else has changed since, which stay.

        Raises Conflict when all of them have been changed; the step before is the newest then.
        """
        step = self._steps[-1]
        with self._catalogue.transaction():
            now = self._versions(step.items)
            mine = [item for item, versions in step.items.items() if now.get(item) == versions.after]
            theirs = [item for item in step.items if item not in mine]
            if not (theirs and not mine):
                for item in mine:
                    self._catalogue.undo(item)
            undone = self._versions(mine)
        self._steps.pop()
        self._count -= len(step.ids) * (step.status != EDITED)
        if theirs and not mine:
            raise Conflict(self._said(theirs[0]))
        for item in mine:
            self._join(item, step.items[item].before, undone[item])
        return theirs

    def _join(self, item: int, before: int, now: int) -> None:
        """An item is again as it was at version `before`, and called `now`: the step that made it so can still be taken back."""
        for place in range(len(self._steps) - 1, -1, -1):
            versions = self._steps[place].items.get(item)
            if versions:
                if versions.after == before:
                    items = {**self._steps[place].items, item: replace(versions, after=now)}
                    self._steps[place] = replace(self._steps[place], items=items)
                return

    def _versions(self, items: Iterable[int]) -> dict[int, int]:
        return {row.id: row.version for row in cast(list[ItemRow], self._catalogue.rows(items))}

    def _said(self, item: int) -> str:
        past = self._catalogue.history(item)
        who = f"{past[-1].what} by {past[-1].who}" if past else "deleted"
        return f"This was not undone, because item {item} was changed since ({who}); undo again takes back the step before it."
