"""Evaluates how well the scores find bad masks, on held-out images with synthetic mask errors; run by `cdwidget score-quality`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
from scipy.stats import rankdata, spearmanr
from tqdm import tqdm

from cdwidget._version import __version__
from cdwidget.catalogue.rows import OVERALL_SCORE
from cdwidget.items import Instance
from cdwidget.masks import iou as mask_iou
from cdwidget.predictor import GOOD_IOU, Predictor, QualityModel
from cdwidget.scoring.context import ImageContext, MaskContext
from cdwidget.scoring.overall import overall
from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import CLASS_SCORES, PREDICTOR_SCORES, QUALITY_SCORES, compute_scores
from cdwidget.tables import write_csv
from cdwidget.train.corruption import CLEAN_KIND, CorruptedImage, corrupted_images, read_populations

BAD_SHARE = 0.15  # fraction of bad masks in the simulated reviews
REVIEWED_SHARE = 0.2  # fraction of the masks that is reviewed, worst scores first
SIMULATED_REVIEWS = 1000
CALIBRATION_BINS = 5  # Number of bins with equally many masks.

# Names of the figures, which must not change because they are stored in results.
WRONG_LABEL = "appearance, wrong label"  # a clean mask with the label of another instance of its image
NO_PREDICTOR, NO_NETWORK, NO_LABELS = "overall, no predictor", "overall, no network", "overall, no labels"
AMONG_GOOD, ALONE = "overall, among good masks", "overall, alone in its image"
BY_NUMBER = "overall, by number"  # against the object that the mask was made from, even if an equal mask comes first
NO_TWINS = "overall, no twins"  # without masks that have an equal mask of the same label
VARIANTS = (OVERALL_SCORE, NO_TWINS, NO_PREDICTOR, NO_NETWORK, NO_LABELS, AMONG_GOOD, ALONE)
LABEL_SCORES = ("appearance", *CLASS_SCORES)


@dataclass(frozen=True)
class ScoredMask:
    """One mask with its true quality and its scores.

    Attributes:
        group: Name of the data set.
        image: Stem of the image file.
        number: Number of the instance.
        kind: Kind of error.
        iou: True IoU.
        source_iou: IoU with the object that the mask was made from.
        bad_probability: Estimated probability that the mask is bad.
        estimated_iou: Estimated IoU.
        scores: Value by name of the score or variant.
    """

    group: str
    image: str
    number: int
    kind: str
    iou: float
    source_iou: float
    bad_probability: float
    estimated_iou: float
    scores: dict[str, float]


def measure_scores(
    folders: Sequence[Path], predictor: Predictor, quality_model: QualityModel, count: int = 520, seed: int = 0
) -> list[ScoredMask]:
    """Score masks of held-out images, half of them corrupted, in all variants.

    Args:
        folders: Data sets, or folders of them.
        predictor: The predictor.
        quality_model: The quality model.
        count: Number of masks.
        seed: Random seed.

    Returns:
        The scored masks.
    """
    populations = read_populations(folders, quality_model)
    scored: list[ScoredMask] = []
    with tqdm(total=count, unit="mask", disable=None) as bar:
        for image in corrupted_images(folders, count, seed):
            scored += _score_image(image, predictor, quality_model, populations[image.group])
            bar.update(len(image.errors))
    return scored


def summarize(masks: Sequence[ScoredMask], seed: int = 0) -> dict[str, Any]:
    """Compute all figures, as JSON values.

    Args:
        masks: The scored masks.
        seed: Random seed of the simulated reviews.

    Returns:
        AUROC, Spearman correlation and found bad masks of the overall score and its variants; its AUROC by kind of error and by data set;
        its calibration; and the AUROC of each score.
    """
    names = list(dict.fromkeys(name for mask in masks for name in mask.scores))
    values = {name: np.array([mask.scores.get(name, np.nan) for mask in masks]) for name in names}
    iou, source_iou, bad_probability, estimated_iou = (
        np.array([getattr(mask, name) for mask in masks]) for name in ("iou", "source_iou", "bad_probability", "estimated_iou")
    )
    kinds, groups = np.array([mask.kind for mask in masks]), np.array([mask.group for mask in masks])
    score, is_clean, is_bad = values[OVERALL_SCORE], kinds == CLEAN_KIND, iou < GOOD_IOU

    def figures(chosen: np.ndarray, score: np.ndarray = score, true: np.ndarray = iou) -> dict[str, Any]:
        chosen = chosen & np.isfinite(score)
        score, true = score[chosen], true[chosen]
        return {"masks": len(score), "auroc": auroc(score, true < GOOD_IOU), "spearman": _spearman(score, true)}

    def variant(name: str, true: np.ndarray = iou) -> dict[str, Any]:
        known = np.isfinite(values[name])
        return {**figures(every, values[name], true), **found(values[name][known], true[known], seed)}

    def of_kind(kind: str) -> dict[str, Any]:
        own = kinds == kind
        means = {"mean_iou": float(iou[own].mean()), "mean_score": float(score[own].mean())}
        return {**figures(is_clean | own), "spoilt": int(own.sum()), **means}

    every = np.ones(len(masks), bool)
    right, wrong = (values.get(name, np.full(len(masks), np.nan)) for name in ("appearance", WRONG_LABEL))
    both = is_clean & np.isfinite(right) & np.isfinite(wrong)
    return {
        "cdwidget": __version__,
        "masks": len(masks),
        "images": len({(mask.group, mask.image) for mask in masks}),
        "bad": int(is_bad.sum()),
        **{name: variant(name) for name in VARIANTS},
        BY_NUMBER: variant(OVERALL_SCORE, source_iou),
        "chance": {"brier": float(((bad_probability - is_bad) ** 2).mean()), "bias": float((bad_probability - is_bad).mean())},
        "estimate": {
            "error": float(np.abs(estimated_iou - iou).mean()),
            "bias": float((estimated_iou - iou).mean()),
            "spearman": _spearman(-estimated_iou, iou),
        },
        "calibration": {"chance": _calibration(bad_probability, is_bad), "estimate": _calibration(estimated_iou, iou)},
        "by_kind": {kind: of_kind(kind) for kind in sorted({*kinds.tolist()} - {CLEAN_KIND})},
        "by_set": {group: figures(groups == group) for group in sorted({*groups.tolist()})},
        "each_score": {name: figures(every, values[name]) for name in names if name != WRONG_LABEL and not name.startswith(OVERALL_SCORE)},
        "wrong_labels": {"masks": int(both.sum()), "auroc": auroc(np.r_[right[both], wrong[both]], np.repeat([False, True], both.sum()))},
    }


def auroc(score: np.ndarray, bad: np.ndarray) -> float | None:
    """Compute the area under the ROC curve.

    It is the probability that a bad mask has a higher score than a good one; ties count half.

    Args:
        score: float (n,).
        bad: Whether each mask is bad, bool (n,).

    Returns:
        The area, or None if all masks are good or all are bad.
    """
    positives = int(bad.sum())
    if positives in (0, len(bad)):
        return None
    return float((rankdata(score)[bad].sum() - positives * (positives + 1) / 2) / (positives * (len(bad) - positives)))


def found(score: np.ndarray, iou: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Simulate reviews that end before all masks have been seen.

    `BAD_SHARE` of the masks is bad, and `REVIEWED_SHARE` is reviewed, worst scores first.

    Args:
        score: float (n,).
        iou: True IoU of each mask, float (n,).
        seed: Random seed.

    Returns:
        The fraction of bad masks that are found: the mean, and the 2.5 % and 97.5 % quantiles of the simulations.
    """
    rng = np.random.default_rng(seed)
    bad, good = np.flatnonzero(iou < GOOD_IOU), np.flatnonzero(iou >= GOOD_IOU)
    bad_count = max(1, min(len(bad), round(len(good) * BAD_SHARE / (1 - BAD_SHARE))))
    shares = []
    for _ in range(SIMULATED_REVIEWS):
        sample = rng.permutation(np.concatenate([good, rng.choice(bad, bad_count, replace=False)]))  # The permutation breaks ties.
        worst = sample[np.argsort(-score[sample], kind="stable")][: round(REVIEWED_SHARE * len(sample))]
        shares.append(np.count_nonzero(iou[worst] < GOOD_IOU) / bad_count)
    return {
        "found": float(np.mean(shares)),
        "found_low": float(np.quantile(shares, 0.025)),
        "found_high": float(np.quantile(shares, 0.975)),
    }


