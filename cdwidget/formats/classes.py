"""The numbers of classes: what a data set calls 3, it calls 3 after the next export too."""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence, Union

Labels = Union[Sequence[str], Mapping[str, int]]


class Classes:
    """Labels and their numbers: those of the file that is replaced, then those given, then new ones as they come.

    labels: in their order, or with their numbers; then they stand instead of the file's. before: those of the file that is replaced.
    first: the number of the first class.
    """

    def __init__(self, labels: Labels = (), before: Mapping[str, int] | None = None, first: int = 1) -> None:
        if isinstance(labels, str):
            raise TypeError(f"labels is the text {labels!r}; give a list of labels: [{labels!r}]")
        self.numbers: dict[str, int] = dict(labels if isinstance(labels, Mapping) else before or {})
        self._first = first
        if len(set(self.numbers.values())) != len(self.numbers):
            raise ValueError(f"two labels have the same number: {self.numbers}")
        for label in labels:
            self.number(label)

    def number(self, label: str) -> int:
        """Return the number of a label, the next one when it is new."""
        if label not in self.numbers:
            self.numbers[label] = max(self.numbers.values(), default=self._first - 1) + 1
        return self.numbers[label]

    def in_order(self) -> Iterable[tuple[int, str]]:
        """Return (number, label) by number."""
        return sorted((number, label) for label, number in self.numbers.items())
