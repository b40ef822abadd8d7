"""The brush and the eraser: all pixels near a line.

Pixel (column, row) is covered when the squared distance from its centre, (column + 0.5, row + 0.5), to the nearest segment of the
line is at most radius squared, computed in float64 as `_covered` does. js/src/tools draws by the same arithmetic, so that what
the browser shows is what is recorded; tests/brush_cases.json holds both to it. The browser rounds points to 1/64 pixel, which makes the
differences between them exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdwidget.masks import Bbox
from cdwidget.tools.canvas import Canvas, Painted, around, check_points, check_radius, nothing, painted

SMALLEST = 0.5  # a brush one pixel across
RUNS_AT_ONCE = 2**14  # what is computed on at once, so that it stays in the processor's cache


@dataclass(frozen=True)
class Brush:
    """Every pixel within `radius` of the line through `points` is in the object (add) or not in it: brush and eraser.

    One point is a disk.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    add: bool = True


def draw_brush(canvas: Canvas, action: Brush) -> Painted:
    """Decide all pixels that the line covers; ValueError for no points or a radius that is not allowed."""
    points = check_points(action, 1)
    radius = check_radius(action, "radius", SMALLEST)
    box, where = cover(points, radius, canvas.mask.shape)
    return painted(box, where, action.add) if where.any() else nothing()


def cover(points: np.ndarray, radius: float, shape: tuple[int, ...]) -> tuple[Bbox, np.ndarray]:
    """Return a box of the image, and as bool (h, w) the pixels in it that the line through float64 (n, 2) points covers.

    A segment covers one run of each row, for what lies within a distance of it is convex: runs are found, not pixels.
    """
    box = x0, y0, x1, y1 = around((*points.min(axis=0), *points.max(axis=0)), radius, shape)
    where = np.zeros((y1 - y0, x1 - x0), bool)
    a, b = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    rows = np.cumsum(np.abs(b[:, 1] - a[:, 1]) + 2 * radius)
    bounds = np.flatnonzero(np.diff(rows // RUNS_AT_ONCE)) + 1
    runs = [_runs(*some, radius, box) for some in zip(np.split(a, bounds), np.split(b, bounds))]
    starts, ends = (np.concatenate(side) for side in zip(*runs))
    if not starts.size:
        return box, where
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    apart = np.r_[True, starts[1:] > ends[:-1]]  # the runs of neighbouring segments overlap: joined, each pixel is written once
    flat = where.reshape(-1)
    for start, end in zip(starts[apart].tolist(), ends[np.roll(apart, -1)].tolist()):
        flat[start:end] = True
    return box, where


def _runs(a: np.ndarray, b: np.ndarray, radius: float, box: Bbox) -> tuple[np.ndarray, np.ndarray]:
    """Return where in the flattened box the runs of the segments from a to b, float64 (n, 2), start and end, int64."""
    x0, y0, x1, y1 = box
    first = np.clip(np.floor(np.minimum(a[:, 1], b[:, 1]) - radius), y0, y1).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(a[:, 1], b[:, 1]) + radius), first, y1).astype(np.int64)
    count = last - first
    row = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
    py = row + 0.5
    ax, ay, bx, by = (np.repeat(of[:, axis], count) for of in (a, b) for axis in (0, 1))
    dx, dy = bx - ax, by - ay
    length = dx * dx + dy * dy
    square = radius * radius

    # Approximately: the ends of the row in the disk round a, in that round b, and on the two sides that join them.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach_a, reach_b = np.sqrt(square - (ay - py) ** 2), np.sqrt(square - (by - py) ** 2)
        across = radius / np.sqrt(length)
        places = [ax - reach_a, ax + reach_a, bx - reach_b, bx + reach_b]
        for sign in (-across, across):
            along = (py - ay - sign * dx) / dy
            places.append(np.where((along >= 0) & (along <= 1), ax - sign * dy + along * dx, np.nan))
    left, right = np.fmin.reduce(places), np.fmax.reduce(places)
    reached = ~np.isnan(left)
    row, py, ax, ay, dx, dy, length = (values[reached] for values in (row, py, ax, ay, dx, dy, length))

    # Exactly: begin one column outside each end and move in until the rule covers it.
    def covered(column: np.ndarray) -> np.ndarray:
        return _covered(column + 0.5, py, ax, ay, dx, dy, length, square)

    start, end = np.ceil(left[reached] - 0.5) - 1, np.floor(right[reached] - 0.5) + 1
    for _ in range(2):
        start += ~covered(start)
        end -= ~covered(end)
    start, end = np.clip(start, x0, x1).astype(np.int64) - x0, np.clip(end + 1, x0, x1).astype(np.int64) - x0
    some, top = start < end, (row - y0) * (x1 - x0)
    return (top + start)[some], (top + end)[some]


def _covered(
    px: np.ndarray,
    py: np.ndarray,
    ax: np.ndarray,
    ay: np.ndarray,
    dx: np.ndarray,
    dy: np.ndarray,
    length: np.ndarray,
    square: float,
) -> np.ndarray:
    """The rule: say for each pixel centre whether its segment, from a along d, of this squared length, is near enough."""
    t = ((px - ax) * dx + (py - ay) * dy) / np.where(length == 0, 1, length)  # 0 for a segment that is a point
    t = np.clip(t, 0, 1)
    ex, ey = ax + t * dx - px, ay + t * dy - py
    return ex * ex + ey * ey <= square
