"""Draw maps over a photograph: on a canvas (`Panel`), and as figures (`figure_of`).

A panel has four canvases (photograph, map, clicks, query), so that a moving pointer sends only the cells of the map, a few kB.
ipycanvas decodes images in the background: a batch of commands must end with its image, and the composite operation "copy" replaces
the old one at once, without a blank moment.
"""

from __future__ import annotations

from typing import Callable, Sequence

import cv2
import matplotlib
import numpy as np
from ipycanvas import MultiCanvas, hold_canvas
from ipywidgets import HTML, Layout, VBox
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from cdwidget.inspection import View
from cdwidget.plotting import InlineFigure
from cdwidget.prompts import Click
from cdwidget.widget.maps import MAPS, MERGE_CLASSES, Box, MapImage, PromptMaps, Query

PANEL_SIDE_PX = 512  # Longer side of the canvas.
BLACK_LEVEL = 70  # Gray level that black is drawn with, so that the photograph is seen under a dark map.
MAGNIFIED_CELL_PX = 9  # Side of a neighbor in the magnifier.
POSITIVE_COLOR, NEGATIVE_COLOR, OUTLINE_COLOR, QUERY_COLOR = "#22c55e", "#ef4444", "#ffffff", "#38bdf8"
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


class Panel(VBox):
    """One map with its title.

    Args:
        on_move: Called with the pointer's position in image pixels.
        on_press: Called with the position of a press.
        on_leave: Called when the pointer leaves.
        on_ready: Called when a page opens the panel, which is empty until it is drawn again.

    Attributes:
        title: The title, HTML.
        view: The region that is drawn; None if nothing is drawn yet.
    """

    def __init__(
        self,
        on_move: Callable[[float, float], None],
        on_press: Callable[[float, float], None],
        on_leave: Callable[[], None],
        on_ready: Callable[[], None],
    ) -> None:
        self.title = HTML()
        self._handlers = on_move, on_press, on_leave, on_ready
        self._canvas: MultiCanvas | None = None
        self.view: View | None = None
        layout = Layout(flex="1 1 0", min_width="220px", max_width=f"{PANEL_SIDE_PX}px", overflow="hidden")
        super().__init__([self.title], layout=layout)

    def draw_photograph(self, view: View, pixels: np.ndarray) -> None:
        """Start a drawing with the pixels of a view in gray, so that all colors are the map's.

        Args:
            view: The region.
            pixels: uint8 (S, S, 3) RGB.
        """
        factor = PANEL_SIDE_PX / max(view.width, view.height)
        width, height = max(1, round(view.width * factor)), max(1, round(view.height * factor))
        self.view = view
        if self._canvas is None or (self._canvas.width, self._canvas.height) != (width, height):
            self._open_canvas(width, height)
        gray = cv2.cvtColor(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        with hold_canvas():
            self._photo.global_composite_operation = "copy"
            self._photo.put_image_data(np.repeat(BLACK_LEVEL + (gray * (1 - BLACK_LEVEL / 255))[:, :, None], 3, axis=2))

    def _open_canvas(self, width: int, height: int) -> None:
        """Replace the canvas by one of another size.

        Resizing it could reach the page after the next drawing.
        """
        if self._canvas is not None:
            self._canvas.close()
        on_move, on_press, on_leave, on_ready = self._handlers
        canvas = MultiCanvas(4, width=width, height=height, layout=Layout(width="100%", height="auto"))
        canvas.add_class("cdi-canvas")
        self._photo, self._map, self._marks, self._query = (canvas[layer] for layer in range(4))
        canvas.on_mouse_move(lambda x, y: on_move(*self._to_image(x, y)))
        canvas.on_mouse_down(lambda x, y: on_press(*self._to_image(x, y)))
        canvas.on_mouse_out(lambda x, y: on_leave())
        canvas.on_client_ready(on_ready)
        self._canvas = canvas
        self.children = (self.title, canvas)

    def draw_marks(self, coverage: np.ndarray | None, clicks: Sequence[Click]) -> None:
        """Draw the outline of a mask, and the clicks.

        Args:
            coverage: Fraction of each cell of the view that the mask covers, float (h, w); None for no outline.
            clicks: The clicks.
        """
        canvas, (width, height) = self._marks, self._size
        with hold_canvas():
            canvas.clear_rect(0, 0, width, height)
            if coverage is not None:
                contours, _ = cv2.findContours((coverage > 0.5).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
                scale = np.array([width / coverage.shape[1], height / coverage.shape[0]])
                for color, thickness in (("#000000", 2.5), (OUTLINE_COLOR, 1.2)):
                    canvas.stroke_style, canvas.line_width = color, thickness
                    for contour in contours:
                        points = (contour[:, 0] + 0.5) * scale
                        if len(points) > 2:
                            canvas.stroke_lines(np.concatenate([points, points[:1]]))
            canvas.line_width, canvas.stroke_style = 2, "#ffffff"
            for click in clicks:
                x, y = self._from_image(int(click.x) + 0.5, int(click.y) + 0.5)
                canvas.fill_style = POSITIVE_COLOR if click.positive else NEGATIVE_COLOR
                canvas.fill_circle(x, y, 5)
                canvas.stroke_circle(x, y, 5)

    def draw_map(self, image: MapImage, colormap: str, opacity: float, smooth: bool, query_box: Box | None) -> None:
        """Draw a map and the box of the query.

        Args:
            image: The map; one of a smaller region than the view is magnified in a corner.
            colormap: Name of a matplotlib colormap; "" for the classes of progressive merge.
            opacity: Opacity of the map, 0 to 1.
            smooth: Whether to interpolate between cells.
            query_box: (x0, y0, x1, y1) in image pixels; None for no box.
        """
        assert self.view is not None
        width, height = self._size
        cells = colorize(image, colormap)
        x0, y0 = self._from_image(*image.box[:2])
        x1, y1 = self._from_image(*image.box[2:])
        magnified = image.box != self.view.box
        if magnified:
            side = MAGNIFIED_CELL_PX * cells.shape[0]
            x0, y0 = (12.0 if x0 > width / 2 else width - side - 12.0), 12.0  # The corner that is farther away.
            x1, y1 = x0 + side, y0 + side
            cells = self._magnified(cells)
        rows, columns = cells.shape[:2]
        target = self._query if magnified else self._map  # The magnifier covers the outline.
        with hold_canvas():
            self._query.set_transform(1, 0, 0, 1, 0, 0)
            self._query.clear_rect(0, 0, width, height)
            if query_box is not None:
                left, top = self._from_image(*query_box[:2])
                right, bottom = self._from_image(*query_box[2:])
                for color, thickness in (("#000000", 3.5), (QUERY_COLOR, 1.5)):
                    self._query.stroke_style, self._query.line_width = color, thickness
                    self._query.stroke_rect(left, top, right - left, bottom - top)
            self._map.set_transform(1, 0, 0, 1, 0, 0)
            if magnified:
                self._map.clear_rect(0, 0, width, height)
            else:
                self._map.global_composite_operation = "copy"
                self._map.global_alpha = opacity
            target.image_smoothing_enabled = smooth and not magnified
            target.set_transform((x1 - x0) / columns, 0, 0, (y1 - y0) / rows, x0, y0)
            target.put_image_data(cells)

    def _magnified(self, cells: np.ndarray) -> np.ndarray:
        """Return cells, RGBA, on a dark background with a frame and the queried cell in the middle."""
        background = cells.copy()
        background[cells[:, :, 3] == 0] = (24, 24, 27, 255)
        middle = cells.shape[0] // 2
        background[middle, middle] = (56, 189, 248, 255)
        return cv2.copyMakeBorder(background, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(212, 212, 216, 255))

    @property
    def _size(self) -> tuple[int, int]:
        assert self._canvas is not None
        return self._canvas.width, self._canvas.height

    def _from_image(self, x: float, y: float) -> tuple[float, float]:
        assert self.view is not None
        (left, top), (width, height) = self.view.box[:2], self._size
        return (x - left) * width / self.view.width, (y - top) * height / self.view.height

    def _to_image(self, x: float, y: float) -> tuple[float, float]:
        assert self.view is not None
        (left, top), (width, height) = self.view.box[:2], self._size
        column, row = min(max(x, 0), width - 1e-3), min(max(y, 0), height - 1e-3)
        return left + column * self.view.width / width, top + row * self.view.height / height


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
    ratio = max(maps.view.height / maps.view.width for maps in prompts)
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
    entry, image = MAPS[name], maps.image(name, query)
    x0, y0, x1, y1 = maps.view.box
    gray = maps.factors.pixels.mean(axis=2)
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
    view = maps.view
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
