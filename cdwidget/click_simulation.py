"""The click simulation that training, benchmark and batch jobs share."""

from __future__ import annotations

from typing import Iterable

import cv2
import numpy as np

from cdwidget.prompts import Click, Stroke


def core_distance(region: np.ndarray) -> np.ndarray:
    """Return the exact L2 distance of each pixel to the nearest pixel outside a region.

    Args:
        region: bool (H, W). Pixels beyond the image border count as outside.

    Returns:
        float32 (H, W) in pixels, 0 outside the region.
    """
    padded = np.pad(region.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def next_click(
    gt: np.ndarray,
    pred: np.ndarray,
    ignore: np.ndarray | None = None,
    clicked: Iterable[Click] = (),
    rng: np.random.Generator | None = None,
    min_depth: float = 0.5,
) -> Click | None:
    """Return the next click of a careful user: at the core of the larger error region.

    Source: the RITM protocol (Sofiiuk et al., "Reviving iterative training with mask guidance", 2021).

    Args:
        gt: Ground truth, bool (H, W).
        pred: Predicted mask, bool (H, W).
        ignore: Pixels that are never an error, bool (H, W).
        clicked: Earlier clicks; their pixels are not clicked again.
        rng: Draw the click from all pixels that are deep enough, as training does. None: take the deepest pixel, ties in raster order.
        min_depth: With `rng`: the smallest distance to the region's border, as a fraction of the largest.

    Returns:
        A click, positive in false negatives and negative in false positives, or None if no error is left.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> click = next_click(gt, session.mask)
    """
    if gt.shape != pred.shape:
        raise ValueError(f"gt is {gt.shape} and pred is {pred.shape}; both must be (H, W) of the same image")
    valid = np.ones_like(gt, dtype=bool) if ignore is None else ~ignore
    false_negative = core_distance(gt & ~pred & valid)
    false_positive = core_distance(~gt & pred & valid)
    for click in clicked:
        false_negative[click.pixel] = false_positive[click.pixel] = 0
    positive = bool(false_negative.max() >= false_positive.max())
    depth = false_negative if positive else false_positive
    deepest = float(depth.max())
    if deepest == 0:
        return None
    if rng is None:
        y, x = divmod(int(depth.argmax()), depth.shape[1])
    else:
        ys, xs = np.nonzero(depth >= min_depth * deepest)
        choice = int(rng.integers(len(ys)))
        y, x = int(ys[choice]), int(xs[choice])
    return Click(x, y, positive)


def stroke_from(click: Click, region: np.ndarray, radius: float, rng: np.random.Generator) -> Stroke:
    """Return the stroke of a hasty user: straight from a click to a random point of the same error component.

    Args:
        click: Start of the stroke, inside `region`.
        region: The error region, bool (H, W); the stroke ends where it would leave it.
        radius: Radius of the stroke in pixels.
        rng: Source of the random end point.
    """
    _, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    ys, xs = np.nonzero(parts == parts[click.pixel])
    end = int(rng.integers(len(ys)))
    count = max(2, int(np.hypot(xs[end] - click.x, ys[end] - click.y)))
    line = np.stack([np.linspace(click.x, xs[end], count), np.linspace(click.y, ys[end], count)], 1)
    outside = np.nonzero(~region[line[:, 1].round().astype(int), line[:, 0].round().astype(int)])[0]
    last = line[max(0, (outside[0] if len(outside) else count) - 1)]
    return Stroke(((click.x, click.y), (float(last[0]), float(last[1]))), click.positive, radius)
