"""The overall score: the probability that a mask is bad, and its expected IoU.

Three small networks run in turn, so that the result is as good as the available models allow:

1. "overall picture" estimates the IoU from the measures that need no model.
2. "overall answers" corrects the estimate by the predictor's masks, if there is a predictor.
3. "overall critic" turns it into an `OverallEstimate`, with the quality model's measures, if there is a quality model.

The names of networks and measures are stored in the fitted weights and therefore keep their first spelling.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

import numpy as np

from cdwidget.predictor import GOOD_IOU
from cdwidget.scoring.context import BOUNDARY_BAND_PX, MaskContext, ScoreResult, percent
from cdwidget.scoring.network import Network, shipped_networks

IOU_WEIGHT = 0.5  # Weight of the expected IoU in the score; the rest is the probability of a bad mask.
MIN_REPORTED_CHANGE = 0.02  # A score is reported if the overall score would be lower by this much without it.
MAX_REPORTED_SCORES = 2
PREDICTOR_NETWORK_WEIGHT = 0.6  # The rest is the weight of the network without predictor, which was fitted on more masks.
IMAGE_LOGIT = "plain"  # Measure: output of the first network.
PRIOR_LOGIT = "before"  # Measure: estimate before the quality model.
HAS_QUALITY, HAS_APPEARANCE = "judged", "labelled"  # Measures: 1 if the quality model, and the class's appearance, are known, else 0.


class OverallEstimate(NamedTuple):
    """Estimated quality of n masks.

    Attributes:
        bad_probability: Probability that the IoU is below `GOOD_IOU`, float32 (n,).
        iou: Expected IoU, float32 (n,).
    """

    bad_probability: np.ndarray
    iou: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """The overall score, (n,).

        The probability finds the bad masks, and the IoU ranks the worst of them first.
        """
        return (1 - IOU_WEIGHT) * self.bad_probability + IOU_WEIGHT * (1 - self.iou)


def overall(results: Mapping[str, ScoreResult], context: MaskContext) -> ScoreResult:
    """Combine the results of all scores.

    The reason names the scores that raise the overall score most.

    Args:
        results: Results by score name.
        context: The scored mask.

    Returns:
        The overall score, with the measures "bad" (probability) and "iou" (expected).
    """
    measures = {**mask_measures(context), **{name: value for result in results.values() for name, value in result.measures.items()}}
    names = list(results)
    rows = [measures, *({name: value for name, value in measures.items() if name not in results[score].measures} for score in names)]
    estimate = estimate_quality(rows)
    value, raises = float(estimate.score[0]), dict(zip(names, (estimate.score[0] - estimate.score[1:]).tolist()))
    suspects = [name for name in names if results[name].value > 0 and raises[name] >= MIN_REPORTED_CHANGE]
    reported = sorted(suspects, key=lambda name: -raises[name])[:MAX_REPORTED_SCORES]
    heat = context.empty_heat_map
    for name in reported:
        heat = np.maximum(heat, results[name].heat * (raises[name] / raises[reported[0]]))
    bad, iou = float(estimate.bad_probability[0]), float(estimate.iou[0])
    expected = f"Expected IoU {iou:.2f} ({percent(bad)} chance that it is below {GOOD_IOU})"
    reasons = [results[name].reason for name in reported] or ["No single score stands out"]
    return ScoreResult(value, ". ".join((expected, *reasons)), heat, {"bad": bad, "iou": iou})


def estimate_quality(rows: list[dict[str, float]]) -> OverallEstimate:
    """Estimate the quality from each row of measures.

    Missing measures are replaced by the typical values of good masks.
    """

    def predict(name: str, **measures: np.ndarray) -> np.ndarray:
        network = shipped_networks()[name]
        complete = [{**row, **{key: float(values[i]) for key, values in measures.items()}} for i, row in enumerate(rows)]
        return network(network_inputs(complete, network))

    logits = predict("overall picture")[:, 0]
    if "edited" in rows[0]:
        logits = blend_logits(logits, predict("overall answers", **{IMAGE_LOGIT: logits})[:, 0])
    flags = {name: np.full(len(rows), value) for name, value in availability(rows[0]).items()}
    return decode_estimate(predict("overall critic", **{PRIOR_LOGIT: logits, **flags}))


def availability(measures: Mapping[str, float]) -> dict[str, float]:
    """Return two measures: whether the quality model ran, and whether the class's appearance is known."""
    return {HAS_QUALITY: float("critic" in measures), HAS_APPEARANCE: float("appearance" in measures)}


def decode_estimate(logits: np.ndarray) -> OverallEstimate:
    """Decode the last network's output, (n, 2): logits of a good mask and of the IoU."""
    good, iou = (1 / (1 + np.exp(-logits))).T
    return OverallEstimate(1 - good, iou)


def blend_logits(without_predictor: np.ndarray, with_predictor: np.ndarray) -> np.ndarray:
    """Combine the logits of the networks without and with the predictor's measures."""
    return (1 - PREDICTOR_NETWORK_WEIGHT) * without_predictor + PREDICTOR_NETWORK_WEIGHT * with_predictor


def network_inputs(rows: list[dict[str, float]], network: Network) -> np.ndarray:
    """Return rows of measures as the inputs of a network, float32 (n, inputs)."""
    return np.array([[row.get(name, typical) for name, typical in zip(network.names, network.typical)] for row in rows], np.float32)


def mask_measures(context: MaskContext) -> dict[str, float]:
    """Return the score-independent measures.

    They are area, compactness, fraction of the boundary on the image edge, and whether instances are usually nested.
    """
    boundary = float(np.count_nonzero(context.crop_boundary))
    rows, columns = np.ogrid[: context.crop_shape[0], : context.crop_shape[1]]
    at_edge = float(np.count_nonzero(context.crop_mask & context.touches_image_edge(columns, rows))) / BOUNDARY_BAND_PX
    area = float(np.count_nonzero(context.crop_mask))
    population = context.image_context.population
    return {
        "area": float(np.log(context.area / context.mask.size)),
        "pixels": float(np.log(context.area)),
        "compact": float(np.log(area / (boundary + 1) ** 2 + 1e-6)),
        "depth": float(context.signed_distance.max()) / float(np.sqrt(area)),
        "at_image_border": at_edge / (at_edge + boundary + 1),
        "nested": float(population is not None and population.nested),
    }
