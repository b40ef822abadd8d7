"""Subsets of a catalogue to train on: chosen by score and status, balanced, varied, without duplicates, split without leakage."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cdwidget.catalogue import similarity as duplicates
from cdwidget.catalogue import subset as splits
from cdwidget.catalogue.images import file_name
from cdwidget.catalogue.plots import frame
from cdwidget.catalogue.rows import ItemRow
from cdwidget.catalogue.similarity import HOW, read_embeddings, spread
from cdwidget.formats import FORMATS
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import pandas
    from scipy.sparse import csr_matrix

    from cdwidget.catalogue.catalogue import Catalogue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


PREFERRED = {status: place for place, status in enumerate(("accepted", "new", "skipped", "rejected"))}  # the best of duplicates


@dataclass(frozen=True)
class LeftOut:
    """An item that a subset leaves out for another one, and why, in words."""

    item: int
    path: str
    kept: int
    why: str


@dataclass(frozen=True, eq=False)
class Subset:
    """Chosen items of a catalogue. It never changes: each method returns another one, so that steps are chained.

    ids: of the items, int64 (N,). left_out: by `without_duplicates`. It is a choice of items alone: masks, statuses and scores are those
    that the catalogue has when they are asked for.

    >>> parts = catalogue.subset("accepted", below=0.3).without_duplicates().balance(at_most=200).diverse(500).split(val=0.2)
    >>> parts.export("coco", "out/")       # out/train.json, out/val.json
    """

    catalogue: Catalogue
    ids: np.ndarray
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids.tolist())

    def __repr__(self) -> str:
        duplicates = f", {len(self.left_out)} duplicates left out" if self.left_out else ""
        return f"Subset: {len(self)} of {len(self.catalogue)} items{duplicates}"

    @property
    def labels(self) -> dict[str, int]:
        """How many instances of each label there are, the most first; rejected ones do not count."""
        counts, labels = self._counts()
        totals = dict(zip(labels, np.asarray(counts.sum(0)).ravel().tolist()))
        return dict(sorted(totals.items(), key=lambda one: (-one[1], one[0])))

    # ---- choosing ------------------------------------------------------------------------------------------------

    def balance(self, at_most: int | None = None, at_least: int | None = None, *, seed: int = 0) -> Subset:
        """Take items so that each class has at least and at most so many instances; without numbers, as many as the rarest class has.

        Greedy. Items hold several classes: where what `at_least` needs brings more than `at_most` of another class, that one has more. With
        `at_least` alone no more is taken than is needed. Items without instances stay. Raises ValueError, with the numbers, where a class
        has too few.
        """
        counts, labels = self._counts()
        totals = np.asarray(counts.sum(0)).ravel()
        if at_most is None and at_least is None:
            at_most = at_least = int(totals.min(initial=np.iinfo(np.int64).max)) if len(totals) else 0
        for name, value in (("at_most", at_most), ("at_least", at_least)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}; it is a number of instances, 0 or more")
        if at_most is not None and at_least is not None and at_most < at_least:
            raise ValueError(f"at_most is {at_most} and at_least {at_least}; it cannot be fewer")
        if short := [f"{label!r} {total}" for label, total in zip(labels, totals) if total < (at_least or 0)]:
            raise ValueError(
                f"at_least is {at_least}, and there are fewer instances of: {', '.join(short)}; "
                f"ask for at most {totals.min()}, label more of them, or leave those classes out: subset(label=...)"
            )
        return self._of(splits.balance(counts, at_least or 0, at_most, seed))

    def diverse(self, count: int, *, seed: int | None = None) -> Subset:
        """Take `count` items whose images differ most: farthest-point sampling on the embeddings, from the most typical one on.

        seed: begin with a random one instead, for another choice. All items, where there are no more. What is odd comes first, faulty
        images too: judge the worst scores before. Raises ValueError while items have no embedding.
        """
        if count < 1:
            raise ValueError(f"count is {count}; take at least 1")
        if count >= len(self):
            return self
        return self._of(np.sort(spread(self._embeddings(), count, seed)))

    def without_duplicates(self, bits: int = duplicates.ALIKE, distance: float | None = None, progress: bool | None = None) -> Subset:
        """Leave out images that show nearly the same as another one, of which the best is kept; `left_out` says which, and why.

        bits: of 144, by which the fingerprints of near-duplicates may differ: 0 to find copies alone; see `fingerprint`. distance: besides,
        what is nearer than that by its embedding, 0 (the same) to 2; 0.05 finds mirrored images. The best one is accepted, then has the
        most instances, the lowest score, the most pixels. Images that cannot be read are kept.
        """
        if not 0 <= bits <= duplicates.BITS // 4:
            raise ValueError(f"bits is {bits}; allowed are 0 to {duplicates.BITS // 4} of {duplicates.BITS}: beyond, chance decides")
        rows = self._rows()
        reasons = self._alike(bits, distance, progress)
        near: dict[int, list[tuple[int, str]]] = {}
        for (a, b), why in reasons.items():
            near.setdefault(a, []).append((b, why))
            near.setdefault(b, []).append((a, why))
        kept = np.ones(len(rows), bool)
        left_out = list(self.left_out)
        for place in sorted(near, key=lambda place: _best_first(rows[place])):
            if kept[place]:
                for other, why in near[place]:
                    if kept[other]:
                        kept[other] = False
                        text = f"{why} {file_name(rows[place].path)} (item {rows[place].id})"
                        left_out.append(LeftOut(rows[other].id, rows[other].path, rows[place].id, text))
        return replace(self, ids=np.array([row.id for row in rows], np.int64)[kept], left_out=tuple(left_out))

    def split(
        self, val: float = 0.2, test: float = 0.0, *, groups: str | None = None, tags: str | None = None,
        bits: int | None = duplicates.ALIKE, seed: int = 0, progress: bool | None = None,
    ) -> Split:  # fmt: skip
        """Split into train, val and test: whole groups, near-duplicates on one side, each class in about the same shares.

        val, test: shares of the items, 0 for none; the rest is train. groups: a regular expression that is looked for in the path; what it
        finds (its first bracket, where it has one) tells the groups, such as r"patient(\\d+)". tags: items that share a tag which begins so
        are a group. bits: by which near-duplicates may differ, as for `without_duplicates`; None does not look for them.
        Raises ValueError where the expression finds nothing, or a part would be empty.
        """
        shares = {"train": 1 - val - test, "val": val, "test": test}
        if min(val, test) < 0 or shares["train"] <= 1e-9:
            raise ValueError(f"val is {val} and test {test}; they are shares from 0 that leave something to train on, such as val=0.2")
        shares = {name: share for name, share in shares.items() if share > 0}
        pairs = [*self._named_pairs(groups), *self._tagged_pairs(tags)]
        if bits is not None:
            pairs += list(self._alike(bits, None, progress))
        joined = duplicates.groups_of(len(self), pairs)
        part = splits.split(self._counts()[0], joined, shares, seed) if len(self) else np.zeros(0, int)
        made = {name: self._of(part == place) for place, name in enumerate(shares)}
        if empty := [name for name, one in made.items() if not len(one)]:
            raise ValueError(
                f"{' and '.join(empty)} would be empty: {len(self)} items in {len(set(joined.tolist()))} groups cannot be split "
                f"{', '.join(f'{name} {share:.0%}' for name, share in shares.items())}; give other shares, or finer groups"
            )
        return Split(made)

    # ---- out -----------------------------------------------------------------------------------------------------

    def export(self, format: str, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write the items as a data set and return its path; format and options as for `Catalogue.export`."""
        return self.catalogue.export(format, path, ids=self.ids, **options)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a frame with a row an item; ModuleNotFoundError without pandas."""
        return frame(self.catalogue.database, "items", self._rows())

    # ---- inside --------------------------------------------------------------------------------------------------

    def _of(self, chosen: np.ndarray) -> Subset:
        return replace(self, ids=self.ids[chosen])

    def _rows(self) -> list[ItemRow]:
        """The rows of the items; ValueError when some are no more."""
        rows = [row for row in self.catalogue.rows(self.ids) if isinstance(row, ItemRow)]
        if len(rows) < len(self):
            raise ValueError(f"{len(self) - len(rows)} of the {len(self)} items are no longer in the catalogue; choose anew")
        return rows

    def _counts(self) -> tuple[csr_matrix, list[str]]:
        sql = """SELECT item, label, count(*) FROM instances WHERE status != 'rejected' AND NOT crowd
            AND item IN (SELECT value FROM json_each(?)) GROUP BY item, label"""
        return splits.tally(self.catalogue.database.rows(sql, (json.dumps(self.ids.tolist()),)), self.ids)

    def _embeddings(self) -> np.ndarray:
        found, vectors = read_embeddings(self.catalogue, self.ids)
        if len(found) < len(self):
            raise ValueError(f"{len(self) - len(found)} of the {len(self)} items have no embedding; {HOW}")
        return vectors

    def _alike(self, bits: int, distance: float | None, progress: bool | None) -> dict[tuple[int, int], str]:
        """Pairs of near-duplicates, by their places in `ids`, and why they are taken for that."""
        reasons: dict[tuple[int, int], str] = {}
        if distance is not None:
            for a, b, apart in duplicates.near(self._embeddings(), distance):
                reasons[a, b] = f"the embedding is {apart:.3f} from that of"
        values, known = duplicates.fingerprints(self.catalogue, self.ids, progress)
        readable = np.flatnonzero(known)
        for a, b, differ in duplicates.alike(values[readable], bits):
            much = f"{differ} of {duplicates.BITS} bits from" if differ else "nothing from"
            reasons[int(readable[a]), int(readable[b])] = f"the fingerprint differs in {much} that of"
        return reasons

    def _named_pairs(self, groups: str | None) -> list[tuple[int, int]]:
        if groups is None:
            return []
        try:
            pattern = re.compile(groups)
        except re.error as error:
            raise ValueError(f"groups={groups!r} is no regular expression: {error}") from error
        found = [pattern.search(row.path) for row in self._rows()]
        if found and not any(found):
            raise ValueError(f"groups={groups!r} finds nothing in any path, such as {self._rows()[0].path!r}; leave it out, or mend it")
        names = [(place, match.group(1 if pattern.groups else 0)) for place, match in enumerate(found) if match]
        return _chains(names)

    def _tagged_pairs(self, tags: str | None) -> list[tuple[int, int]]:
        if tags is None:
            return []
        sql = "SELECT item, tag FROM tags WHERE item IN (SELECT value FROM json_each(?))"
        place = {id: place for place, id in enumerate(self)}
        rows = self.catalogue.database.rows(sql, (json.dumps(self.ids.tolist()),))
        named = [(place[item], tag) for item, tag in rows if tag.startswith(tags)]
        if not named:
            raise ValueError(f"none of the {len(self)} items has a tag that begins with {tags!r}; there are: {self.catalogue.tags()}")
        return _chains(named)


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a split: train, val and test, those that were asked for."""

    parts: Mapping[str, Subset]

    def __getitem__(self, name: str) -> Subset:
        return lookup(self.parts, name, "part")

    @property
    def train(self) -> Subset:
        """What to train on."""
        return self["train"]

    @property
    def val(self) -> Subset:
        """What to choose by, such as when to stop."""
        return self["val"]

    @property
    def test(self) -> Subset:
        """What to measure on in the end."""
        return self["test"]

    def __repr__(self) -> str:
        return f"Split: {', '.join(f'{name} {len(part)}' for name, part in self.parts.items())}"

    def export(self, format: str, folder: str | os.PathLike[str], **options: Any) -> dict[str, Path]:
        """Write each part below a folder and return their paths: `train.json`, `val.json` for COCO, else folders `train`, `val`.

        All parts number the classes alike.
        """
        kind = lookup(FORMATS, format, "format")
        if kind.numbers and "labels" not in options:
            options["labels"] = sorted({label for part in self.parts.values() for label in part.labels})
        places = {name: Path(folder) / (f"{name}.json" if format == "coco" else name) for name in self.parts}
        return {name: part.export(format, places[name], **options) for name, part in self.parts.items()}


