"""Measurements on the affinity that explain how a click worked, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.inspection.affinity import Affinity, Branch
from cdwidget.inspection.view import View
from cdwidget.predictor import Factors
from cdwidget.prompts import Click
from cdwidget.session import PromptResult

NEAR_RADIUS = 0.1  # Fraction of the longer side of the view; closer tokens count as near a click.
UNDER_GENERALIZED_FRACTION = 0.75  # Fraction of a click's influence; if more is near the click, it generalizes too little.
OVER_GENERALIZED_FRACTION = 0.2  # Fraction of a click's influence; if more is beyond strong edges, it generalizes too much.
IGNORED_FRACTION = 0.5  # Fraction of the pixels around a negative click; if the model keeps more, it ignores the click.
EDGE_GRID_SIDE = 128  # Cells per side of the grid on which edges are detected.
STRONG_EDGE_QUANTILE = 0.9  # Quantile of the gradient above which an edge is strong.
MIN_EDGE_CONTRAST = 24.0  # Gray levels per cell.


@dataclass(frozen=True)
class Finding:
    """One measurement.

    Args:
        name: The name of the problem that it measures.
        wrong: Whether the problem is present and explains a bad mask.
        value: The measured fraction, in [0, 1].
        text: One sentence with the numbers.
    """

    name: str
    wrong: bool
    value: float
    text: str


def diagnose(result: PromptResult) -> list[Finding]:
    """Measure the newest positive click and every negative one.

    Under-generalization: the fraction of a click's influence that stays near it. Over-generalization: the fraction beyond strong
    edges of the image and outside the final mask. Negative click: the fraction of the pixels around it that the model keeps.

    Args:
        result: The result of one prompt.

    Returns:
        The measurements; empty if the model recorded no factors.

    Example:
        >>> [finding.text for finding in diagnose(session.prompt_result())]
    """
    if result.factors is None:
        return []
    factors, view = result.factors, View.of(result.factors)
    clicks = [(number, prompt) for number, prompt in enumerate(result.prompts, 1) if isinstance(prompt, Click) and _is_inside(view, prompt)]
    findings = []
    positive = [(number, click) for number, click in clicks if click.positive]
    if positive:
        findings += _measure_generalization(result, factors, view, *positive[-1])
    findings += [_measure_negative_click(result, factors, view, number, click) for number, click in clicks if not click.positive]
    return findings


def click_influence(factors: Factors, click: Click) -> np.ndarray:
    """Return how much each token receives from a click.

    The re-weighted columns of the tokens at the click and next to it are added.

    Args:
        factors: The recorded factors of a prediction.
        click: A click in the view.

    Returns:
        float32 (rows, columns).
    """
    branch: Branch = "foreground" if click.positive else "background"
    rows, columns = factors.grid
    row, column = View.of(factors).cell(click.x, click.y, rows, columns)
    near = np.zeros(factors.grid, bool)
    near[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    sources = factors.clicks[0 if click.positive else 1].reshape(factors.grid) > 0
    return Affinity(factors).column(np.flatnonzero(near & sources), branch)


def _is_inside(view: View, click: Click) -> bool:
    x0, y0, x1, y1 = view.box
    return x0 <= click.x < x1 and y0 <= click.y < y1


def _measure_generalization(result: PromptResult, factors: Factors, view: View, number: int, click: Click) -> list[Finding]:
    influence = click_influence(factors, click)
    total = max(float(influence.sum()), 1e-9)
    x, y = view.centers()
    distance = np.hypot(x - click.x, y - click.y)
    radius = NEAR_RADIUS * max(view.width, view.height)
    near = float(influence[distance <= radius].sum()) / total
    order = np.argsort(distance, axis=None)
    half_radius = float(distance.reshape(-1)[order][np.searchsorted(np.cumsum(influence.reshape(-1)[order]), total / 2)])
    under = Finding(
        "under-generalization",
        near >= UNDER_GENERALIZED_FRACTION,
        near,
        f"{near:.0%} of click {number}'s influence stays within {radius:.0f} px (half of it within {half_radius:.0f} px)",
    )
    outside = influence * (1 - view.coverage(result.after, *factors.grid))
    beyond = float((outside * _beyond_edges(factors, view, click)).sum()) / total
    over = Finding(
        "over-generalization",
        beyond >= OVER_GENERALIZED_FRACTION,
        beyond,
        f"{beyond:.0%} of click {number}'s influence is beyond strong edges and outside the mask "
        f"({outside.sum() / total:.0%} is outside the mask)",
    )
    return [under, over]


def _beyond_edges(factors: Factors, view: View, click: Click) -> np.ndarray:
    """Return the fraction of each token that lies beyond strong edges, float32 (rows, columns)."""
    small = cv2.resize(factors.pixels, (EDGE_GRID_SIDE, EDGE_GRID_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    gradient = np.hypot(cv2.Scharr(small, cv2.CV_32F, 1, 0), cv2.Scharr(small, cv2.CV_32F, 0, 1)).max(axis=2) / 16
    flat = gradient < max(float(np.quantile(gradient, STRONG_EDGE_QUANTILE)), MIN_EDGE_CONTRAST)
    row, column = view.cell(click.x, click.y, EDGE_GRID_SIDE, EDGE_GRID_SIDE)
    flat[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True  # A click on an edge reaches both of its sides.
    _, parts = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
    beyond = (parts != parts[row, column]) & flat
    return cv2.resize(beyond.astype(np.float32), factors.grid[::-1], interpolation=cv2.INTER_AREA)


def _measure_negative_click(result: PromptResult, factors: Factors, view: View, number: int, click: Click) -> Finding:
    radius = max(2, round(max(view.width, view.height) / 100))
    row, column = click.pixel
    kept = float(result.predicted[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1].mean())
    gate = float(factors.gate[view.cell(click.x, click.y, *factors.grid)])
    return Finding(
        "negative click",
        kept >= IGNORED_FRACTION,
        kept,
        f"the model keeps {kept:.0%} of the pixels around negative click {number} in the object; "
        f"the gate there is {gate:.2f}, so {1 - gate:.0%} of the background branch passes",
    )
