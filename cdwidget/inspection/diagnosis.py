"""What the affinity says about the clicks, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.inspection.affinity import Affinity, Branch
from cdwidget.inspection.view import View
from cdwidget.predictor import Factors
from cdwidget.prompts import Click
from cdwidget.session import Asked

NEAR = 0.1  # of the view's longer side: what lies so near a click is beside it
STAYS = 0.75  # share of a click's mass near it from which it generalises too little
LEAKS = 0.2  # share of a click's mass beyond strong edges, outside the mask, from which it generalises too much
KEPT = 0.5  # share of the object's pixels round a negative click from which it has no effect
EDGE_SIDE = 128  # cells a side that edges are looked for in
STRONG = 0.9  # quantile of the gradient from which an edge is strong
CONTRAST = 24.0  # grey levels a cell that a strong edge has at least


@dataclass(frozen=True)
class Finding:
    """One thing that was measured. wrong: whether it explains a bad mask. value: in [0, 1]. text: one sentence with the numbers."""

    name: str
    wrong: bool
    value: float
    text: str


def diagnose(asked: Asked) -> list[Finding]:
    """Return what was measured about the newest positive click and about every negative one; empty without recorded factors.

    under-generalisation: the share of what the click gives that stays near it. over-generalisation: the share that goes beyond strong
    edges of the image and outside the final mask. negative click: how much of the object the model keeps round it.
    """
    if asked.factors is None:
        return []
    factors, view = asked.factors, View.of(asked.factors)
    clicks = [(number, prompt) for number, prompt in enumerate(asked.prompts, 1) if isinstance(prompt, Click) and inside(view, prompt)]
    findings = []
    positive = [(number, click) for number, click in clicks if click.positive]
    if positive:
        findings += _generalisation(asked, factors, view, *positive[-1])
    findings += [_negative(asked, factors, view, number, click) for number, click in clicks if not click.positive]
    return findings


def inside(view: View, click: Click) -> bool:
    """Whether the view shows a click."""
    x0, y0, x1, y1 = view.box
    return x0 <= click.x < x1 and y0 <= click.y < y1


def given(factors: Factors, click: Click) -> np.ndarray:
    """What a click gives: the re-weighted columns of the tokens that it lies in or beside, together, float32 (rows, columns)."""
    branch: Branch = "foreground" if click.positive else "background"
    rows, columns = factors.grid
    row, column = View.of(factors).cell(click.x, click.y, rows, columns)
    near = np.zeros(factors.grid, bool)
    near[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = True
    sources = factors.clicks[0 if click.positive else 1].reshape(factors.grid) > 0
    return Affinity(factors).column(np.flatnonzero(near & sources), branch)


def _generalisation(asked: Asked, factors: Factors, view: View, number: int, click: Click) -> list[Finding]:
    mass = given(factors, click)
    total = max(float(mass.sum()), 1e-9)
    x, y = view.centres()
    distance = np.hypot(x - click.x, y - click.y)
    radius = NEAR * max(view.width, view.height)
    near = float(mass[distance <= radius].sum()) / total
    order = np.argsort(distance, axis=None)
    half = float(distance.reshape(-1)[order][np.searchsorted(np.cumsum(mass.reshape(-1)[order]), total / 2)])
    stays = Finding(
        "under-generalisation",
        near >= STAYS,
        near,
        f"{near:.0%} of what + click {number} gives stays within {radius:.0f} px of it (half of it within {half:.0f} px)",
    )
    outside = mass * (1 - view.covered(asked.after, *factors.grid))
    beyond = float((outside * _beyond_edges(factors, view, click)).sum()) / total
    leaks = Finding(
        "over-generalisation",
        beyond >= LEAKS,
        beyond,
        f"{beyond:.0%} of what + click {number} gives goes beyond strong edges, outside the mask ({outside.sum() / total:.0%} outside it)",
    )
    return [stays, leaks]


def _beyond_edges(factors: Factors, view: View, click: Click) -> np.ndarray:
    """How much of each token cannot be reached from a click without crossing a strong edge, float32 (rows, columns) in [0, 1]."""
    small = cv2.resize(factors.pixels, (EDGE_SIDE, EDGE_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    gradient = np.hypot(cv2.Scharr(small, cv2.CV_32F, 1, 0), cv2.Scharr(small, cv2.CV_32F, 0, 1)).max(axis=2) / 16
    flat = gradient < max(float(np.quantile(gradient, STRONG)), CONTRAST)
    row, column = view.cell(click.x, click.y, EDGE_SIDE, EDGE_SIDE)
    flat[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = True  # a click on an edge reaches both its sides
    _, parts = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
    beyond = (parts != parts[row, column]) & flat
    return cv2.resize(beyond.astype(np.float32), factors.grid[::-1], interpolation=cv2.INTER_AREA)


def _negative(asked: Asked, factors: Factors, view: View, number: int, click: Click) -> Finding:
    radius = max(2, round(max(view.width, view.height) / 100))
    row, column = click.pixel
    kept = float(asked.answer[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1].mean())
    gate = float(factors.gate[view.cell(click.x, click.y, *factors.grid)])
    return Finding(
        "negative click",
        kept >= KEPT,
        kept,
        f"the model keeps {kept:.0%} of the pixels round − click {number} in the object; "
        f"the gate there is {gate:.2f}, so {1 - gate:.0%} of the background comes in",
    )
