"""Progressive merge: how a predictor's answer to a new prompt may change a mask.

A positive prompt only adds, a negative one only removes. Of the pixels that the answer would add (or remove), only the
8-connected component that holds the prompt is taken; all others stay as they are, bit for bit. In what the model alone has
drawn there are two exceptions. Where a click makes it see a larger object, or a smaller one, all components are taken: what was
wrong was not this place alone. Where a click touches the border up, only what is as near the click as the border is taken.
Lengths are in image pixels and grow with the image, because on a large image the same gesture covers more of them.
"""

from __future__ import annotations

from math import ceil, dist, floor
from typing import Iterable

import cv2
import numpy as np

from cdwidget.masks import Bbox, bbox, join
from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.tools.canvas import Painted, changed, crop, nothing, painted

TOLERANCE = 12.0  # grey levels that neighbouring pixels of one surface commonly differ by
ANOTHER = 1.1  # times as large, or as small, as the mask is an answer that means another object; held out, 2 costs 0.1 clicks to 0.90
# As shares of the side of a square as large as the mask. Held out, a third fewer clicks lower IoU, and none more are needed to 0.90.
FINE = 0.03  # a click as near the border touches it up; what the model answers to it elsewhere is wrong as often as right
NARROW = 0.15  # such an answer changes nothing farther from the border, else it is about a part of the object
TOUCH_UP_REACH = 1.0  # radius of a touch-up as a multiple of the click's distance to the border
MAX_THICKNESS = 32767  # of a line, OpenCV's own limit


def reach(height: int, width: int) -> int:
    """Return the radius in pixels of the small disk round a click: 5 where the image's longer side is 1000, at least 2."""
    return max(2, round(max(height, width) / 200))


def agrees(mask: np.ndarray, prompt: Prompt) -> bool:
    """Say whether a bool (H, W) mask already is what a prompt asks for; what a Box asks for is not known beforehand."""
    if isinstance(prompt, Click):
        return bool(mask[prompt.pixel]) == prompt.positive
    if isinstance(prompt, Stroke):
        box = _window(prompt, mask.shape, 0)
        return bool((crop(mask, box) == prompt.positive)[_drawn(prompt, box)].all())
    return False


