"""The maps that an Inspector shows: values, unit and meaning of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Literal, get_args

import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.inspection import (
    OFFSETS,
    Affinity,
    Branch,
    PixelDiffusion,
    Variant,
    View,
    focus_change,
    head_disagreement,
    head_probabilities,
    relative_change,
)
from cdwidget.predictor import Factors
from cdwidget.session import PromptResult

Box = tuple[float, float, float, float]
NEIGHBORHOOD_RADIUS = 8  # PDM pixels from a pixel to its farthest neighbors.
MASK_GRID_SIDE = 256  # Cells a side of the grid that masks are drawn on.
MERGE_CLASSES = (  # Effects of progressive merge on a pixel, with their colors.
    ("stayed in the mask", "#3b82f6"),
    ("added", "#22c55e"),
    ("removed", "#ef4444"),
    ("predicted, but not merged", "#f59e0b"),
)
RENAMED_MAPS = {"neighbours": "neighbors"}


@dataclass(frozen=True)
class Query:
    """The point, and the part of the model, that a map is shown for.

    Args:
        x: Column in image pixels.
        y: Row in image pixels.
        branch: The branch of FDM.
        number: A step of PDM, or a head.
        variant: One of the map's variants; "" for the model's variant.
    """

    x: float
    y: float
    branch: Branch = "foreground"
    number: int = 0
    variant: str = ""


@dataclass(frozen=True, eq=False)
class MapImage:
    """The values of a map.

    Args:
        values: float32 (rows, columns); NaN where there is no value.
        box: (x0, y0, x1, y1) that the values cover, in image pixels.
        low: Lower end of the color scale.
        high: Upper end of the color scale.
    """

    values: np.ndarray
    box: Box
    low: float
    high: float

    def value_at(self, x: float, y: float) -> float:
        """Return the value at an image point; NaN outside the box."""
        x0, y0, x1, y1 = self.box
        rows, columns = self.values.shape
        row, column = int((y - y0) / (y1 - y0) * rows // 1), int((x - x0) / (x1 - x0) * columns // 1)
        return float(self.values[row, column]) if 0 <= row < rows and 0 <= column < columns else float("nan")


class PromptMaps:
    """All maps of one prompt, computed on demand.

    Args:
        result: The result of the prompt.
        factors: The factors that the model recorded for it.

    Attributes:
        result: The result.
        factors: The factors.
        view: The region that the network saw.
    """

    def __init__(self, result: PromptResult, factors: Factors) -> None:
        self.result = result
        self.factors = factors
        self.view = View.of(factors)
        self._affinities: dict[str, Affinity] = {}

    def affinity(self, variant: str = "") -> Affinity:
        """Return the affinity matrix of a variant of FDM, by default the model's variant."""
        if variant not in self._affinities:
            self._affinities[variant] = Affinity(self.factors, variant or self.factors.variant)
        return self._affinities[variant]

    @cached_property
    def diffusion(self) -> PixelDiffusion:
        """The pixel diffusion."""
        return PixelDiffusion(self.factors)

    def image(self, name: str, query: Query) -> MapImage:
        """Compute a map of MAPS for a query."""
        entry = MAPS[name]
        values = entry.values(self, query)
        box: Box = _neighborhood(self, query) if entry.follows == "pixel" else self.view.box
        if name == "focus" and self.factors.focus is not None:
            box = self.factors.focus.box
        low, high = entry.scale
        return MapImage(values, box, low, float(np.nanmax(values)) or 1.0 if high is None else high)


@dataclass(frozen=True)
class Map:
    """One entry of MAPS.

    Args:
        title: Title for the list.
        unit: Unit of the values; "" for classes.
        formula: HTML.
        meaning: One or two sentences.
        values: Computes the map, float32 (rows, columns).
        colormap: Name of a matplotlib colormap; "" for MERGE_CLASSES.
        scale: Lower and upper end of the color scale; None for the largest value.
        follows: The quantity that the pointer selects in the image, "" for none.
        has_branches: Whether there is one map for each branch of FDM.
        steps: Names of the positions of the slider; None for no slider.
        variants: Other versions of the map, for comparison.
    """

    title: str
    unit: str
    formula: str
    meaning: str
    values: Callable[[PromptMaps, Query], np.ndarray]
    colormap: str = "viridis"
    scale: tuple[float, float | None] = (0.0, 1.0)
    follows: Literal["", "token", "pixel"] = ""
    has_branches: bool = False
    steps: Callable[[PromptMaps], list[str]] | None = None
    variants: tuple[str, ...] = ()


