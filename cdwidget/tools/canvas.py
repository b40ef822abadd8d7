"""The contract of a manual tool: its declaration, and its function's input and output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from cdwidget.limits import check_line
from cdwidget.masks import EMPTY_BBOX, Bbox
from cdwidget.prompts import Action

Points = tuple[tuple[float, float], ...]
MAX_COORDINATE_PX = 2.0**20  # Below this, arithmetic on coordinates is exact.
MAX_RADIUS_PX = 1024.0  # Up to this radius, all distances between pixel centers are distinguishable.


@dataclass(frozen=True)
class ToolAction(Action):
    """Base of the actions of manual tools: a frozen dataclass of plain values."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """The input of a tool's function, which writes to none of it.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: Mask of the selected instance, bool (H, W).
        superpixels: Returns the labels of about `count` superpixels, int32 (h, w), as `cdwidget.tools.superpixels` does.
    """

    image: np.ndarray
    mask: np.ndarray
    superpixels: Callable[[int], np.ndarray]


@dataclass(frozen=True, eq=False)
class PixelEdit:
    """The output of a tool's function: new values of some pixels inside one bbox.

    The arrays may share memory.

    Args:
        bbox: The bounding box of the pixels.
        where: The pixels that are set, even if they keep their value, bool (h, w).
        pixels: Their new values in the mask, bool (h, w).
        alpha: Their new alpha, uint8 (h, w); None for a tool without alpha.
    """

    bbox: Bbox
    where: np.ndarray
    pixels: np.ndarray
    alpha: np.ndarray | None = None


@dataclass(frozen=True)
class Tool:
    """The declaration of a manual tool. `cdwidget.tools.TOOLS` lists all of them.

    Args:
        name: Its name in the `tool` trait, or of the command in a menu.
        label: Its name on a button.
        action: The class of its action.
        run: Returns the pixels that an action sets; raises ValueError for an action that is not allowed.
        source: The source of the pixels that it sets, an entry of `cdwidget.session.SOURCES`.
        key: The key that activates it; "" for a command without a gesture.
    """

    name: str
    label: str
    action: type[ToolAction]
    run: Callable[[Canvas, Any], PixelEdit]
    source: str
    key: str = ""


NO_EDIT = PixelEdit(EMPTY_BBOX, np.zeros((0, 0), bool), np.zeros((0, 0), bool))


def set_pixels(box: Bbox, where: np.ndarray, add: bool) -> PixelEdit:
    """Return the edit that adds the pixels of `where`, bool (h, w), or removes them."""
    return PixelEdit(box, where, where if add else np.zeros_like(where))


def replace_pixels(box: Bbox, before: np.ndarray, after: np.ndarray) -> PixelEdit:
    """Return the edit of the mask inside `box` from `before` to `after`, bool (h, w)."""
    return PixelEdit(box, before != after, after)


def check_points(action: Any, min_count: int) -> np.ndarray:
    """Return the points of an action as float64 (n, 2).

    Raises:
        ValueError: If there are fewer than `min_count` or too many, or one is not finite or too far from the image.
    """
    name, points = type(action).__name__, action.points
    if len(points) < min_count:
        raise ValueError(f"a {name} has {len(points)} points; it needs at least {min_count}, each (x, y) in image pixels")
    check_line(name, len(points))
    for x, y in points:
        if not (isfinite(x) and isfinite(y) and max(abs(x), abs(y)) <= MAX_COORDINATE_PX):
            raise ValueError(
                f"{name} at x={x:g}, y={y:g}: coordinates are finite image pixels, at most {MAX_COORDINATE_PX:.0f} from the image's corner"
            )
    return np.array(points, np.float64).reshape(-1, 2)


def check_radius(action: Any, field: str, minimum: float) -> float:
    """Return a radius of an action, in image pixels; raise ValueError if it is not allowed."""
    radius: float = getattr(action, field)
    if not (isfinite(radius) and minimum <= radius <= MAX_RADIUS_PX):
        raise ValueError(f"a {type(action).__name__}'s {field} is {radius:g}; allowed are {minimum:g} to {MAX_RADIUS_PX:.0f} image pixels")
    return radius
