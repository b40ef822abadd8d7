"""Subsets of a catalogue for training: balanced, diverse, without duplicates, split."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cdwidget._deprecated import renamed_property
from cdwidget.catalogue import similarity
from cdwidget.catalogue.images import file_name
from cdwidget.catalogue.output import Exporter
from cdwidget.catalogue.rows import ItemRow
from cdwidget.catalogue.sampling import balance_classes, count_labels, stratified_split
from cdwidget.catalogue.statistics import rows_to_pandas
from cdwidget.formats import FORMATS
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import pandas
    from scipy.sparse import csr_matrix

STATUS_PREFERENCE = ("accepted", "new", "skipped", "rejected")  # Among near-duplicates, the image whose status comes first is kept.


@dataclass(frozen=True)
class Duplicate:
    """An item that a subset omits as a near-duplicate of another one.

    Attributes:
        item: The id of the omitted item.
        path: Path or URL of its image.
        kept: The id of the item that is kept instead.
        reason: Why the two are considered duplicates, in words.
    """

    item: int
    path: str
    kept: int
    reason: str

    why = renamed_property("why", "reason")


@dataclass(frozen=True, eq=False)
class Subset:
    """An immutable choice of items of a catalogue; each method returns another subset.

    Only the choice of items is fixed: masks, statuses and scores are read from the catalogue when they are used.

    Attributes:
        catalogue: The catalogue.
        ids: The ids of the items, int64 (N,).
        duplicates: The items that `without_duplicates` omitted.

    Example:
        >>> parts = catalogue.subset("accepted", below=0.3).without_duplicates().balance(at_most=200).split(val=0.2)
        >>> parts.export("coco", "out/")  # Writes out/train.json and out/val.json.
    """

    catalogue: Exporter
    ids: np.ndarray
    duplicates: tuple[Duplicate, ...] = ()

    left_out = renamed_property("left_out", "duplicates")

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids.tolist())

    def __repr__(self) -> str:
        duplicates = f", {len(self.duplicates)} duplicates omitted" if self.duplicates else ""
        return f"Subset: {len(self)} of {len(self.catalogue)} items{duplicates}"

    @property
    def labels(self) -> dict[str, int]:
        """Number of instances of each label, most frequent first, without rejected ones."""
        counts, labels = self._label_counts()
        totals = dict(zip(labels, np.asarray(counts.sum(0)).ravel().tolist()))
        return dict(sorted(totals.items(), key=lambda one: (-one[1], one[0])))

    # ---- choosing ------------------------------------------------------------------------------------------------

    def balance(self, at_most: int | None = None, at_least: int | None = None, *, seed: int = 0) -> Subset:
        """Choose items so that each class has at least and at most a number of instances.

        Greedy: an item that `at_least` needs for one class may bring more than `at_most` of another. Items without instances stay.

        Args:
            at_most: Maximum number of instances per class; None for no limit if `at_least` is given.
            at_least: Minimum number of instances per class. By default, each class gets as many instances as the rarest class has.
            seed: Seed of the order of equal items.

        Returns:
            The balanced subset.

        Raises:
            ValueError: If a class has too few instances.

        Example:
            >>> catalogue.subset().balance(at_most=200)
        """
        counts, labels = self._label_counts()
        totals = np.asarray(counts.sum(0)).ravel()
        if at_most is None and at_least is None:
            at_most = at_least = int(totals.min(initial=np.iinfo(np.int64).max)) if len(totals) else 0
        for name, value in (("at_most", at_most), ("at_least", at_least)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}; give a number of instances, 0 or more")
        if at_most is not None and at_least is not None and at_most < at_least:
            raise ValueError(f"at_most is {at_most} and at_least {at_least}; at_most cannot be smaller")
        if short := [f"{label!r} {total}" for label, total in zip(labels, totals) if total < (at_least or 0)]:
            raise ValueError(
                f"at_least is {at_least}, and there are fewer instances of: {', '.join(short)}; "
                f"use at_least={totals.min()}, label more of them, or exclude these classes: subset(label=...)"
            )
        return self._choose(balance_classes(counts, at_least or 0, at_most, seed))

    def diverse(self, count: int, *, seed: int | None = None) -> Subset:
        """Choose the items whose images differ most: farthest-point sampling on their embeddings.

        Outliers are chosen first, including faulty images: review the worst scores before.

        Args:
            count: Number of items; with fewer items, all are returned.
            seed: Start from a random item for another choice; None to start from the most typical one.

        Returns:
            The diverse subset.

        Raises:
            ValueError: If an item has no embedding.
        """
        if count < 1:
            raise ValueError(f"count is {count}; choose at least 1 item")
        if count >= len(self):
            return self
        return self._choose(np.sort(similarity.farthest_point_sampling(self._embeddings(), count, seed)))

    def without_duplicates(
        self, bits: int = similarity.MAX_DIFFERENT_BITS, distance: float | None = None, progress: bool | None = None
    ) -> Subset:
        """Omit near-duplicate images and keep the best of each group.

        The best image is accepted, then has the most instances, the lowest score, the most pixels. Unreadable images are kept. The omitted
        items are listed in `duplicates`.

        Args:
            bits: Maximum number of different bits of two fingerprints (of 144); 0 for exact copies.
            distance: Also compare embeddings: maximum cosine distance in [0, 2]; 0.05 finds mirrored images.
            progress: Show a progress bar; None shows it only in a terminal or notebook.

        Returns:
            The subset without near-duplicates.

        Raises:
            ValueError: If `bits` is so large that unrelated images match, or an embedding is missing.
        """
        limit, total = similarity.FINGERPRINT_BITS // 4, similarity.FINGERPRINT_BITS
        if not 0 <= bits <= limit:
            raise ValueError(f"bits is {bits}; allowed are 0 to {limit} of {total}: beyond, unrelated images match")
        rows = self._rows()
        neighbors: dict[int, list[tuple[int, str]]] = {}
        for (a, b), reason in self._near_duplicates(bits, distance, progress).items():
            neighbors.setdefault(a, []).append((b, reason))
            neighbors.setdefault(b, []).append((a, reason))
        kept = np.ones(len(rows), bool)
        duplicates = list(self.duplicates)
        for index in sorted(neighbors, key=lambda index: _quality_key(rows[index])):
            if kept[index]:
                for other, reason in neighbors[index]:
                    if kept[other]:
                        kept[other] = False
                        text = f"{reason} {file_name(rows[index].path)} (item {rows[index].id})"
                        duplicates.append(Duplicate(rows[other].id, rows[other].path, rows[index].id, text))
        return replace(self, ids=np.array([row.id for row in rows], np.int64)[kept], duplicates=tuple(duplicates))

    def split(
        self, val: float = 0.2, test: float = 0.0, *, groups: str | None = None, tags: str | None = None,
        bits: int | None = similarity.MAX_DIFFERENT_BITS, seed: int = 0, progress: bool | None = None,
    ) -> Split:  # fmt: skip
        r"""Split into train, val and test with the same class shares, without leakage.

        Groups and near-duplicates stay in one part.

        Args:
            val: Share of the validation items; 0 for none.
            test: Share of the test items; 0 for none. The rest is for training.
            groups: Regular expression searched in the path; its first group, or else its match, names the group: r"patient(\d+)".
            tags: Items that share a tag with this prefix are a group.
            bits: Maximum number of different bits of near-duplicates, as for `without_duplicates`; None to skip the search.
            seed: Seed of the order of equal groups.
            progress: Show a progress bar; None shows it only in a terminal or notebook.

        Returns:
            The parts.

        Raises:
            ValueError: If the shares leave nothing to train on, the expression or prefix matches nothing, or a part would be empty.
        """
        shares = {"train": 1 - val - test, "val": val, "test": test}
        if min(val, test) < 0 or shares["train"] <= 1e-9:
            raise ValueError(f"val is {val} and test {test}; give shares from 0 that leave items for training, such as val=0.2")
        shares = {name: share for name, share in shares.items() if share > 0}
        pairs = [*self._path_pairs(groups), *self._tag_pairs(tags)]
        if bits is not None:
            pairs += list(self._near_duplicates(bits, None, progress))
        group = similarity.connected_groups(len(self), pairs)
        part = stratified_split(self._label_counts()[0], group, shares, seed) if len(self) else np.zeros(0, int)
        parts = {name: self._choose(part == index) for index, name in enumerate(shares)}
        if empty := [name for name, subset in parts.items() if not len(subset)]:
            raise ValueError(
                f"{' and '.join(empty)} would be empty: {len(self)} items in {len(set(group.tolist()))} groups cannot be split "
                f"{', '.join(f'{name} {share:.0%}' for name, share in shares.items())}; give other shares, or smaller groups"
            )
        return Split(parts)

    # ---- output --------------------------------------------------------------------------------------------------

    def export(self, format: str, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the items as a data set and return its path; arguments as for `Catalogue.export`."""
        return self.catalogue.export(format, path, ids=self.ids, **options)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with a row per item; raise ModuleNotFoundError without pandas."""
        return rows_to_pandas(self.catalogue.database, "items", self._rows())

    # ---- internals -----------------------------------------------------------------------------------------------

    def _choose(self, chosen: np.ndarray) -> Subset:
        return replace(self, ids=self.ids[chosen])

    def _rows(self) -> list[ItemRow]:
        rows = [row for row in self.catalogue.rows(self.ids) if isinstance(row, ItemRow)]
        if len(rows) < len(self):
            raise ValueError(f"{len(self) - len(rows)} of the {len(self)} items are no longer in the catalogue; make the subset again")
        return rows

    def _label_counts(self) -> tuple[csr_matrix, list[str]]:
        sql = """SELECT item, label, count(*) FROM instances WHERE status != 'rejected' AND NOT crowd
            AND item IN (SELECT value FROM json_each(?)) GROUP BY item, label"""
        return count_labels(self.catalogue.database.rows(sql, (json.dumps(self.ids.tolist()),)), self.ids)

    def _embeddings(self) -> np.ndarray:
        found, vectors = similarity.read_embeddings(self.catalogue, self.ids)
        if len(found) < len(self):
            raise ValueError(f"{len(self) - len(found)} of the {len(self)} items have no embedding; {similarity.EMBED_HINT}")
        return vectors

    def _near_duplicates(self, bits: int, distance: float | None, progress: bool | None) -> dict[tuple[int, int], str]:
        """Return pairs of near-duplicates, as indices into `ids`, with the reason in words."""
        reasons: dict[tuple[int, int], str] = {}
        if distance is not None:
            for a, b, found in similarity.near_vectors(self._embeddings(), distance):
                reasons[a, b] = f"embedding distance {found:.3f} to"
        fingerprints, is_readable = similarity.read_fingerprints(self.catalogue, self.ids, progress)
        readable = np.flatnonzero(is_readable)
        for a, b, different in similarity.near_duplicates(fingerprints[readable], bits):
            reason = f"{different} of {similarity.FINGERPRINT_BITS} fingerprint bits differ from" if different else "same fingerprint as"
            reasons[int(readable[a]), int(readable[b])] = reason
        return reasons

    def _path_pairs(self, groups: str | None) -> list[tuple[int, int]]:
        if groups is None:
            return []
        try:
            pattern = re.compile(groups)
        except re.error as error:
            raise ValueError(f"groups={groups!r} is not a regular expression: {error}") from error
        found = [pattern.search(row.path) for row in self._rows()]
        if found and not any(found):
            raise ValueError(f"groups={groups!r} matches no path, such as {self._rows()[0].path!r}; correct or omit it")
        return _chain_pairs([(index, match.group(1 if pattern.groups else 0)) for index, match in enumerate(found) if match])

    def _tag_pairs(self, prefix: str | None) -> list[tuple[int, int]]:
        if prefix is None:
            return []
        sql = "SELECT item, tag FROM tags WHERE item IN (SELECT value FROM json_each(?))"
        index_of = {id: index for index, id in enumerate(self)}
        rows = self.catalogue.database.rows(sql, (json.dumps(self.ids.tolist()),))
        named = [(index_of[item], tag) for item, tag in rows if tag.startswith(prefix)]
        if not named:
            raise ValueError(f"none of the {len(self)} items has a tag that begins with {prefix!r}; there are: {self.catalogue.tags()}")
        return _chain_pairs(named)


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a split.

    Attributes:
        parts: The subset of each part: "train", and "val" and "test" if their shares are above 0.
    """

    parts: Mapping[str, Subset]

    def __getitem__(self, name: str) -> Subset:
        return lookup(self.parts, name, "part")

    @property
    def train(self) -> Subset:
        """The items to train on."""
        return self["train"]

    @property
    def val(self) -> Subset:
        """The items to validate on, for choices such as when to stop."""
        return self["val"]

    @property
    def test(self) -> Subset:
        """The items for the final evaluation."""
        return self["test"]

    def __repr__(self) -> str:
        return f"Split: {', '.join(f'{name} {len(part)}' for name, part in self.parts.items())}"

    def export(self, format: str, folder: str | os.PathLike[str], **options: Any) -> dict[str, Path]:
        """Write each part as a data set with the same class numbers.

        Args:
            format: A name of `cdwidget.formats.FORMATS`.
            folder: Folder for `train.json`, `val.json` and `test.json` of COCO, and for one folder per part of other formats,
                with a common `data.yaml` for YOLO.
            options: Arguments of `Catalogue.export`.

        Returns:
            The path of each part.
        """
        kind = lookup(FORMATS, format, "format")
        if kind.has_class_ids and "labels" not in options and options.get("classes") is None:
            options["classes"] = self._class_numbers(format)
        paths = {name: Path(folder) / (f"{name}.json" if format == "coco" else name) for name in self.parts}
        written = {name: part.export(format, paths[name], **options) for name, part in self.parts.items()}
        if kind.join_parts is not None:
            kind.join_parts(Path(folder), list(self.parts))
        return written

    def _class_numbers(self, format: str) -> dict[str, int] | list[str]:
        """Return the classes of the catalogue, then the other labels of all parts, sorted."""
        known = next(iter(self.parts.values())).catalogue.class_numbers(format)
        more = sorted({label for part in self.parts.values() for label in part.labels} - set(known))
        if isinstance(known, dict) and known:
            free = max(known.values()) + 1
            return {**known, **{label: number for number, label in enumerate(more, free)}}
        return [*known, *more]


