"""Focus view: the crop around the change of a corrective prompt, which the network predicts once more at a higher resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cdwidget.masks import EMPTY_BBOX, Bbox, bbox, join_bboxes
from cdwidget.prompts import Box, Click, Prompt, Stroke


@dataclass(frozen=True)
class Focus:
    """Size and resolution of focus views.

    Attributes:
        expansion: Side of the view relative to the longer side of the changed component.
        min_side: Smallest side in image pixels.
        max_side: Largest side as a fraction of the object's longer side.
        max_change: A component longer than this fraction of the object's longer side is a new interpretation, not a correction.
        min_gain: The view is used only if it magnifies the image at least this much more than the view of the prediction.
        size: Side S in view pixels. TinyViT's windows fit 224 exactly; 320 takes twice the time and needs as many clicks.
        pdm_steps: Iterations of pixel diffusion (PDM) in the view; 0 for none.
    """

    expansion: float = 2.5
    min_side: int = 64
    max_side: float = 0.5
    max_change: float = 0.5
    min_gain: float = 1.25
    size: int = 224
    pdm_steps: int = 0


FOCUS = Focus()


def focus_box(before: np.ndarray, after: np.ndarray, prompt: Prompt, focus: Focus, size: int, scale: float) -> Bbox | None:
    """Return the focus view of a prompt.

    Args:
        before: The mask before the prompt, bool (H, W).
        after: The predicted mask, bool (H, W).
        prompt: The newest prompt.
        focus: Size and resolution of the view.
        size: Side of the view in view pixels.
        scale: View pixels per image pixel of the prediction.

    Returns:
        A square (x0, y0, x1, y1) in image pixels; None if the prompt corrects nothing or a closer view gains nothing.
    """
    if isinstance(prompt, Box) or not before.any():
        return None
    height, width = before.shape
    region = bbox(before | after if prompt.positive else before)
    object_side = max(region[2] - region[0], region[3] - region[1])
    pixels = _pixels(prompt)
    change = _components_at(after > before if prompt.positive else before > after, pixels)
    if max(change[2] - change[0], change[3] - change[1]) > focus.max_change * object_side:
        return None
    (x0, y0), (x1, y1) = pixels.min(axis=0), pixels.max(axis=0) + 1
    x0, y0, x1, y1 = join_bboxes((int(x0), int(y0), int(x1), int(y1)), change)
    longest = max(x1 - x0, y1 - y0)
    largest = max(focus.max_side * object_side, focus.min_side)
    side = min(round(min(max(focus.expansion * longest, focus.min_side), largest)), height, width)
    if longest > side or size < focus.min_gain * scale * side:
        return None
    left = int(np.clip(round((x0 + x1 - side) / 2), 0, width - side))
    top = int(np.clip(round((y0 + y1 - side) / 2), 0, height - side))
    return left, top, left + side, top + side


def _components_at(changed: np.ndarray, pixels: np.ndarray) -> Bbox:
    """Return the bbox of the 8-connected components of a mask, bool (H, W), at (column, row) pixels (n, 2); empty if there are none."""
    x0, y0, x1, y1 = bbox(changed)
    columns, rows = pixels[changed[pixels[:, 1], pixels[:, 0]]].T
    if not columns.size:
        return EMPTY_BBOX
    _, labels, stats, _ = cv2.connectedComponentsWithStats(changed[y0:y1, x0:x1].view(np.uint8), connectivity=8)
    left, top, width, height = stats[np.unique(labels[rows - y0, columns - x0]), :4].T
    return x0 + int(left.min()), y0 + int(top.min()), x0 + int((left + width).max()), y0 + int((top + height).max())


def _pixels(prompt: Click | Stroke) -> np.ndarray:
    """Return the (column, row) pixels of a prompt's points, int (n, 2)."""
    points = ((prompt.x, prompt.y),) if isinstance(prompt, Click) else prompt.points
    return np.floor(np.array(points)).astype(np.int64)
