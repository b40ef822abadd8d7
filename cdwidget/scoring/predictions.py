"""What a predictor is asked about a mask, once for all scores that need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.click_simulation import core_distance, next_click
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click

CLICKS = 3
MOVED = 0.5  # of a click's distance to the mask's border, the way that it is moved
TURN = 2.4  # radians between the directions of one moved click and the next


@dataclass(frozen=True, eq=False)
class Answers:
    """clicked: after 1, 2, ... simulated clicks on the mask. edited: to the mask as prior and a click in its core. moved: to the same
    clicks as the last of `clicked`, each a little elsewhere.
    """

    clicked: tuple[Prediction, ...]
    edited: Prediction
    moved: Prediction


def ask(predictor: Predictor, mask: np.ndarray) -> Answers:
    """Ask a predictor, which has the image, CLICKS + 2 times about a bool (H, W) mask that is not empty."""
    clicks: list[Click] = []
    clicked: list[Prediction] = []
    while len(clicked) < CLICKS:
        click = next_click(mask, clicked[-1].mask if clicked else np.zeros_like(mask), None, clicks)
        if click is None:
            break
        clicks.append(click)
        clicked.append(predictor.predict(clicks, clicked[-1].prob if clicked else None))
    edited = predictor.predict(clicks[:1], mask)
    return Answers(tuple(clicked), edited, predictor.predict(_moved(clicks, mask)))


def _moved(clicks: list[Click], mask: np.ndarray) -> list[Click]:
    """The clicks, each where the mask says the same as at the old place."""
    height, width = mask.shape
    depth = {positive: core_distance(mask == positive) for positive in (True, False)}
    found = []
    for number, click in enumerate(clicks):
        far = MOVED * float(depth[click.positive][click.pixel])
        x, y = click.x + far * np.cos(TURN * number), click.y + far * np.sin(TURN * number)
        x, y = np.clip(np.floor((x, y)), 0, (width - 1, height - 1)).tolist()
        found.append(Click(x, y, click.positive))
    return found
