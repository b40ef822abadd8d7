"""Which items to take so that classes are balanced, and which go to which part of a split: counts in, indices out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


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
