"""Show one, get all: one object of a class is given, and the others of its image are proposed.

An image counts if it has at least MIN_OBJECTS objects of one class; each such class is one search, and the object of median area is the
example. Proposals of a method match true objects one to one, best score first. A click on each example and one click to take all are the
user's work; each wrong proposal that is taken costs one more click.

Other images are searched with 1, 5, ... examples of a class, each from an image of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cdwidget.benchmark.matching import Found
from cdwidget.examples import ExamplePredictor
from cdwidget.formats.dataset_folders import DatasetImage, DatasetImageError, find_datasets, is_held_out, read_dataset
from cdwidget.formats.map_classes import MapClasses
from cdwidget.masks import iou

MIN_OBJECTS = 5
MATCH_IOUS = (0.5, 0.75)  # from which a proposal shows an object
PRECISION = 0.8  # at which recall is reported
MAX_CLASSES = 4  # most frequent classes of a set that are searched in other images
MAX_TEST_IMAGES = 4  # images of a class that are searched


@dataclass(frozen=True)
class SearchRun:
    """One search: the proposals of one method in one image.

    Attributes:
        method: Name of the method.
        name: The set, the image and the class.
        group: The set and the class.
        examples: Number of examples.
        objects: Number of true objects besides the examples.
        scores: Score of each proposal, the highest first.
        hits: For each IoU in MATCH_IOUS, whether the proposal matches a true object that no better one matches.
        seconds: CPU time of the search, with encoding.
    """

    method: str
    name: str
    group: str
    examples: int
    objects: int
    scores: tuple[float, ...]
    hits: tuple[tuple[bool, ...], ...]
    seconds: float


Search = Callable[[np.ndarray, np.ndarray], list[Found]]  # image uint8 (H, W, 3) and example bool (H, W) -> proposals, best first


def example_search(predictor: Any) -> Search:
    """Return the search of `ExamplePredictor`."""

    def search(image: np.ndarray, mask: np.ndarray) -> list[Found]:
        examples = ExamplePredictor(predictor)
        examples.add(image, mask)
        return [Found(one.patch, one.score) for one in examples.predict(image, [mask], 0.0)]

    return search


def benchmark_examples(
    searches: dict[str, Search], images: Sequence[tuple[str, DatasetImage]], classes: MapClasses
) -> list[SearchRun]:  # fmt: skip
    """Search each image for each of its classes with enough objects, by each method.

    Args:
        searches: The methods by name.
        images: The name of a data set and one of its images.
        classes: Classes of the objects in label maps.

    Returns:
        The runs of all searches and methods.
    """
    runs = []
    for group, name, image, masks in tqdm(_cases(images, classes), unit="search", disable=None):
        order = np.argsort([mask.sum() for mask in masks], kind="stable")
        example = int(order[len(order) // 2])
        others = [mask for i, mask in enumerate(masks) if i != example]
        for method, search in searches.items():
            started = process_time()
            found = search(image, masks[example])
            runs.append(_run(method, name, group, 1, others, found, process_time() - started))
    return runs


def benchmark_across(predictor: Any, counts: Sequence[int], datasets: Sequence[LabeledSet]) -> list[SearchRun]:
    """Search images with examples from other images, for the most frequent classes of each set.

    Args:
        predictor: A predictor with tokens.
        counts: Numbers of examples, increasing.
        datasets: The images.

    Returns:
        The runs of all counts, as methods named "1 examples", "5 examples", ...
    """
    runs = []
    for dataset in datasets:
        for label in tqdm(dataset.classes()[:MAX_CLASSES], desc=dataset.name, unit="class", disable=None):
            tests, others = dataset.split(label)
            examples, added, given = ExamplePredictor(predictor), 0, _readable(others, label)
            for count in counts:
                for _, image, masks in islice(given, count - added):
                    examples.add(image, max(masks, key=np.count_nonzero))
                    added += 1
                for name, image, masks in _readable(tests, label) if added == count else ():
                    started = process_time()
                    found = [Found(one.patch, one.score) for one in examples.predict(image, min_score=0.0)]
                    seconds, group = process_time() - started, f"{dataset.name} {label}"
                    runs.append(_run(f"{count} examples", f"{dataset.name}/{name}/{label}", group, count, masks, found, seconds))
    return runs


class LabeledImage(NamedTuple):
    """An image of a data set, and the class of each of its objects."""

    source: DatasetImage
    labels: list[str]

    def objects(self, label: str) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the image, uint8 (H, W, 3), and the masks of its objects of a class that have pixels."""
        image, masks, _ = self.source.load()
        return image, [mask for mask, own in zip(masks, self.labels) if own == label and mask.any()]


def _readable(images: Sequence[LabeledImage], label: str) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """Yield name, image and masks of each image that can be read and shows objects of a class."""
    for one in images:
        try:
            image, masks = one.objects(label)
        except DatasetImageError:
            continue
        if masks:
            yield one.source.image.stem, image, masks


@dataclass(frozen=True, eq=False)
class LabeledSet:
    """A data set whose objects have classes.

    Attributes:
        name: Its name.
        images: Its images.
        held_out: Whether only held-out images are searched; the examples come from the others.
    """

    name: str
    images: Sequence[LabeledImage]
    held_out: bool

    def classes(self) -> list[str]:
        """Return the classes, those in most images first."""
        return [label for label, _ in Counter(label for image in self.images for label in sorted(set(image.labels))).most_common()]

    def split(self, label: str) -> tuple[list[LabeledImage], list[LabeledImage]]:
        """Return the images of a class to search, at most MAX_TEST_IMAGES, and those to take examples from."""
        images = [image for image in self.images if label in image.labels]
        if not self.held_out:
            return images[:MAX_TEST_IMAGES], images[MAX_TEST_IMAGES:]
        tests = [image for image in images if is_held_out(image.source)]
        return tests[:MAX_TEST_IMAGES], [image for image in images if not is_held_out(image.source)]