def choose(
    catalogue: Catalogue, ids: Iterable[int] | None = None, below: float | None = None, above: float | None = None, **filters: Any
) -> Subset:
    """Return the items of a query, or those of `ids` among them; below, above: the item's score (that of its worst instance)."""
    where = list(filters.pop("where", ()))
    where += [("score", operator, value) for operator, value in (("<", below), (">", above)) if value is not None]
    found = catalogue.ids(where=where, **filters)
    if ids is None:
        return Subset(catalogue, found)
    given = np.array(list(dict.fromkeys(int(id) for id in ids)), np.int64)
    if not where and not any(filters.values()) and len(missing := given[~np.isin(given, found)]):
        raise ValueError(f"there are no items {missing[:10].tolist()} in {catalogue.path}")
    return Subset(catalogue, given[np.isin(given, found)])


def _best_first(row: ItemRow) -> tuple[Any, ...]:
    """What duplicates are put in order by."""
    score = 2.0 if row.score is None else row.score
    return PREFERRED[row.status], -row.instances, score, -(row.height or 0) * (row.width or 0), row.id


def _chains(names: Sequence[tuple[int, str]]) -> list[tuple[int, int]]:
    """Pairs that join all places of the same name."""
    first: dict[str, int] = {}
    return [(first.setdefault(name, place), place) for place, name in names]


