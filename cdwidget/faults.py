"""Masks as they come from elsewhere, nearly right: what editing is measured on."""

from __future__ import annotations

import cv2
import numpy as np
from skimage.segmentation import slic

LOW, HIGH = 0.75, 0.85  # IoU of a faulty mask, half-open
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
