"""Fits the networks behind the overall score on masks with synthetic errors; run by `cdwidget fit-scores`.

The border networks classify points of a mask's boundary. The overall networks estimate a mask's IoU from the measures of all scores: the
first without any model, the second with the predictor, and the last with the quality model and the class statistics.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F
from tqdm import tqdm

from cdwidget.items import Instance
from cdwidget.predictor import GOOD_IOU, Predictor, QualityModel
from cdwidget.scoring.context import ImageContext, MaskContext
from cdwidget.scoring.contrast import ALIGNED, TRUE_INWARD, TRUE_OUTWARD, boundary_measures, boundary_profiles
from cdwidget.scoring.network import WEIGHTS, Network, save_networks, shipped_networks, softmax
from cdwidget.scoring.overall import (
    IMAGE_LOGIT,
    PRIOR_LOGIT,
    OverallEstimate,
    availability,
    blend_logits,
    decode_estimate,
    mask_measures,
    network_inputs,
)
from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import CLASS_SCORES, PREDICTOR_SCORES, QUALITY_SCORES, SCORES, compute_scores
from cdwidget.train.corruption import (
    CLEAN_KIND,
    RESERVED_INTERVAL,
    CorruptedImage,
    ImageFilter,
    corrupted_images,
    is_reserved,
    is_trained_on,
    read_populations,
)
from cdwidget.train.ensemble import NetworkRecipe, train_network
from cdwidget.train.evaluate_overall import auroc

MAX_PASSES = 4  # passes over the images, each with other errors
FOLDS = 5  # Number of folds of the images, for cross-validation.
BOUNDARY_POINTS = 80  # points per mask to which the border networks are fitted
TOLERANCE_PX, RELATIVE_TOLERANCE = 2.0, 0.03  # A boundary is correct within 2 px of the crop or this fraction of the mask's sqrt(area).
IOU_RANGE = 0.4, 1.0  # IoU of the mask errors, including slight errors.
LAST_NETWORK = "overall critic"  # name in the weights file
SIZE_MEASURES = ("area", "pixels")  # measures that the second and the last overall network get
LAST_MEASURES = ("nested", "surplus")  # measures that only the last network gets
NEIGHBOR_SCORES = ("duplicate", "overlap")  # scores that depend on the other instances of the image


@dataclass(frozen=True, eq=False)
class Example:
    """One mask and its measures.

    Attributes:
        group: Name of the data set.
        image: Stem of the image file.
        kind: Kind of error.
        iou: True IoU.
        measures: Measures of all scores without any model, except the border networks'.
        alone: Those that differ if the mask is the only one in its image.
        of_class: Measures of the scores that compare the mask with its class.
        predictor: Measures of the scores that need a predictor; empty without one.
        quality: Measures of the scores that need the quality model; empty without one.
        quality_alone: The same if the mask is the only one in its image.
        inputs: Inputs of the border networks by name, (n, d).
        side: TRUE_INWARD, ALIGNED or TRUE_OUTWARD for each point, (n,).
    """

    group: str
    image: str
    kind: str
    iou: float
    measures: dict[str, float]
    alone: dict[str, float]
    of_class: dict[str, float]
    predictor: dict[str, float]
    quality: dict[str, float]
    quality_alone: dict[str, float]
    inputs: dict[str, np.ndarray]
    side: np.ndarray

    @property
    def fold(self) -> int:
        """Fold of the image."""
        # All reserved images have the same remainder, so it is divided out first.
        return zlib.crc32(self.image.encode()) // RESERVED_INTERVAL % FOLDS


@dataclass(frozen=True, eq=False)
class Row:
    """An example with the measures known so far, which the fitted networks extend.

    Attributes:
        example: The example.
        measures: Measures without predictor and quality model.
        predictor: Measures with the predictor.
        quality: Measures with the quality model.
    """

    example: Example
    measures: dict[str, float]
    predictor: dict[str, float]
    quality: dict[str, float]


def iou_target(iou: float) -> tuple[float, ...]:
    """Return the IoU as the only target."""
    return (iou,)


def good_and_iou_targets(iou: float) -> tuple[float, ...]:
    """Return whether the mask is good, 0 or 1, and its IoU."""
    return float(iou >= GOOD_IOU), iou


BORDER_RECIPE = NetworkRecipe((48, 32), 1, 2500, 512, 0.2, 1e-3, iou_target)
IMAGE_RECIPE = NetworkRecipe((32, 16), 12, 2400, 128, 0.2, 0.05, iou_target, excluded=LAST_MEASURES)
PREDICTOR_RECIPE = NetworkRecipe((12,), 12, 400, 128, 0.4, 0.3, iou_target)  # small, because it has few masks to learn from
LAST_RECIPE = NetworkRecipe((96, 48), 12, 7200, 128, 0.2, 0.1, good_and_iou_targets)


def fit_scores(
    folders: Sequence[Path], predictor: Predictor, quality_model: QualityModel, out: Path = WEIGHTS, count: int = 900,
    plain_count: int = 6000, seed: int = 1,
) -> str:  # fmt: skip
    """Fit the networks on masks of training images, and write them.

    If there are not enough images, they are used again, with other errors.

    Args:
        folders: Data sets, or folders of them.
        predictor: The predictor.
        quality_model: The quality model.
        out: The .npz file to write.
        count: Masks with predictor and quality model, of images that the quality model was not trained on; about 1 s each on two cores.
        plain_count: Masks without both, 0.1 s each; 0 fits only the last network and keeps the shipped others.
        seed: Random seed.

    Returns:
        A sentence with the file, AUROC and Spearman correlation.
    """
    populations = read_populations(folders, quality_model)
    with tqdm(total=count + plain_count, unit="mask", disable=None) as bar:

        def collect(count: int, seed: int, selects: ImageFilter, *models: Any) -> list[Example]:
            examples: list[Example] = []
            for repetition in range(MAX_PASSES):
                images = corrupted_images(folders, count - len(examples), seed + repetition, selects=selects, ious=IOU_RANGE)
                for example in examine(images, populations, *models):
                    examples.append(example)
                    bar.update()
                if len(examples) >= count:
                    break
            return examples

        kept = {} if plain_count else {name: network for name, network in shipped_networks().items() if name != LAST_NETWORK}
        plain = collect(plain_count, seed + MAX_PASSES, is_trained_on) if plain_count else []
        complete = collect(count, seed, is_reserved, predictor, quality_model)
    networks, estimate = fit(plain, complete, kept)
    save_networks(networks, out)
    iou = np.array([example.iou for example in complete])
    return (
        f"wrote {out}; cross-validated: AUROC {auroc(estimate.score, iou < GOOD_IOU):.3f} for IoU < {GOOD_IOU}, "
        f"Spearman {spearmanr(-estimate.score, iou).statistic:.3f}"
    )


def examine(
    images: Iterable[CorruptedImage],
    populations: Mapping[str, Population],
    predictor: Predictor | None = None,
    quality_model: QualityModel | None = None,
) -> Iterator[Example]:
    """Compute all measures of the evaluated masks of images.

    Args:
        images: The images.
        populations: Population by data-set name.
        predictor: The predictor, or None.
        quality_model: The quality model, or None.

    Yields:
        One example per mask.
    """
    plain_scores = [name for name in SCORES if name not in (*PREDICTOR_SCORES, *QUALITY_SCORES, *CLASS_SCORES, "border")]
    for image in images:
        instances = [Instance(mask, label, index) for index, (mask, label) in enumerate(zip(image.masks, image.labels))]
        population = populations[image.group]
        context = ImageContext(image.image, instances, predictor, population, quality_model)
        for index, (kind, iou) in image.errors.items():
            mask = MaskContext(context, index)
            alone = MaskContext(ImageContext(image.image, [instances[index]], None, population, quality_model), index)
            profiles = boundary_profiles(mask)
            sample = np.linspace(0, len(profiles.points) - 1, min(BOUNDARY_POINTS, len(profiles.points))).round().astype(int)
            yield Example(
                group=image.group,
                image=image.name,
                kind=kind,
                iou=iou,
                measures={**mask_measures(mask), **_measures(mask, plain_scores)},
                alone=_measures(alone, NEIGHBOR_SCORES),
                of_class=_measures(mask, CLASS_SCORES),
                predictor=_measures(mask, PREDICTOR_SCORES),
                quality=_measures(mask, QUALITY_SCORES),
                quality_alone=_measures(alone, QUALITY_SCORES),
                inputs={name: values[sample] for name, values in profiles.inputs().items()},
                side=_true_side(mask, image.truth[index], profiles.points[sample]),
            )


def fit(plain: Sequence[Example], complete: Sequence[Example], kept: Mapping[str, Network]) -> tuple[dict[str, Network], OverallEstimate]:
    """Fit the networks one after the other.

    Each gets the cross-validated outputs of the earlier ones, as if the images were new to these.

    Args:
        plain: Examples without predictor and quality model.
        complete: Examples with both.
        kept: Networks by name that are not fitted again.

    Returns:
        All networks by name, and the cross-validated estimates of the complete examples.
    """
    rows = [Row(example, {**example.measures}, {**example.predictor}, example.quality) for example in (*plain, *complete)]
    networks: dict[str, Network] = {}

    def cross_validate(
        name: str, rows: Sequence[Row], train: Callable[[Sequence[Row]], Network], apply: Callable[[Network, Row], Any]
    ) -> list[Any]:
        """Train a network on all rows; return outputs of networks trained on other folds."""
        if name in kept:
            networks[name] = kept[name]
            return [apply(kept[name], row) for row in rows]
        outputs = {}
        for fold in range(FOLDS):
            network = train([row for row in rows if row.example.fold != fold])
            outputs.update({row: apply(network, row) for row in rows if row.example.fold == fold})
        networks[name] = train(rows)
        return [outputs[row] for row in rows]

    for row, output in zip(rows, cross_validate("border picture", rows, partial(_fit_border, "picture"), partial(_sides, "picture"))):
        row.measures.update(boundary_measures("picture", output))
    with_predictor = rows[len(plain) :]
    outputs = cross_validate("border answers", with_predictor, partial(_fit_border, "answers"), partial(_sides, "answers"))
    for row, output in zip(with_predictor, outputs):
        row.predictor.update(boundary_measures("answers", output))
    rows += [Row(row.example, {**row.measures, **row.example.alone}, row.predictor, row.example.quality_alone) for row in rows]
    image_logits = dict(zip(rows, cross_validate("overall picture", rows, partial(_fit_overall, IMAGE_RECIPE), _logit)))
    with_predictor = [row for row in rows if row.predictor]
    inputs = [
        replace(row, measures={**row.predictor, IMAGE_LOGIT: image_logits[row], **_selected(row, SIZE_MEASURES)}) for row in with_predictor
    ]
    predictor_logits = cross_validate("overall answers", inputs, partial(_fit_overall, PREDICTOR_RECIPE), _logit)
    plain_logits = np.array([image_logits[row] for row in with_predictor])
    logits = [*blend_logits(plain_logits, np.array(predictor_logits)), *plain_logits]  # First with the predictor, then without it.
    pairs = list(zip((*with_predictor, *with_predictor), logits))
    inputs = [_last_inputs(row, logit, row.quality) for row, logit in pairs]
    inputs += [_last_inputs(row, logit, {}) for row, logit in pairs]  # The same rows without the quality model.
    inputs += [
        _last_inputs(row, logit, {name: value for name, value in row.quality.items() if name != "appearance"})  # without labels
        for row, logit in pairs if "appearance" in row.quality
    ]  # fmt: skip
    last_logits = cross_validate(LAST_NETWORK, inputs, partial(_fit_overall, LAST_RECIPE), _logits)
    return networks, decode_estimate(np.array(last_logits[: len(complete)]))


def _measures(mask: MaskContext, names: Sequence[str]) -> dict[str, float]:
    return {key: value for result in compute_scores(mask, names).values() for key, value in result.measures.items()}


def _selected(row: Row, names: Iterable[str]) -> dict[str, float]:
    return {name: row.measures[name] for name in names}


def _last_inputs(row: Row, logit: float, quality: Mapping[str, float]) -> Row:
    """Return a row with the measures of the last network: the logit of the earlier ones, quality and class measures."""
    selected = _selected(row, {*SIZE_MEASURES, *LAST_MEASURES, *row.example.alone})
    return replace(row, measures={**quality, **availability(quality), PRIOR_LOGIT: float(logit), **row.example.of_class, **selected})


def _true_side(mask: MaskContext, truth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return on which side of points (n, 2) of the mask's boundary the true boundary lies."""
    inside = mask.crop(truth) >= 0.5
    to_outside, to_inside = (cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) for part in (inside, ~inside))
    distance = (to_outside - to_inside)[points[:, 1], points[:, 0]]
    tolerance = max(TOLERANCE_PX, RELATIVE_TOLERANCE * float(np.sqrt(mask.crop_mask.sum())))
    return np.where(distance > tolerance, TRUE_OUTWARD, np.where(distance < -tolerance, TRUE_INWARD, ALIGNED))