def make_subset(
    catalogue: Exporter, ids: Iterable[int] | None = None, below: float | None = None, above: float | None = None, **filters: Any
) -> Subset:
    """Return the items of a query as a subset.

    Args:
        catalogue: The catalogue.
        ids: Choose among these items, in this order; None for all.
        below: Exclusive upper limit of the item's score, which is its worst instance's score.
        above: Exclusive lower limit of the item's score.
        filters: Arguments of `Reader.ids`.

    Raises:
        ValueError: If an id does not exist.
    """
    where = list(filters.pop("where", ()))
    where += [("score", operator, value) for operator, value in (("<", below), (">", above)) if value is not None]
    found = catalogue.ids(where=where, **filters)
    if ids is None:
        return Subset(catalogue, found)
    given = np.array(list(dict.fromkeys(int(id) for id in ids)), np.int64)
    if not where and not any(filters.values()) and len(missing := given[~np.isin(given, found)]):
        raise ValueError(f"there are no items {missing[:10].tolist()} in {catalogue.path}")
    return Subset(catalogue, given[np.isin(given, found)])


def _quality_key(row: ItemRow) -> tuple[Any, ...]:
    """Return the sort key of duplicates, best first."""
    score = 2.0 if row.score is None else row.score
    return STATUS_PREFERENCE.index(row.status), -row.instances, score, -(row.height or 0) * (row.width or 0), row.id


def _chain_pairs(names: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
    """Return pairs that connect all indices of the same name."""
    first: dict[str, int] = {}
    return [(first.setdefault(name, index), index) for index, name in names]
