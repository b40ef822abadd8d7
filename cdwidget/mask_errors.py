"""Masks as they come from elsewhere, wrong in some way: what editing and scores without ground truth are measured on."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
from skimage.segmentation import slic

from cdwidget.masks import iou
from cdwidget.registry import lookup

LOW, HIGH = 0.75, 0.85  # IoU of a faulty mask, half-open
LEAST = 0.3  # IoU below which a mask is that of something else
WHERE = {"border": 0.65, "inside": 0.25, "outside": 0.10}  # the share of flips at the object's border, in and out of it
FEWEST, MOST = 50, 700  # superpixels of an image
LONGER_SIDE = 512  # of the image that superpixels are made on


def faulty_mask(image: np.ndarray, gt: np.ndarray, rng: np.random.Generator, ignore: np.ndarray | None = None) -> np.ndarray:
    """Spoil a mask: flip superpixels one at a time until its IoU with the truth lies in 0.75..0.85 (as DAVIS-585, FocalClick, CVPR 2022).

    image: uint8 (H, W, 3). gt, ignore: bool (H, W); pixels of `ignore` do not count. Where no superpixel fits because the object is small,
    they are made finer, down to single pixels. Returns bool (H, W); ValueError for an object of so few pixels that no mask has such an IoU.
    """
    valid = np.ones_like(gt) if ignore is None else ~ignore
    count = int(np.exp(rng.uniform(np.log(FEWEST), np.log(MOST))))
    for segments in (count, 4 * MOST, gt.size):
        mask, iou = _flip(_superpixels(image, segments), gt & valid, valid, rng)
        if LOW <= iou < HIGH:
            return mask
    raise ValueError(f"an object of {np.count_nonzero(gt & valid)} pixels is too small for a mask with an IoU in {LOW}..{HIGH}")


def _superpixels(image: np.ndarray, count: int) -> np.ndarray:
    """Label map int32 (H, W), labels from 0; one a pixel for `count` = H W."""
    height, width = image.shape[:2]
    if count == height * width:
        return np.arange(count, dtype=np.int32).reshape(height, width)
    shrink = min(1.0, LONGER_SIDE / max(height, width))
    small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    labels = slic(small, count, start_label=0)
    return cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int32)


def _flip(segments: np.ndarray, gt: np.ndarray, valid: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Set whole superpixels to the opposite of what most of their pixels are, while IoU stays above LOW and until it is below HIGH."""
    band = max(2, round(max(gt.shape) / 200))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    near = cv2.dilate(gt.astype(np.uint8), kernel) != cv2.erode(gt.astype(np.uint8), kernel)
    labels, number = segments.ravel(), int(segments.max()) + 1
    total, inside, border = (np.bincount(labels, weights=where.ravel(), minlength=number) for where in (valid, gt, near & valid))
    at_border = border > 0
    kinds = {"border": at_border, "inside": ~at_border & (inside > 0), "outside": ~at_border & (inside == 0) & (total > 0)}
    left = {kind: list(rng.permutation(np.nonzero(chosen)[0])) for kind, chosen in kinds.items()}
    intersection, union = inside.sum(), inside.sum()
    mask = gt.copy()
    while intersection / union >= HIGH and any(left.values()):
        names = [kind for kind in left if left[kind]]
        odds = np.array([WHERE[kind] for kind in names])
        segment = left[names[rng.choice(len(names), p=odds / odds.sum())]].pop()
        removing = 2 * inside[segment] >= total[segment]
        after = (intersection - inside[segment] * removing, union + (total[segment] - inside[segment]) * (not removing))
        if after[0] / after[1] >= LOW:
            intersection, union = after
            mask[segments == segment] = not removing
    return mask, float(intersection / union)


# ---- kinds of faults -------------------------------------------------------------------------------------------------
# Each of (image, gt, others, target, rng) makes a mask of an IoU near `target`, where it can choose.


