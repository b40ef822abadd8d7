"""Decisions on instances in one gallery: one undo step each, and their rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Callable, Iterable, Mapping, cast

from cdwidget.catalogue import Catalogue, Conflict, InstanceRow, ItemRow
from cdwidget.catalogue.editing import checked_tags
from cdwidget.widget.gallery.tiles import Tiles

MAX_DECISION_S = 120.0  # Longer gaps are pauses, and count as this.
MIN_WORK_S = 5.0  # Below this, the rate is too uncertain to be shown.
EDITED_STATUS = "edited"  # Status of a step that changed masks without a decision.


@dataclass(frozen=True)
class Versions:
    """The versions of an item before and after a step."""

    before: int
    after: int


@dataclass(frozen=True)
class Step:
    """One decision or edit, which can be undone.

    Args:
        ids: The instances it was made on.
        status: Their new status; EDITED_STATUS if the status does not change.
        items: Versions of each item that it changed.
        numbers: Item id and instance number of each instance, to find instances that were deleted and restored.
        tag: The tag that it added; "" for none.
        tagged: The items that did not have the tag before.
    """

    ids: tuple[int, ...]
    status: str
    items: Mapping[int, Versions]
    numbers: Mapping[int, tuple[int, int]]
    tag: str = ""
    tagged: tuple[int, ...] = ()


class Decisions:
    """The undo steps of one gallery, the newest last.

    Args:
        catalogue: The catalogue that the steps are written to.
        now: Clock, in seconds.
    """

    def __init__(self, catalogue: Catalogue, now: Callable[[], float] = monotonic) -> None:
        self._catalogue = catalogue
        self._tiles = Tiles(catalogue)
        self._steps: list[Step] = []
        self._now = now
        self._last_step_at = now()
        self._seconds = 0.0
        self._count = 0

    @property
    def per_hour(self) -> float | None:
        """Instances decided per hour of work, pauses excluded; None if it is not known yet."""
        return 3600 * self._count / self._seconds if self._count and self._seconds >= MIN_WORK_S else None

    @property
    def newest(self) -> Step | None:
        """The step that `undo` would undo."""
        return self._steps[-1] if self._steps else None

    @property
    def decided(self) -> set[int]:
        """The ids of the instances that have received a status in this gallery."""
        return {id for step in self._steps if step.status != EDITED_STATUS for id in step.ids}

    def instances_of(self, step: Step) -> list[int]:
        """Return the ids of the instances that a step may have changed."""
        if len(step.items) == 1:  # An edit may change all instances of its item.
            return [id for item in step.items for id in self._tiles.of_item(item)]
        return list(step.ids)

    def set_status(self, ids: Iterable[int], status: str) -> Step:
        """Set the status of instances, skipping instances that no longer exist.

        Raises:
            ValueError: If none of them exists.
        """
        with self._catalogue.transaction():
            rows = self._existing(ids)
            before = {row.item: row.version for row in rows}
            self._tiles.set_status([row.id for row in rows], status)
            return self.record(rows, status, before)

    def set_label(self, ids: Iterable[int], label: str) -> Step:
        """Set the label of instances, skipping images without objects; raises as `set_status` does."""
        with self._catalogue.transaction():
            rows = [row for row in self._existing(ids) if row.label != label and row.id > 0]
            before = {row.item: row.version for row in rows}
            self._catalogue.set_label([row.id for row in rows], label)
            return self.record(rows, EDITED_STATUS, before)

    def set_attribute(self, ids: Iterable[int], name: str, value: Any) -> Step:
        """Set an attribute of instances, as `set_label` does."""
        with self._catalogue.transaction():
            rows = [row for row in self._existing(ids) if not _is_same(row.attributes.get(name), value) and row.id > 0]
            before = {row.item: row.version for row in rows}
            self._catalogue.set_attribute([row.id for row in rows], name, value)
            return self.record(rows, EDITED_STATUS, before)

    def add_tag(self, ids: Iterable[int], tag: str) -> Step:
        """Add a tag to the items of instances; raises as `set_status` does."""
        checked_tags([tag])
        with self._catalogue.transaction():
            rows = self._existing(ids)
            items = list(dict.fromkeys(row.item for row in rows))
            tagged = set(self._catalogue.ids(tag=tag).tolist())
            new = tuple(item for item in items if item not in tagged)
            self._catalogue.tag(new, tag)
            step = replace(self.record(rows, EDITED_STATUS, {}), tag=tag, tagged=new)
            self._steps[-1] = step
            return step

    def _existing(self, ids: Iterable[int]) -> list[InstanceRow]:
        rows = self._tiles.rows(dict.fromkeys(int(id) for id in ids))
        if not rows:
            raise ValueError("None of these instances is in the catalogue any more. Refresh the list.")
        return rows

    def record(self, rows: Iterable[InstanceRow], status: str, before: Mapping[int, int]) -> Step:
        """Record a step that was written to the catalogue.

        Args:
            rows: The instances it was made on.
            status: Their new status; EDITED_STATUS if the status does not change.
            before: Version of each of their items before the step.
        """
        after = self._versions(before)
        items = {item: Versions(version, after[item]) for item, version in before.items() if after[item] != version}
        numbers = {row.id: (row.item, row.number) for row in rows}
        step = Step(tuple(numbers), status, items, numbers)
        now = self._now()
        self._seconds += min(now - self._last_step_at, MAX_DECISION_S)
        self._last_step_at = now
        self._count += len(step.ids) * (status != EDITED_STATUS)
        if numbers:  # Else there is nothing to undo.
            self._steps.append(step)
        return step

    def undo(self) -> list[int]:
        """Undo the newest step, except on items that others have changed since.

        Returns:
            These items.

        Raises:
            Conflict: If others have changed all of its items; then the step before becomes the newest.
        """
        step = self._steps[-1]
        with self._catalogue.transaction():
            current = self._versions(step.items)
            unchanged = [item for item, versions in step.items.items() if current.get(item) == versions.after]
            changed = [item for item in step.items if item not in unchanged]
            is_conflict = bool(changed and not unchanged)
            if not is_conflict:
                for item in unchanged:
                    self._catalogue.undo(item)
                if step.tagged:
                    self._catalogue.untag(step.tagged, step.tag)
            undone = self._versions(unchanged)
        self._steps.pop()
        self._count -= len(step.ids) * (step.status != EDITED_STATUS)
        if is_conflict:
            raise Conflict(self._conflict_message(changed[0]))
        for item in unchanged:
            self._renumber(item, step.items[item].before, undone[item])
        return changed

    def _renumber(self, item: int, before: int, now: int) -> None:
        """Set the version of an item to `now`, after an undo, in the step that had produced version `before`."""
        for index in range(len(self._steps) - 1, -1, -1):
            versions = self._steps[index].items.get(item)
            if versions:
                if versions.after == before:
                    items = {**self._steps[index].items, item: replace(versions, after=now)}
                    self._steps[index] = replace(self._steps[index], items=items)
                return

    def _versions(self, items: Iterable[int]) -> dict[int, int]:
        return {row.id: row.version for row in cast(list[ItemRow], self._catalogue.rows(items))}

    def _conflict_message(self, item: int) -> str:
        history = self._catalogue.history(item)
        change = f"{history[-1].action} by {history[-1].user}" if history else "deleted"
        return f"Item {item} was changed since ({change}), so this step was not undone. Undo again to undo the step before it."


def _is_same(a: Any, b: Any) -> bool:
    """Return whether two values of attributes are the same; True is not 1."""
    return type(a) is type(b) and bool(a == b)
