"""Maps in the colors of matplotlib, and as figures."""

from __future__ import annotations

from typing import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from cdwidget.plotting import InlineFigure
from cdwidget.prompts import Click
from cdwidget.widget.inspector.maps import MAPS, MERGE_CLASSES
from cdwidget.widget.inspector.prompt_maps import Box, MapImage, PromptMaps, Query

POSITIVE_COLOR, NEGATIVE_COLOR, QUERY_COLOR = "#22c55e", "#ef4444", "#38bdf8"
FIGURE_MAP_WIDTH_IN = 4.2  # Inches.
MATHTEXT = str.maketrans({"₀": "$_0$", "−": "$-$"})  # Characters that some fonts lack.
QueryOf = Callable[[PromptMaps, str], Query]  # The query that a map of a prompt is shown for.


def colormap_of(name: str) -> Colormap:
    """Return a matplotlib colormap; "" is the classes of progressive merge.

    Missing values are transparent.
    """
    colormap = matplotlib.colormaps[name] if name else ListedColormap([color for _, color in MERGE_CLASSES])
    return colormap.with_extremes(bad=(0, 0, 0, 0))


def colorize(image: MapImage, colormap: str) -> np.ndarray:
    """Return a map as colors, uint8 (rows, columns, 4) RGBA, as matplotlib draws them."""
    scaled = Normalize(image.low, image.high, clip=True)(np.ma.masked_invalid(image.values))
    return np.asarray(colormap_of(colormap)(scaled, bytes=True))


def figure_of(
    prompts: Sequence[PromptMaps], names: Sequence[str], query_of: QueryOf, colormap: str | None = None, opacity: float = 0.8
) -> Figure:
    """Draw maps as a matplotlib figure.

    Args:
        prompts: The maps of each prompt, one row each.
        names: Names in MAPS, one column each.
        query_of: Returns the query of each map.
        colormap: Name of a matplotlib colormap; None for the map's default colormap.
        opacity: Opacity of the maps, 0 to 1.

    Returns:
        The figure.
    """
    rows, columns = len(prompts), len(names)
    views = [MAPS[name].view(maps) for maps in prompts for name in names]
    ratio = max(view.height / view.width for view in views)
    figure = InlineFigure(figsize=(FIGURE_MAP_WIDTH_IN * columns + 0.6, (FIGURE_MAP_WIDTH_IN * ratio + 0.55) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, maps in enumerate(prompts):
        for column, name in enumerate(names):
            query = query_of(maps, name)
            _draw_map(axes[row, column], maps, name, query, colormap, opacity)
            if rows == 1 or MAPS[name].has_branches or row == 0:
                axes[row, column].set_title(MAPS[name].title + subtitle(maps, name, query), fontsize=10)
        if rows > 1:
            axes[row, 0].set_ylabel(f"click {len(maps.result.prompts)}", fontsize=11)
    return figure


def newest_click(maps: PromptMaps) -> Click | None:
    """Return the newest click among the prompts; None if there is none."""
    return next((prompt for prompt in reversed(maps.result.prompts) if isinstance(prompt, Click)), None)


def _draw_map(axes: Axes, maps: PromptMaps, name: str, query: Query, colormap: str | None, opacity: float) -> None:
    """Draw one map over the gray photograph, with its color bar, the clicks and the query."""
    entry = MAPS[name]
    image = entry.image(maps, query)
    x0, y0, x1, y1 = entry.view(maps).box
    gray = entry.pixels(maps).mean(axis=2)
    axes.imshow(gray, cmap="gray", vmin=0, vmax=255, extent=(x0, x1, y1, y0), interpolation="bilinear")
    left, top, right, bottom = image.box
    shown = axes.imshow(
        image.values,
        cmap=colormap_of(entry.colormap and (colormap or entry.colormap)),
        vmin=image.low,
        vmax=image.high,
        extent=(left, right, bottom, top),
        alpha=opacity,
        interpolation="nearest",
    )
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    if entry.colormap:
        bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1.02, 0, 0.04, 1)))
        assert bar.solids is not None
        bar.solids.set_alpha(1)
        bar.set_label(entry.unit.translate(MATHTEXT), fontsize=8)
        bar.ax.tick_params(labelsize=7)
    else:
        used = np.unique(image.values[np.isfinite(image.values)]).astype(int)
        patches = [Patch(color=MERGE_CLASSES[number][1], label=MERGE_CLASSES[number][0]) for number in used]
        axes.legend(handles=patches, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)
    for prompt in maps.result.prompts:
        if isinstance(prompt, Click):
            color = POSITIVE_COLOR if prompt.positive else NEGATIVE_COLOR
            axes.plot(int(prompt.x) + 0.5, int(prompt.y) + 0.5, "o", color=color, markeredgecolor="white", markersize=6, clip_on=True)
    if entry.follows:
        left, top, right, bottom = query_box(maps, name, query)
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=QUERY_COLOR, linewidth=1.5))


def query_box(maps: PromptMaps, name: str, query: Query) -> Box:
    """Return the box of the queried token or pixel, (x0, y0, x1, y1) in image pixels."""
    view = MAPS[name].view(maps)
    rows, columns = view.grid if MAPS[name].follows == "token" else (maps.diffusion.height, maps.diffusion.width)
    row, column = view.cell(query.x, query.y, rows, columns)
    width, height = view.width / columns, view.height / rows
    x0, y0 = view.box[0] + column * width, view.box[1] + row * height
    return x0, y0, x0 + width, y0 + height


def subtitle(maps: PromptMaps, name: str, query: Query) -> str:
    """Return the branch, step or variant of a map in parentheses, for its title."""
    entry = MAPS[name]
    words: list[str] = [query.branch] if entry.has_branches else []
    if maps.factors.variant in entry.variants:
        words.append(query.variant or maps.factors.variant)
    elif query.variant:
        words.append(query.variant)
    elif entry.steps:
        words.append(entry.steps(maps)[query.number])
    return f" ({', '.join(words)})" if words else ""
