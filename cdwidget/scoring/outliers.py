"""Scores of an instance against the others of its class."""

from __future__ import annotations

import numpy as np

from cdwidget.scoring.appearance import FEWEST, MISLABELLED
from cdwidget.scoring.context import Finding, Subject
from cdwidget.scoring.overlap import ALIKE, met
from cdwidget.scoring.population import Quartiles

FENCE = 1.5  # quartile distances beyond the quartiles from which a value is an outlier (Tukey, 1977)
FAR = 4.5  # and from which it is as far out as any
SURE = 12.0  # log odds beyond which nothing more is learned


def size(subject: Subject) -> Finding | None:
    """How large it is, against its class."""
    population = subject.scene.population
    if population is None or population.count.get(subject.label, 0) < FEWEST:
        return None
    share = subject.area / subject.mask.size
    low, _, high = quartiles = population.sizes[subject.label]
    value = _far_out(share, quartiles)
    reason = (
        f"it fills {share:.2%} of the image; half of the {population.count[subject.label]} {_named(subject)} fill {low:.2%} to {high:.2%}"
    )
    return Finding(value, reason, subject.heat(value * subject.inside), {"size": value})


def shape(subject: Subject) -> Finding | None:
    """How wide it is for its height, and how much of its bbox it fills, against its class."""
    population = subject.scene.population
    if population is None or population.count.get(subject.label, 0) < FEWEST:
        return None
    x0, y0, x1, y1 = subject.box
    aspect, fill = (x1 - x0) / (y1 - y0), subject.area / ((x1 - x0) * (y1 - y0))
    by_aspect, by_fill = (_far_out(one, table[subject.label]) for one, table in ((aspect, population.aspects), (fill, population.fills)))
    count = population.count[subject.label]
    if by_aspect >= by_fill:
        low, _, high = population.aspects[subject.label]
        reason = f"it is {aspect:.2f} times as wide as high; half of the {count} {_named(subject)} are {low:.2f} to {high:.2f}"
    else:
        low, _, high = population.fills[subject.label]
        reason = f"it fills {fill:.0%} of its box; half of the {count} {_named(subject)} fill {low:.0%} to {high:.0%}"
    value = max(by_aspect, by_fill)
    return Finding(value, reason, subject.heat(value * subject.inside), {"shape": value})


def appearance(subject: Subject) -> Finding | None:
    """Whether it looks like another class: the mask of a wrong object, or a wrong label.

    Not asked where another instance of its label has nearly the same pixels: looks do not tell which of them is wrong.
    """
    classes = None if subject.scene.population is None else subject.scene.population.appearance
    critic = subject.scene.critic
    if critic is None or classes is None or subject.label not in classes.labels:
        return None
    if any(iou >= ALIKE and subject.scene.labels[number] == subject.label for number, iou in met(subject).items()):
        return None
    other, odds = classes.other(critic.look(subject.mask), subject.label)
    odds = float(np.clip(odds, -SURE, SURE))
    value = 1 / (1 + (1 - MISLABELLED) / MISLABELLED * np.exp(-odds))
    times = np.exp(abs(odds))
    first, second = (other, subject.label) if odds > 0 else (subject.label, other)
    reason = f"by its looks, {first!r} is {'over 100' if times > 100 else f'{times:.1f}'} times as likely as {second!r}"
    return Finding(value, reason, subject.heat(value * subject.inside), {"appearance": odds})


def _far_out(value: float, quartiles: Quartiles) -> float:
    """How far a ratio is beyond the quartiles, by their distance, all in logarithms: 0 at the fence, 1 far out."""
    low, _, high = np.log(np.maximum(quartiles, 1e-9))
    here = np.log(max(value, 1e-9))
    spread = max(high - low, 0.1)  # where all are alike, a tenth more is no outlier
    return float(np.clip((max(low - here, here - high) / spread - FENCE) / (FAR - FENCE), 0, 1))


def _named(subject: Subject) -> str:
    return f"{subject.label!r}" if subject.label else "without a label"
