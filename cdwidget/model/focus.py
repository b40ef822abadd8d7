"""Focus view: where a corrective prompt changes a mask, the crop in which the network predicts once more at a higher resolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from cdwidget.prompts import Box, Click, Prompt, Stroke

Rectangle = tuple[int, int, int, int]  # x0, y0, x1, y1, half-open, in image pixels


@dataclass(frozen=True)
class Focus:
    """Size and resolution of the focus view.

    factor: side of the view as a multiple of the changed component's longer side.
    min_side: smallest side, image pixels.
    max_fraction: largest side as a fraction of the object's longer side.
    view_px: side in pixels of the square that the network encodes.
    max_change: a component whose longer side exceeds this fraction of the object's longer side is a new reading of the object, not a
        correction: there is no focus view.
    min_gain: the network's pixels per image pixel must grow at least by this factor.
    """

    factor: float = 2.5
    min_side: int = 64
    max_fraction: float = 0.5
    view_px: int = 224
    max_change: float = 0.5
    min_gain: float = 1.25


FOCUS = Focus()


def focus_box(before: np.ndarray, after: np.ndarray, prompt: Prompt, settings: Focus, scale: float) -> Rectangle | None:
    """Choose the focus view of a prompt; None where a second, closer prediction is of no use.

    before, after: bool (H, W), the mask before the prompt and the network's answer to it. prompt: the newest one. scale: the network's
    pixels per image pixel in the view that the answer comes from.
    """
    if isinstance(prompt, Box) or not before.any():
        return None
    height, width = before.shape
    object_box = _bounds(before | (after if prompt.positive else before))
    object_side = max(object_box[2] - object_box[0], object_box[3] - object_box[1])
    points = _pixels(prompt)
    near = _around(points, width, height)
    changed = (after > before) if prompt.positive else (before > after)
    component = _component(changed, points)
    if component is not None:
        if max(component[2] - component[0], component[3] - component[1]) > settings.max_change * object_side:
            return None
        near = min(near[0], component[0]), min(near[1], component[1]), max(near[2], component[2]), max(near[3], component[3])
    most = settings.max_fraction * object_side
    side = min(max(settings.factor * max(near[2] - near[0], near[3] - near[1]), settings.min_side), max(most, settings.min_side))
    side = min(round(side), width, height)
    if max(near[2] - near[0], near[3] - near[1]) > side or settings.view_px / side < settings.min_gain * scale:
        return None
    x0 = int(np.clip(round((near[0] + near[2] - side) / 2), 0, width - side))
    y0 = int(np.clip(round((near[1] + near[3] - side) / 2), 0, height - side))
    return x0, y0, x0 + side, y0 + side


def _component(changed: np.ndarray, points: Sequence[tuple[int, int]]) -> Rectangle | None:
    """Return the bounds of the 8-connected components of a bool (H, W) mask that hold one of the (column, row) points."""
    hit = [(x, y) for x, y in points if changed[y, x]]
    if not hit:
        return None
    x0, y0, x1, y1 = _bounds(changed)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(changed[y0:y1, x0:x1].view(np.uint8), connectivity=8)
    rows = stats[sorted({int(labels[y - y0, x - x0]) for x, y in hit})]
    left, top, right, bottom = rows[:, 0].min(), rows[:, 1].min(), (rows[:, 0] + rows[:, 2]).max(), (rows[:, 1] + rows[:, 3]).max()
    return int(left) + x0, int(top) + y0, int(right) + x0, int(bottom) + y0


def _bounds(mask: np.ndarray) -> Rectangle:
    x, y, w, h = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return x, y, x + w, y + h


def _pixels(prompt: Click | Stroke) -> list[tuple[int, int]]:
    """Return the (column, row) pixels of a prompt's points."""
    points = ((prompt.x, prompt.y),) if isinstance(prompt, Click) else prompt.points
    return [(int(x), int(y)) for x, y in points]


def _around(points: Sequence[tuple[int, int]], width: int, height: int) -> Rectangle:
    xs, ys = zip(*points)
    return max(0, min(xs)), max(0, min(ys)), min(width, max(xs) + 1), min(height, max(ys) + 1)
