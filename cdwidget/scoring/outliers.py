"""Scores that compare a mask with the other instances of its class in the data set."""

from __future__ import annotations

import numpy as np

from cdwidget.scoring.appearance import MIN_CLASS_INSTANCES, MISLABEL_PRIOR
from cdwidget.scoring.context import MaskContext, ScoreResult, percent
from cdwidget.scoring.overlap import DUPLICATE_IOU, overlap_ious
from cdwidget.scoring.population import Population, Quartiles

OUTLIER_FENCE = 1.5  # Interquartile ranges beyond the quartiles from which a value is an outlier (Tukey, 1977).
EXTREME_FENCE = 4.5  # Interquartile ranges beyond the quartiles at which the score reaches 1.
MIN_LOG_RANGE = 0.1  # In classes of nearly equal values, a difference of a tenth is no outlier.
MAX_LOG_ODDS = 12.0  # Larger odds are clipped.
MAX_REPORTED_ODDS = 100


def size(context: MaskContext) -> ScoreResult | None:
    """Score how unusual the mask's area is for its class."""
    population = _known_population(context)
    if population is None:
        return None
    share = context.area / context.mask.size
    low, _, high = quartiles = population.sizes[context.label]
    value = _outlier_score(share, quartiles)
    reason = (
        f"Area {percent(share, 2)} of the image; typical for {_class_name(context)}: {100 * low:.2f}–{percent(high, 2)} {_count(context)}"
    )
    return ScoreResult(value, reason, context.heat_map(value * context.crop_mask), {"size": value})


def shape(context: MaskContext) -> ScoreResult | None:
    """Score how unusual the aspect ratio, or the fill of the bbox, is for the class."""
    population = _known_population(context)
    if population is None:
        return None
    x0, y0, x1, y1 = context.box
    aspect, fill = (x1 - x0) / (y1 - y0), context.area / ((x1 - x0) * (y1 - y0))
    by_aspect, by_fill = (
        _outlier_score(value, table[context.label]) for value, table in ((aspect, population.aspects), (fill, population.fills))
    )
    if by_aspect >= by_fill:
        low, _, high = population.aspects[context.label]
        reason = f"Width/height {aspect:.2f}; typical for {_class_name(context)}: {low:.2f}–{high:.2f} {_count(context)}"
    else:
        low, _, high = population.fills[context.label]
        reason = f"Fills {percent(fill)} of its box; typical for {_class_name(context)}: {100 * low:.0f}–{percent(high)} {_count(context)}"
    value = max(by_aspect, by_fill)
    return ScoreResult(value, reason, context.heat_map(value * context.crop_mask), {"shape": value})


def appearance(context: MaskContext) -> ScoreResult | None:
    """Score the probability that the region looks like another class.

    Such a mask is of a wrong object or has a wrong label.

    Returns None if another instance of the same label has nearly the same pixels, because both look the same.
    """
    population, quality_model = context.image_context.population, context.image_context.quality_model
    classifier = None if population is None else population.appearance
    if quality_model is None or classifier is None or context.label not in classifier.labels:
        return None
    labels = context.image_context.labels
    if any(iou >= DUPLICATE_IOU and labels[number] == context.label for number, iou in overlap_ious(context).items()):
        return None
    other, log_odds = classifier.best_other_class(quality_model.embed(context.mask), context.label)
    log_odds = float(np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))
    value = 1 / (1 + (1 - MISLABEL_PRIOR) / MISLABEL_PRIOR * np.exp(-log_odds))
    odds = np.exp(abs(log_odds))
    first, second = (other, context.label) if log_odds > 0 else (context.label, other)
    times = f"over {MAX_REPORTED_ODDS}" if odds > MAX_REPORTED_ODDS else f"{odds:.1f}"
    reason = f"Looks like {first!r} rather than {second!r} ({times} times as likely)"
    return ScoreResult(value, reason, context.heat_map(value * context.crop_mask), {"appearance": log_odds})


def _known_population(context: MaskContext) -> Population | None:
    """Return the population if it has enough instances of the mask's class."""
    population = context.image_context.population
    return None if population is None or population.count.get(context.label, 0) < MIN_CLASS_INSTANCES else population


def _outlier_score(value: float, quartiles: Quartiles) -> float:
    """Return how far a ratio is beyond the quartiles, on a logarithmic scale.

    The score is 0 up to `OUTLIER_FENCE` and 1 from `EXTREME_FENCE` on.
    """
    low, _, high = np.log(np.maximum(quartiles, 1e-9))
    log_value = np.log(max(value, 1e-9))
    log_range = max(high - low, MIN_LOG_RANGE)
    distance = max(low - log_value, log_value - high) / log_range
    return float(np.clip((distance - OUTLIER_FENCE) / (EXTREME_FENCE - OUTLIER_FENCE), 0, 1))


def _class_name(context: MaskContext) -> str:
    return repr(context.label) if context.label else "instances without a label"


def _count(context: MaskContext) -> str:
    population = context.image_context.population
    assert population is not None
    return f"(n = {population.count[context.label]})"
