"""The classes of a catalogue: their numbers, and changes of labels over all items."""

from __future__ import annotations

import json
from typing import Iterable, Mapping, Sequence

from cdwidget.catalogue.bulk import NO_LABEL, LabelChange, change_labels, undo_labels, write_classes
from cdwidget.catalogue.output import Exporter
from cdwidget.registry import lookup


class LabelEditor(Exporter):
    """Changes the labels of many instances; each change can be undone as a whole, or with `undo` for one item."""

    user: str

    def set_classes(self, classes: Sequence[str] | Mapping[str, int]) -> None:
        """Fix the classes, their order and their numbers in exported data sets, also of classes without an instance.

        Args:
            classes: Labels in their order, or with their numbers.

        Raises:
            ValueError: If a label or a number occurs twice.

        Example:
            >>> catalogue.set_classes({"person": 1, "car": 3, "bus": 7})
        """
        numbered = dict(classes) if isinstance(classes, Mapping) else {label: number for number, label in enumerate(classes)}
        if isinstance(classes, str) or len(numbered) < len(classes) or len(set(numbered.values())) < len(numbered):
            raise ValueError(f"each class needs its own label and number, which {classes!r} does not give")
        for label, number in numbered.items():
            _check_label(label)
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise ValueError(f"the number of class {label!r} is {number!r}; give a whole number from 0")
        self.database.write(write_classes, numbered)

    def rename_label(self, old: str, new: str) -> int:
        """Rename a class; its number and the scores stay.

        Args:
            old: The present label.
            new: The new label, which no class has yet.

        Returns:
            The number of instances with the new label.

        Raises:
            ValueError: If there is no class `old`, or a class `new` already.

        Example:
            >>> catalogue.rename_label("aeroplane", "airplane")
        """
        _check_label(new)
        self._check_known([old])
        if new == old or new in self.labels():
            raise ValueError(f"there is a class {new!r} already; merge_labels([{old!r}], {new!r}) puts both classes together")
        classes = {new if label == old else label: number for label, number in self.classes().items()}
        detail = {"labels": [old], "into": new}
        change = LabelChange("rename label", new, "label = ?", [old], detail, is_rename=True)
        return self.database.write(change_labels, change, self.user, classes)

    def merge_labels(self, labels: Iterable[str], into: str) -> int:
        """Give all instances of some classes the label of one; the other classes are removed.

        Scores stay until the next run of `Score`.

        Args:
            labels: The labels to replace.
            into: The label of the merged class, which may be new.

        Returns:
            The number of instances with a new label.

        Raises:
            ValueError: If there is no such class.

        Example:
            >>> catalogue.merge_labels(["van", "truck"], "vehicle")
        """
        _check_label(into)
        given = [labels] if isinstance(labels, str) else list(labels)
        self._check_known(given)
        merged = set(given) - {into}
        known = self.classes()
        classes = {label: number for label, number in known.items() if label not in merged}
        if into not in known and (numbers := [known[label] for label in given if label in known]):
            classes[into] = min(numbers)
        chosen = f"label IN ({', '.join('?' * len(merged))})"
        change = LabelChange("merge labels", into, chosen, sorted(merged), {"labels": sorted(merged), "into": into}, keeps_scores=True)
        return self.database.write(change_labels, change, self.user, classes)

    def delete_label(self, label: str) -> int:
        """Remove a class; its instances stay, without a label, and lose their scores.

        Args:
            label: The label.

        Returns:
            The number of changed instances.

        Raises:
            ValueError: If there is no such class.

        Example:
            >>> catalogue.delete_label("unsure")
        """
        self._check_known([label])
        classes = {name: number for name, number in self.classes().items() if name != label}
        change = LabelChange("delete label", NO_LABEL, "label = ?", [label], {"labels": [label], "into": NO_LABEL})
        return self.database.write(change_labels, change, self.user, classes)

    def set_label(self, ids: int | Iterable[int], label: str) -> int:
        """Set the label of instances.

        Their scores are deleted, because they describe the old label.

        Args:
            ids: Ids of instances.
            label: The new label; "" for none.

        Returns:
            The number of instances with a new label.

        Raises:
            ValueError: If an id does not exist.

        Example:
            >>> catalogue.set_label(gallery.selected, "cat")
        """
        _check_label(label)
        wanted = json.dumps(list({int(id) for id in (ids if isinstance(ids, Iterable) else [ids])}))
        sql = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM instances) ORDER BY value LIMIT 10"
        if missing := [id for (id,) in self.database.rows(sql, (wanted,))]:
            raise ValueError(f"there are no instances {missing} in {self.path}")
        change = LabelChange("relabel", label, "id IN (SELECT value FROM json_each(?))", [wanted], {"into": label})
        return self.database.write(change_labels, change, self.user)

    def undo_labels(self) -> int:
        """Undo the newest change of this kind: renamed, merged, deleted or set labels.

        Items that were changed later keep their labels. Deleted scores are not restored.

        Returns:
            The number of instances that got their old label; 0 if there is nothing to undo.
        """
        return self.database.write(undo_labels, self.user)

    def _check_known(self, labels: Sequence[str]) -> None:
        known = dict.fromkeys(self.labels())
        for label in labels:
            lookup(known, label, "class")


def _check_label(label: str) -> None:
    if not isinstance(label, str):
        raise ValueError(f'a label must be text ("" for none), not {label!r}')
    label.encode()
