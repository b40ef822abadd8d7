"""Show one, get all: one object of a class is given, and the others of its image are proposed.

An image counts if it has at least MIN_OBJECTS objects of one class; each such class is one search, and the object of median area is the
example. Proposals of a method match true objects one to one, best score first. The click on the example and one click to take all are
the user's work; each wrong proposal that is taken costs one more click.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from cdwidget.examples import ExamplePredictor
from cdwidget.examples.proposals import is_duplicate
from cdwidget.formats.dataset_folders import DatasetImage, DatasetImageError, find_datasets, is_held_out, read_dataset
from cdwidget.masks import Patch, bbox, crop, iou

MIN_OBJECTS = 5
MATCH_IOUS = (0.5, 0.75)  # from which a proposal shows an object
PRECISION = 0.8  # at which recall is reported
CLICKS = 2  # one on the example, one to take all
TEMPLATE_SCALES = (0.7, 1.0, 1.4)
HUE_BINS, SATURATION_BINS = 30, 32


class Found(NamedTuple):
    """A proposed mask and its score in [0, 1]."""

    patch: Patch
    score: float


@dataclass(frozen=True)
class SearchRun:
    """One example and the proposals of one method.

    Attributes:
        method: A name in `search_methods`.
        name: The set, the image and the class.
        group: The set and the class.
        objects: Number of true objects besides the example.
        scores: Score of each proposal, the highest first.
        hits: For each IoU in MATCH_IOUS, whether the proposal matches a true object that no better one matches.
        seconds: Time of the search, with encoding.
    """

    method: str
    name: str
    group: str
    objects: int
    scores: tuple[float, ...]
    hits: tuple[tuple[bool, ...], ...]
    seconds: float


Search = Callable[[np.ndarray, np.ndarray], list[Found]]  # image uint8 (H, W, 3) and example bool (H, W) -> proposals, best first


def match_template(image: np.ndarray, mask: np.ndarray) -> list[Found]:
    """Propose the example's mask where OpenCV's normalized cross-correlation and the histogram back-projection have a common peak."""
    x0, y0, x1, y1 = box = bbox(mask)
    inside = crop(mask, box)
    likeness = _back_projection(image, mask)
    found: list[Found] = []
    for scale in TEMPLATE_SCALES:
        size = max(4, round((x1 - x0) * scale)), max(4, round((y1 - y0) * scale))
        if size[0] >= image.shape[1] or size[1] >= image.shape[0]:
            continue
        template = cv2.resize(np.ascontiguousarray(crop(image, box)), size, interpolation=cv2.INTER_AREA)
        shape = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        correlation = np.nan_to_num(cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED))
        color = cv2.boxFilter(likeness, -1, size, anchor=(0, 0))[: correlation.shape[0], : correlation.shape[1]]
        score = np.clip(correlation, 0, 1) * 0.5 + color * 0.5
        window = np.ones((max(3, size[1] // 2), max(3, size[0] // 2)), np.uint8)
        ys, xs = np.nonzero((score >= cv2.dilate(score, window)) & (score > 0.2))
        bits = np.packbits(shape).tobytes()
        for x, y in zip(xs.tolist(), ys.tolist()):
            found.append(Found(Patch((x, y, x + size[0], y + size[1]), bits), float(score[y, x])))
    return without_duplicates(found, [Patch.of(mask)])


def _back_projection(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return how well each pixel's color fits the example's histogram, relative to the image's, float32 (H, W) in [0, 1]."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    ranges, sizes = [0, 180, 0, 256], [HUE_BINS, SATURATION_BINS]
    own = cv2.calcHist([hsv], [0, 1], mask.astype(np.uint8), sizes, ranges)
    everything = cv2.calcHist([hsv], [0, 1], None, sizes, ranges)
    ratio = np.minimum(own * (mask.size / max(1, int(mask.sum()))) / np.maximum(everything, 1), 10) / 10
    return cv2.calcBackProject([hsv], [0, 1], (ratio * 255).astype(np.float32), ranges, 1).astype(np.float32) / 255


def without_duplicates(found: list[Found], known: Sequence[Patch]) -> list[Found]:
    """Return the proposals, best first, without those that show the same object as a better or a known one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(is_duplicate(one.patch, other) for other in (*known, *(better.patch for better in kept))):
            kept.append(one)
    return kept