def flip_superpixels(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """`faulty_mask`, whose IoU is 0.75 to 0.85 whatever is asked for."""
    return faulty_mask(image, gt, rng)


def grow(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """The object with a rim of what is round it."""
    distance = cv2.distanceTransform((~gt).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return gt | _first(distance, ~gt, np.count_nonzero(gt) * (1 / target - 1))


def shrink(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """The object without its rim."""
    distance = cv2.distanceTransform(gt.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return gt & ~_first(distance, gt, np.count_nonzero(gt) * (1 - target))


def cut(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """The object without a part of it, cut off along a straight line or bitten out of its border."""
    ys, xs = np.nonzero(gt)
    rows, columns = np.ogrid[: gt.shape[0], : gt.shape[1]]
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        order = columns * np.cos(angle) + rows * np.sin(angle)
    else:
        rim = np.flatnonzero(cv2.distanceTransform(gt.astype(np.uint8), cv2.DIST_L2, 3)[ys, xs] < 2)
        middle = rim[rng.integers(len(rim))]
        order = (columns - xs[middle]) ** 2 + (rows - ys[middle]) ** 2
    return gt & ~_first(order, gt, len(ys) * (1 - target))


def shift(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """The object's outline beside the object."""
    angle = rng.uniform(0, 2 * np.pi)
    height, width = gt.shape
    moved = gt
    for far in range(1, max(height, width)):
        by = np.array([[1, 0, far * np.cos(angle)], [0, 1, far * np.sin(angle)]], np.float32)
        moved = cv2.warpAffine(gt.astype(np.uint8), by, (width, height), flags=cv2.INTER_NEAREST) > 0
        if iou(moved, gt) <= target:
            break
    return moved


def merge(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """The object and another one in one mask, preferably one that it touches."""
    near = cv2.dilate(gt.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    joined = [other | gt for other in others if LEAST <= iou(other | gt, gt) < HIGH]
    touching = [mask for mask in joined if (mask & ~gt & near).any()]
    return _any_of(touching or joined, "that would change it enough", rng)


def mistake(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Another object's mask."""
    return _any_of([other for other in others if other.any() and iou(other, gt) < LEAST], "apart from it", rng)


Fault = Callable[[np.ndarray, np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
FAULTS: dict[str, Fault] = {
    "superpixels": flip_superpixels,
    "grown": grow,
    "shrunk": shrink,
    "cut": cut,
    "shifted": shift,
    "merged": merge,
    "wrong object": mistake,
}


def spoil(
    kind: str, image: np.ndarray, gt: np.ndarray, others: np.ndarray, rng: np.random.Generator, ious: tuple[float, float] = (0.4, HIGH)
) -> np.ndarray:
    """Spoil a mask in one of the ways of FAULTS.

    image: uint8 (H, W, 3). gt: bool (H, W), not empty. others: bool (N, H, W), other objects, of this image or of another one.
    ious: the IoU aimed at is drawn from this range; some kinds have their own. Returns bool (H, W), not empty and not `gt`. Raises
    ValueError for a kind there is not, or where this object cannot be spoilt so.
    """
    mask = lookup(FAULTS, kind, "fault")(image, gt, others, float(rng.uniform(*ious)), rng)
    if not mask.any() or (mask == gt).all():
        raise ValueError(f"an object of {np.count_nonzero(gt)} pixels cannot be made {kind!r}: nothing of it, or all of it, would be left")
    return mask


def _first(order: np.ndarray, where: np.ndarray, count: float) -> np.ndarray:
    """The `count` pixels of `where` that come first in an order of the pixels, bool (H, W); those alike in it come together."""
    values = np.sort(order[where])
    number = min(round(count), len(values))
    return where & (order <= values[number - 1]) if number else np.zeros_like(where)


def _any_of(masks: list[np.ndarray], what: str, rng: np.random.Generator) -> np.ndarray:
    if not masks:
        raise ValueError(f"there is no other object {what}")
    return masks[rng.integers(len(masks))]
