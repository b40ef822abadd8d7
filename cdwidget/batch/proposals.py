"""Object proposals: click on a grid, keep the stable masks, suppress duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, NamedTuple

import cv2
import numpy as np

from cdwidget.click_simulation import next_click
from cdwidget.masks import Bbox, Patch, bbox, iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click

DUPLICATE_IOU = 0.7  # IoU from which two masks show the same object
PROBABILITY_MARGIN = 0.2  # around 0.5, for the stability of a mask without alternatives
COMPARED_SIDE = 256  # px, longer side of the reduced masks that are compared


@dataclass(frozen=True)
class Search:
    """Grid of the clicks that propose objects, and limits for the proposed masks.

    Attributes:
        grid: Clicks along the longer side, with the same spacing along the other; half as many in each cell.
        cells: The image is also searched in cells x cells zoomed parts; 1 for none.
        quality: Minimum quality in [0, 1]: the mean of two IoUs, of the mask with its alternatives, and with the prediction for a click in
            its core.
        smallest: Minimum area as a fraction of the image.
        most: Maximum number of proposals.
    """

    grid: int = 8
    cells: int = 2
    quality: float = 0.65
    smallest: float = 0.001
    most: int = 50


@dataclass(frozen=True, eq=False)
class _Candidate:
    patch: Patch
    small: np.ndarray  # bool, longer side at most COMPARED_SIDE
    quality: float


class FoundObject(NamedTuple):
    """A proposed object: its mask, bool (H, W), and its quality in [0, 1]."""

    mask: np.ndarray
    quality: float


def propose(predictor: Predictor, image: np.ndarray, search: Search) -> list[FoundObject]:
    """Return the objects found in an image, the largest first; they may be nested.

    Predicts a mask for every click of a grid, in the whole image and then in its cells. If masks show the same object (IoU >= 0.7), only
    the mask with the highest quality is kept. A mask that touches all four image borders is background.

    Args:
        predictor: Predictor in which `image` is already set.
        image: The image, uint8 (H, W, 3).
        search: Grid and limits.
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
            mask, stability = _mask_and_stability(predictor.predict([click]))
            mask = _cleaned(mask, click)
            small = mask.sum() < search.smallest * height * width
            if small or (stability + 1) / 2 < search.quality or _is_cut(mask, box, height, width):
                continue
            full = np.zeros((height, width), bool)
            full[y0:y1, x0:x1] = mask
            new.append(_Candidate(Patch.of(full), _reduced(full), stability))
        for one in _without_duplicates(new, found):
            quality = (one.quality + _repeatability(predictor, _full(one, height, width)[y0:y1, x0:x1])) / 2
            if quality >= search.quality:
                found.append(replace(one, quality=quality))
    best = sorted(found, key=lambda one: -one.quality)[: search.most]
    return sorted((FoundObject(_full(one, height, width), one.quality) for one in best), key=lambda found: -int(found.mask.sum()))


def _views(height: int, width: int, cells: int) -> Iterator[Bbox]:
    """Yield the whole image, then cells that overlap by half, so that an object cut by one border is complete in another cell."""
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


def _mask_and_stability(prediction: Prediction) -> tuple[np.ndarray, float]:
    """Return the mask and its stability: its mean IoU with the alternatives or, if there are none, the IoU of two thresholds."""
    if not prediction.alternatives:
        return prediction.mask, threshold_stability(prediction)
    return prediction.mask, float(np.mean([iou(prediction.mask, other) for other in prediction.alternatives]))


def threshold_stability(prediction: Prediction) -> float:
    """Return the IoU of the masks at a lower and a higher threshold, in [0, 1]."""
    return iou(prediction.prob > 0.5 - PROBABILITY_MARGIN, prediction.prob > 0.5 + PROBABILITY_MARGIN)


def _cleaned(mask: np.ndarray, click: Click) -> np.ndarray:
    """Return the connected part at the click with its pinholes filled; empty if the click is outside the mask."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    part = parts[click.pixel]
    if part == 0:
        return np.zeros_like(mask)
    own = parts == part
    _, holes, stats, _ = cv2.connectedComponentsWithStats((~own).astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < 0.01 * own.sum()
    return own | small[holes]


def _is_cut(mask: np.ndarray, box: Bbox, height: int, width: int) -> bool:
    """Return whether a mask is cut by its view (touches a border inside the image) or is background (touches all four)."""
    left, top, right, bottom = bbox(mask)
    x0, y0, x1, y1 = box
    touched = (left == 0, top == 0, right == x1 - x0, bottom == y1 - y0)
    outer = (x0 == 0, y0 == 0, x1 == width, y1 == height)
    return all(touched) or any(touches and not is_outer for touches, is_outer in zip(touched, outer))


def _without_duplicates(new: list[_Candidate], old: list[_Candidate]) -> list[_Candidate]:
    """Return the new candidates that are not among the old ones, highest quality first."""
    kept: list[_Candidate] = []
    for one in sorted(new, key=lambda one: -one.quality):
        if not any(iou(one.small, other.small) >= DUPLICATE_IOU for other in [*old, *kept]):
            kept.append(one)
    return kept


def _repeatability(predictor: Predictor, mask: np.ndarray) -> float:
    """Return the IoU of a mask with the prediction for a click in its core."""
    click = next_click(mask, np.zeros_like(mask))
    return 0.0 if click is None else iou(predictor.predict([click]).mask, mask)


def _reduced(mask: np.ndarray) -> np.ndarray:
    shrink = min(1.0, COMPARED_SIDE / max(mask.shape))
    return cv2.resize(mask.view(np.uint8), None, fx=shrink, fy=shrink, interpolation=cv2.INTER_NEAREST).view(bool)


def _full(one: _Candidate, height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    one.patch.paste(mask)
    return mask
