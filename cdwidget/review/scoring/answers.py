"""What a predictor is asked about a mask, once for all scores that need it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.clicks import next_click
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click

CLICKS = 3


@dataclass(frozen=True, eq=False)
class Answers:
    """clicked: after 1, 2, ... simulated clicks on the mask. edited: to the mask as prior and a click in its core. moved: to a click
    elsewhere in the mask's core.
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
    other = next_click(mask, np.zeros_like(mask), None, (), np.random.default_rng(0))
    assert other is not None
    return Answers(tuple(clicked), predictor.predict(clicks[:1], mask), predictor.predict([other]))
