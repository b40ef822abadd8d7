"""Scores of the mask alone: pieces, holes, and borders that no object has."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.scoring.context import Finding, Subject, where

LONG = 0.2  # of the bbox's diagonal, from which a straight piece of a border is striking
BENT = 1.0  # pixels by which it may be off the line
STEP = 3  # pixels from which a step is more than what a smooth border has


def fragments(subject: Subject) -> Finding:
    """Pieces apart from the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(subject.boxed.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax())
    share = 1 - areas[largest] / subject.area
    pieces = count - 1
    heat = subject.scaled((labels != largest + 1) & (labels > 0))
    value = float(np.clip(2 * share + 0.1 * np.log2(pieces), 0, 1)) if pieces > 1 else 0.0
    reason = f"it is in {pieces} pieces; the largest is {1 - share:.0%} of it" if pieces > 1 else "it is in one piece"
    return Finding(value, reason, heat, {"apart": float(share), "pieces": float(np.log2(pieces))})


def holes(subject: Subject) -> Finding:
    """What the mask encloses without holding it."""
    padded = np.pad(~subject.boxed, 1, constant_values=True).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(padded, connectivity=4)
    outer = labels[0, 0]
    found = (labels != outer) & (padded > 0)
    number, share = count - 2, np.count_nonzero(found) / subject.area
    heat = subject.scaled(found[1:-1, 1:-1])
    value = float(np.clip(4 * share + 0.1 * np.log2(number + 1), 0, 1)) if number else 0.0
    reason = f"it has {number} holes, {share:.1%} of its area, most of it {where(heat)}" if number else "it has no holes"
    return Finding(value, reason, heat, {"holes": float(share), "hole_count": float(np.log2(number + 1))})


def staircase(subject: Subject) -> Finding:
    """Steps of several pixels up and along, as of a mask that was made at a lower resolution.

    Of the two runs that meet at a corner of a smooth border drawn in pixels, one is a pixel or two long.
    """
    box = np.pad(subject.boxed, 1)
    upright = box[:, 1:] != box[:, :-1]
    level = box[1:, :] != box[:-1, :]
    at_level, at_upright = _run_ends(level), _run_ends(upright.T).T  # (H-1, W+1), (H+1, W-1): at the corners between pixels
    corners = np.minimum(at_level[:, 1:-1], at_upright[1:-1, :])
    limit = max(STEP, round(0.25 * max(box.shape)))
    steps = np.where((corners >= STEP) & (corners <= limit), corners, 0)
    length = np.count_nonzero(upright) + np.count_nonzero(level)
    share = min(1.0, 2 * float(steps.sum()) / length)
    count = np.count_nonzero(steps)
    if count <= 4:  # a rectangle has as many
        share = 0.0
    spots = cv2.dilate((steps > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    heat = subject.scaled(spots[:-1, :-1] > 0) if share else subject.nothing
    typical = float(np.median(corners[corners >= STEP])) if count else 0.0
    reason = f"{share:.0%} of the border are steps of about {typical:.0f} pixels, as of a mask drawn coarser" if share else "no steps"
    return Finding(share, reason, heat, {"staircase": share})


def _run_ends(border: np.ndarray) -> np.ndarray:
    """For each place between cells of a row, how long the longer run of true cells that ends there is, int (h, w + 1)."""
    padded = np.pad(border, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change > 0)
    _, ends = np.nonzero(change < 0)
    lengths = ends - starts
    found = np.zeros(change.shape, np.int64)
    found[rows, starts] = lengths
    np.maximum.at(found, (rows, ends), lengths)
    return found


def straight(subject: Subject) -> Finding:
    """Long straight pieces of the border where the image has no edge: something was cut off."""
    rows, columns = subject.shape
    contours, _ = cv2.findContours(subject.inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    gradient = cv2.dilate(subject.gradient, np.ones((3, 3), np.uint8))
    limit = max(8.0, float(np.quantile(subject.gradient, 0.7)))
    least = max(8.0, LONG * float(np.hypot(*subject.inside[subject.inner].shape)))
    cut = np.zeros(subject.shape, np.uint8)
    total, length, longest = 0.0, 0.0, 0.0
    for contour in contours:
        corners = cv2.approxPolyDP(contour, BENT, True)[:, 0, :].astype(float)
        for start, end in zip(corners, np.roll(corners, -1, axis=0)):
            far = float(np.hypot(*(end - start)))
            total += far
            if far < least:
                continue
            line = np.linspace(start, end, max(2, int(far))).round().astype(int)
            x, y = line[:, 0], line[:, 1]
            if subject.at_image_border(x, y).mean() > 0.5:
                continue
            off = float((gradient[y, x] < limit).mean())
            longest = max(longest, far)
            length += far * off
            if off > 0.3:
                cv2.line(cut, start.astype(int).tolist(), end.astype(int).tolist(), 1, 3)
    share = min(1.0, length / total) if total else 0.0
    heat = subject.heat(cut.astype(np.float32))
    reason = f"{share:.0%} of the border is straight and on no edge, {where(heat)}" if share >= 0.005 else "no straight cuts"
    return Finding(min(1.0, 2 * share), reason, heat, {"straight": share, "longest": longest / (total + 1)})
