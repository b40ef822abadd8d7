"""What a user points at: clicks, strokes and boxes.

The coordinate convention, stated once for the whole package: a point is (x, y) in image pixels, x to the right, y down;
pixel (column, row) covers [column, column + 1) x [row, row + 1), so a point belongs to the pixel of its floor.
Boxes are (x0, y0, x1, y1), half-open. Arrays are indexed [y, x].
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite
from typing import Union


@dataclass(frozen=True)
class Click:
    """A point that is in the object (positive) or not in it (negative).

    >>> Click(120, 88)
    Click(x=120, y=88, positive=True)
    """

    x: float
    y: float
    positive: bool = True

    @property
    def pixel(self) -> tuple[int, int]:
        """(row, column) of the pixel the click lies in."""
        return floor(self.y), floor(self.x)


@dataclass(frozen=True)
class Stroke:
    """A scribble: every pixel within `radius` of the polyline is in the object (positive) or not in it (negative)."""

    points: tuple[tuple[float, float], ...]
    positive: bool = True
    radius: float = 3.0


@dataclass(frozen=True)
class Box:
    """A half-open rectangle that holds the object: columns x0..x1-1, rows y0..y1-1."""

    x0: float
    y0: float
    x1: float
    y1: float


Prompt = Union[Click, Stroke, Box]


def check_prompt(prompt: Prompt, width: int, height: int) -> None:
    """Raise ValueError when a prompt does not lie in an image of `width` x `height` pixels; TypeError when it is no prompt."""
    if isinstance(prompt, Click):
        points: tuple[tuple[float, float], ...] = ((prompt.x, prompt.y),)
    elif isinstance(prompt, Stroke):
        points = prompt.points
        if not points:
            raise ValueError("a Stroke has no points; give it at least one (x, y)")
        if not (isfinite(prompt.radius) and prompt.radius > 0):
            raise ValueError(f"a Stroke's radius is {prompt.radius}; it must be a positive number of pixels")
    elif isinstance(prompt, Box):
        if not (0 <= prompt.x0 < prompt.x1 <= width and 0 <= prompt.y0 < prompt.y1 <= height):
            raise ValueError(
                f"{prompt} does not fit the image of {width}x{height} pixels; it needs 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"
            )
        return
    else:
        raise TypeError(f"a prompt is a Click, a Stroke or a Box, not {type(prompt).__name__}")
    for x, y in points:
        if not (isfinite(x) and isfinite(y) and 0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"{type(prompt).__name__} at x={x:g}, y={y:g} lies outside the image; allowed are 0 <= x < {width} and 0 <= y < {height}"
            )
