"""Class balancing and stratified splits of items, from counts of their instances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def count_labels(rows: Sequence[tuple[int, str, int]], ids: np.ndarray) -> tuple[csr_matrix, list[str]]:
    """Arrange counts of instances as a matrix of items and labels.

    Args:
        rows: (item id, label, count) of each item and label.
        ids: The items of the matrix, int64 (N,).

    Returns:
        The counts, (N, C), and the C labels, sorted.
    """
    from scipy.sparse import csr_matrix  # SciPy takes long to import.

    labels = sorted({label for _, label, _ in rows})
    order = np.argsort(ids, kind="stable")
    items = order[np.searchsorted(ids, [item for item, _, _ in rows], sorter=order)] if rows else order[:0]
    column = {label: index for index, label in enumerate(labels)}
    counts = np.array([count for *_, count in rows], np.int64)
    return csr_matrix((counts, (items, [column[label] for _, label, _ in rows])), (len(ids), len(labels))), labels


def balance_classes(counts: csr_matrix, at_least: int, at_most: int | None, seed: int = 0) -> np.ndarray:
    """Choose items with at least and at most a number of instances of each class.

    Greedy: for the rarest class first, items with the fewest instances of other classes are chosen. An item may hold several classes, so a
    class may get more than `at_most` instances where another one needs the item. Then all items that stay within `at_most` are chosen,
    again the rarest class first. Items without instances are always chosen.

    Args:
        counts: Instances of each class in each item, (N, C).
        at_least: Minimum number of instances of each class.
        at_most: Maximum number of instances of each class; None to choose no more than `at_least` needs.
        seed: Seed of the order of equal items.

    Returns:
        Whether each item is chosen, bool (N,).
    """
    random = np.random.default_rng(seed).permutation(counts.shape[0])
    chosen = np.diff(counts.indptr) == 0
    chosen_counts = np.zeros(counts.shape[1], np.int64)
    by_class = counts.tocsc()
    class_totals, item_totals = (np.asarray(counts.sum(axis)).ravel() for axis in (0, 1))
    rarity = np.zeros(len(random), np.int64)  # the number of instances of each item's rarest class
    rarity[~chosen] = np.minimum.reduceat(class_totals[counts.indices], counts.indptr[:-1][~chosen]) if counts.nnz else 0

    def choose(item: int) -> None:
        chosen[item] = True
        own = slice(counts.indptr[item], counts.indptr[item + 1])
        chosen_counts[counts.indices[own]] += counts.data[own]

    for label in np.argsort(class_totals, kind="stable"):
        own = slice(by_class.indptr[label], by_class.indptr[label + 1])
        items, own_counts = by_class.indices[own], by_class.data[own]
        for item in items[np.lexsort((random[items], item_totals[items] - own_counts))]:
            if chosen_counts[label] >= at_least:
                break
            if not chosen[item]:
                choose(item)
    if at_most is not None:
        for item in np.lexsort((random, rarity)):
            own = slice(counts.indptr[item], counts.indptr[item + 1])
            if not chosen[item] and (chosen_counts[counts.indices[own]] + counts.data[own] <= at_most).all():
                choose(item)
    return chosen


def stratified_split(counts: csr_matrix, groups: np.ndarray, shares: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """Split items by iterative stratification (Sechidis et al. 2011) of whole groups.

    The group with the rarest class is assigned first, to the part that lacks most instances of that class.

    Args:
        counts: Instances of each class in each item, (N, C).
        groups: Group of each item, int (N,); a group stays in one part.
        shares: Share of each part in the items and in each class's instances; approximate where groups are large.
        seed: Seed of the order of equal groups.

    Returns:
        The part of each item as an index into `shares`, int64 (N,).
    """
    from scipy.sparse import csr_matrix  # SciPy takes long to import.

    names, group = np.unique(groups, return_inverse=True)
    ones = np.ones(len(group), np.int64)
    membership = csr_matrix((ones, (group, np.arange(len(group)))), (len(names), len(group)))
    sizes = np.asarray(membership.sum(1)).ravel()
    group_counts = (membership @ counts).tocsr()  # (G, C)
    class_totals = np.asarray(counts.sum(0)).ravel()
    fractions = np.array(list(shares.values()))
    lacking = fractions[:, None] * class_totals  # (parts, C), instances still to assign
    room = fractions * len(group)  # (parts,), items still to assign
    by_rarity = np.argsort(class_totals, kind="stable")
    rank = np.argsort(by_rarity, kind="stable")
    has_instances = np.diff(group_counts.indptr) > 0
    rarest = np.full(len(names), len(class_totals))  # rank of each group's rarest class; beyond all ranks without instances
    rarest[has_instances] = (
        np.minimum.reduceat(rank[group_counts.indices], group_counts.indptr[:-1][has_instances]) if group_counts.nnz else 0
    )
    random = np.random.default_rng(seed).permutation(len(names))
    part_of_group = np.zeros(len(names), np.int64)
    for g in np.lexsort((random, -sizes, rarest)):
        label = by_rarity[rarest[g]] if has_instances[g] else None
        needs = np.zeros(len(fractions)) if label is None else lacking[:, label] / class_totals[label]
        part = max(range(len(fractions)), key=lambda p: (round(float(needs[p]), 9), room[p] / len(group), fractions[p]))
        part_of_group[g] = part
        room[part] -= sizes[g]
        own = slice(group_counts.indptr[g], group_counts.indptr[g + 1])
        lacking[part, group_counts.indices[own]] -= group_counts.data[own]
    return part_of_group[group]