# MERGED from review.splits: Which items to take so that classes are balanced, and which go to which part of a split: counts in, indices out.


def balance(counts: csr_matrix, at_least: int, at_most: int | None, seed: int = 0) -> np.ndarray:
    """Return which of N items to take, bool (N,), for at least and at most so many instances of each class.

    counts: (N, C), the instances of each class in each item. Greedy, the rarest class first, and of its items those that bring the fewest
    of others: an item holds several classes, so that what one class needs may bring more than `at_most` of another. Then what does not
    go beyond `at_most` is taken too, again the rarest class first; with None, no more than is needed. Items without instances are always
    taken.
    """
    random = np.random.default_rng(seed).permutation(counts.shape[0])
    taken = np.diff(counts.indptr) == 0
    have = np.zeros(counts.shape[1], np.int64)
    columns = counts.tocsc()
    totals, per_item = (np.asarray(counts.sum(axis)).ravel() for axis in (0, 1))
    rarest = np.zeros(len(random), np.int64)  # how many there are of the rarest class of each item
    rarest[~taken] = np.minimum.reduceat(totals[counts.indices], counts.indptr[:-1][~taken]) if counts.nnz else 0

    def take(item: int) -> None:
        taken[item] = True
        own = slice(counts.indptr[item], counts.indptr[item + 1])
        have[counts.indices[own]] += counts.data[own]

    for label in np.argsort(totals, kind="stable"):
        own = slice(columns.indptr[label], columns.indptr[label + 1])
        items, brings = columns.indices[own], columns.data[own]
        for item in items[np.lexsort((random[items], per_item[items] - brings))]:
            if have[label] >= at_least:
                break
            if not taken[item]:
                take(item)
    if at_most is not None:
        for item in np.lexsort((random, rarest)):
            own = slice(counts.indptr[item], counts.indptr[item + 1])
            if not taken[item] and (have[counts.indices[own]] + counts.data[own] <= at_most).all():
                take(item)
    return taken


