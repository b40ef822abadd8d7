"""All scores, one line each, and the function that computes them for an item."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.catalogue.rows import OVERALL_SCORE, ScoreValue
from cdwidget.items import Item
from cdwidget.predictor import Predictor, QualityModel
from cdwidget.registry import lookup
from cdwidget.scoring.consistency import agreement, edit, heads, quality, stability
from cdwidget.scoring.context import ImageContext, MaskContext, ScoreResult
from cdwidget.scoring.contrast import border, color, edges
from cdwidget.scoring.outliers import appearance, shape, size
from cdwidget.scoring.overall import overall
from cdwidget.scoring.overlap import duplicate, overlap
from cdwidget.scoring.population import Population
from cdwidget.scoring.shape import fragments, holes, staircase, straight

Scorer = Callable[[MaskContext], "ScoreResult | None"]
# The names are stored in catalogues, whose old files must stay readable: "critic" and "colour" keep their first spelling.
SCORES: dict[str, Scorer] = {
    "critic": quality,
    "agreement": agreement,
    "edit": edit,
    "stability": stability,
    "heads": heads,
    "border": border,
    "edges": edges,
    "colour": color,
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
PREDICTOR_SCORES = ("agreement", "edit", "stability", "heads")  # Scores that need a predictor.
QUALITY_SCORES = ("critic", "appearance")  # Scores that need a quality model.
CLASS_SCORES = ("size", "shape")  # Scores that need only a population.


def score_item(
    item: Item, predictor: Predictor | None, population: Population | None = None, names: Sequence[str] | None = None,
    numbers: Sequence[int] | None = None, quality_model: QualityModel | None = None, *, critic: QualityModel | None = None,
) -> list[ScoreValue]:  # fmt: skip
    """Score the instances of an item without ground truth.

    Scores whose model or population is missing are left out; the overall score is then computed from the others. Crowds are not
    objects and get only an overall score of 0.

    Args:
        item: The image and its instances.
        predictor: The segmentation model, which is given the image; None for none.
        population: Statistics of the data set's classes; None for none.
        names: Names from `SCORES` and "overall"; None for all.
        numbers: Numbers of the instances to score; None for all. The number is the instance's id, or its position from 1.
        quality_model: The quality model, which is given the image; None for none.
        critic: Deprecated name of `quality_model`.

    Returns:
        One value for each instance and score, with its reason and heat map. Higher values are more suspicious.

    Raises:
        ValueError: If a name or number does not exist, or a mask does not have the size of the image.

    Example:
        >>> scores = score_item(Item("cat.jpg", [Instance(mask, "cat")]), load_predictor())
        >>> print(scores[0].name, scores[0].value, scores[0].reason)
    """
    if critic is not None:
        warn_renamed("score_item(critic=...)", "score_item(quality_model=...)")
        quality_model = critic
    wanted = [*SCORES, OVERALL_SCORE] if names is None else list(names)
    for name in wanted:
        lookup({**SCORES, OVERALL_SCORE: None}, name, "score")
    image_context = ImageContext(item.read_image(), item.instances, predictor, population, quality_model)
    for number in numbers or ():
        lookup({str(one): one for one in image_context.numbers}, str(number), "instance")
    scores = []
    for number in image_context.numbers if numbers is None else numbers:
        scores += [score for score in _score_instance(image_context, number, wanted) if score.name in wanted]
    return scores


def compute_scores(context: MaskContext, names: Sequence[str] = tuple(SCORES)) -> dict[str, ScoreResult]:
    """Compute scores of one mask by name, without scores whose inputs are missing.

    Args:
        context: The mask.
        names: Names from `SCORES`.
    """
    results = {name: SCORES[name](context) for name in names}
    return {name: result for name, result in results.items() if result is not None}


def _score_instance(image_context: ImageContext, number: int, wanted: Sequence[str]) -> list[ScoreValue]:
    if number not in image_context.masks:
        return [ScoreValue(number, OVERALL_SCORE, 0.0, "A crowd is a region, not one object: it is not scored")]
    if not image_context.masks[number].any():
        return [ScoreValue(number, OVERALL_SCORE, 1.0, "The mask is empty")]
    context = MaskContext(image_context, number)
    results = compute_scores(context, tuple(SCORES) if OVERALL_SCORE in wanted else wanted)
    if OVERALL_SCORE in wanted:
        results[OVERALL_SCORE] = overall(results, context)
    return [
        ScoreValue(number, name, float(np.clip(result.value, 0, 1)), result.reason, _to_bytes(result.heat))
        for name, result in results.items()
    ]


def _to_bytes(heat: np.ndarray) -> np.ndarray:
    return (np.clip(heat, 0, 1) * 255 + 0.5).astype(np.uint8)
