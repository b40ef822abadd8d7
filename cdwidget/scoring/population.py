"""Statistics of the classes in a data set, against which scores find outliers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Iterable, Mapping, Sequence

import numpy as np
from tqdm.auto import tqdm

from cdwidget._deprecated import warn_renamed
from cdwidget.formats.coco import Crowd
from cdwidget.items import Item
from cdwidget.masks import bbox
from cdwidget.predictor import QualityModel
from cdwidget.scoring.appearance import MIN_CLASS_INSTANCES, AppearanceClassifier

if TYPE_CHECKING:
    from cdwidget.catalogue.reader import Reader

MAX_MEASURED_INSTANCES = 200_000  # Larger catalogues are subsampled evenly.
APPEARANCE_IMAGES = 200  # Images to which the appearance classifier is fitted.
APPEARANCE_INSTANCES = 30  # Target number of instances per class in these images; images with rare classes are chosen first.
NESTING_IMAGES = 50  # Images in which nested instances are counted.
NESTED_SHARE = 0.9  # Fraction of the smaller mask that lies in the larger mask if they are nested.
MIN_NESTED_FRACTION = 1 / 3  # Fraction of nested instances from which nesting is usual in a data set.
Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Population:
    """Statistics of the classes in a data set, by label.

    Attributes:
        count: Number of instances.
        sizes: Quartiles of the area as a fraction of the image.
        aspects: Quartiles of the bbox's width / height.
        fills: Quartiles of the area as a fraction of the bbox.
        appearance: Classifier of masked regions; None if unknown.
        nested: Whether instances are usually nested, as parts in wholes.

    Example:
        >>> population = Population.from_catalogue(catalogue)
        >>> score_item(catalogue.item(1), predictor, population)
    """

    count: Mapping[str, int]
    sizes: Mapping[str, Quartiles]
    aspects: Mapping[str, Quartiles]
    fills: Mapping[str, Quartiles]
    appearance: AppearanceClassifier | None = None
    nested: bool = False

    @classmethod
    def from_catalogue(cls, catalogue: Reader, quality_model: QualityModel | None = None, progress: bool | None = None) -> Population:
        """Measure the instances of a catalogue, without rejected ones and crowds.

        Args:
            catalogue: The catalogue.
            quality_model: Embeds the masks of `APPEARANCE_IMAGES` images, about 0.1 s each; None leaves `appearance` unknown.
            progress: Whether to show a progress bar; None shows it in terminals and notebooks.

        Returns:
            The statistics.
        """
        valid = "FROM instances JOIN items ON items.id = item WHERE NOT crowd AND area > 0 AND instances.status != 'rejected'"
        ((count,),) = catalogue.database.rows(f"SELECT count(*) {valid}")
        columns = "item, label, area, x1 - x0, y1 - y0, height * width"
        rows = catalogue.database.rows(f"SELECT {columns} {valid} AND instances.id % ? = 0", (count // MAX_MEASURED_INSTANCES + 1,))
        labels = [row[1] for row in rows]
        sample = np.random.default_rng(0).permutation(np.unique([row[0] for row in rows]).astype(int))[:NESTING_IMAGES]
        nested = instances_are_nested(catalogue.items(sample.tolist()))
        population = replace(cls.from_extents(labels, np.array([row[2:] for row in rows], float).reshape(-1, 4)), nested=nested)
        classes = {label for label, number in population.count.items() if label and number >= MIN_CLASS_INSTANCES}
        if quality_model is None or len(classes) < 2:
            return population
        ids = _appearance_items([(row[0], row[1]) for row in rows if row[1] in classes])
        hidden = None if progress is None else not progress
        items = tqdm(catalogue.items(ids), total=len(ids), unit="image", desc="classes", disable=hidden)
        return replace(population, appearance=AppearanceClassifier.from_items(items, quality_model))

    @classmethod
    def of(cls, catalogue: Reader, quality_model: QualityModel | None = None, progress: bool | None = None) -> Population:
        """Deprecated name of `from_catalogue`."""
        warn_renamed("Population.of", "Population.from_catalogue")
        return cls.from_catalogue(catalogue, quality_model, progress)

    @classmethod
    def from_extents(cls, labels: Sequence[str], extents: np.ndarray) -> Population:
        """Compute the statistics of N instances.

        Args:
            labels: The label of each instance.
            extents: Area, bbox width, bbox height and image area of each instance in pixels, float (N, 4).
        """
        area, width, height, image_area = extents.T
        measures = area / image_area, width / height, area / (width * height)
        names = np.array(labels, dtype=object)
        counts: dict[str, int] = {}
        sizes: dict[str, Quartiles] = {}
        aspects: dict[str, Quartiles] = {}
        fills: dict[str, Quartiles] = {}
        for label in sorted(set(labels)):
            own = names == label
            counts[label] = int(own.sum())
            for table, values in zip((sizes, aspects, fills), measures):
                low, median, high = np.percentile(values[own], (25, 50, 75)).tolist()
                table[label] = (low, median, high)
        return cls(counts, sizes, aspects, fills)


def instances_are_nested(items: Iterable[Item]) -> bool:
    """Return whether at least `MIN_NESTED_FRACTION` of the instances are nested.

    Crowds do not count.
    """
    total, nested = 0, 0
    for item in items:
        masks = [instance.mask for instance in item.instances if not isinstance(instance, Crowd)]
        areas = [np.count_nonzero(mask) for mask in masks]
        boxes = np.array([bbox(mask) for mask in masks]).reshape(-1, 4)
        starts, ends = np.maximum(boxes[:, None, :2], boxes[:, :2]), np.minimum(boxes[:, None, 2:], boxes[:, 2:])
        found = set()
        for i, j in np.argwhere(np.triu((starts < ends).all(2), 1)).tolist():
            (x0, y0), (x1, y1) = starts[i, j], ends[i, j]
            if np.count_nonzero(masks[i][y0:y1, x0:x1] & masks[j][y0:y1, x0:x1]) >= NESTED_SHARE * min(areas[i], areas[j]):
                found |= {i, j}
        total, nested = total + len(masks), nested + len(found)
    return total > 0 and nested >= MIN_NESTED_FRACTION * total


def _appearance_items(pairs: Sequence[tuple[int, str]]) -> list[int]:
    """Choose `APPEARANCE_IMAGES` items, given pairs of item id and instance label.

    They hold `APPEARANCE_INSTANCES` of each label if possible.
    """
    labels_of: dict[int, list[str]] = {}
    for item, label in pairs:
        labels_of.setdefault(item, []).append(label)
    order = np.random.default_rng(0).permutation(list(labels_of)).tolist()
    chosen: Counter[str] = Counter()
    needed, others = [], []
    for item in order:
        if any(chosen[label] < APPEARANCE_INSTANCES for label in labels_of[item]):
            chosen.update(labels_of[item])
            needed.append(item)
        else:
            others.append(item)
    return (needed + others)[:APPEARANCE_IMAGES]
