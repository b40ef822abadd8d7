"""All scores: one line an entry, and the function that computes them for an item."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from cdwidget.catalogue.rows import OVERALL, Score
from cdwidget.items import Item
from cdwidget.predictor import Critic, Predictor
from cdwidget.registry import lookup
from cdwidget.scoring.consistency import agreement, critic, edit, heads, stability
from cdwidget.scoring.context import Finding, Scene, Subject
from cdwidget.scoring.contrast import border, colour, edges
from cdwidget.scoring.outliers import appearance, shape, size
from cdwidget.scoring.overall import overall
from cdwidget.scoring.overlap import duplicate, overlap
from cdwidget.scoring.population import Population
from cdwidget.scoring.shape import fragments, holes, staircase, straight

Scorer = Callable[[Subject], "Finding | None"]
SCORES: dict[str, Scorer] = {
    "critic": critic,
    "agreement": agreement,
    "edit": edit,
    "stability": stability,
    "heads": heads,
    "border": border,
    "edges": edges,
    "colour": colour,
    "fragments": fragments,
    "holes": holes,
    "staircase": staircase,
    "straight": straight,
    "size": size,
    "shape": shape,
    "appearance": appearance,
    "duplicate": duplicate,
    "overlap": overlap,
}
ASKING = ("agreement", "edit", "stability", "heads")  # the scores that ask the predictor
JUDGING = ("critic", "appearance")  # those that ask the critic
OF_CLASS = ("size", "shape")  # and those that need nothing but a population


def score_item(
    item: Item, predictor: Predictor | None, population: Population | None = None, names: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None, critic: Critic | None = None,
) -> list[Score]:  # fmt: skip
    """Score the instances of an item.

    predictor, critic: are given the image. Without them, and without a population, the scores that need them are left out; the overall
    score is made of the others. names: of SCORES, and OVERALL; by default all. numbers: of the instances, by default all. A crowd is no
    object, and gets nothing but an overall score of 0. Raises ValueError for a name or number there is not, a mask that is not of the
    image's size, and what reading the image raises.
    """
    wanted = [*SCORES, OVERALL] if names is None else list(names)
    for name in wanted:
        lookup({**SCORES, OVERALL: None}, name, "score")
    scene = Scene(item.read_image(), item.instances, predictor, population, critic)
    for number in numbers or ():
        lookup({str(one): one for one in scene.numbers}, str(number), "instance")
    scores = []
    for number in scene.numbers if numbers is None else numbers:
        scores += [score for score in _score(scene, number, wanted) if score.name in wanted]
    return scores


def measure(subject: Subject, names: Sequence[str] = tuple(SCORES)) -> dict[str, Finding]:
    """Return what the scores find about an instance, by their names; those that cannot say are left out."""
    findings = {name: SCORES[name](subject) for name in names}
    return {name: finding for name, finding in findings.items() if finding is not None}


def _score(scene: Scene, number: int, wanted: Sequence[str]) -> list[Score]:
    if number not in scene.masks:
        return [Score(number, OVERALL, 0.0, "a crowd is a region, not one object: nothing was measured")]
    if not scene.masks[number].any():
        return [Score(number, OVERALL, 1.0, "the mask is empty")]
    subject = Subject(scene, number)
    findings = measure(subject, tuple(SCORES) if OVERALL in wanted else wanted)
    if OVERALL in wanted:
        findings[OVERALL] = overall(findings, subject)
    return [Score(number, name, float(np.clip(one.value, 0, 1)), one.reason, _to_bytes(one.heat)) for name, one in findings.items()]


def _to_bytes(heat: np.ndarray) -> np.ndarray:
    return (np.clip(heat, 0, 1) * 255 + 0.5).astype(np.uint8)
