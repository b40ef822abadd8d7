"""The simulated prompts of training."""

from __future__ import annotations

import numpy as np

from cdwidget.click_simulation import next_click, stroke_from
from cdwidget.masks import bbox
from cdwidget.prompts import Box, Prompt
from cdwidget.train.config import Recipe

BOX_JITTER = 0.06  # maximum shift of a box's sides, relative to its longer side
MIN_BOX_PX = 2
MIN_DEPTH, MIN_SHALLOW_DEPTH = 0.5, 0.1  # smallest depth of a click in the error, relative to the deepest pixel


def next_prompt(target: np.ndarray, predicted: np.ndarray, valid: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Prompt | None:
    """Simulate the next prompt.

    It is a click in the larger error or a stroke from there; sometimes a box, if nothing is predicted yet.

    Args:
        target: The true mask, bool (T, T).
        predicted: The predicted mask, bool (T, T).
        valid: Pixels that count, bool (T, T).
        recipe: The recipe, with the probabilities of boxes, strokes and clicks near the border.
        rng: Random generator.

    Returns:
        The prompt in pixels of the target, or None if the prediction is correct.
    """
    kind = rng.random()
    if not predicted.any() and target.any() and kind < recipe.boxes:
        x0, y0, x1, y1 = bbox(target)
        slack = BOX_JITTER * max(x1 - x0, y1 - y0)
        left, top, right, bottom = (float(v) for v in np.array([x0, y0, x1, y1]) + rng.uniform(-slack, slack, 4))
        return Box(left, top, max(right, left + MIN_BOX_PX), max(bottom, top + MIN_BOX_PX))
    is_shallow = recipe.shallow > 0 and rng.random() < recipe.shallow  # Other recipes draw the same numbers as before.
    min_depth = MIN_SHALLOW_DEPTH if is_shallow else MIN_DEPTH
    click = next_click(target, predicted, ignore=~valid, rng=rng, min_depth=min_depth)
    if click is None or kind < 1 - recipe.strokes:
        return click
    region = (target & ~predicted if click.positive else predicted & ~target) & valid
    return stroke_from(click, region, float(rng.uniform(1, 5)), rng)
