"""One drawing of the inspector: a photograph, a map over it, the clicks, and the place that is asked about.

Each is a canvas of its own, so that moving the pointer sends the map's cells (a few kB) and nothing else. ipycanvas decodes pictures in
the background: a batch of commands must end with its picture, and `copy` replaces what was there in one go, without a blank moment.
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
from cdwidget.widget.maps import MAPS, MERGE, Picture, Query, Scene

SIDE = 512  # longer side of the drawing in pixels
DARKEST = 70  # grey of what is black in the photograph: under a dark map it must still be seen
CELL = 9  # side of a neighbour in the magnifier
POSITIVE, NEGATIVE, OUTLINE, ASKED = "#22c55e", "#ef4444", "#ffffff", "#38bdf8"


def colour_map(name: str) -> Colormap:
    """Return matplotlib's colour map of a name, "" for the classes of the progressive merge; where there is no value it is clear."""
    found = matplotlib.colormaps[name] if name else ListedColormap([colour for _, colour in MERGE])
    return found.with_extremes(bad=(0, 0, 0, 0))


def coloured(picture: Picture, colours: str) -> np.ndarray:
    """Return the values of a picture as colours, uint8 (rows, columns, 4) RGBA: exactly those of matplotlib."""
    scaled = Normalize(picture.low, picture.high, clip=True)(np.ma.masked_invalid(picture.values))
    return np.asarray(colour_map(colours)(scaled, bytes=True))


class Panel(VBox):
    """A drawing with its title; on_move(x, y), on_press(x, y) and on_leave() tell of the pointer, in image pixels.

    on_ready() is called when a page has opened the drawing, which is empty there until it is drawn again.
    """

    def __init__(
        self,
        on_move: Callable[[float, float], None],
        on_press: Callable[[float, float], None],
        on_leave: Callable[[], None],
        on_ready: Callable[[], None],
    ) -> None:
        self.title = HTML()
        self._told = on_move, on_press, on_leave, on_ready
        self._canvas: MultiCanvas | None = None
        self.view: View | None = None  # None: nothing is drawn yet
        layout = Layout(flex="1 1 0", min_width="220px", max_width=f"{SIDE}px", overflow="hidden")
        super().__init__([self.title], layout=layout)

    def photograph(self, view: View, pixels: np.ndarray) -> None:
        """Begin a drawing: the view's pixels, uint8 (S, S, 3), in grey, so that the colours are the map's."""
        factor = SIDE / max(view.width, view.height)
        width, height = max(1, round(view.width * factor)), max(1, round(view.height * factor))
        self.view = view
        if self._canvas is None or (self._canvas.width, self._canvas.height) != (width, height):
            self._open(width, height)
        grey = cv2.cvtColor(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        with hold_canvas():
            self._photo.global_composite_operation = "copy"
            self._photo.put_image_data(np.repeat(DARKEST + (grey * (1 - DARKEST / 255))[:, :, None], 3, axis=2))

    def _open(self, width: int, height: int) -> None:
        """Take a canvas of another size: a new one, because a size may reach the page later than what is drawn next."""
        if self._canvas is not None:
            self._canvas.close()
        on_move, on_press, on_leave, on_ready = self._told
        canvas = MultiCanvas(4, width=width, height=height, layout=Layout(width="100%", height="auto"))
        canvas.add_class("cdi-canvas")
        self._photo, self._map, self._marks, self._query = (canvas[layer] for layer in range(4))
        canvas.on_mouse_move(lambda x, y: on_move(*self._to_image(x, y)))
        canvas.on_mouse_down(lambda x, y: on_press(*self._to_image(x, y)))
        canvas.on_mouse_out(lambda x, y: on_leave())
        canvas.on_client_ready(on_ready)
        self._canvas = canvas
        self.children = (self.title, canvas)

    def marks(self, outline: np.ndarray | None, clicks: Sequence[Click]) -> None:
        """Draw the outline of a mask, float (h, w) of the view, and the clicks; None and () for none."""
        canvas, (width, height) = self._marks, self._size
        with hold_canvas():
            canvas.clear_rect(0, 0, width, height)
            if outline is not None:
                contours, _ = cv2.findContours((outline > 0.5).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
                scale = np.array([width / outline.shape[1], height / outline.shape[0]])
                for colour, thickness in (("#000000", 2.5), (OUTLINE, 1.2)):
                    canvas.stroke_style, canvas.line_width = colour, thickness
                    for contour in contours:
                        points = (contour[:, 0] + 0.5) * scale
                        if len(points) > 2:
                            canvas.stroke_lines(np.concatenate([points, points[:1]]))
            canvas.line_width, canvas.stroke_style = 2, "#ffffff"
            for click in clicks:
                x, y = self._from_image(int(click.x) + 0.5, int(click.y) + 0.5)
                canvas.fill_style = POSITIVE if click.positive else NEGATIVE
                canvas.fill_circle(x, y, 5)
                canvas.stroke_circle(x, y, 5)

    def draw(self, picture: Picture, colours: str, opacity: float, smooth: bool, asked: tuple[float, float, float, float] | None) -> None:
        """Draw a picture and the box that is asked about (image pixels); a picture of less than the view is magnified in a corner."""
        assert self.view is not None
        width, height = self._size
        cells = coloured(picture, colours)
        x0, y0 = self._from_image(*picture.box[:2])
        x1, y1 = self._from_image(*picture.box[2:])
        magnified = picture.box != self.view.box
        if magnified:
            side = CELL * cells.shape[0]
            x0, y0 = (12.0 if x0 > width / 2 else width - side - 12.0), 12.0  # in the corner that is farther away
            x1, y1 = x0 + side, y0 + side
            cells = self._magnified(cells)
        rows, columns = cells.shape[:2]
        target = self._query if magnified else self._map  # a magnifier lies over the outline
        with hold_canvas():
            self._query.set_transform(1, 0, 0, 1, 0, 0)
            self._query.clear_rect(0, 0, width, height)
            if asked is not None:
                left, top = self._from_image(*asked[:2])
                right, bottom = self._from_image(*asked[2:])
                for colour, thickness in (("#000000", 3.5), (ASKED, 1.5)):
                    self._query.stroke_style, self._query.line_width = colour, thickness
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
        """Cells on a dark ground with a light frame and the asked-about one in the middle, RGBA."""
        ground = cells.copy()
        ground[cells[:, :, 3] == 0] = (24, 24, 27, 255)
        middle = cells.shape[0] // 2
        ground[middle, middle] = (56, 189, 248, 255)
        return cv2.copyMakeBorder(ground, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(212, 212, 216, 255))

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


# MERGED from widget.figures: Maps as matplotlib figures, for papers.


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