def write(masks: Sequence[ScoredMask], out: Path, **conditions: Any) -> str:
    """Write all figures to a JSON file, and a CSV with one line per mask next to it.

    Args:
        masks: The scored masks.
        out: The JSON file.
        conditions: Further values to store, such as the model's name.

    Returns:
        The main figures as text.
    """
    figures = {**conditions, **summarize(masks)}
    out.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n")
    names = list(dict.fromkeys(name for mask in masks for name in mask.scores))
    rows = []
    for mask in masks:
        scores = (f"{mask.scores[name]:.4f}" if name in mask.scores else "" for name in names)
        numbers = (f"{value:.4f}" for value in (mask.iou, mask.source_iou, mask.bad_probability, mask.estimated_iou))
        rows.append([mask.group, mask.image, mask.number, mask.kind, *numbers, *scores])
    write_csv(out.with_suffix(".csv"), ["group", "image", "number", "kind", "iou", "made", "chance", "estimate", *names], rows)
    lines = [f"{figures['masks']} masks of {figures['images']} held-out images, {figures['bad']} of them bad (IoU < {GOOD_IOU})"]
    for name in (*VARIANTS, BY_NUMBER):
        row = figures[name]
        lines.append(f"{name:<28} AUROC {row['auroc']:.3f}  Spearman {row['spearman']:.3f}  found in the worst 20 % {row['found']:.0%}")
    if (labels := figures["wrong_labels"])["masks"]:
        lines.append(f"wrong labels found by appearance: AUROC {labels['auroc']:.3f}  ({labels['masks']} clean masks)")
    lines += [f"  {kind:<14} AUROC {row['auroc']:.3f}  ({row['spoilt']} masks)" for kind, row in figures["by_kind"].items()]
    return "\n".join(lines)


