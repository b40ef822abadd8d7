"""The drawing of maps that the page of an Inspector receives. Lengths and points are in pixels of its canvas."""

from __future__ import annotations

from functools import cache
from typing import Any, Sequence

import cv2
import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from PIL import ImageColor

from cdwidget.prompts import Click
from cdwidget.widget.images import JPEG_QUALITY
from cdwidget.widget.inspector.map_figures import NEGATIVE_COLOR, POSITIVE_COLOR, colorize, query_box, subtitle
from cdwidget.widget.inspector.maps import MAPS, MASK_GRID_SIDE, MERGE_CLASSES
from cdwidget.widget.inspector.prompt_maps import Box, MapImage, PromptMaps, Query
from cdwidget.widget.transport import Reply

CANVAS_SIDE_PX = 512  # Longer side of the canvas.
BLACK_LEVEL = 70  # Gray level that black is drawn with, so that the photograph is seen under a dark map.
CLICK_RADIUS_PX = 5
SCALE_STOPS = 17  # Colors that the color bar interpolates between.


class Drawing:
    """A map of one prompt as the page draws it.

    Args:
        maps: All maps of the prompt.
        name: Name of the map in MAPS.

    Attributes:
        view: The region that is drawn.
        width: Width of the canvas.
        height: Height of the canvas.
    """

    def __init__(self, maps: PromptMaps, name: str) -> None:
        self._maps, self._name, self._entry = maps, name, MAPS[name]
        self.view = view = self._entry.view(maps)
        factor = CANVAS_SIDE_PX / max(view.width, view.height)
        self.width = max(1, round(view.width * factor))
        self.height = max(1, round(view.height * factor))

    def photograph(self) -> Reply:
        """Return {box, width, height, outlines, clicks}, and the photograph as a gray JPEG, so that all colors are the map's.

        `box` is the view in image pixels. An outline is [x0, y0, x1, y1, ...], a click [x, y, positive].
        """
        file = cv2.imencode(".jpg", self._gray(), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        description = {
            "box": list(self.view.box),
            "width": self.width,
            "height": self.height,
            "outlines": self._outlines(),
            "clicks": self._marks(),
        }
        return description, [file]

    def map(self, queries: Sequence[Query], colormap: str) -> tuple[dict[str, Any], list[bytes], MapImage]:
        """Draw the map for several queries side by side, on one color scale.

        Args:
            queries: The query of each drawing, with its variant.
            colormap: Name of a matplotlib colormap; "" for the map's own.

        Returns:
            {name, panels, frame, scale}, where `frame` is the queried token or pixel; the RGBA colors of the cells of each panel; the
            first map.
        """
        name, entry = self._name, self._entry
        images = [entry.image(self._maps, query) for query in queries]
        low, high = images[0].low, max(image.high for image in images)
        colors = entry.colormap and (colormap or entry.colormap)
        panels = [
            {
                "note": subtitle(self._maps, name, query),
                "rows": image.values.shape[0],
                "columns": image.values.shape[1],
                "box": self._box(image.box),
                "is_magnified": entry.follows == "pixel",
            }
            for image, query in zip(images, queries)
        ]
        cells = [colorize(MapImage(image.values, image.box, low, high), colors).tobytes() for image in images]
        frame = self._box(query_box(self._maps, name, queries[0])) if entry.follows else None
        return {"name": name, "panels": panels, "frame": frame, "scale": _scale(colors, low, high)}, cells, images[0]

    def status(self, image: MapImage, point: tuple[float, float]) -> str:
        """Return the position, the token and the value of the map at a point in image pixels."""
        x, y = point
        row, column = self.view.cell(x, y, *self.view.grid)
        parts = [f"x {int(x)}, y {int(y)}", f"token {row}, {column}"]
        value, unit = image.value_at(x, y), self._entry.unit
        if np.isnan(value):
            return " · ".join(parts)
        if not unit:
            return " · ".join([*parts, MERGE_CLASSES[int(value)][0]])
        return " · ".join([*parts, f"{value:.3g} {unit}" if unit.startswith("%") else f"{unit}: {value:.3g}"])

    def picture(self, query: Query, colormap: str, opacity: float, has_marks: bool) -> np.ndarray:
        """Draw the map as the page does, for readers without a kernel, uint8 (h, w, 3) RGB; a magnified map is left out."""
        picture = cv2.cvtColor(self._gray(), cv2.COLOR_GRAY2RGB)
        entry = self._entry
        if entry.follows != "pixel":
            image = entry.image(self._maps, query)
            colors = np.pad(colorize(image, entry.colormap and (colormap or entry.colormap)), ((0, 1), (0, 1), (0, 0)))
            x0, y0, x1, y1 = self._box(image.box)
            rows, columns = _cell_numbers(self.height, y0, y1, len(colors) - 1), _cell_numbers(self.width, x0, x1, colors.shape[1] - 1)
            cells = colors[rows][:, columns]
            weights = cells[:, :, 3:] / 255 * opacity
            picture = (picture * (1 - weights) + cells[:, :, :3] * weights).astype(np.uint8)
        if has_marks:
            corners = [np.array(outline).reshape(-1, 2).round().astype(np.int32) for outline in self._outlines()]
            cv2.polylines(picture, corners, True, (255, 255, 255), 1, cv2.LINE_AA)
            for x, y, is_positive in self._marks():
                color = ImageColor.getrgb(POSITIVE_COLOR if is_positive else NEGATIVE_COLOR)[:3]
                cv2.circle(picture, (round(x), round(y)), CLICK_RADIUS_PX, color, -1, cv2.LINE_AA)
        return picture

    def _gray(self) -> np.ndarray:
        """Return the photograph in gray, uint8 (height, width), without black."""
        pixels = cv2.resize(self._entry.pixels(self._maps), (self.width, self.height), interpolation=cv2.INTER_AREA)
        return (BLACK_LEVEL + cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) * (1 - BLACK_LEVEL / 255)).astype(np.uint8)

    def _outlines(self) -> list[list[float]]:
        """Trace the mask after the prompt."""
        coverage = self.view.coverage(self._maps.result.after, MASK_GRID_SIDE, MASK_GRID_SIDE)
        contours, _ = cv2.findContours((coverage > 0.5).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_TC89_L1)
        scale = np.array([self.width, self.height]) / MASK_GRID_SIDE
        return [((contour[:, 0] + 0.5) * scale).round(1).ravel().tolist() for contour in contours if len(contour) > 2]

    def _marks(self) -> list[tuple[float, float, bool]]:
        """Return the clicks, each in the middle of its pixel."""
        clicks = [prompt for prompt in self._maps.result.prompts if isinstance(prompt, Click)]
        return [(*self._point(int(click.x) + 0.5, int(click.y) + 0.5), click.positive) for click in clicks]

    def _point(self, x: float, y: float) -> tuple[float, float]:
        """Convert a point in image pixels."""
        view = self.view
        return (x - view.box[0]) * self.width / view.width, (y - view.box[1]) * self.height / view.height

    def _box(self, box: Box) -> list[float]:
        """Convert a box in image pixels."""
        return [*self._point(*box[:2]), *self._point(*box[2:])]


def _cell_numbers(length: int, start: float, end: float, count: int) -> np.ndarray:
    """Return which of the `count` cells between start and end each of `length` pixels lies in; -1 outside."""
    numbers = np.floor((np.arange(length) + 0.5 - start) / (end - start) * count).astype(int)
    return np.where((numbers >= 0) & (numbers < count), numbers, -1)


def _scale(colormap: str, low: float, high: float) -> dict[str, Any]:
    """Return the color bar, {colors, ticks}, or the legend of the classes, {classes}."""
    if not colormap:
        return {"classes": [list(entry) for entry in MERGE_CLASSES]}
    return {"colors": _colors_of(colormap), "ticks": [f"{value:.3g}" for value in np.linspace(low, high, 5)]}


@cache
def _colors_of(colormap: str) -> list[str]:
    return [to_hex(color) for color in matplotlib.colormaps[colormap](np.linspace(0, 1, SCALE_STOPS))]
