"""Lossless conversion between masks and polygons.

`fill(outlines(mask), *mask.shape)` equals the mask.

A polygon is a list of (x, y) image pixels, closed from the last to the first. Several are filled together by the even-odd rule, so a
polygon inside another is a hole. Pixel (column c, row r) is inside if its center (c + 0.5, r + 0.5) is.
"""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cdwidget.limits import DEFAULT_LIMITS, Limits
from cdwidget.masks import EMPTY_BBOX, bbox

CROSSINGS_PER_BATCH = 2**18  # Their arrays take 25 MB.


def fill(polygons: Sequence[npt.ArrayLike], height: int, width: int, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Return the mask of the pixels whose centers are inside an odd number of polygons.

    Args:
        polygons: Each (N, 2), points (x, y) in image pixels; they may leave the image and cross themselves. A center exactly on an
            edge counts as right of it, or below.
        height: Rows of the mask.
        width: Columns of the mask.
        limits: The largest numbers of pixels, points and rows crossed by edges.

    Returns:
        bool (height, width).

    Raises:
        ValueError: If a polygon has another shape, a coordinate is not finite, or a limit is exceeded.
    """
    limits.check("max_pixels", height * width, "the mask of a polygon")
    edges = _edges(polygons, limits)
    first, last = (np.clip(np.ceil(edges[:, end, 1] - 0.5), 0, height).astype(np.int64) for end in (0, 1))
    edges, first, last = (values[first < last] for values in (edges, first, last))
    mask = np.zeros((height, width), np.uint8)
    if not len(edges):
        return mask.view(bool)
    total = np.cumsum(last - first)
    limits.check("max_edge_length", int(total[-1]), "the polygon")
    left, right = width, 0
    bounds = np.flatnonzero(np.diff(total // CROSSINGS_PER_BATCH)) + 1
    for batch in zip(np.split(edges, bounds), np.split(first, bounds), np.split(last, bounds)):
        rows, columns = _crossings(*batch, width)
        inside = columns < width  # A crossing right of the image changes none of its pixels.
        np.bitwise_xor.at(mask, (rows[inside], columns[inside]), np.uint8(1))
        left, right = min(left, columns.min()), max(right, columns.max())
    box = mask[first.min() : last.max(), left : right + 1]
    np.bitwise_xor.accumulate(box, axis=1, out=box)
    return mask.view(bool)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the outlines of a mask along pixel edges.

    Parts have clockwise outlines on the screen, holes counter-clockwise outlines.

    Args:
        mask: bool (H, W). Pixels that only touch at a corner belong to one part.

    Returns:
        The corners (x, y) of each outline, int32 (N, 2), 0..W by 0..H. `parts` groups them by part.
    """
    return [ring for ring, _ in _rings(mask)]


def parts(mask: np.ndarray) -> list[list[np.ndarray]]:
    """Return the outlines of a mask, bool (H, W), by connected part.

    The outer border of a part comes first, then the borders of its holes.
    """
    rings = _rings(mask)
    if len(rings) == 1:
        return [[rings[0][0]]]
    _, labels = cv2.connectedComponents(np.ascontiguousarray(mask, dtype=bool).view(np.uint8), connectivity=8)
    found: dict[int, list[np.ndarray]] = {}
    for ring, (x, y) in rings:  # From top to bottom, so a part's outer border comes before its holes.
        found.setdefault(int(labels[y, x]), []).append(ring)
    return list(found.values())


def _edges(polygons: Sequence[npt.ArrayLike], limits: Limits) -> np.ndarray:
    """Return all edges, float64 (E, 2, 2).

    The upper end comes first, so that an edge in both directions cancels itself exactly.
    """
    edges, count = [np.empty((0, 2, 2))], 0
    for polygon in polygons:
        points = np.asarray(polygon, dtype=np.float64)
        if points.size and (points.ndim != 2 or points.shape[1] != 2):
            raise ValueError(f"a polygon has shape {points.shape}; allowed is (N, 2): one (x, y) per point")
        count += len(points)
        limits.check("max_points", count, "the polygon")
        if not np.isfinite(points).all():
            raise ValueError("a polygon holds NaN or infinite coordinates; its points must be finite (x, y) image pixels")
        if points.size:
            edges.append(np.stack([points, np.roll(points, -1, axis=0)], axis=1))
    found = np.concatenate(edges)
    upward = found[:, 0, 1] > found[:, 1, 1]
    found[upward] = found[upward, ::-1]
    return found


def _crossings(edges: np.ndarray, first: np.ndarray, last: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where edges cross the centers of their rows, `first` to `last`.

    Returns the rows, and the first column (0..width) right of each crossing.
    """
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    count = last - first
    edge = np.repeat(np.arange(count.size), count)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (bx - ax) / (by - ay)
    x = ax[edge] + (rows + 0.5 - ay[edge]) * slope[edge]
    return rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)


def _rings(mask: np.ndarray) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """Return the outlines from top to bottom, each with an adjacent mask pixel (x, y).

    An outline turns at corners, where an odd number of the four adjacent pixels is in the mask, and turns twice where two of them touch
    diagonally. On each grid line, edges join the first corner with the second, the third with the fourth, and so on. So each corner has
    one partner in its row and one in its column, and an outline alternates between the two.
    """
    x0, y0, x1, y1 = bbox(mask)
    if (x0, y0, x1, y1) == EMPTY_BBOX:
        return []
    inside = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
    inside[1:-1, 1:-1] = mask[y0:y1, x0:x1]
    above, below = inside[:-1], inside[1:]
    turns = (above ^ below)[:, :-1] ^ (above ^ below)[:, 1:]
    twice = (above[:, :-1] == below[:, 1:]) & (above[:, 1:] == below[:, :-1]) & (above[:, 1:] != above[:, :-1])
    height, width = turns.shape
    points = np.flatnonzero(turns | twice)
    doubled = twice.ravel()[points]
    corners = np.repeat(points, 1 + doubled)  # Order by rows; of two corners at one point, the first ends the edge on its left.
    y, x = np.divmod(corners, width)

    position = x.astype(np.int64) * height + y  # Order by columns; of two corners at one point, the first ends the edge above.
    second = np.zeros(corners.size, np.int64)
    ends_left = np.cumsum(1 + doubled)[doubled] - 2
    downward = above[y[ends_left], x[ends_left]]  # If the pixel above left is in the mask, the left edge continues below.
    second[ends_left], second[ends_left + 1] = downward, 1 - downward
    columns = np.argsort(position * 2 + second, kind="stable")
    partner = np.empty_like(columns)
    partner[columns[0::2]], partner[columns[1::2]] = columns[1::2], columns[0::2]

    vertical, seen, rings = partner.tolist(), bytearray(corners.size), []
    grid = np.stack([x + x0, y + y0], axis=1).astype(np.int32)
    for start in range(0, corners.size, 2):
        if seen[start]:
            continue
        walk: list[int] = []
        corner = start
        while not seen[corner]:
            next_corner = corner ^ 1
            seen[corner] = seen[next_corner] = 1
            walk += (corner, next_corner)
            corner = vertical[next_corner]
        left, top = int(x[start]), int(y[start])
        outer = bool(below[top, left + 1])
        ring = grid[walk] if outer else grid[walk[::-1]]
        rings.append((ring, (left + x0, top + y0 - (not outer))))
    return rings
