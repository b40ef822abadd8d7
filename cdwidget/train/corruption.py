"""Images of training sets with synthetic mask errors, on which the overall score is fitted and evaluated."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from cdwidget.formats.dataset_folders import MAX_OBJECT_SHARE, MIN_OBJECT_SHARE, DatasetImage, find_datasets, is_held_out, read_dataset
from cdwidget.items import Instance, Item
from cdwidget.mask_errors import MASK_ERRORS, MAX_FLIP_IOU, corrupt_mask
from cdwidget.masks import bbox, iou
from cdwidget.predictor import QualityModel
from cdwidget.scoring.appearance import AppearanceClassifier
from cdwidget.scoring.population import APPEARANCE_IMAGES, NESTING_IMAGES, Population, instances_are_nested
from cdwidget.train.config import DatasetSettings

MAX_MASKS_PER_IMAGE = 4  # masks per image that are evaluated
CLEAN_KIND = "clean"  # Kind of the unchanged masks.
CLASS_MAP_SETS = (
    DatasetSettings.read().classes.class_maps
)  # sets whose label maps hold classes; in all others, the values number the objects
RESERVED_INTERVAL = 5  # One training image in 5 is kept for fitting the overall score on the quality model's output.
ImageFilter = Callable[[DatasetImage], bool]


@dataclass(frozen=True, eq=False)
class CorruptedImage:
    """An image with true masks, with some masks replaced by corrupted ones.

    Corrupted masks and objects are matched one to one, as an evaluation does it. If several masks of one label are equal, only their order
    tells them apart: the first is matched with the object that they show, and the others with the objects that remain.

    Attributes:
        group: Name of the data set.
        name: Stem of the image file.
        image: uint8 (H, W, 3) RGB.
        masks: The masks to evaluate, bool (N, H, W).
        truth: The true masks they are matched with, bool (N, H, W).
        labels: N labels, "" if the set has none.
        errors: Index -> kind of error and true IoU of each evaluated mask.
        swapped: Index of a mask -> index of the object it was made from, if that is a different object.
    """

    group: str
    name: str
    image: np.ndarray
    masks: np.ndarray
    truth: np.ndarray
    labels: Sequence[str]
    errors: dict[int, tuple[str, float]]
    swapped: dict[int, int]


def corrupted_images(
    folders: Iterable[Path],
    count: int,
    seed: int = 0,
    *,
    selects: ImageFilter = is_held_out,
    ious: tuple[float, float] = (0.4, MAX_FLIP_IOU),
) -> Iterator[CorruptedImage]:
    """Corrupt every second mask, with all kinds of errors and all data sets in turn.

    If a kind does not fit an object, the next one is used.

    Args:
        folders: Data sets, or folders of them.
        count: Number of masks to evaluate; fewer if there are not enough images.
        seed: Random seed.
        selects: The filter of images; by default it selects the images held out from training.
        ious: Range of the IoU of errors whose extent can be chosen.

    Yields:
        Images with at least one mask to evaluate.
    """
    rng = np.random.default_rng(seed)
    kinds, evaluated, foreign_objects = list(MASK_ERRORS), 0, np.ones((1, 8, 8), bool)
    turn = 0
    for group, source in _alternating_images(folders, selects, seed):
        image, truth, valid = source.load()
        truth = truth & valid
        suitable = [i for i, mask in enumerate(truth) if MIN_OBJECT_SHARE <= mask.mean() <= MAX_OBJECT_SHARE]
        masks, errors = truth.copy(), {}
        for i in rng.permutation(suitable)[: min(MAX_MASKS_PER_IMAGE, count - evaluated)].tolist():
            evaluated += 1
            errors[i] = (CLEAN_KIND, 1.0)
            if evaluated % 2:
                continue
            others = np.delete(truth, i, axis=0)
            others = others[others.any((1, 2))]
            if not len(others):
                others = resize_masks(foreign_objects, truth.shape[1:])
            for attempt in range(len(kinds)):
                kind = kinds[(turn + attempt) % len(kinds)]
                try:
                    masks[i] = corrupt_mask(kind, image, truth[i], others, rng, ious)
                except ValueError:
                    continue
                errors[i] = (kind, iou(masks[i] & valid, truth[i]))
                break
            turn += 1
        if errors:
            foreign_objects = truth.copy()
            labels = _labels(group, source, len(truth))
            swapped = _swapped_objects(masks, truth, labels, errors)
            truth[list(swapped)] = truth[list(swapped.values())]
            errors = {swapped.get(i, i): error for i, error in errors.items()}
            yield CorruptedImage(group, source.image.stem, image, masks, truth, labels, errors, swapped)
        if evaluated >= count:
            return


def read_populations(folders: Iterable[Path], quality_model: QualityModel) -> dict[str, Population]:
    """Measure the classes of each data set on the true masks of some of its images.

    Args:
        folders: Data sets, or folders of them.
        quality_model: Embeds masks of sets with classes.

    Returns:
        Population by data-set name.
    """
    populations = {}
    for folder in find_datasets(folders):
        sources = [source for source in read_dataset(folder) if trains_quality_model(source)]
        sample = [sources[i] for i in np.unique(np.linspace(0, len(sources) - 1, APPEARANCE_IMAGES).astype(int))]
        labels, extents = [], []
        for instance in (instance for source in sample for instance in _item(folder.name, source).instances):
            x0, y0, x1, y1 = bbox(instance.mask)
            labels.append(instance.label)
            extents.append((np.count_nonzero(instance.mask), x1 - x0, y1 - y0, instance.mask.size))
        appearance = None
        if folder.name in CLASS_MAP_SETS:
            appearance = AppearanceClassifier.from_items((_item(folder.name, source) for source in sample), quality_model)
        nested = instances_are_nested(_item(folder.name, source) for source in sample[:NESTING_IMAGES])
        measured = Population.from_extents(labels, np.array(extents, float))
        populations[folder.name] = replace(measured, nested=nested, appearance=appearance)
    return populations


def is_trained_on(source: DatasetImage) -> bool:
    """Return whether an image may be used for training, because it is not held out."""
    return not is_held_out(source)


def trains_quality_model(source: DatasetImage) -> bool:
    """Return whether an image is used to train the quality model."""
    return is_trained_on(source) and not is_reserved(source)


def is_reserved(source: DatasetImage) -> bool:
    """Return whether an image is kept for fits on the quality model's output."""
    return zlib.crc32(source.image.stem.encode()) % RESERVED_INTERVAL == 1  # Held-out images leave 0.


