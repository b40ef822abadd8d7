"""Scores of the mask alone: pieces, holes, and boundaries that objects do not have."""

from __future__ import annotations

import cv2
import numpy as np

from cdwidget.scoring.context import MaskContext, ScoreResult, describe_location, percent

MIN_STEP_PX = 3  # Smooth boundaries have steps of up to 2 pixels.
MAX_STEP = 0.25  # Longest step that counts, as a fraction of the bbox's longer side.
RECTANGLE_CORNERS = 4
MIN_STRAIGHT = 0.2  # Length of a conspicuous straight section, as a fraction of the bbox's diagonal.
MIN_STRAIGHT_PX = 8.0
STRAIGHT_TOLERANCE_PX = 1.0  # Distance between a straight section and its line.
MIN_EDGE_GRADIENT = 8.0  # Gray levels per pixel; weaker gradients are not edges.
EDGE_QUANTILE = 0.7  # An edge exceeds this quantile of the gradients in the crop.
MIN_SHOWN_OFF_EDGE = 0.3  # A straight section is drawn in the heat map if at least this fraction is off edges.
MIN_REPORTED_SHARE = 0.005  # Displayed as 1 %.


def fragments(context: MaskContext) -> ScoreResult:
    """Score the pieces of a mask apart from the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(context.bbox_mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax())
    share = 1 - areas[largest] / context.area
    pieces = count - 1
    heat = context.bbox_heat_map((labels != largest + 1) & (labels > 0))
    value = float(np.clip(2 * share + 0.1 * np.log2(pieces), 0, 1)) if pieces > 1 else 0.0
    reason = f"{pieces} separate pieces; the largest is {percent(1 - share)} of the mask" if pieces > 1 else "A single piece"
    return ScoreResult(value, reason, heat, {"apart": float(share), "pieces": float(np.log2(pieces))})


def holes(context: MaskContext) -> ScoreResult:
    """Score the background that a mask encloses."""
    background = np.pad(~context.bbox_mask, 1, constant_values=True).astype(np.uint8)
    count, labels, _, _ = cv2.connectedComponentsWithStats(background, connectivity=4)
    outer = labels[0, 0]
    enclosed = (labels != outer) & (background > 0)
    number, share = count - 2, np.count_nonzero(enclosed) / context.area
    heat = context.bbox_heat_map(enclosed[1:-1, 1:-1])
    value = float(np.clip(4 * share + 0.1 * np.log2(number + 1), 0, 1)) if number else 0.0
    noun = "hole" if number == 1 else "holes"
    reason = f"{number} {noun}, {percent(share, 1)} of the mask's area{describe_location(heat)}" if number else "No holes"
    return ScoreResult(value, reason, heat, {"holes": float(share), "hole_count": float(np.log2(number + 1))})


def staircase(context: MaskContext) -> ScoreResult:
    """Score steps of several pixels along the boundary, as upscaling a mask leaves them.

    At every corner of a pixel boundary a horizontal and a vertical run meet. Along a smooth boundary one of them is 1 or 2 pixels long.
    """
    box = np.pad(context.bbox_mask, 1)
    vertical = box[:, 1:] != box[:, :-1]
    horizontal = box[1:, :] != box[:-1, :]
    # (H - 1, W + 1) and (H + 1, W - 1): at the corners between pixels.
    horizontal_runs, vertical_runs = _run_lengths_at_ends(horizontal), _run_lengths_at_ends(vertical.T).T
    corners = np.minimum(horizontal_runs[:, 1:-1], vertical_runs[1:-1, :])
    limit = max(MIN_STEP_PX, round(MAX_STEP * max(box.shape)))
    steps = np.where((corners >= MIN_STEP_PX) & (corners <= limit), corners, 0)
    length = np.count_nonzero(vertical) + np.count_nonzero(horizontal)
    share = min(1.0, 2 * float(steps.sum()) / length)
    count = np.count_nonzero(steps)
    if count <= RECTANGLE_CORNERS:
        share = 0.0
    spots = cv2.dilate((steps > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    heat = context.bbox_heat_map(spots[:-1, :-1] > 0) if share else context.empty_heat_map
    typical = float(np.median(corners[corners >= MIN_STEP_PX])) if count else 0.0
    reason = "No coarse steps"
    if share:
        reason = f"{percent(share)} of the outline consists of steps of about {typical:.0f} px, as if drawn at a lower resolution"
    return ScoreResult(share, reason, heat, {"staircase": share})


def _run_lengths_at_ends(border: np.ndarray) -> np.ndarray:
    """Return the longest run of true cells that ends at each position between cells.

    Runs are along rows; the result is int (h, w + 1).
    """
    padded = np.pad(border, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change > 0)
    _, ends = np.nonzero(change < 0)
    lengths = ends - starts
    found = np.zeros(change.shape, np.int64)
    found[rows, starts] = lengths
    np.maximum.at(found, (rows, ends), lengths)
    return found


def straight(context: MaskContext) -> ScoreResult:
    """Score long straight sections of the boundary that are not on an image edge.

    They are left where part of an object was cut off.
    """
    contours, _ = cv2.findContours(context.crop_mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    gradient = cv2.dilate(context.crop_gradient, np.ones((3, 3), np.uint8))
    edge_limit = max(MIN_EDGE_GRADIENT, float(np.quantile(context.crop_gradient, EDGE_QUANTILE)))
    min_length = max(MIN_STRAIGHT_PX, MIN_STRAIGHT * float(np.hypot(*context.crop_mask[context.bbox_in_crop].shape)))
    cuts = np.zeros(context.crop_shape, np.uint8)
    perimeter, off_length, longest = 0.0, 0.0, 0.0
    for contour in contours:
        corners = cv2.approxPolyDP(contour, STRAIGHT_TOLERANCE_PX, True)[:, 0, :].astype(float)
        for start, end in zip(corners, np.roll(corners, -1, axis=0)):
            length = float(np.hypot(*(end - start)))
            perimeter += length
            if length < min_length:
                continue
            line = np.linspace(start, end, max(2, int(length))).round().astype(int)
            x, y = line[:, 0], line[:, 1]
            if context.touches_image_edge(x, y).mean() > 0.5:
                continue
            off_edge = float((gradient[y, x] < edge_limit).mean())
            longest = max(longest, length)
            off_length += length * off_edge
            if off_edge > MIN_SHOWN_OFF_EDGE:
                cv2.line(cuts, start.astype(int).tolist(), end.astype(int).tolist(), 1, 3)
    share = min(1.0, off_length / perimeter) if perimeter else 0.0
    heat = context.heat_map(cuts.astype(np.float32))
    reason = "No straight cuts"
    if share >= MIN_REPORTED_SHARE:
        reason = f"{percent(share)} of the outline is straight and not on an image edge{describe_location(heat)}"
    return ScoreResult(min(1.0, 2 * share), reason, heat, {"straight": share, "longest": longest / (perimeter + 1)})