def example_search(predictor: Any) -> Search:
    """Return the search of `ExamplePredictor`."""

    def search(image: np.ndarray, mask: np.ndarray) -> list[Found]:
        examples = ExamplePredictor(predictor)
        examples.add(image, mask)
        return [Found(one.patch, one.score) for one in examples.predict(image, [mask], 0.0)]

    return search


def benchmark_examples(searches: dict[str, Search], images: Sequence[tuple[str, DatasetImage]]) -> list[SearchRun]:
    """Search each image for each of its classes with enough objects, by each method.

    Args:
        searches: The methods by name.
        images: The name of a data set and one of its images.

    Returns:
        The runs of all searches and methods.
    """
    runs = []
    for group, name, image, masks in tqdm(_cases(images), unit="search", disable=None):
        order = np.argsort([mask.sum() for mask in masks], kind="stable")
        example = int(order[len(order) // 2])
        others = [mask for i, mask in enumerate(masks) if i != example]
        for method, search in searches.items():
            started = perf_counter()
            found = search(image, masks[example])
            seconds = perf_counter() - started
            hits = tuple(_hits(found, others, threshold) for threshold in MATCH_IOUS)
            runs.append(SearchRun(method, name, group, len(others), tuple(one.score for one in found), hits, seconds))
    return runs


def read_images(folders: Sequence[Path], held_out: bool, limit: int | None = None) -> list[tuple[str, DatasetImage]]:
    """List the images of data sets with their set's name: of each the held-out ones, or all; at most `limit` of each."""
    found = []
    for folder in find_datasets(folders):
        images = [image for image in read_dataset(folder) if not held_out or is_held_out(image)]
        found += [(folder.name, image) for image in images[:limit]]
    return found


def _cases(images: Sequence[tuple[str, DatasetImage]]) -> Iterator[tuple[str, str, np.ndarray, list[np.ndarray]]]:
    """Yield group, name, image and masks of each class of an image with enough objects."""
    for dataset, source in images:
        try:
            image, masks, _ = source.load()
        except DatasetImageError:
            continue
        labels = source.object_labels()
        if source.mask_path is not None:
            labels = ["object"] * len(masks)  # A label map has ids, not classes: all its objects are of one kind.
        for label in sorted(set(labels)):
            chosen = [mask for mask, own in zip(masks, labels) if own == label and mask.any()]
            if len(chosen) >= MIN_OBJECTS:
                yield f"{dataset} {label}", f"{dataset}/{source.image.stem}/{label}", image, chosen


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
        precise = np.cumsum(hits[np.argsort(-scores, kind="stable")])
        reached = np.flatnonzero(precise / np.arange(1, len(precise) + 1) >= PRECISION)
        figures[f"recall@{threshold} at precision {PRECISION}"] = float(precise[reached[-1]] / max(1, objects)) if len(reached) else 0.0
    taken = sum(sum(hit for hit, score in zip(run.hits[0], run.scores) if score >= 0.5) for run in runs)
    wrong = sum(sum(not hit and score >= 0.5 for hit, score in zip(run.hits[0], run.scores)) for run in runs)
    figures["correct objects per click"] = taken / max(1, CLICKS * len(runs) + wrong)
    figures["seconds"] = float(np.median([run.seconds for run in runs])) if runs else 0.0
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


def write_search_json(path: Path, runs: Sequence[SearchRun], **about: Any) -> None:
    """Write all runs and the figures of each method.

    Args:
        path: The JSON file.
        runs: The runs.
        **about: Stored in it, too.
    """
    content = {**about, "figures": summarize_searches(runs), "runs": [asdict(run) for run in runs]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
