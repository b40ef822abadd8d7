"""How well scores find bad masks: measured on images that are never trained on, with masks spoilt on purpose; `cdwidget score-quality`."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np
from scipy.stats import rankdata, spearmanr
from tqdm import tqdm

from cdwidget._version import __version__
from cdwidget.catalogue.rows import OVERALL
from cdwidget.items import Instance
from cdwidget.masks import iou as mask_iou
from cdwidget.predictor import BAD, Critic, Predictor
from cdwidget.scoring.context import Scene, Subject
from cdwidget.scoring.overall import overall
from cdwidget.scoring.population import Population
from cdwidget.scoring.registry import ASKING, JUDGING, OF_CLASS, measure
from cdwidget.train.corruption import CLEAN, Spoilt, populations, spoilt_images

MIX, REVIEWED, DRAWS = 0.15, 0.2, 1000  # share of bad masks, share that is looked at, how often such a mix is drawn
WRONG_LABEL = "appearance, wrong label"  # of an untouched mask under the label of another instance of its image
NO_PREDICTOR, NO_NETWORK, NO_LABELS = "overall, no predictor", "overall, no network", "overall, no labels"
BY_LABEL = ("appearance", *OF_CLASS)
AMONG_GOOD, ALONE = "overall, among good masks", "overall, alone in its image"
BY_NUMBER = "overall, by number"  # each mask against the object that it was made for, though another like it comes first
NO_TWINS = "overall, no twins"  # without masks of which there is a copy that no label tells from it
VARIANTS = (OVERALL, NO_TWINS, NO_PREDICTOR, NO_NETWORK, NO_LABELS, AMONG_GOOD, ALONE)


@dataclass(frozen=True)
class Judged:
    """One mask: what was done to it, its true IoU, that with the object it was made for, the estimated chance that it is bad, its
    estimated IoU, and what every score gave it.
    """

    group: str
    image: str
    number: int
    kind: str
    iou: float
    made: float
    chance: float
    estimate: float
    scores: dict[str, float]


def measure_scores(folders: Sequence[Path], predictor: Predictor, critic: Critic, count: int = 520, seed: int = 0) -> list[Judged]:
    """Score `count` masks of held-out images, half of them spoilt.

    Each among the others of its image as they are given, many of them spoilt too, with predictor and critic, without the predictor, and
    without both; and with both without labels, among the others as they should be, and alone.
    """
    known = populations(folders, critic)
    with tqdm(total=count, unit="mask", disable=None) as bar:
        judged: list[Judged] = []
        for spoilt in spoilt_images(folders, count, seed):
            judged += _judge(spoilt, predictor, critic, known[spoilt.group])
            bar.update(len(spoilt.faults))
    return judged


def _judge(spoilt: Spoilt, predictor: Predictor, critic: Critic, population: Population) -> Iterator[Judged]:
    instances = [Instance(mask, label, number) for number, (mask, label) in enumerate(zip(spoilt.masks, spoilt.labels))]
    scene = Scene(spoilt.image, instances, predictor, population, critic)
    for number, (kind, iou) in spoilt.faults.items():
        subject = Subject(scene, number)
        findings = measure(subject)
        good = [instances[number] if one == number else replace(other, mask=spoilt.truth[one]) for one, other in enumerate(instances)]
        scores = {name: finding.value for name, finding in findings.items()}
        combined = overall(findings, subject)
        scores[OVERALL] = combined.value
        if scores["duplicate"] < 1 or "appearance" in scores:
            scores[NO_TWINS] = combined.value
        for name, without in ((NO_PREDICTOR, ASKING), (NO_NETWORK, (*ASKING, *JUDGING)), (NO_LABELS, BY_LABEL)):
            scores[name] = overall({key: finding for key, finding in findings.items() if key not in without}, subject).value
        for name, company in ((AMONG_GOOD, good), (ALONE, [instances[number]])):
            variant = Subject(Scene(spoilt.image, company, None, population, critic), number)
            variant.answers = subject.answers  # they hang on the image and the mask alone
            scores[name] = overall(measure(variant), variant).value
        known = population.appearance.labels if population.appearance is not None and kind == CLEAN else ()
        if swapped := [other for other in instances if other.label in known and other.label != instances[number].label]:
            wrongly = replace(instances[number], label=swapped[number % len(swapped)].label)
            mislabelled = measure(Subject(Scene(spoilt.image, [wrongly], None, population, critic), number), ["appearance"])
            scores[WRONG_LABEL] = mislabelled["appearance"].value
        made = mask_iou(spoilt.masks[number], spoilt.truth[spoilt.swapped[number]]) if number in spoilt.swapped else iou
        estimate = combined.measures["bad"], combined.measures["iou"]
        yield Judged(spoilt.group, spoilt.name, number, kind, iou, made, *estimate, {name: float(value) for name, value in scores.items()})


def summarise(judged: Sequence[Judged], seed: int = 0) -> dict[str, Any]:
    """Return all figures, as plain JSON: of each score, and of the overall one by kind of fault, by set, and its calibration."""
    names = list(dict.fromkeys(name for one in judged for name in one.scores))
    values = {name: np.array([one.scores.get(name, np.nan) for one in judged]) for name in names}
    iou, made, chance, estimate = (np.array([getattr(one, name) for one in judged]) for name in ("iou", "made", "chance", "estimate"))
    kinds, groups = np.array([one.kind for one in judged]), np.array([one.group for one in judged])
    score, clean = values[OVERALL], kinds == CLEAN

    def figures(chosen: np.ndarray, given: np.ndarray = score, true: np.ndarray = iou) -> dict[str, Any]:
        chosen = chosen & np.isfinite(given)
        given, true = given[chosen], true[chosen]
        return {"masks": len(given), "auroc": auroc(given, true < BAD), "spearman": _rank(given, true)}

    def variant(name: str, true: np.ndarray = iou) -> dict[str, Any]:
        given = np.isfinite(values[name])
        return {**figures(every, values[name], true), **found(values[name][given], true[given], seed)}

    def of_kind(kind: str) -> dict[str, Any]:
        own = kinds == kind
        means = {"mean_iou": float(iou[own].mean()), "mean_score": float(score[own].mean())}
        return {**figures(clean | own), "spoilt": int(own.sum()), **means}

    every = np.ones(len(judged), bool)
    right, wrong = (values.get(name, np.full(len(judged), np.nan)) for name in ("appearance", WRONG_LABEL))
    both = clean & np.isfinite(right) & np.isfinite(wrong)
    return {
        "cdwidget": __version__,
        "masks": len(judged),
        "images": len({(one.group, one.image) for one in judged}),
        "bad": int((iou < BAD).sum()),
        **{name: variant(name) for name in VARIANTS},
        BY_NUMBER: variant(OVERALL, made),
        "chance": {"brier": float(((chance - (iou < BAD)) ** 2).mean()), "bias": float((chance - (iou < BAD)).mean())},
        "estimate": {
            "error": float(np.abs(estimate - iou).mean()),
            "bias": float((estimate - iou).mean()),
            "spearman": _rank(-estimate, iou),
        },
        "calibration": {"chance": _calibration(chance, iou < BAD), "estimate": _calibration(estimate, iou)},
        "by_kind": {kind: of_kind(kind) for kind in sorted({*kinds.tolist()} - {CLEAN})},
        "by_set": {group: figures(groups == group) for group in sorted({*groups.tolist()})},
        "each_score": {name: figures(every, values[name]) for name in names if name != WRONG_LABEL and not name.startswith(OVERALL)},
        "wrong_labels": {"masks": int(both.sum()), "auroc": auroc(np.r_[right[both], wrong[both]], np.repeat([False, True], both.sum()))},
    }


def auroc(score: np.ndarray, bad: np.ndarray) -> float | None:
    """Return the chance that a bad mask has a higher score than a good one, ties half; None where there is only one sort."""
    positive = int(bad.sum())
    if positive in (0, len(bad)):
        return None
    return float((rankdata(score)[bad].sum() - positive * (positive + 1) / 2) / (positive * (len(bad) - positive)))


def found(score: np.ndarray, iou: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the share of bad masks among the worst REVIEWED by score, in mixes of which MIX are bad, drawn again and again."""
    rng = np.random.default_rng(seed)
    bad, good = np.flatnonzero(iou < BAD), np.flatnonzero(iou >= BAD)
    few = max(1, min(len(bad), round(len(good) * MIX / (1 - MIX))))
    shares = []
    for _ in range(DRAWS):
        mix = rng.permutation(np.concatenate([good, rng.choice(bad, few, replace=False)]))  # ties are broken by chance
        worst = mix[np.argsort(-score[mix], kind="stable")][: round(REVIEWED * len(mix))]
        shares.append(np.count_nonzero(iou[worst] < BAD) / few)
    return {
        "found": float(np.mean(shares)),
        "found_low": float(np.quantile(shares, 0.025)),
        "found_high": float(np.quantile(shares, 0.975)),
    }