def _score_image(image: CorruptedImage, predictor: Predictor, quality_model: QualityModel, population: Population) -> Iterator[ScoredMask]:
    """Score the evaluated masks of an image among all its masks, and in all variants."""
    instances = [Instance(mask, label, number) for number, (mask, label) in enumerate(zip(image.masks, image.labels))]
    context = ImageContext(image.image, instances, predictor, population, quality_model)
    for number, (kind, iou) in image.errors.items():
        mask = MaskContext(context, number)
        results = compute_scores(mask)
        combined = overall(results, mask)
        scores = {name: result.value for name, result in results.items()}
        scores[OVERALL_SCORE] = combined.value
        if scores["duplicate"] < 1 or "appearance" in scores:
            scores[NO_TWINS] = combined.value
        for name, without in (
            (NO_PREDICTOR, PREDICTOR_SCORES),
            (NO_NETWORK, (*PREDICTOR_SCORES, *QUALITY_SCORES)),
            (NO_LABELS, LABEL_SCORES),
        ):
            scores[name] = overall({key: result for key, result in results.items() if key not in without}, mask).value
        true_others = [instance if i == number else replace(instance, mask=image.truth[i]) for i, instance in enumerate(instances)]
        for name, company in ((AMONG_GOOD, true_others), (ALONE, [instances[number]])):
            variant = MaskContext(ImageContext(image.image, company, None, population, quality_model), number)
            variant.predictions = mask.predictions  # They depend only on the image and the mask.
            scores[name] = overall(compute_scores(variant), variant).value
        classes = population.appearance.labels if population.appearance is not None and kind == CLEAN_KIND else ()
        if candidates := [other for other in instances if other.label in classes and other.label != instances[number].label]:
            mislabeled = replace(instances[number], label=candidates[number % len(candidates)].label)
            variant = MaskContext(ImageContext(image.image, [mislabeled], None, population, quality_model), number)
            scores[WRONG_LABEL] = compute_scores(variant, ["appearance"])["appearance"].value
        source_iou = mask_iou(image.masks[number], image.truth[image.swapped[number]]) if number in image.swapped else iou
        estimate = combined.measures["bad"], combined.measures["iou"]
        values = {name: float(value) for name, value in scores.items()}
        yield ScoredMask(image.group, image.name, number, kind, iou, source_iou, *estimate, values)


def _spearman(score: np.ndarray, iou: np.ndarray) -> float | None:
    return float(spearmanr(-score, iou).statistic) if len(score) and np.ptp(score) and np.ptp(iou) else None


def _calibration(estimate: np.ndarray, true: np.ndarray) -> list[dict[str, float]]:
    """Compare the mean estimate with the mean true value in bins of equally many masks, sorted by the estimate."""
    bins = np.array_split(np.argsort(estimate, kind="stable"), CALIBRATION_BINS)
    return [{"masks": len(part), "estimated": float(estimate[part].mean()), "true": float(true[part].mean())} for part in bins if len(part)]
