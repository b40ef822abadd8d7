"""Brush and eraser: add or remove all pixels near a line.

The line covers pixel (column, row) if the squared distance from its center, (column + 0.5, row + 0.5), to the nearest segment is
at most the squared radius, computed in float64 as in `_is_covered`. js/src/cover.ts uses the same arithmetic, so the browser shows
exactly the pixels that a session records; tests/brush_cases.json tests both. The browser rounds points to 1/64 pixel, so that
differences between them are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.masks import Bbox, expand_bbox
from cdwidget.tools.canvas import NO_EDIT, Canvas, PixelEdit, Tool, ToolAction, check_points, check_radius, set_pixels

MIN_RADIUS_PX = 0.5
MAX_ROWS = 5_000_000  # Of all segments together; their runs take a few seconds.
RUNS_PER_BATCH = 2**14  # Their arrays fit into the processor's cache.
MAX_SEPARATE_RUNS = 2**22  # More are joined before the next batch.


@dataclass(frozen=True)
class Brush(ToolAction):
    """Add all pixels near a line to the mask, or remove them.

    Args:
        points: The line, (x, y) in image pixels; one point draws a disk.
        radius: Image pixels, 0.5 to 1024.
        add: Whether the pixels are added or removed.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    add: bool = True


def draw_brush(canvas: Canvas, action: Brush) -> PixelEdit:
    """Set all pixels that the line covers; raise ValueError for no points or an invalid radius."""
    points = check_points(action, 1)
    radius = check_radius(action, "radius", MIN_RADIUS_PX)
    box, where = cover(points, radius, canvas.mask.shape)
    return set_pixels(box, where, action.add) if where.any() else NO_EDIT


def cover(points: np.ndarray, radius: float, shape: tuple[int, ...]) -> tuple[Bbox, np.ndarray]:
    """Return the bbox of a line in an image, and the pixels of it that the line covers.

    The pixels near a segment are convex, so it covers one run of each row: runs are computed, not pixels.

    Args:
        points: float64 (n, 2), (x, y) in image pixels.
        radius: Image pixels.
        shape: (H, W) of the image.

    Returns:
        The bbox, and the pixels in it, bool (h, w).

    Raises:
        ValueError: If the line is too long.
    """
    box = x0, y0, x1, y1 = expand_bbox((*points.min(axis=0), *points.max(axis=0)), radius, shape)
    where = np.zeros((y1 - y0, x1 - x0), bool)
    a, b = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    rows = np.cumsum(np.minimum(np.abs(b[:, 1] - a[:, 1]) + 2 * radius, y1 - y0))
    if rows[-1] > MAX_ROWS:
        raise ValueError(f"the line is too long: its segments cover {rows[-1]:.0f} rows, at most {MAX_ROWS} are allowed")
    bounds = np.flatnonzero(np.diff(rows // RUNS_PER_BATCH)) + 1
    runs: list[tuple[np.ndarray, np.ndarray]] = []
    for batch in zip(np.split(a, bounds), np.split(b, bounds)):
        runs.append(_runs(*batch, radius, box))
        if sum(starts.size for starts, _ in runs) > MAX_SEPARATE_RUNS:
            runs = [_joined(runs)]
    flat = where.reshape(-1)
    for start, end in zip(*(side.tolist() for side in _joined(runs))):
        flat[start:end] = True
    return box, where


def _joined(runs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Join runs that overlap, as those of adjacent segments do; return the starts and ends."""
    starts, ends = (np.concatenate(side) for side in zip(*runs))
    if not starts.size:
        return starts, ends
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = np.r_[True, starts[1:] > ends[:-1]]
    return starts[apart], ends[np.roll(apart, -1)]


def _runs(a: np.ndarray, b: np.ndarray, radius: float, box: Bbox) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts and ends of the runs of segments in the flattened box, int64.

    The segments lead from a to b, float64 (n, 2).
    """
    x0, y0, x1, y1 = box
    first = np.clip(np.floor(np.minimum(a[:, 1], b[:, 1]) - radius), y0, y1).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(a[:, 1], b[:, 1]) + radius), first, y1).astype(np.int64)
    count = last - first
    row = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
    py = row + 0.5
    ax, ay, bx, by = (np.repeat(ends[:, axis], count) for ends in (a, b) for axis in (0, 1))
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    square = radius * radius

    # Approximate ends of each run: in the disk around a, in the disk around b, and on the two sides that join them.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach_a, reach_b = np.sqrt(square - (ay - py) ** 2), np.sqrt(square - (by - py) ** 2)
        across = radius / np.sqrt(length)
        candidates = [ax - reach_a, ax + reach_a, bx - reach_b, bx + reach_b]
        for sign in (-across, across):
            along = (py - ay - sign * dx) / dy
            candidates.append(np.where((along >= 0) & (along <= 1), ax - sign * dy + along * dx, np.nan))
    left, right = np.fmin.reduce(candidates), np.fmax.reduce(candidates)
    reached = ~np.isnan(left)
    row, py, ax, ay, dx, dy, length = (values[reached] for values in (row, py, ax, ay, dx, dy, length))

    # Exact ends: start one column outside of each approximate end and move inward until the pixel is covered.
    def is_covered(column: np.ndarray) -> np.ndarray:
        return _is_covered(column + 0.5, py, ax, ay, dx, dy, length, square)

    start, end = np.ceil(left[reached] - 0.5) - 1, np.floor(right[reached] - 0.5) + 1
    for _ in range(2):
        start += ~is_covered(start)
        end -= ~is_covered(end)
    start, end = np.clip(start, x0, x1).astype(np.int64) - x0, np.clip(end + 1, x0, x1).astype(np.int64) - x0
    is_run, row_start = start < end, (row - y0) * (x1 - x0)
    return (row_start + start)[is_run], (row_start + end)[is_run]


def _is_covered(
    px: np.ndarray,
    py: np.ndarray,
    ax: np.ndarray,
    ay: np.ndarray,
    dx: np.ndarray,
    dy: np.ndarray,
    length: np.ndarray,
    square: float,
) -> np.ndarray:
    """Return for each pixel center (px, py) whether its segment is near enough.

    The segment leads from a to a + d; `length` is the squared length of d.
    """
    t = ((px - ax) * dx + (py - ay) * dy) / np.where(length == 0, 1, length)  # 0 for a segment that is a point.
    t = np.clip(t, 0, 1)
    ex, ey = ax + t * dx - px, ay + t * dy - py
    return ex * ex + ey * ey <= square


BRUSH = Tool("brush", "Brush", Brush, draw_brush, source="brush", key="B")
ERASER = Tool("eraser", "Eraser", Brush, draw_brush, source="brush", key="E")
