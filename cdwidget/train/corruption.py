"""Images of the training sets with some of their masks spoilt on purpose: what the overall score is fitted and measured on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from cdwidget.formats.dataset_folders import LARGEST, SMALLEST, Source, find_sets, held_out, read_set
from cdwidget.items import Instance, Item
from cdwidget.mask_errors import FAULTS, HIGH, spoil
from cdwidget.masks import bbox, iou
from cdwidget.predictor import Critic
from cdwidget.scoring.appearance import Appearance
from cdwidget.scoring.population import LOOKED_AT, TRIED, Population, are_nested

PER_IMAGE = 4  # masks of one image that are looked at, at most
CLEAN = "clean"
CLASSED = ("CCP", "CarParts")  # the sets whose label maps hold classes; those of the others hold numbers
Choice = Callable[[Source], bool]  # whether an image is taken
RESERVED = 5  # one image in so many of those that are trained on is kept from the critic, and left to what is fitted on its answers


@dataclass(frozen=True, eq=False)
class Spoilt:
    """One image. masks: bool (N, H, W), as a reviewer would be given them; truth: as they should be. labels: N of them, "" where the set
    has none. faults: index -> kind and true IoU of those looked at.

    As an evaluation matches masks and objects one to one, the first of equal masks of one label stands for the object, and those after it
    for what is left: nothing but their order tells them apart. swapped: index -> that of the object for which such a mask was made.
    """

    group: str
    name: str
    image: np.ndarray
    masks: np.ndarray
    truth: np.ndarray
    labels: Sequence[str]
    faults: dict[int, tuple[str, float]]
    swapped: dict[int, int]


def spoilt_images(
    folders: Iterable[Path], count: int, seed: int = 0, *, chosen: Choice = held_out, ious: tuple[float, float] = (0.4, HIGH)
) -> Iterator[Spoilt]:
    """Yield images until `count` masks have been looked at, every second of them spoilt, by all kinds in turn; all sets in turn.

    chosen: which images are taken, by default those that are never trained on. ious: of the faults whose extent can be chosen. A kind that
    does not fit an object gives way to the next. Ends early when there are no more images.
    """
    rng = np.random.default_rng(seed)
    kinds, seen, foreign = list(FAULTS), 0, np.ones((1, 8, 8), bool)
    turn = 0
    for group, source in _in_turns(folders, chosen, seed):
        image, truth, valid = source.load()
        truth = truth & valid
        fitting = [i for i, mask in enumerate(truth) if SMALLEST <= mask.mean() <= LARGEST]
        masks, faults = truth.copy(), {}
        for i in rng.permutation(fitting)[: min(PER_IMAGE, count - seen)].tolist():
            seen += 1
            faults[i] = (CLEAN, 1.0)
            if seen % 2:
                continue
            others = np.delete(truth, i, axis=0)
            others = others[others.any((1, 2))]
            if not len(others):
                others = resized(foreign, truth.shape[1:])
            for attempt in range(len(kinds)):
                kind = kinds[(turn + attempt) % len(kinds)]
                try:
                    masks[i] = spoil(kind, image, truth[i], others, rng, ious)
                except ValueError:
                    continue
                faults[i] = (kind, iou(masks[i] & valid, truth[i]))
                break
            turn += 1
        if faults:
            foreign = truth.copy()
            labels = _labels(group, source, len(truth))
            swapped = _matched(masks, truth, labels, faults)
            truth[list(swapped)] = truth[list(swapped.values())]
            faults = {swapped.get(i, i): fault for i, fault in faults.items()}
            yield Spoilt(group, source.image.stem, image, masks, truth, labels, faults, swapped)
        if seen >= count:
            return


def _matched(masks: np.ndarray, truth: np.ndarray, labels: Sequence[str], which: Iterable[int]) -> dict[int, int]:
    """The places that objects change, so that of equal masks of one label the first is the right one."""
    places = {}
    for i in which:
        equal = [k for k, mask in enumerate(masks) if labels[k] == labels[i] and (mask == masks[i]).all()]
        first, right = equal[0], next((k for k in equal if (masks[k] == truth[k]).all()), equal[0])
        if first != right:
            places.update({first: right, right: first})
    return places


def populations(folders: Iterable[Path], critic: Critic) -> dict[str, Population]:
    """What the classes of each set are like, by the true masks of some images that are neither held out nor reserved."""
    found = {}
    for folder in find_sets(folders):
        sources = [source for source in read_set(folder) if taught_on(source)]
        some = [sources[i] for i in np.unique(np.linspace(0, len(sources) - 1, LOOKED_AT).astype(int))]
        labels, extents = [], []
        for instance in (instance for source in some for instance in _item(folder.name, source).instances):
            x0, y0, x1, y1 = bbox(instance.mask)
            labels.append(instance.label)
            extents.append((np.count_nonzero(instance.mask), x1 - x0, y1 - y0, instance.mask.size))
        appearance = Appearance.of((_item(folder.name, source) for source in some), critic) if folder.name in CLASSED else None
        nested = are_nested(_item(folder.name, source) for source in some[:TRIED])
        found[folder.name] = replace(Population.measured(labels, np.array(extents, float)), nested=nested, appearance=appearance)
    return found


def _item(group: str, source: Source) -> Item:
    """An image with its true masks, but for empty ones."""
    _, truth, valid = source.load()
    pairs = zip(truth & valid, _labels(group, source, len(truth)))
    return Item(source.image, [Instance(mask, label) for mask, label in pairs if mask.any()])


def _labels(group: str, source: Source, count: int) -> list[str]:
    return source.names() if group in CLASSED else [""] * count


def trained_on(source: Source) -> bool:
    """Whether an image is not held out."""
    return not held_out(source)


def taught_on(source: Source) -> bool:
    """Whether the critic is trained on an image."""
    return trained_on(source) and not reserved(source)


def reserved(source: Source) -> bool:
    """Whether the critic is not trained on an image; it hangs on its name alone. Held-out images are not among them."""
    return zlib.crc32(source.image.stem.encode()) % RESERVED == 1


def _in_turns(folders: Iterable[Path], chosen: Choice, seed: int) -> Iterator[tuple[str, Source]]:
    """The images of all sets, one of each set after the other, in an order that hangs on the seed."""
    queues: list[tuple[str, list[Source]]] = []
    for folder in find_sets(folders):
        sources = [source for source in read_set(folder) if chosen(source)]
        order = np.random.default_rng((seed, zlib.crc32(folder.name.encode()))).permutation(len(sources))
        queues.append((folder.name, [sources[i] for i in order]))
    for turn in range(max((len(sources) for _, sources in queues), default=0)):
        yield from ((name, sources[turn]) for name, sources in queues if turn < len(sources))


def resized(masks: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return bool (N, h, w) masks at another size, (H, W)."""
    return np.stack([cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST) > 0 for mask in masks])
