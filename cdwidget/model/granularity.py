"""Granularity: how much of the image a prompt is about, from a part to the whole.

The network predicts an object that fits its view: for a click on a face, it finds the person in the whole image, and the face in a view
around it. So a granularity needs no weights of its own: it chooses the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import ceil, floor

from cdwidget.masks import Bbox, join_bboxes
from cdwidget.prompts import Box, Click, Prompt

LARGEST_MAGNIFICATION = 8.0  # of the view at granularity 0, relative to the whole image
PROMPT_EXPANSION = 2.0  # smallest side of the view relative to the extent of the prompts
MIN_VIEW_PX = 16  # image px


def granularity_view(size: tuple[int, int], prompts: Sequence[Prompt], granularity: float) -> Bbox:
    """Return the view in which prompts are predicted at a granularity.

    The side falls from that of the image at 1 to an eighth at 0. Views of the same prompts contain each other.

    Args:
        size: Height and width of the image in pixels.
        prompts: At least one prompt; the view is around the positive ones and the boxes, if there are any.
        granularity: Number in [0, 1].

    Returns:
        The view (x0, y0, x1, y1), half-open, in image pixels.

    Raises:
        ValueError: If the granularity is not in [0, 1].
    """
    if not 0 <= granularity <= 1:
        raise ValueError(f"the granularity is {granularity}; it must be a number from 0 (part) to 1 (whole), or None")
    positive = [prompt for prompt in prompts if isinstance(prompt, Box) or prompt.positive]
    x0, y0, x1, y1 = reduce(join_bboxes, map(_extent, positive or prompts))
    side = max(MIN_VIEW_PX, round(max(size) * LARGEST_MAGNIFICATION ** (granularity - 1)))
    left, right = _interval((x0 + x1) / 2, max(side, round(PROMPT_EXPANSION * (x1 - x0))), size[1])
    top, bottom = _interval((y0 + y1) / 2, max(side, round(PROMPT_EXPANSION * (y1 - y0))), size[0])
    return left, top, right, bottom


def _interval(center: float, length: int, limit: int) -> tuple[int, int]:
    """Return an interval of a length around a center, moved and shortened to lie within 0..limit."""
    length = min(length, limit)
    start = min(max(round(center - length / 2), 0), limit - length)
    return start, start + length


def _extent(prompt: Prompt) -> Bbox:
    """Return the bounding box of a prompt, half-open."""
    if isinstance(prompt, Box):
        return floor(prompt.x0), floor(prompt.y0), ceil(prompt.x1), ceil(prompt.y1)
    points: Sequence[tuple[float, float]] = ((prompt.x, prompt.y),) if isinstance(prompt, Click) else prompt.points
    xs, ys = zip(*points)
    return floor(min(xs)), floor(min(ys)), floor(max(xs)) + 1, floor(max(ys)) + 1
