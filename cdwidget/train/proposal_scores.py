"""Fitting of the score of proposals: a logistic regression on candidates in training images; `cdwidget fit-proposals`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cdwidget.examples.proposals import as_token_predictor
from cdwidget.examples.search import Evidence, TokenPredictor, describe, find_candidates
from cdwidget.formats.dataset_folders import find_datasets, is_held_out, read_dataset
from cdwidget.formats.map_classes import MapClasses
from cdwidget.masks import iou

MIN_OBJECTS = 5  # of the class in an image
EXAMPLES = (1, 4)  # numbers of examples of each search
USABLE_IOU = 0.5
NEWTON_STEPS = 30
RIDGE = 1e-3  # keeps the weights finite if the candidates can be separated


def fit_proposal_scores(predictor: Any, folders: Iterable[Path], classes: MapClasses, images: int, out: Path) -> str:
    """Fit the score of proposals on candidates in training images, and return the intercept and the weights as text.

    Every n-th image of a set is searched for its most frequent class, with 1 and 4 objects of medium size as examples. Held-out images
    are not used.

    Args:
        predictor: A predictor with tokens.
        folders: Data sets, or folders of them.
        classes: Classes of the objects in label maps.
        images: Maximum number of images of a set.
        out: File for the candidates, a JSON line an image; images that it holds already are not searched again.

    Raises:
        ValueError: If no image shows enough objects of a class.
    """
    twin = as_token_predictor(predictor)
    found = {line["image"]: line["candidates"] for line in map(json.loads, out.read_text().splitlines())} if out.is_file() else {}
    with out.open("a", buffering=1) as file:
        for name, image, masks in tqdm(_images(folders, classes, images), unit="image", disable=None):
            if name not in found:
                found[name] = list(_candidates(twin, image, masks))
                file.write(json.dumps({"image": name, "candidates": found[name]}) + "\n")
    rows = np.array([row for candidates in found.values() for row in candidates])
    if not len(rows):
        raise ValueError(f"no image shows {MIN_OBJECTS} objects of a class; give a data set with such images")
    intercept, *weights = logistic_regression(rows[:, :-1], rows[:, -1])
    named = ", ".join(f"{name}={weight:.2f}" for name, weight in zip(Evidence._fields, weights))
    return f"{len(rows)} candidates in {len(found)} images: intercept {intercept:.2f}, {named}"


def _images(folders: Iterable[Path], classes: MapClasses, limit: int) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """Yield the name of each image to search, the image, and the objects of its most frequent class."""
    for folder in find_datasets(folders):
        sources = [one for one in read_dataset(folder) if not is_held_out(one)]
        for source in sources[:: max(1, ceil(len(sources) / limit))]:
            image, masks, _ = source.load()
            labels = [label if mask.any() else "" for label, mask in zip(classes.labels(folder.name, source, masks), masks)]
            frequent = Counter(label for label in labels if label).most_common(1)
            if frequent and frequent[0][1] >= MIN_OBJECTS:
                chosen = [mask for mask, label in zip(masks, labels) if label == frequent[0][0]]
                yield f"{folder.name}/{source.image.stem}", image, chosen


def _candidates(predictor: TokenPredictor, image: np.ndarray, masks: Sequence[np.ndarray]) -> Iterator[list[float]]:
    """Yield the evidence of each candidate and whether its mask is usable."""
    predictor.set_image(image)
    by_area = sorted(masks, key=np.count_nonzero)
    medium_first = [by_area[i] for i in sorted(range(len(by_area)), key=lambda i: abs(i - len(by_area) // 2))]
    for count in EXAMPLES:
        given, others = medium_first[:count], medium_first[count:]
        examples = [describe(predictor, mask) for mask in given]
        for one in find_candidates(predictor, image.shape[:2], examples, np.any(given, 0)):
            mask = np.zeros(image.shape[:2], bool)
            one.patch.paste(mask)
            yield [*one.evidence, float(any(iou(mask, other) > USABLE_IOU for other in others))]


def logistic_regression(values: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Return the intercept and the weights of a logistic regression, float64 (1 + n,), by Newton's method.

    Args:
        values: float (rows, n).
        hits: 1 or 0 for each row.
    """
    inputs = np.column_stack([np.ones(len(values)), values])
    weights = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + RIDGE * np.eye(len(weights))
        weights = weights + np.linalg.solve(curvature, inputs.T @ (hits - probability) - RIDGE * weights)
    return weights