def read_labeled_sets(folders: Sequence[Path], class_maps: Sequence[str], held_out: bool) -> list[LabeledSet]:
    """Read the data sets whose objects have classes.

    Args:
        folders: Data sets, or folders with data sets.
        class_maps: Names of the sets whose label maps hold classes.
        held_out: Whether only held-out images are searched.
    """
    found = []
    for folder in find_datasets(folders):
        images = [image for image in read_dataset(folder) if image.mask_path is None or folder.name in class_maps]
        if images:
            found.append(LabeledSet(folder.name, [LabeledImage(image, image.object_labels()) for image in images], held_out))
    return found


def read_images(folders: Sequence[Path], held_out: bool, limit: int | None = None) -> list[tuple[str, DatasetImage]]:
    """List the images of data sets with their set's name: of each the held-out ones, or all; at most `limit` of each."""
    found = []
    for folder in find_datasets(folders):
        images = [image for image in read_dataset(folder) if not held_out or is_held_out(image)]
        found += [(folder.name, image) for image in images[:limit]]
    return found


def _cases(
    images: Sequence[tuple[str, DatasetImage]], classes: MapClasses
) -> Iterator[tuple[str, str, np.ndarray, list[np.ndarray]]]:  # fmt: skip
    """Yield group, name, image and masks of each class of an image with enough objects."""
    for dataset, source in images:
        try:
            image, masks, _ = source.load()
        except DatasetImageError:
            continue
        labels = classes.labels(dataset, source, masks)
        for label in sorted(set(labels) - {""}):
            chosen = [mask for mask, own in zip(masks, labels) if own == label and mask.any()]
            if len(chosen) >= MIN_OBJECTS:
                yield f"{dataset} {label}", f"{dataset}/{source.image.stem}/{label}", image, chosen


def _run(
    method: str, name: str, group: str, examples: int, truths: Sequence[np.ndarray], found: Sequence[Found], seconds: float
) -> SearchRun:  # fmt: skip
    hits = tuple(_hits(found, truths, threshold) for threshold in MATCH_IOUS)
    return SearchRun(method, name, group, examples, len(truths), tuple(one.score for one in found), hits, seconds)


def _hits(found: Sequence[Found], truths: Sequence[np.ndarray], threshold: float) -> tuple[bool, ...]:
    left, hits = list(range(len(truths))), []
    for one in found:
        mask = np.zeros(truths[0].shape, bool)
        one.patch.paste(mask)
        best = max(left, key=lambda i: iou(truths[i], mask), default=None)
        is_hit = best is not None and bool(iou(truths[best], mask) >= threshold)
        if is_hit and best is not None:
            left.remove(best)
        hits.append(is_hit)
    return tuple(hits)


def summarize_searches(runs: Sequence[SearchRun]) -> dict[str, dict[str, float]]:
    """Return the figures of each method, at the score 0.5 and at a precision of 0.8."""
    return {method: _figures([run for run in runs if run.method == method]) for method in dict.fromkeys(run.method for run in runs)}


def _figures(runs: Sequence[SearchRun]) -> dict[str, float]:
    objects = sum(run.objects for run in runs)
    figures: dict[str, float] = {"searches": len(runs), "objects": objects}
    scores = np.array([score for run in runs for score in run.scores])
    for i, threshold in enumerate(MATCH_IOUS):
        hits = np.array([hit for run in runs for hit in run.hits[i]], bool)
        shown = scores >= 0.5
        figures[f"precision@{threshold}"] = float(hits[shown].mean()) if shown.any() else 0.0
        figures[f"recall@{threshold}"] = float(hits[shown].sum() / max(1, objects))
        ranked = hits[np.argsort(-scores, kind="stable")]
        precise = np.cumsum(ranked)
        precision = precise / np.arange(1, len(precise) + 1)
        reached = np.flatnonzero(precision >= PRECISION)
        figures[f"AP@{threshold}"] = float(precision[ranked].sum() / max(1, objects))
        figures[f"recall@{threshold} at precision {PRECISION}"] = float(precise[reached[-1]] / max(1, objects)) if len(reached) else 0.0
    taken = sum(sum(hit for hit, score in zip(run.hits[0], run.scores) if score >= 0.5) for run in runs)
    wrong = sum(sum(not hit and score >= 0.5 for hit, score in zip(run.hits[0], run.scores)) for run in runs)
    clicks = sum(run.examples + 1 for run in runs) + wrong
    figures["correct objects per click"] = taken / max(1, clicks)
    figures["CPU seconds"] = float(np.median([run.seconds for run in runs])) if runs else 0.0
    return figures


def search_table(runs: Sequence[SearchRun]) -> str:
    """Return the figures of all searches, and those of each group, as a Markdown table."""
    columns: list[str] = []
    rows = []
    for group in ("all", *sorted({run.group for run in runs})):
        for method, figures in summarize_searches([run for run in runs if group in ("all", run.group)]).items():
            columns = list(figures)
            rows.append(
                [group, method, *(f"{value:.0f}" if name in ("searches", "objects") else f"{value:.2f}" for name, value in figures.items())]
            )
    lines = [["set and class", "method", *columns], ["---"] * (2 + len(columns)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