def write(judged: Sequence[Judged], out: Path, **conditions: Any) -> str:
    """Write the figures to a JSON file and every mask to a CSV beside it; return the most important ones as text."""
    figures = {**conditions, **summarise(judged)}
    out.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n")
    with out.with_suffix(".csv").open("w", newline="") as file:
        names = list(dict.fromkeys(name for one in judged for name in one.scores))
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["group", "image", "number", "kind", "iou", "made", "chance", "estimate", *names])
        for one in judged:
            scores = (f"{one.scores[name]:.4f}" if name in one.scores else "" for name in names)
            numbers = (f"{value:.4f}" for value in (one.iou, one.made, one.chance, one.estimate))
            rows.writerow([one.group, one.image, one.number, one.kind, *numbers, *scores])
    lines = [f"{figures['masks']} masks of {figures['images']} held-out images, {figures['bad']} of them bad (IoU < {BAD})"]
    for name in (*VARIANTS, BY_NUMBER):
        of = figures[name]
        lines.append(f"{name:<28} AUROC {of['auroc']:.3f}  Spearman {of['spearman']:.3f}  found in the worst 20 % {of['found']:.0%}")
    if (labels := figures["wrong_labels"])["masks"]:
        lines.append(f"right from wrong labels, by appearance: AUROC {labels['auroc']:.3f}  ({labels['masks']} untouched masks)")
    lines += [f"  {kind:<14} AUROC {of['auroc']:.3f}  ({of['spoilt']} masks)" for kind, of in figures["by_kind"].items()]
    return "\n".join(lines)


def _rank(score: np.ndarray, iou: np.ndarray) -> float | None:
    return float(spearmanr(-score, iou).statistic) if len(score) and np.ptp(score) and np.ptp(iou) else None


def _calibration(estimate: np.ndarray, true: np.ndarray) -> list[dict[str, float]]:
    """Means of what was estimated and of what is true of fifths of the masks, by what was estimated."""
    parts = np.array_split(np.argsort(estimate, kind="stable"), 5)
    return [
        {"masks": len(part), "estimated": float(estimate[part].mean()), "true": float(true[part].mean())} for part in parts if len(part)
    ]
