"""Synthetic mask errors, to train and evaluate mask editing and mask scores."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
from skimage.segmentation import slic

from cdwidget.masks import iou
from cdwidget.registry import lookup

MIN_FLIP_IOU, MAX_FLIP_IOU = 0.75, 0.85  # IoU of a mask with flipped superpixels, half-open.
MIN_SAME_OBJECT_IOU = 0.3  # A mask with a lower IoU is of another object.
FLIP_SHARES = {"border": 0.65, "inside": 0.25, "outside": 0.10}  # Fraction of flips on the object's boundary, inside and outside.
MIN_SUPERPIXELS, MAX_SUPERPIXELS = 50, 700  # Superpixels per image.
FINE_SUPERPIXELS = 4 * MAX_SUPERPIXELS  # Tried for small objects.
MAX_SUPERPIXEL_SIDE = 512  # px; superpixels are computed on an image downscaled to this side.
TOUCH_WINDOW_PX = 7  # Objects this close touch.


def corrupt_mask(
    kind: str,
    image: np.ndarray,
    gt: np.ndarray,
    others: np.ndarray,
    rng: np.random.Generator,
    ious: tuple[float, float] = (0.4, MAX_FLIP_IOU),
) -> np.ndarray:
    """Return a mask with a synthetic error.

    Args:
        kind: A name in `MASK_ERRORS`.
        image: The image, uint8 (H, W, 3) RGB.
        gt: The true mask, bool (H, W), not empty.
        others: Masks of other objects, bool (N, H, W), of this image or another one.
        rng: The random generator.
        ious: Range of the target IoU; some kinds have their own.

    Returns:
        The mask, bool (H, W), neither empty nor equal to `gt`.

    Raises:
        ValueError: If there is no such kind, or the object cannot have such an error.
    """
    mask = lookup(MASK_ERRORS, kind, "mask error")(image, gt, others, float(rng.uniform(*ious)), rng)
    if not mask.any() or (mask == gt).all():
        raise ValueError(f"an object of {np.count_nonzero(gt)} pixels is too small for the error {kind!r}: it would change all or none")
    return mask


# ---- flipped superpixels ---------------------------------------------------------------------------------------------


def flip_superpixels(image: np.ndarray, gt: np.ndarray, rng: np.random.Generator, ignore: np.ndarray | None = None) -> np.ndarray:
    """Flip superpixels until the mask's IoU is in 0.75..0.85.

    Follows the DAVIS-585 benchmark (FocalClick, Chen et al., CVPR 2022). If no superpixel fits because the object is small, finer ones
    are used, down to single pixels.

    Args:
        image: The image, uint8 (H, W, 3) RGB.
        gt: The true mask, bool (H, W).
        rng: The random generator.
        ignore: Pixels that do not count, bool (H, W).

    Returns:
        The mask, bool (H, W).

    Raises:
        ValueError: If the object has too few pixels for such an IoU.
    """
    valid = np.ones_like(gt) if ignore is None else ~ignore
    count = int(np.exp(rng.uniform(np.log(MIN_SUPERPIXELS), np.log(MAX_SUPERPIXELS))))
    for segments in (count, FINE_SUPERPIXELS, gt.size):
        mask, iou = _flip(_superpixels(image, segments), gt & valid, valid, rng)
        if MIN_FLIP_IOU <= iou < MAX_FLIP_IOU:
            return mask
    pixels = np.count_nonzero(gt & valid)
    raise ValueError(f"an object of {pixels} pixels is too small for a mask with an IoU in {MIN_FLIP_IOU}..{MAX_FLIP_IOU}")


def _superpixels(image: np.ndarray, count: int) -> np.ndarray:
    """Return a label map of about `count` superpixels, or of pixels, int32 (H, W)."""
    height, width = image.shape[:2]
    if count == height * width:
        return np.arange(count, dtype=np.int32).reshape(height, width)
    scale = min(1.0, MAX_SUPERPIXEL_SIDE / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    labels = slic(small, count, start_label=0)
    return cv2.resize(labels.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int32)


def _flip(segments: np.ndarray, gt: np.ndarray, valid: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Flip superpixels in random order until the IoU is below `MAX_FLIP_IOU`.

    Flips that take it below `MIN_FLIP_IOU` are skipped.

    A flipped superpixel becomes background if most of its pixels are object, and vice versa.
    """
    band = max(2, round(max(gt.shape) / 200))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band + 1, 2 * band + 1))
    near_boundary = cv2.dilate(gt.astype(np.uint8), kernel) != cv2.erode(gt.astype(np.uint8), kernel)
    labels, number = segments.ravel(), int(segments.max()) + 1
    total, inside, border = (np.bincount(labels, weights=area.ravel(), minlength=number) for area in (valid, gt, near_boundary & valid))
    at_border = border > 0
    kinds = {"border": at_border, "inside": ~at_border & (inside > 0), "outside": ~at_border & (inside == 0) & (total > 0)}
    left = {kind: list(rng.permutation(np.nonzero(chosen)[0])) for kind, chosen in kinds.items()}
    intersection, union = inside.sum(), inside.sum()
    mask = gt.copy()
    while intersection / union >= MAX_FLIP_IOU and any(left.values()):
        names = [kind for kind in left if left[kind]]
        shares = np.array([FLIP_SHARES[kind] for kind in names])
        segment = left[names[rng.choice(len(names), p=shares / shares.sum())]].pop()
        removing = 2 * inside[segment] >= total[segment]
        after = (intersection - inside[segment] * removing, union + (total[segment] - inside[segment]) * (not removing))
        if after[0] / after[1] >= MIN_FLIP_IOU:
            intersection, union = after
            mask[segments == segment] = not removing
    return mask, float(intersection / union)


