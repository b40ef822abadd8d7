"""The maps that an Inspector shows: values, unit and meaning of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Literal, get_args

import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.inspection import OFFSETS, Branch, Variant, View, focus_change, head_disagreement, head_probabilities, relative_change
from cdwidget.widget.inspector.prompt_maps import Box, MapImage, PromptMaps, Query

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
        shows_image: Whether the map covers the whole image instead of the view of the network.
        box: Returns the part that the values cover, in image pixels; None for all.
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
    shows_image: bool = False
    box: Callable[[PromptMaps, Query], Box] | None = None
    steps: Callable[[PromptMaps], list[str]] | None = None
    variants: tuple[str, ...] = ()

    def view(self, maps: PromptMaps) -> View:
        """Return the region that is shown."""
        return maps.image_view if self.shows_image else maps.view

    def pixels(self, maps: PromptMaps) -> np.ndarray:
        """Return the photograph of that region, uint8 (h, w, 3) RGB, in any size."""
        return maps.photograph if self.shows_image else maps.factors.pixels

    def image(self, maps: PromptMaps, query: Query) -> MapImage:
        """Compute the map of a prompt for a query."""
        values = self.values(maps, query)
        box = self.box(maps, query) if self.box else self.view(maps).box
        low, high = self.scale
        return MapImage(values, box, low, float(np.nanmax(values)) or 1.0 if high is None else high)


def current_name(name: str) -> str:
    """Return the name of a map; warns for a deprecated one."""
    if name in RENAMED_MAPS:
        warn_renamed(f"the map {name!r}", repr(RENAMED_MAPS[name]), stacklevel=4)
    return RENAMED_MAPS.get(name, name)


def _row(maps: PromptMaps, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * maps.affinity(query.variant).row(maps.view.token(query.x, query.y), branch)


def _column(maps: PromptMaps, query: Query, branch: Branch | None) -> np.ndarray:
    return 100 * maps.affinity(query.variant).column(maps.view.token(query.x, query.y), branch)


def _origin(maps: PromptMaps, query: Query) -> np.ndarray:
    foreground, background = maps.example.origin(maps.image_view.token(query.x, query.y))
    return 100 * (foreground if query.branch == "foreground" else background)


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
EXP_COSINE = "e<sup>10 u<sub>i</sub>·u<sub>j</sub></sup>"
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
        box=_neighborhood,
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
        box=lambda maps, query: (maps.factors.focus or maps.view).box,
    ),
    "similarity": Map(
        "Example: similarity to the object",
        "similarity",
        "Σ<sub>j</sub> A<sub>ij</sub>, j over the object",
        "How much each token of the image resembles the object rather than the rest of the image. Shift+X finds objects like it.",
        lambda maps, query: maps.example.similarity,
        shows_image=True,
    ),
    "origin": Map(
        "Example: origin of the similarity",
        "% of the token's information",
        f"A<sub>ij</sub> = S<sub>j</sub> {EXP_COSINE} / Σ<sub>j′</sub> S<sub>j′</sub> e<sup>…</sup>, S: the object, or the rest",
        "The tokens of the object, or of the rest of the image, that the token under the pointer resembles. Point at a proposal to see "
        "why it was made.",
        _origin,
        "magma",
        (0, None),
        follows="token",
        has_branches=True,
        shows_image=True,
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