def _fit_border(name: str, rows: Sequence[Row]) -> Network:
    inputs = np.concatenate([row.example.inputs[name] for row in rows])
    sides = torch.from_numpy(np.concatenate([row.example.side for row in rows]))
    return train_network(inputs, sides, F.cross_entropy, 3, BORDER_RECIPE, ())


def _sides(name: str, network: Network, row: Row) -> np.ndarray:
    return softmax(network(row.example.inputs[name]))


def _fit_overall(recipe: NetworkRecipe, rows: Sequence[Row]) -> Network:
    names = tuple(sorted({name for row in rows for name in row.measures} - set(recipe.excluded)))
    good = [row.measures for row in rows if row.example.kind == CLEAN_KIND]
    typical = np.array([np.median([one[name] for one in good if name in one] or [0.0]) for name in names], np.float32)
    inputs = np.array([[row.measures.get(name, value) for name, value in zip(names, typical)] for row in rows], np.float32)
    targets = torch.tensor([recipe.targets(row.example.iou) for row in rows], dtype=torch.float32)
    return train_network(inputs, targets, F.binary_cross_entropy_with_logits, targets.shape[1], recipe, names, typical)


def _logits(network: Network, row: Row) -> np.ndarray:
    return network(network_inputs([row.measures], network))[0]


def _logit(network: Network, row: Row) -> float:
    return float(_logits(network, row)[0])