# ---- kinds of errors -------------------------------------------------------------------------------------------------
# Each takes (image, gt, others, target, rng) and returns a mask whose IoU is near `target`, if the kind can choose it.


def _flip_superpixels(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the mask with flipped superpixels, whose IoU is in 0.75..0.85 for every target."""
    return flip_superpixels(image, gt, rng)


def _grow(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the object with a band of its surroundings."""
    distance = cv2.distanceTransform((~gt).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return gt | _lowest(distance, ~gt, np.count_nonzero(gt) * (1 / target - 1))


def _shrink(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the object without a band along its boundary."""
    distance = cv2.distanceTransform(gt.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return gt & ~_lowest(distance, gt, np.count_nonzero(gt) * (1 - target))


def _cut(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the object without a part: cut off along a line, or bitten out of its edge."""
    ys, xs = np.nonzero(gt)
    rows, columns = np.ogrid[: gt.shape[0], : gt.shape[1]]
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        order = columns * np.cos(angle) + rows * np.sin(angle)
    else:
        boundary = np.flatnonzero(cv2.distanceTransform(gt.astype(np.uint8), cv2.DIST_L2, 3)[ys, xs] < 2)
        center = boundary[rng.integers(len(boundary))]
        order = (columns - xs[center]) ** 2 + (rows - ys[center]) ** 2
    return gt & ~_lowest(order, gt, len(ys) * (1 - target))


def _shift(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the object's mask, moved in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    height, width = gt.shape
    shifted = gt
    for distance in range(1, max(height, width)):
        matrix = np.array([[1, 0, distance * np.cos(angle)], [0, 1, distance * np.sin(angle)]], np.float32)
        shifted = cv2.warpAffine(gt.astype(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST) > 0
        if iou(shifted, gt) <= target:
            break
    return shifted


def _merge(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return the object and another one in one mask, preferably one that it touches."""
    near = cv2.dilate(gt.astype(np.uint8), np.ones((TOUCH_WINDOW_PX, TOUCH_WINDOW_PX), np.uint8)) > 0
    merged = [other | gt for other in others if MIN_SAME_OBJECT_IOU <= iou(other | gt, gt) < MAX_FLIP_IOU]
    touching = [mask for mask in merged if (mask & ~gt & near).any()]
    return _choose(touching or merged, "large enough to change it", rng)


def _swap(image: np.ndarray, gt: np.ndarray, others: np.ndarray, target: float, rng: np.random.Generator) -> np.ndarray:
    """Return another object's mask."""
    return _choose([other for other in others if other.any() and iou(other, gt) < MIN_SAME_OBJECT_IOU], "apart from it", rng)


MaskError = Callable[[np.ndarray, np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]
MASK_ERRORS: dict[str, MaskError] = {
    "superpixels": _flip_superpixels,
    "grown": _grow,
    "shrunk": _shrink,
    "cut": _cut,
    "shifted": _shift,
    "merged": _merge,
    "wrong object": _swap,
}


def _lowest(order: np.ndarray, region: np.ndarray, count: float) -> np.ndarray:
    """Return the `count` pixels of a region with the lowest values, with ties, bool (H, W)."""
    values = np.sort(order[region])
    number = min(round(count), len(values))
    return region & (order <= values[number - 1]) if number else np.zeros_like(region)


def _choose(masks: list[np.ndarray], condition: str, rng: np.random.Generator) -> np.ndarray:
    if not masks:
        raise ValueError(f"there is no other object {condition}; choose another kind of error")
    return masks[rng.integers(len(masks))]
