"""Proposals: what in an image looks like an object, found by clicking everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator

import cv2
import numpy as np

from cdwidget.click_simulation import next_click
from cdwidget.masks import Bbox, Patch, bbox, iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click

SAME = 0.7  # IoU of two masks of one object
MARGIN = 0.2  # of probability round 0.5: below it nothing is possible, above it all is nearly sure
SIDE = 256  # of the reduced masks that are compared


@dataclass(frozen=True)
class Search:
    """Where proposals are looked for, and which are kept.

    grid: clicks along the longer side, as far apart along the other; in each zoomed cell half as many. cells: the image is cut into
    cells x cells, looked at one by one; 1 for no cells. quality: what a proposal needs, in [0, 1]: the mean of how much the model's other
    readings of the click agree with its answer (IoU), and of how much its answer to a click in the core of that answer does. smallest: the
    least share of the image that a proposal fills. most: how many are kept.
    """

    grid: int = 8
    cells: int = 2
    quality: float = 0.65
    smallest: float = 0.001
    most: int = 50


@dataclass(frozen=True, eq=False)
class _Candidate:
    patch: Patch
    small: np.ndarray  # bool, at most SIDE a side
    quality: float


def propose(predictor: Predictor, image: np.ndarray, search: Search) -> list[np.ndarray]:
    """Return the masks of what looks like an object, bool (H, W), the largest first; they may lie in one another.

    image: uint8 (H, W, 3), which the predictor has. Every click of a grid is asked about, in the whole image and then in its cells; of the
    answers that are the same object (IoU >= 0.7) the surest is taken. What touches all four borders of the image is its background.
    """
    height, width = image.shape[:2]
    found: list[_Candidate] = []
    for box in _views(height, width, search.cells):
        x0, y0, x1, y1 = box
        whole = box == (0, 0, width, height)
        if not whole:
            predictor.set_image(np.ascontiguousarray(image[y0:y1, x0:x1]))
        new: list[_Candidate] = []
        for click in _grid(y1 - y0, x1 - x0, search.grid if whole else max(1, search.grid // 2)):
            mask, agreement = _judged(predictor.predict([click]))
            mask = _cleaned(mask, click)
            small = mask.sum() < search.smallest * height * width
            if small or (agreement + 1) / 2 < search.quality or _is_cut(mask, box, height, width):
                continue
            full = np.zeros((height, width), bool)
            full[y0:y1, x0:x1] = mask
            new.append(_Candidate(Patch.of(full), _reduced(full), agreement))
        for one in _apart(new, found):
            quality = (one.quality + _repeated(predictor, _full(one, height, width)[y0:y1, x0:x1])) / 2
            if quality >= search.quality:
                found.append(replace(one, quality=quality))
    best = sorted(found, key=lambda one: -one.quality)[: search.most]
    return sorted((_full(one, height, width) for one in best), key=lambda mask: -int(mask.sum()))


def _views(height: int, width: int, cells: int) -> Iterator[Bbox]:
    """The whole image, and cells that overlap by half, so that what is cut by one border lies whole in another."""
    yield 0, 0, width, height
    if cells < 2:
        return
    high, wide = -(-height // cells), -(-width // cells)
    for top in np.linspace(0, height - high, 2 * cells - 1).astype(int).tolist():
        for left in np.linspace(0, width - wide, 2 * cells - 1).astype(int).tolist():
            yield left, top, left + wide, top + high


def _grid(height: int, width: int, count: int) -> Iterator[Click]:
    rows, columns = (max(1, round(count * side / max(height, width))) for side in (height, width))
    for row in range(rows):
        for column in range(columns):
            yield Click((column + 0.5) * width / columns, (row + 0.5) * height / rows)


def _judged(prediction: Prediction) -> tuple[np.ndarray, float]:
    """A mask, and how much the other readings agree with it; where there are none, what is nearly sure with what is possible."""
    if not prediction.alternatives:
        return prediction.mask, iou(prediction.prob > 0.5 - MARGIN, prediction.prob > 0.5 + MARGIN)
    return prediction.mask, float(np.mean([iou(prediction.mask, other) for other in prediction.alternatives]))


def _cleaned(mask: np.ndarray, click: Click) -> np.ndarray:
    """The part that was clicked on, without its pinholes; nothing where the click is not in it."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    part = parts[click.pixel]
    if part == 0:
        return np.zeros_like(mask)
    own = parts == part
    _, holes, stats, _ = cv2.connectedComponentsWithStats((~own).astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < 0.01 * own.sum()
    return own | small[holes]


def _is_cut(mask: np.ndarray, box: Bbox, height: int, width: int) -> bool:
    """Say whether a mask goes on beyond its view, or is the background: touches a border that is none of the image, or all four."""
    left, top, right, bottom = bbox(mask)
    x0, y0, x1, y1 = box
    touched = (left == 0, top == 0, right == x1 - x0, bottom == y1 - y0)
    outer = (x0 == 0, y0 == 0, x1 == width, y1 == height)
    return all(touched) or any(here and not there for here, there in zip(touched, outer))


def _apart(new: list[_Candidate], old: list[_Candidate]) -> list[_Candidate]:
    """The new candidates that are no object found already, the surest first."""
    kept: list[_Candidate] = []
    for one in sorted(new, key=lambda one: -one.quality):
        if not any(iou(one.small, other.small) >= SAME for other in [*old, *kept]):
            kept.append(one)
    return kept


def _repeated(predictor: Predictor, mask: np.ndarray) -> float:
    """Say how much the answer to a click in the core of a mask is that mask."""
    click = next_click(mask, np.zeros_like(mask))
    return 0.0 if click is None else iou(predictor.predict([click]).mask, mask)


def _reduced(mask: np.ndarray) -> np.ndarray:
    shrink = min(1.0, SIDE / max(mask.shape))
    return cv2.resize(mask.view(np.uint8), None, fx=shrink, fy=shrink, interpolation=cv2.INTER_NEAREST).view(bool)


def _full(one: _Candidate, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    one.patch.paste(mask)
    return mask
