"""What sizes, shapes and looks the instances of a class have, so that one that is unlike the others stands out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

import numpy as np
from tqdm.auto import tqdm

from cdwidget.catalogue.storage import Database
from cdwidget.formats.coco import Crowd
from cdwidget.items import Item
from cdwidget.masks import bbox
from cdwidget.predictor import Critic
from cdwidget.scoring.appearance import FEWEST, Appearance

if TYPE_CHECKING:
    from cdwidget.catalogue.catalogue import Catalogue

MOST = 200_000  # instances that are measured; of more, every second, third, ...
LOOKED_AT = 200  # images whose pixels are
TRIED = 50  # images in which it is seen whether instances lie in one another
NESTED = 0.9  # share of the smaller one's pixels that lie in the other
USUAL = 1 / 3  # share of the instances from which that is as it should be
ENOUGH = 30  # instances of a class in those, where there are so many: rare classes go before common ones
Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Population:
    """Quartiles by label. sizes: of the share of the image that an instance fills. shapes: of width / height, and of the share of its
    bbox that it fills. count: how many there are. appearance: what tells the labels apart, where that is known. nested: whether instances
    lie in one another as a rule, as parts do in wholes.
    """

    count: Mapping[str, int]
    sizes: Mapping[str, Quartiles]
    aspects: Mapping[str, Quartiles]
    fills: Mapping[str, Quartiles]
    appearance: Appearance | None = None
    nested: bool = False

    @classmethod
    def of(cls, catalogue: Catalogue, critic: Critic | None = None, progress: bool | None = None) -> Population:
        """Look at all instances of a catalogue that are not rejected, crowds apart.

        critic: sees what the classes look like, in LOOKED_AT images, a tenth of a second each; without one it is not known. progress: as
        for `run`.
        """
        database = Database(catalogue.path)
        of_objects = "FROM instances JOIN items ON items.id = item WHERE NOT crowd AND area > 0 AND instances.status != 'rejected'"
        ((count,),) = database.rows(f"SELECT count(*) {of_objects}")
        columns = "item, label, area, x1 - x0, y1 - y0, height * width"
        rows = database.rows(f"SELECT {columns} {of_objects} AND instances.id % ? = 0", (count // MOST + 1,))
        database.close()
        labels = [row[1] for row in rows]
        tried = np.random.default_rng(0).permutation(np.unique([row[0] for row in rows]).astype(int))[:TRIED]
        nested = are_nested(catalogue.items(tried.tolist()))
        found = replace(cls.measured(labels, np.array([row[2:] for row in rows], float).reshape(-1, 4)), nested=nested)
        classes = {label for label, number in found.count.items() if label and number >= FEWEST}
        if critic is None or len(classes) < 2:
            return found
        ids = _telling([(row[0], row[1]) for row in rows if row[1] in classes])
        hidden = None if progress is None else not progress
        items = tqdm(catalogue.items(ids), total=len(ids), unit="image", desc="classes", disable=hidden)
        return replace(found, appearance=Appearance.of(items, critic))

    @classmethod
    def measured(cls, labels: Sequence[str], extents: np.ndarray) -> Population:
        """Make one of N instances; extents: float (N, 4), pixels of each, width and height of its bbox, pixels of its image."""
        area, wide, high, pixels = extents.T
        measures = area / pixels, wide / high, area / (wide * high)
        which = np.array(labels, dtype=object)
        counts, quartiles = {}, ({}, {}, {})  # type: ignore[var-annotated]
        for label in sorted(set(labels)):
            own = which == label
            counts[label] = int(own.sum())
            for kept, values in zip(quartiles, measures):
                kept[label] = tuple(np.percentile(values[own], (25, 50, 75)).tolist())
        return cls(counts, *quartiles)


def are_nested(items: Iterable[Item]) -> bool:
    """Say whether instances lie in one another as a rule, crowds apart."""
    every, some = 0, 0
    for item in items:
        masks = [instance.mask for instance in item.instances if not isinstance(instance, Crowd)]
        areas = [np.count_nonzero(mask) for mask in masks]
        boxes = np.array([bbox(mask) for mask in masks]).reshape(-1, 4)
        first, last = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        inside = set()
        for i, j in np.argwhere(np.triu((first < last).all(2), 1)).tolist():
            (x0, y0), (x1, y1) = first[i, j], last[i, j]
            if np.count_nonzero(masks[i][y0:y1, x0:x1] & masks[j][y0:y1, x0:x1]) >= NESTED * min(areas[i], areas[j]):
                inside |= {i, j}
        every, some = every + len(masks), some + len(inside)
    return every > 0 and some >= USUAL * every


def _telling(pairs: Sequence[tuple[int, str]]) -> list[int]:
    """Choose LOOKED_AT items of pairs of an item and the label of an instance, with ENOUGH of each label where that can be."""
    of_item: dict[int, list[str]] = {}
    for item, label in pairs:
        of_item.setdefault(item, []).append(label)
    order = np.random.default_rng(0).permutation(list(of_item)).tolist()
    seen: Counter[str] = Counter()
    needed, others = [], []
    for item in order:
        if any(seen[label] < ENOUGH for label in of_item[item]):
            seen.update(of_item[item])
            needed.append(item)
        else:
            others.append(item)
    return (needed + others)[:LOOKED_AT]