def split(counts: csr_matrix, groups: np.ndarray, shares: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """Return the part that each of N items goes to, int (N,), an index into `shares`.

    counts: (N, C), the instances of each class in each item. groups: (N,), items of the same number stay together. shares: of the items,
    and of each class's instances, as far as groups allow: iterative stratification (Sechidis et al. 2011) of whole groups. The group with
    the rarest class is placed first, where most of that class is still wanted.
    """
    from scipy.sparse import csr_matrix  # loaded when it is needed

    names, group = np.unique(groups, return_inverse=True)
    ones = np.ones(len(group), np.int64)
    member = csr_matrix((ones, (group, np.arange(len(group)))), (len(names), len(group)))
    sizes = np.asarray(member.sum(1)).ravel()
    held = (member @ counts).tocsr()  # (G, C)
    totals = np.asarray(counts.sum(0)).ravel()
    fractions = np.array(list(shares.values()))
    wanted = fractions[:, None] * totals  # (parts, C)
    room = fractions * len(group)
    by_rarity = np.argsort(totals, kind="stable")
    rank = np.argsort(by_rarity, kind="stable")
    some = np.diff(held.indptr) > 0
    first = np.full(len(names), len(totals))  # the rank of each group's rarest class; beyond all of them where it has none
    first[some] = np.minimum.reduceat(rank[held.indices], held.indptr[:-1][some]) if held.nnz else 0
    random = np.random.default_rng(seed).permutation(len(names))
    place = np.zeros(len(names), np.int64)
    for g in np.lexsort((random, -sizes, first)):
        label = by_rarity[first[g]] if some[g] else None
        needs = np.zeros(len(fractions)) if label is None else wanted[:, label] / totals[label]
        part = max(range(len(fractions)), key=lambda p: (round(float(needs[p]), 9), room[p] / len(group), fractions[p]))
        place[g] = part
        room[part] -= sizes[g]
        own = slice(held.indptr[g], held.indptr[g + 1])
        wanted[part, held.indices[own]] -= held.data[own]
    return place[group]


def tally(rows: Sequence[tuple[int, str, int]], ids: np.ndarray) -> tuple[csr_matrix, list[str]]:
    """Return (N, C) counts of instances of the items `ids` by label, and the labels, of rows (item, label, how many)."""
    from scipy.sparse import csr_matrix

    labels = sorted({label for _, label, _ in rows})
    order = np.argsort(ids, kind="stable")
    items = order[np.searchsorted(ids, [item for item, _, _ in rows], sorter=order)] if rows else order[:0]
    number = {label: place for place, label in enumerate(labels)}
    counts = [count for *_, count in rows]
    return csr_matrix((np.array(counts, np.int64), (items, [number[label] for _, label, _ in rows])), (len(ids), len(labels))), labels
