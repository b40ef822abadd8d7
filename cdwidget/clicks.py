"""The one click simulation: training, benchmark and batch jobs all point where this says."""

from __future__ import annotations

from typing import Iterable

import cv2
import numpy as np

from cdwidget.prompts import Click, Stroke


def core_distance(region: np.ndarray) -> np.ndarray:
    """Exact L2 distance of each pixel of `region` (bool, (H, W)) to the nearest pixel outside; the image's border counts as outside.

    Returns float32 (H, W), 0 outside the region.
    """
    padded = np.pad(region.astype(np.uint8), 1)
    return cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]


def next_click(
    gt: np.ndarray,
    pred: np.ndarray,
    ignore: np.ndarray | None = None,
    clicked: Iterable[Click] = (),
    rng: np.random.Generator | None = None,
    depth: float = 0.5,
) -> Click | None:
    """Where a careful user would click next: the core of the larger error region (the RITM protocol).

    gt, pred, ignore: bool (H, W). Pixels of `ignore` are no error; pixels already `clicked` are not clicked again. The click is at the
    largest distance to the region's border, ties in raster order; with `rng` it is drawn from the pixels that are at least `depth` times
    as deep, half as deep in training. Returns None when there is no error left to click on.
    """
    if gt.shape != pred.shape:
        raise ValueError(f"gt is {gt.shape} and pred is {pred.shape}; both must be (H, W) of the same image")
    valid = np.ones_like(gt, dtype=bool) if ignore is None else ~ignore
    missed = core_distance(gt & ~pred & valid)
    wrong = core_distance(~gt & pred & valid)
    for click in clicked:
        missed[click.pixel] = wrong[click.pixel] = 0
    positive = bool(missed.max() >= wrong.max())
    distance = missed if positive else wrong
    deepest = float(distance.max())
    if deepest == 0:
        return None
    if rng is None:
        y, x = divmod(int(distance.argmax()), distance.shape[1])
    else:
        ys, xs = np.nonzero(distance >= depth * deepest)
        choice = int(rng.integers(len(ys)))
        y, x = int(ys[choice]), int(xs[choice])
    return Click(x, y, positive)


def stroke_from(click: Click, region: np.ndarray, radius: float, rng: np.random.Generator) -> Stroke:
    """The scribble of a hasty user: from a click straight to another place in the same part of its error region, bool (H, W).

    It goes as far as the region holds it; radius is in pixels of the region.
    """
    _, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    ys, xs = np.nonzero(parts == parts[click.pixel])
    end = int(rng.integers(len(ys)))
    count = max(2, int(np.hypot(xs[end] - click.x, ys[end] - click.y)))
    line = np.stack([np.linspace(click.x, xs[end], count), np.linspace(click.y, ys[end], count)], 1)
    outside = np.nonzero(~region[line[:, 1].round().astype(int), line[:, 0].round().astype(int)])[0]
    last = line[max(0, (outside[0] if len(outside) else count) - 1)]
    return Stroke(((click.x, click.y), (float(last[0]), float(last[1]))), click.positive, radius)
