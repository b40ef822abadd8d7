"""The maps that can be inspected, one entry each: what is drawn, in which unit, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Literal

import numpy as np

from cdwidget.inspection import OFFSETS, Affinity, Branch, PixelDiffusion, View, added, disagreement, focus_change, heads
from cdwidget.inspection.affinity import Kind
from cdwidget.predictor import Factors
from cdwidget.session import Asked

Box = tuple[float, float, float, float]
NEAREST = 8  # PDM pixels from a pixel to its farthest neighbours
SIDE = 256  # cells a side that masks are drawn with
MERGE = (  # what progressive merge made of each pixel, and its colour
    ("stayed in the mask", "#3b82f6"),
    ("added", "#22c55e"),
    ("removed", "#ef4444"),
    ("the model's answer, left out", "#f59e0b"),
)


@dataclass(frozen=True)
class Query:
    """What a map is about. x, y: image pixels. number: a step of PDM or a head. variant: "" or one of the map's variants."""

    x: float
    y: float
    branch: Branch = "foreground"
    number: int = 0
    variant: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """What to draw. values: float32 (rows, columns), NaN where there is nothing. box: where they lie in the image.

    low, high: the ends of the scale.
    """

    values: np.ndarray
    box: Box
    low: float
    high: float


class Scene:
    """One prompt looked back at, with what was computed for it so far."""

    def __init__(self, asked: Asked, factors: Factors) -> None:
        self.asked = asked
        self.factors = factors
        self.view = View.of(factors)
        self._affinities: dict[str, Affinity] = {}

    def affinity(self, kind: str = "") -> Affinity:
        """FDM's affinity in the form `kind`, by default the model's own."""
        if kind not in self._affinities:
            self._affinities[kind] = Affinity(self.factors, kind or self.factors.variant)
        return self._affinities[kind]

    @cached_property
    def pixels(self) -> PixelDiffusion:
        """The pixel diffusion."""
        return PixelDiffusion(self.factors)

    def picture(self, name: str, query: Query) -> Picture:
        """Return what to draw for one of MAPS."""
        entry = MAPS[name]
        values = entry.values(self, query)
        box: Box = self.view.box
        if entry.follows == "pixel":
            box = _neighbourhood(self, query)
        if name == "focus" and self.factors.focus is not None:
            box = self.factors.focus.box
        low, high = entry.scale
        return Picture(values, box, low, float(np.nanmax(values)) or 1.0 if high is None else high)

    def at(self, picture: Picture, x: float, y: float) -> float:
        """The value of a picture at an image point; NaN outside it."""
        x0, y0, x1, y1 = picture.box
        rows, columns = picture.values.shape
        row, column = int((y - y0) / (y1 - y0) * rows // 1), int((x - x0) / (x1 - x0) * columns // 1)
        return float(picture.values[row, column]) if 0 <= row < rows and 0 <= column < columns else float("nan")


@dataclass(frozen=True)
class Map:
    """One entry of MAPS.

    values(scene, query): float32 (rows, columns). scale: low and high, None: the largest value. follows: what of the image the pointer
    chooses, "" if nothing. branches: whether there is one for each branch. numbers(scene): what the slider's positions are called.
    variants: what it can be compared with.
    """

    title: str
    unit: str
    formula: str
    meaning: str
    values: Callable[[Scene, Query], np.ndarray]
    colours: str = "viridis"
    scale: tuple[float, float | None] = (0.0, 1.0)
    follows: Literal["", "token", "pixel"] = ""
    branches: bool = False
    numbers: Callable[[Scene], list[str]] | None = None
    variants: tuple[str, ...] = ()


def _row(scene: Scene, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * scene.affinity(query.variant).row(scene.view.token(query.x, query.y), branch)


def _column(scene: Scene, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * scene.affinity(query.variant).column(scene.view.token(query.x, query.y), branch)


def _neighbourhood(scene: Scene, query: Query) -> Box:
    """The box round a query that holds its neighbours, in image pixels; it may reach out of the view."""
    pixels, view = scene.pixels, scene.view
    row, column = view.cell(query.x, query.y, pixels.height, pixels.width)
    unit_x, unit_y = view.width / pixels.width, view.height / pixels.height
    x0, y0 = view.box[0] + (column - NEAREST) * unit_x, view.box[1] + (row - NEAREST) * unit_y
    return x0, y0, x0 + (2 * NEAREST + 1) * unit_x, y0 + (2 * NEAREST + 1) * unit_y


def _neighbours(scene: Scene, query: Query) -> np.ndarray:
    row, column = scene.view.cell(query.x, query.y, scene.pixels.height, scene.pixels.width)
    around = np.full((2 * NEAREST + 1, 2 * NEAREST + 1), np.nan, np.float32)
    for (dy, dx), weight in zip(OFFSETS, scene.pixels.neighbours(column, row)):
        around[NEAREST + dy, NEAREST + dx] = 100 * weight
    return around


def _pdm(scene: Scene, query: Query) -> np.ndarray:
    return np.clip(scene.pixels.step(0 if query.variant else query.number), -2, 2)


def _head(scene: Scene, query: Query) -> np.ndarray:
    return heads(scene.factors)[0 if query.variant else query.number]


def _merge(scene: Scene, query: Query) -> np.ndarray:
    x0, y0, x1, y1 = scene.view.box
    rows = y0 + ((np.arange(SIDE) + 0.5) * (y1 - y0) / SIDE).astype(int)
    columns = x0 + ((np.arange(SIDE) + 0.5) * (x1 - x0) / SIDE).astype(int)
    before, answer, after = (mask[np.ix_(rows, columns)] for mask in (scene.asked.before, scene.asked.answer, scene.asked.after))
    classes = np.full((SIDE, SIDE), np.nan, np.float32)
    if query.variant:
        classes[before] = 0
        return classes
    classes[before & after] = 0
    classes[~before & after] = 1
    classes[before & ~after] = 2
    classes[(answer != before) & (after == before)] = 3
    return classes


FORMS: tuple[Kind, ...] = ("log", "v1", "v3")
ALIKE = "softmax<sub>j</sub>(q<sub>i</sub>·k<sub>j</sub> / √C)"
LIKENESS = "e<sup>q<sub>i</sub>·k<sub>j</sub>/√C</sup>"
WEIGHTED = f"A<sub>ij</sub> = D<sub>i</sub> · S<sub>j</sub> {LIKENESS} / Σ<sub>j′</sub> S<sub>j′</sub> e<sup>…</sup>"

MAPS: dict[str, Map] = {
    "row raw": Map(
        "FDM: row, before re-weighting",
        "% of what the token takes in",
        f"A<sub>ij</sub> = {ALIKE}, j over the image",
        "Where the token under the pointer would take information from if looks alone counted.",
        lambda scene, query: _row(scene, query, None),
        "magma",
        (0, None),
        follows="token",
    ),
    "row": Map(
        "FDM: row, re-weighted",
        "% of what the token takes in",
        f"{WEIGHTED}, j over the image",
        "Where the token under the pointer takes information from in this branch. All of it together is its destination weight D.",
        lambda scene, query: _row(scene, query, query.branch),
        "magma",
        (0, None),
        follows="token",
        branches=True,
        variants=FORMS,
    ),
    "column raw": Map(
        "FDM: column, before re-weighting",
        "% of what each token takes in",
        f"A<sub>ij</sub> = {ALIKE}, i over the image",
        "Which tokens would take information from the one under the pointer if looks alone counted.",
        lambda scene, query: _column(scene, query, None),
        "magma",
        (0, None),
        follows="token",
    ),
    "column": Map(
        "FDM: column, re-weighted",
        "% of what each token takes in",
        f"{WEIGHTED}, i over the image",
        "Where the information of the token under the pointer goes in this branch: on a click, how far the click spreads.",
        lambda scene, query: _column(scene, query, query.branch),
        "magma",
        (0, None),
        follows="token",
        branches=True,
        variants=FORMS,
    ),
    "source": Map(
        "FDM: source S",
        "weight",
        "S: the clicks of the branch at the tokens",
        "Where information of this branch may come from.",
        lambda scene, query: scene.affinity(query.variant).source(query.branch),
        branches=True,
        variants=FORMS,
    ),
    "destination": Map(
        "FDM: destination D",
        "weight",
        "D<sub>fg</sub> = G, D<sub>bg</sub> = 1 − G",
        "Where information of this branch may go to.",
        lambda scene, query: scene.affinity(query.variant).destination(query.branch),
        branches=True,
        variants=FORMS,
    ),
    "gate": Map(
        "FDM: gate G",
        "preliminary foreground",
        "G = σ(g(X))",
        "What the model takes for the object before anything is diffused.",
        lambda scene, query: scene.factors.gate,
    ),
    "added": Map(
        "FDM: what it adds",
        "length of the addition / length of X",
        "|BN(Z<sub>b</sub>Y<sub>b</sub>)| / |X|,  Y<sub>b</sub> = A V",
        "How strongly this branch changes the features of each token.",
        lambda scene, query: added(scene.factors, query.branch),
        "inferno",
        (0, None),
        branches=True,
    ),
    "pdm": Map(
        "PDM: the mask, step by step",
        "m + m₀ (object above 0)",
        "m(p) ← Σ<sub>r</sub> w(p, r) m(r)",
        "What the head says (step 0, with ±10 at the clicks), then each round of pixel diffusion, also where the model takes none. "
        "Only what is uncertain moves.",
        _pdm,
        "PiYG",
        (-2, 2),
        numbers=lambda scene: [f"step {n}" for n in range(scene.pixels.steps + 1)],
        variants=("step 0: PDM off",),
    ),
    "neighbours": Map(
        "PDM: neighbours of a pixel",
        "% of what the pixel takes in",
        "w(p, r) = softmax<sub>r</sub>(−mean<sub>RGB</sub> |I(p) − I(r)| / 0.1 std)",
        "How much the pixel under the pointer takes from each of its 32 neighbours, in rings at 1, 2, 4 and 8 pixels.",
        _neighbours,
        "magma",
        (0, None),
        follows="pixel",
    ),
    "head": Map(
        "Heads: one answer each",
        "probability",
        "σ(logits of a head), before PDM",
        "The main head answers; the latent heads learned other readings of the same clicks, such as a part or the whole.",
        _head,
        numbers=lambda scene: ["main head", *(f"latent head {n}" for n in range(1, len(scene.factors.logits)))],
        variants=("main head",),
    ),
    "disagreement": Map(
        "Heads: their disagreement",
        "largest − smallest probability",
        "max<sub>h</sub> σ(h) − min<sub>h</sub> σ(h) over the latent heads",
        "Where the latent heads read the clicks differently: the next click is best placed there.",
        lambda scene, query: disagreement(scene.factors),
        "cividis",
    ),
    "focus": Map(
        "Focus view: what it changes",
        "change of the probability",
        "σ(logits in the focus view) − the probability before",
        "A correction is predicted once more in a crop at a higher resolution. Nothing changes where there was no focus view.",
        lambda scene, query: focus_change(scene.factors),
        "PiYG",
        (-1, 1),
    ),
    "merge": Map(
        "Progressive merge: before and after",
        "",
        "mask ← mask ± the component of (answer ≠ mask) at the click",
        "What of the model's answer was taken into the mask. What is left out is not joined to the click.",
        _merge,
        "",
        (-0.5, len(MERGE) - 0.5),
        variants=("the mask before",),
    ),
}
