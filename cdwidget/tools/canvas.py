"""What a tool is given and what it answers. A tool is a frozen dataclass, the action, beside one pure function of Canvas and action."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Any

import numpy as np

from cdwidget.masks import NOWHERE, Bbox

Points = tuple[tuple[float, float], ...]
FARTHEST = 2.0**20  # a gesture may leave the image, but a coordinate beyond this is a mistake, and arithmetic stays exact below it
LARGEST = 1024.0  # pixels: the largest radius; distances are told apart exactly up to here


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a tool may look at; it writes to none of it.

    image: uint8 (H, W, 3) RGB. mask: bool (H, W) of the instance being edited.
    superpixels: count -> int32 (h, w), what `superpixel.superpixels(image, count)` answers; whoever makes the canvas may keep it.
    """

    image: np.ndarray
    mask: np.ndarray
    superpixels: Callable[[int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Painted:
    """What a tool decided, inside one box of the image.

    where: bool (h, w), the pixels it decided on, whether or not they change. pixels: bool (h, w), what they are now; only those in
    `where` count. alpha: uint8 (h, w) likewise, from a tool that answers softly; else None. The arrays may share memory.
    """

    bbox: Bbox
    where: np.ndarray
    pixels: np.ndarray
    alpha: np.ndarray | None = None


def painted(box: Bbox, where: np.ndarray, add: bool) -> Painted:
    """Return that all pixels of `where`, bool of the box's size, are in the object (add) or not in it."""
    return Painted(box, where, where if add else np.zeros_like(where))


def changed(box: Bbox, before: np.ndarray, after: np.ndarray) -> Painted:
    """Return that the mask in `box` becomes `after`: of two bool arrays of its size, the pixels that differ."""
    return Painted(box, before != after, after)


def nothing() -> Painted:
    """Return that no pixel was decided on."""
    return painted(NOWHERE, np.zeros((0, 0), bool), True)


def crop(array: np.ndarray, box: Bbox) -> np.ndarray:
    """Return the view of an (H, W, ...) array inside `box`."""
    return array[box[1] : box[3], box[0] : box[2]]


def around(box: tuple[float, float, float, float], margin: float, shape: tuple[int, ...]) -> Bbox:
    """Return the box of whole pixels that holds `box` and `margin` pixels round it, as far as an image of this shape goes.

    NOWHERE when all of it lies outside.
    """
    x0, y0 = max(0, floor(box[0] - margin)), max(0, floor(box[1] - margin))
    x1, y1 = min(shape[1], ceil(box[2] + margin)), min(shape[0], ceil(box[3] + margin))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else NOWHERE


def check_points(action: Any, least: int) -> np.ndarray:
    """Return an action's points as float64 (n, 2); ValueError when there are fewer than `least`, or one is no place near an image."""
    name, points = type(action).__name__, action.points
    if len(points) < least:
        raise ValueError(f"a {name} has {len(points)} points; it needs at least {least}, each (x, y) in image pixels")
    for x, y in points:
        if not (isfinite(x) and isfinite(y) and max(abs(x), abs(y)) <= FARTHEST):
            raise ValueError(
                f"{name} at x={x:g}, y={y:g}: coordinates are finite image pixels, at most {FARTHEST:.0f} from the image's corner"
            )
    return np.array(points, np.float64).reshape(-1, 2)


def check_radius(action: Any, field: str, least: float) -> float:
    """Return a length of an action in pixels; ValueError when it is not in `least`..LARGEST."""
    length: float = getattr(action, field)
    if not (isfinite(length) and least <= length <= LARGEST):
        raise ValueError(f"a {type(action).__name__}'s {field} is {length:g}; allowed are {least:g} to {LARGEST:.0f} image pixels")
    return length
