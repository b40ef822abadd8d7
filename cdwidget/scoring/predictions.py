"""The predictions of a segmentation model for simulated clicks on a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.click_simulation import core_distance, next_click
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click

SIMULATED_CLICKS = 3
NUDGE_FRACTION = 0.5  # Length of a nudge, as a fraction of the click's distance to the mask's boundary.
NUDGE_TURN = 2.4  # Angle between the nudges of successive clicks, in radians.


@dataclass(frozen=True, eq=False)
class SimulatedPredictions:
    """The predictions of a model for simulated clicks on a mask.

    Attributes:
        clicked: Predictions after 1, 2, ... clicks, at most `SIMULATED_CLICKS`.
        refined: Prediction for the mask as prior and its first click.
        nudged: Prediction for the same clicks as the last of `clicked`, each moved a little.
    """

    clicked: tuple[Prediction, ...]
    refined: Prediction
    nudged: Prediction


def simulate_predictions(predictor: Predictor, mask: np.ndarray) -> SimulatedPredictions:
    """Run a predictor at most `SIMULATED_CLICKS` + 2 times with clicks simulated on a mask.

    Args:
        predictor: The segmentation model, with the image set.
        mask: The mask, bool (H, W), not empty.
    """
    clicks: list[Click] = []
    clicked: list[Prediction] = []
    while len(clicked) < SIMULATED_CLICKS:
        click = next_click(mask, clicked[-1].mask if clicked else np.zeros_like(mask), None, clicks)
        if click is None:
            break
        clicks.append(click)
        clicked.append(predictor.predict(clicks, clicked[-1].prob if clicked else None))
    refined = predictor.predict(clicks[:1], mask)
    return SimulatedPredictions(tuple(clicked), refined, predictor.predict(_nudged(clicks, mask)))


def _nudged(clicks: list[Click], mask: np.ndarray) -> list[Click]:
    """Move each click by less than its distance to the mask's boundary."""
    height, width = mask.shape
    distances = {positive: core_distance(mask == positive) for positive in (True, False)}
    nudged = []
    for number, click in enumerate(clicks):
        length = NUDGE_FRACTION * float(distances[click.positive][click.pixel])
        x, y = click.x + length * np.cos(NUDGE_TURN * number), click.y + length * np.sin(NUDGE_TURN * number)
        x, y = np.clip(np.floor((x, y)), 0, (width - 1, height - 1)).tolist()
        nudged.append(Click(x, y, click.positive))
    return nudged