def current_name(name: str) -> str:
    """Return the name of a map; warns for a deprecated one."""
    if name in RENAMED_MAPS:
        warn_renamed(f"the map {name!r}", repr(RENAMED_MAPS[name]), stacklevel=4)
    return RENAMED_MAPS.get(name, name)


def _row(maps: PromptMaps, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * maps.affinity(query.variant).row(maps.view.token(query.x, query.y), branch)


def _column(maps: PromptMaps, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * maps.affinity(query.variant).column(maps.view.token(query.x, query.y), branch)


def _neighborhood(maps: PromptMaps, query: Query) -> Box:
    """Return the box of the neighbors of a query in image pixels; may exceed the view."""
    diffusion, view = maps.diffusion, maps.view
    row, column = view.cell(query.x, query.y, diffusion.height, diffusion.width)
    unit_x, unit_y = view.width / diffusion.width, view.height / diffusion.height
    x0, y0 = view.box[0] + (column - NEIGHBORHOOD_RADIUS) * unit_x, view.box[1] + (row - NEIGHBORHOOD_RADIUS) * unit_y
    return x0, y0, x0 + (2 * NEIGHBORHOOD_RADIUS + 1) * unit_x, y0 + (2 * NEIGHBORHOOD_RADIUS + 1) * unit_y


def _neighbors(maps: PromptMaps, query: Query) -> np.ndarray:
    row, column = maps.view.cell(query.x, query.y, maps.diffusion.height, maps.diffusion.width)
    side = 2 * NEIGHBORHOOD_RADIUS + 1
    weights = np.full((side, side), np.nan, np.float32)
    for (dy, dx), weight in zip(OFFSETS, maps.diffusion.neighbor_weights(column, row)):
        weights[NEIGHBORHOOD_RADIUS + dy, NEIGHBORHOOD_RADIUS + dx] = 100 * weight
    return weights


def _pdm(maps: PromptMaps, query: Query) -> np.ndarray:
    return np.clip(maps.diffusion.step(0 if query.variant else query.number), -2, 2)


def _head(maps: PromptMaps, query: Query) -> np.ndarray:
    return head_probabilities(maps.factors)[0 if query.variant else query.number]


def _merge(maps: PromptMaps, query: Query) -> np.ndarray:
    x0, y0, x1, y1 = maps.view.box
    centers = np.arange(MASK_GRID_SIDE) + 0.5
    rows = y0 + (centers * (y1 - y0) / MASK_GRID_SIDE).astype(int)
    columns = x0 + (centers * (x1 - x0) / MASK_GRID_SIDE).astype(int)
    result = maps.result
    before, predicted, after = (mask[np.ix_(rows, columns)] for mask in (result.before, result.predicted, result.after))
    classes = np.full((MASK_GRID_SIDE, MASK_GRID_SIDE), np.nan, np.float32)
    if query.variant:
        classes[before] = 0
        return classes
    classes[before & after] = 0
    classes[~before & after] = 1
    classes[before & ~after] = 2
    classes[(predicted != before) & (after == before)] = 3
    return classes


VARIANTS: tuple[str, ...] = get_args(Variant)
SIMILARITY = "softmax<sub>j</sub>(q<sub>i</sub>·k<sub>j</sub> / √C)"
EXP_SIMILARITY = "e<sup>q<sub>i</sub>·k<sub>j</sub>/√C</sup>"
REWEIGHTED_FORMULA = f"A<sub>ij</sub> = D<sub>i</sub> · S<sub>j</sub> {EXP_SIMILARITY} / Σ<sub>j′</sub> S<sub>j′</sub> e<sup>…</sup>"

MAPS: dict[str, Map] = {
    "row raw": Map(
        "FDM: row, before re-weighting",
        "% of the token's input",
        f"A<sub>ij</sub> = {SIMILARITY}, j over the image",
        "The tokens that the token under the pointer would receive information from, by similarity alone.",
        lambda maps, query: _row(maps, query, None),
        "magma",
        (0, None),
        follows="token",
    ),
    "row": Map(
        "FDM: row, re-weighted",
        "% of the token's input",
        f"{REWEIGHTED_FORMULA}, j over the image",
        "The tokens that the token under the pointer receives information from in this branch. The sum is its destination weight D.",
        lambda maps, query: _row(maps, query, query.branch),
        "magma",
        (0, None),
        follows="token",
        has_branches=True,
        variants=VARIANTS,
    ),
    "column raw": Map(
        "FDM: column, before re-weighting",
        "% of each token's input",
        f"A<sub>ij</sub> = {SIMILARITY}, i over the image",
        "The tokens that would receive information from the token under the pointer, by similarity alone.",
        lambda maps, query: _column(maps, query, None),
        "magma",
        (0, None),
        follows="token",
    ),
    "column": Map(
        "FDM: column, re-weighted",
        "% of each token's input",
        f"{REWEIGHTED_FORMULA}, i over the image",
        "The tokens that receive information from the token under the pointer in this branch; at a click, how far the click spreads.",
        lambda maps, query: _column(maps, query, query.branch),
        "magma",
        (0, None),
        follows="token",
        has_branches=True,
        variants=VARIANTS,
    ),
    "source": Map(
        "FDM: source S",
        "weight",
        "S: the clicks of the branch at the tokens",
        "How much each token may send in this branch.",
        lambda maps, query: maps.affinity(query.variant).source(query.branch),
        has_branches=True,
        variants=VARIANTS,
    ),
    "destination": Map(
        "FDM: destination D",
        "weight",
        "D<sub>fg</sub> = G, D<sub>bg</sub> = 1 − G",
        "How much each token may receive in this branch.",
        lambda maps, query: maps.affinity(query.variant).destination(query.branch),
        has_branches=True,
        variants=VARIANTS,
    ),
    "gate": Map(
        "FDM: gate G",
        "preliminary foreground",
        "G = σ(g(X))",
        "The preliminary prediction of the object, before any diffusion.",
        lambda maps, query: maps.factors.gate,
    ),
    "added": Map(
        "FDM: change of the features",
        "norm of the change / norm of X",
        "|BN(Z<sub>b</sub>Y<sub>b</sub>)| / |X|,  Y<sub>b</sub> = A V",
        "How much this branch changes the features of each token.",
        lambda maps, query: relative_change(maps.factors, query.branch),
        "inferno",
        (0, None),
        has_branches=True,
    ),
    "pdm": Map(
        "PDM: the mask, step by step",
        "m + m₀ (object above 0)",
        "m(p) ← Σ<sub>r</sub> w(p, r) m(r)",
        "The output of the head (step 0, with ±10 at the clicks), then each step of pixel diffusion, even if the model runs none. "
        "Only uncertain pixels change.",
        _pdm,
        "PiYG",
        (-2, 2),
        steps=lambda maps: [f"step {n}" for n in range(maps.diffusion.steps + 1)],
        variants=("step 0: PDM off",),
    ),
    "neighbors": Map(
        "PDM: neighbors of a pixel",
        "% of the pixel's input",
        "w(p, r) = softmax<sub>r</sub>(−mean<sub>RGB</sub> |I(p) − I(r)| / 0.1 std)",
        "How much the pixel under the pointer receives from each of its 32 neighbors, in rings at 1, 2, 4 and 8 pixels.",
        _neighbors,
        "magma",
        (0, None),
        follows="pixel",
    ),
    "head": Map(
        "Heads: predictions",
        "probability",
        "σ(logits of a head), before PDM",
        "The main head predicts the mask; the latent heads learned other interpretations of the same clicks, such as a part or the whole.",
        _head,
        steps=lambda maps: ["main head", *(f"latent head {n}" for n in range(1, len(maps.factors.logits)))],
        variants=("main head",),
    ),
    "disagreement": Map(
        "Heads: disagreement",
        "largest − smallest probability",
        "max<sub>h</sub> σ(h) − min<sub>h</sub> σ(h) over the latent heads",
        "Where the latent heads interpret the clicks differently; the next click helps most there.",
        lambda maps, query: head_disagreement(maps.factors),
        "cividis",
    ),
    "focus": Map(
        "Focus view: change",
        "change of the probability",
        "p in the focus view − p before",
        "A corrective click or stroke is predicted once more in a closer view around its change; zero without one. PDM is off in it: "
        "on 60 held-out objects, clicks to IoU 0.90 are 4.90 without, 4.88 with 5 and 4.87 with 10 rounds, and more clicks do harm.",
        lambda maps, query: focus_change(maps.factors),
        "PiYG",
        (-1, 1),
    ),
    "merge": Map(
        "Progressive merge: before and after",
        "",
        "mask ← mask ± the component of (prediction ≠ mask) at the click",
        "The part of the prediction that was merged into the mask. Parts that are not connected to the click are left out.",
        _merge,
        "",
        (-0.5, len(MERGE_CLASSES) - 0.5),
        variants=("the mask before",),
    ),
}
