"""Class ids: a label keeps its number over exports."""

from __future__ import annotations

from typing import Mapping, Sequence, Union

Labels = Union[Sequence[str], Mapping[str, int]]  # Labels in the order of their class ids, or with their ids.


class ClassIds:
    """The class id of each label: ids of a replaced file stay, new labels get the next ids.

    Attributes:
        ids: Class id by label.
    """

    def __init__(self, labels: Labels = (), previous: Mapping[str, int] | None = None, first: int = 1) -> None:
        """Assign ids to labels.

        Args:
            labels: Labels in order; or labels with ids, which replace the ids of the file.
            previous: Ids in the file that is replaced.
            first: Id of the first class.

        Raises:
            TypeError: If `labels` is a string.
            ValueError: If two labels have the same id.
        """
        if isinstance(labels, str):
            raise TypeError(f"labels is the text {labels!r}; give a list of labels: [{labels!r}]")
        self.ids: dict[str, int] = dict(labels if isinstance(labels, Mapping) else previous or {})
        self._first = first
        if len(set(self.ids.values())) != len(self.ids):
            raise ValueError(f"two labels have the same number: {self.ids}")
        for label in labels:
            self.id_of(label)

    def id_of(self, label: str) -> int:
        """Return the id of a label; a new label gets the next one."""
        if label not in self.ids:
            self.ids[label] = max(self.ids.values(), default=self._first - 1) + 1
        return self.ids[label]

    def in_order(self) -> list[tuple[int, str]]:
        """Return (id, label) sorted by id."""
        return sorted((number, label) for label, number in self.ids.items())