def merge(
    image: np.ndarray, mask: np.ndarray, answer: np.ndarray, prompt: Prompt, older: tuple[Prompt, ...], locked: np.ndarray | None = None,
    own: bool = False, touch_up: bool = True,
) -> Painted:  # fmt: skip
    """Return what of a predictor's `answer` to `prompt` is taken into `mask`: the pixels that change, and what they become.

    image: uint8 (H, W, 3). mask, answer: bool (H, W). older: the prompts given before; a small disk round each of those that
    say the opposite is left alone. A prompt that agrees with the mask changes nothing. Afterwards the pixel of a click, and
    every pixel of a stroke, is what the prompt says, even where the answer does not follow it.
    locked: bool (H, W), pixels that stay what they are whatever the prompt says; None for none. own: whether nobody but the
    model has made the mask; touch_up: whether a click near the border of such a mask changes nothing that is farther away.
    """
    if agrees(mask, prompt):
        return nothing()
    adding = isinstance(prompt, Box) or prompt.positive
    small = reach(*mask.shape)
    wanted = answer > mask if adding else mask > answer
    another = own and isinstance(prompt, Click) and _means_another(mask, answer, adding)
    box = join(bbox(wanted), _window(prompt, mask.shape, 4 * small))  # all that follows happens in this box
    free = (crop(mask, box) != adding) & ~_protected(prompt, older, box, small)
    if locked is not None:
        free &= ~crop(locked, box)
    wanted = crop(wanted, box) & free
    if isinstance(prompt, Click):
        taken = _round_click(crop(image, box), wanted, free, (prompt.pixel[0] - box[1], prompt.pixel[1] - box[0]), small)
        if another:
            taken = taken | wanted
        if own and touch_up:
            taken = _touched_up(mask, taken, box, prompt)
    elif isinstance(prompt, Stroke):
        drawn = _drawn(prompt, box) & (crop(mask, box) != adding)
        if locked is not None:
            drawn &= ~crop(locked, box)
        taken = _holding(wanted | drawn, zip(*(place.tolist() for place in np.nonzero(drawn))))
    else:
        x0, y0, x1, y1 = _window(prompt, mask.shape, 0)
        inside = np.s_[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
        taken = np.zeros_like(wanted)
        taken[inside] = wanted[inside]
    x0, y0, x1, y1 = bbox(taken)
    return painted((box[0] + x0, box[1] + y0, box[0] + x1, box[1] + y1), taken[y0:y1, x0:x1], adding) if taken.any() else nothing()


def take(mask: np.ndarray, answer: np.ndarray, locked: np.ndarray | None = None) -> Painted:
    """Return the change from `mask` to the whole of `answer`, all bool (H, W), but for `locked` pixels: where nothing is merged."""
    box = bbox(mask != answer if locked is None else (mask != answer) & ~locked)
    before, after = crop(mask, box), crop(answer, box)
    return changed(box, before, after if locked is None else np.where(crop(locked, box), before, after))


def _means_another(mask: np.ndarray, answer: np.ndarray, adding: bool) -> bool:
    """Say whether an answer is so much larger, or for a negative prompt smaller, than the mask that it means another object."""
    less, more = (int(np.count_nonzero(part)) for part in ((mask, answer) if adding else (answer, mask)))
    return 0 < ANOTHER * less < more


def _touched_up(mask: np.ndarray, taken: np.ndarray, box: Bbox, click: Click) -> np.ndarray:
    """Return what of the pixels of `box` that a click flips is as near it as the mask's border, where it touches that border up; else all.

    A click marks the middle of what is wrong, so what is wrong there is twice as wide as the border is far.
    """
    (row, column), side = click.pixel, float(np.count_nonzero(mask)) ** 0.5
    near, top, left = _square((row, column), ceil(FINE * side))
    rows, columns = np.nonzero(mask[near] == click.positive)
    distances = (rows + top - row) ** 2 + (columns + left - column) ** 2
    if not distances.size or distances.min() > (FINE * side) ** 2:
        return taken
    if _reaches_far(mask, taken, box, click.positive, NARROW * side):
        return taken
    rows, columns = np.ogrid[box[1] : box[3], box[0] : box[2]]
    spot = taken & ((rows - row) ** 2 + (columns - column) ** 2 <= TOUCH_UP_REACH**2 * distances.min())
    pixel = row - box[1], column - box[0]
    return _holding(spot, [pixel]) if spot[pixel] else taken


def _reaches_far(mask: np.ndarray, taken: np.ndarray, box: Bbox, adding: bool, most: float) -> bool:
    """Say whether any of the pixels of `box` that are taken lies more than `most` from the mask's border, measured to a 32nd of that."""
    step, margin = max(1, int(most) // 32), ceil(most)
    x0, y0, x1, y1 = bbox(taken)
    left, top = (min(margin, low) // step * step for low in (box[0] + x0, box[1] + y0))
    window = mask[box[1] + y0 - top : box[1] + y1 + margin : step, box[0] + x0 - left : box[0] + x1 + margin : step]
    far = step * cv2.distanceTransform((window != adding).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    changes = taken[y0:y1:step, x0:x1:step]
    rows, columns = changes.shape
    return bool((far[top // step :, left // step :][:rows, :columns][changes] > most).any())


def _round_click(image: np.ndarray, wanted: np.ndarray, free: np.ndarray, pixel: tuple[int, int], small: int) -> np.ndarray:
    """Return the pixels a disagreeing click flips: the component of `wanted` at or near it, else a spot of its own colour."""
    if wanted[pixel]:
        return _holding(wanted, [pixel])
    near, top, left = _square(pixel, small)
    rows, columns = np.nonzero(wanted[near])
    distances = (rows + top - pixel[0]) ** 2 + (columns + left - pixel[1]) ** 2
    if not distances.size or distances.min() > small**2:
        return _spot(image, free, pixel, 4 * small)
    nearest = int(np.argmin(distances))
    return _holding(wanted, [(int(rows[nearest]) + top, int(columns[nearest]) + left)]) | _spot(image, free, pixel, small)


def _spot(image: np.ndarray, free: np.ndarray, pixel: tuple[int, int], radius: int) -> np.ndarray:
    """Return the free pixels joined to `pixel` that are near and like it: the farther, the more alike; none when it is locked."""
    near, top, left = _square(pixel, radius)
    row, column = pixel[0] - top, pixel[1] - left
    colour = cv2.GaussianBlur(image[near], (3, 3), 0).astype(np.float32)
    unlike = ((colour - colour[row, column]) ** 2).mean(axis=2)
    texture = colour[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].reshape(-1, 3).var(axis=0).mean()
    rows, columns = np.ogrid[: colour.shape[0], : colour.shape[1]]
    far = ((rows - row) ** 2 + (columns - column) ** 2) / radius**2
    alike = (unlike / (TOLERANCE**2 + texture) + far <= 1) & free[near]
    spot = np.zeros_like(free)
    spot[near] = _holding(alike, [(row, column)] if alike[row, column] else [])
    return spot


def _holding(region: np.ndarray, seeds: Iterable[tuple[int, int]]) -> np.ndarray:
    """Return the 8-connected components of a bool region that hold one of the (row, column) seeds, all of which lie in it."""
    height, width = region.shape
    found = np.zeros((height + 2, width + 2), np.uint8)  # flood fill wants a border of one pixel
    flags = 8 | (1 << 8) | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    canvas = np.ascontiguousarray(region).view(np.uint8)
    for row, column in seeds:
        if not found[row + 1, column + 1]:
            cv2.floodFill(canvas, found, (column, row), 1, flags=flags)
    return found[1:-1, 1:-1].view(bool)


def _protected(prompt: Prompt, older: tuple[Prompt, ...], box: Bbox, small: int) -> np.ndarray:
    """Return the pixels of `box` near older prompts that say the opposite of `prompt`.

    A click can act beside them all the same: an older stroke gives way in the small disk round it, the disk of an older click
    ends half-way between the two.
    """
    positive = isinstance(prompt, Box) or prompt.positive
    against = [other for other in older if not isinstance(other, Box) and other.positive != positive]
    protected = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=bool)
    for other in against:
        if isinstance(other, Stroke):
            _draw(protected, other, box, max(small, other.radius))
    if isinstance(prompt, Click):
        _draw(protected, prompt, box, small, value=False)
    for other in against:
        if isinstance(other, Click):
            half = dist(prompt.pixel, other.pixel) / 2 if isinstance(prompt, Click) else small
            if half > 0:  # on the very pixel the newer click wins
                _draw(protected, other, box, min(small, half))
    return protected


def _drawn(stroke: Stroke, box: Bbox) -> np.ndarray:
    """Return the pixels of `box` that a stroke covers, bool."""
    canvas = np.zeros((box[3] - box[1], box[2] - box[0]), dtype=bool)
    _draw(canvas, stroke, box, stroke.radius)
    return canvas


def _draw(canvas: np.ndarray, prompt: Click | Stroke, box: Bbox, radius: float, value: bool = True) -> None:
    """Set the pixels within `radius` of a prompt, and those of its points, to `value` in the bool pixels of `box`."""
    points = _pixels(prompt) - np.array(box[:2])
    if len(points) > 1:
        thickness = min(MAX_THICKNESS, max(1, round(2 * radius)))
        cv2.polylines(canvas.view(np.uint8), [points.astype(np.int32)], isClosed=False, color=int(value), thickness=thickness)
        return
    column, row = (int(position) for position in points[0])
    near, top, left = _square((row, column), min(ceil(radius), max(canvas.shape)))
    rows, columns = np.ogrid[top : top + canvas[near].shape[0], left : left + canvas[near].shape[1]]
    canvas[near][(rows - row) ** 2 + (columns - column) ** 2 <= radius * radius] = value


def _square(pixel: tuple[int, int], radius: int) -> tuple[tuple[slice, slice], int, int]:
    """Return the slices, with their top and left, of the square round a pixel, for an array that it may reach out of."""
    top, left = max(0, pixel[0] - radius), max(0, pixel[1] - radius)
    return np.s_[top : max(0, pixel[0] + radius + 1), left : max(0, pixel[1] + radius + 1)], top, left


def _pixels(prompt: Click | Stroke) -> np.ndarray:
    """Return the (column, row) pixels of a prompt's points, int (n, 2)."""
    points = ((prompt.x, prompt.y),) if isinstance(prompt, Click) else prompt.points
    return np.floor(np.array(points)).astype(np.int64)


def _window(prompt: Prompt, shape: tuple[int, ...], margin: int) -> Bbox:
    """Return the box in the image that holds a prompt and `margin` pixels round it."""
    if isinstance(prompt, Box):
        x0, y0, x1, y1 = floor(prompt.x0), floor(prompt.y0), ceil(prompt.x1), ceil(prompt.y1)
    else:
        pixels = _pixels(prompt)
        around = margin + (ceil(prompt.radius) if isinstance(prompt, Stroke) else 0)
        x0, y0 = (int(low) - around for low in pixels.min(axis=0))
        x1, y1 = (int(high) + around + 1 for high in pixels.max(axis=0))
    return max(0, x0), max(0, y0), min(shape[1], x1), min(shape[0], y1)
