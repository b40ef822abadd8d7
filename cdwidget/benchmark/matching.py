"""Baselines for showing one object to get all: OpenCV's template matching and histogram back-projection (Swain and Ballard, IJCV 1991)."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import cv2
import numpy as np

from cdwidget.examples.proposals import is_duplicate
from cdwidget.masks import Patch, bbox, crop

TEMPLATE_SCALES = (0.7, 1.0, 1.4)
MIN_CORRELATION = 0.2
COLOR_BINS = (18, 8, 8)  # hue, saturation, value
MAX_AREA_RATIO = 4.0  # largest ratio of the areas of a region and of the example


class Found(NamedTuple):
    """A proposed mask and its score in [0, 1]."""

    patch: Patch
    score: float


def match_template(image: np.ndarray, mask: np.ndarray) -> list[Found]:
    """Propose the example's mask at the peaks of the normalized cross-correlation with its box, at three sizes."""
    x0, y0, x1, y1 = box = bbox(mask)
    inside = crop(mask, box)
    found: list[Found] = []
    for scale in TEMPLATE_SCALES:
        size = max(4, round((x1 - x0) * scale)), max(4, round((y1 - y0) * scale))
        if size[0] >= image.shape[1] or size[1] >= image.shape[0]:
            continue
        template = cv2.resize(np.ascontiguousarray(crop(image, box)), size, interpolation=cv2.INTER_AREA)
        shape = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        score = np.nan_to_num(cv2.matchTemplate(image, template, cv2.TM_CCOEFF_NORMED), posinf=0, neginf=0)
        window = np.ones((max(3, size[1] // 2), max(3, size[0] // 2)), np.uint8)
        ys, xs = np.nonzero((score >= cv2.dilate(score, window)) & (score > MIN_CORRELATION))
        bits = np.packbits(shape).tobytes()
        for x, y in zip(xs.tolist(), ys.tolist()):
            found.append(Found(Patch((x, y, x + size[0], y + size[1]), bits), min(1.0, float(score[y, x]))))
    return without_duplicates(found, [Patch.of(mask)])


def match_histogram(image: np.ndarray, mask: np.ndarray) -> list[Found]:
    """Propose the regions of about the example's area whose colors are more frequent in the example than in the image."""
    likely = cv2.GaussianBlur(color_probability(image, mask), (0, 0), 1.5)
    count, regions, stats, _ = cv2.connectedComponentsWithStats((likely > 0.5).astype(np.uint8), connectivity=4)
    area, found = int(mask.sum()), []
    for i in range(1, count):
        if 1 / MAX_AREA_RATIO <= stats[i, cv2.CC_STAT_AREA] / area <= MAX_AREA_RATIO:
            region = regions == i
            found.append(Found(Patch.of(region), float(likely[region].mean())))
    return without_duplicates(found, [Patch.of(mask)])


def color_probability(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return how likely each pixel's color comes from the example rather than from the image, float32 (H, W) in [0, 1]."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(int)
    bins = np.ravel_multi_index(tuple(np.moveaxis(hsv * COLOR_BINS // (180, 256, 256), -1, 0)), COLOR_BINS)
    inside, everywhere = (np.bincount(values.ravel(), minlength=np.prod(COLOR_BINS)) / values.size for values in (bins[mask], bins))
    return (inside / np.maximum(inside + everywhere, 1e-9)).astype(np.float32)[bins]


def without_duplicates(found: list[Found], known: Sequence[Patch]) -> list[Found]:
    """Return the proposals, best first, without those that show the same object as a better or a known one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(is_duplicate(one.patch, other) for other in (*known, *(better.patch for better in kept))):
            kept.append(one)
    return kept
