"""Maps as matplotlib figures, for papers."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from cdwidget.figure import InlineFigure
from cdwidget.prompts import Click
from cdwidget.widget.maps import MAPS, MERGE, Query, Scene
from cdwidget.widget.panel import ASKED, NEGATIVE, POSITIVE, colour_map

WIDTH = 4.2  # inches of one map
UNITS = str.maketrans({"₀": "$_0$", "−": "$-$"})  # not in every font
Ask = Callable[[Scene, str], Query]  # which place and which step of a kind of map is shown


def grid(scenes: Sequence[Scene], kinds: Sequence[str], ask: Ask, colours: str | None = None, opacity: float = 0.8) -> Figure:
    """Return the maps as a figure: a row for each scene, a column for each kind of map."""
    rows, columns = len(scenes), len(kinds)
    ratio = max(scene.view.height / scene.view.width for scene in scenes)
    made = InlineFigure(figsize=(WIDTH * columns + 0.6, (WIDTH * ratio + 0.55) * rows), layout="constrained")
    axes = made.subplots(rows, columns, squeeze=False)
    for row, scene in enumerate(scenes):
        for column, kind in enumerate(kinds):
            query = ask(scene, kind)
            draw(axes[row, column], scene, kind, query, colours, opacity)
            if rows == 1 or MAPS[kind].branches or row == 0:
                axes[row, column].set_title(MAPS[kind].title + which(scene, kind, query), fontsize=10)
        if rows > 1:
            axes[row, 0].set_ylabel(f"click {len(scene.asked.prompts)}", fontsize=11)
    return made


def newest_click(scene: Scene) -> Click | None:
    """Return the newest click of a scene; None when there are only other prompts."""
    return next((prompt for prompt in reversed(scene.asked.prompts) if isinstance(prompt, Click)), None)


def draw(axes: Axes, scene: Scene, kind: str, query: Query, colours: str | None = None, opacity: float = 0.8) -> None:
    """Draw one map into `axes`, over the grey photograph, with its colour bar, the clicks and the place that is asked about."""
    entry, picture, view = MAPS[kind], scene.picture(kind, query), scene.view
    x0, y0, x1, y1 = view.box
    grey = scene.factors.pixels.mean(axis=2)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(x0, x1, y1, y0), interpolation="bilinear")
    left, top, right, bottom = picture.box
    shown = axes.imshow(
        picture.values,
        cmap=colour_map(entry.colours and (colours or entry.colours)),
        vmin=picture.low,
        vmax=picture.high,
        extent=(left, right, bottom, top),
        alpha=opacity,
        interpolation="nearest",
    )
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    if entry.colours:
        bar = axes.figure.colorbar(shown, cax=axes.inset_axes((1.02, 0, 0.04, 1)))
        assert bar.solids is not None
        bar.solids.set_alpha(1)
        bar.set_label(entry.unit.translate(UNITS), fontsize=8)
        bar.ax.tick_params(labelsize=7)
    else:
        used = np.unique(picture.values[np.isfinite(picture.values)]).astype(int)
        patches = [Patch(color=MERGE[number][1], label=MERGE[number][0]) for number in used]
        axes.legend(handles=patches, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, frameon=False)
    for prompt in scene.asked.prompts:
        if isinstance(prompt, Click):
            colour = POSITIVE if prompt.positive else NEGATIVE
            axes.plot(int(prompt.x) + 0.5, int(prompt.y) + 0.5, "o", color=colour, markeredgecolor="white", markersize=6, clip_on=True)
    if entry.follows:
        ax0, ay0, ax1, ay1 = asked_box(scene, kind, query)
        axes.add_patch(Rectangle((ax0, ay0), ax1 - ax0, ay1 - ay0, fill=False, color=ASKED, linewidth=1.5))


def asked_box(scene: Scene, kind: str, query: Query) -> tuple[float, float, float, float]:
    """The token or pixel that a map is about, (x0, y0, x1, y1) in image pixels."""
    view = scene.view
    rows, columns = view.grid if MAPS[kind].follows == "token" else (scene.pixels.height, scene.pixels.width)
    row, column = view.cell(query.x, query.y, rows, columns)
    width, height = view.width / columns, view.height / rows
    x0, y0 = view.box[0] + column * width, view.box[1] + row * height
    return x0, y0, x0 + width, y0 + height


def which(scene: Scene, kind: str, query: Query) -> str:
    """What of a map is shown, for its title: the branch, the step, the variant."""
    entry = MAPS[kind]
    words: list[str] = [query.branch] if entry.branches else []
    if scene.factors.variant in entry.variants:
        words.append(query.variant or scene.factors.variant)
    elif query.variant:
        words.append(query.variant)
    elif entry.numbers:
        words.append(entry.numbers(scene)[query.number])
    return f" ({', '.join(words)})" if words else ""