def resize_masks(masks: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize masks, bool (N, h, w), to a size (H, W) by nearest neighbor."""
    return np.stack([cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST) > 0 for mask in masks])


def _swapped_objects(masks: np.ndarray, truth: np.ndarray, labels: Sequence[str], evaluated: Iterable[int]) -> dict[int, int]:
    """Return the objects to swap so that, among equal masks with one label, the first is matched with its object."""
    exchanged = {}
    for i in evaluated:
        equal = [k for k, mask in enumerate(masks) if labels[k] == labels[i] and (mask == masks[i]).all()]
        first, correct = equal[0], next((k for k in equal if (masks[k] == truth[k]).all()), equal[0])
        if first != correct:
            exchanged.update({first: correct, correct: first})
    return exchanged


def _item(group: str, source: DatasetImage) -> Item:
    """Return an image with its true masks, without empty ones."""
    _, truth, valid = source.load()
    pairs = zip(truth & valid, _labels(group, source, len(truth)))
    return Item(source.image, [Instance(mask, label) for mask, label in pairs if mask.any()])


def _labels(group: str, source: DatasetImage, count: int) -> list[str]:
    return source.object_labels() if group in CLASS_MAP_SETS else [""] * count


def _alternating_images(folders: Iterable[Path], selects: ImageFilter, seed: int) -> Iterator[tuple[str, DatasetImage]]:
    """Yield the images of all sets, one of each set in turn, each set in a random order."""
    queues: list[tuple[str, list[DatasetImage]]] = []
    for folder in find_datasets(folders):
        sources = [source for source in read_dataset(folder) if selects(source)]
        order = np.random.default_rng((seed, zlib.crc32(folder.name.encode()))).permutation(len(sources))
        queues.append((folder.name, [sources[i] for i in order]))
    for turn in range(max((len(sources) for _, sources in queues), default=0)):
        yield from ((name, sources[turn]) for name, sources in queues if turn < len(sources))
