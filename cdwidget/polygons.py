"""Between masks and polygons, without loss: `fill(outlines(mask), *mask.shape)` is the mask again, bit for bit.

A polygon is a list of (x, y) image pixels, closed by itself. Several are filled together by the even-odd rule, so that a polygon inside
another is a hole. Pixel (column c, row r) belongs to the inside when its centre (c + 0.5, r + 0.5) does.
"""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cdwidget.masks import NOWHERE, bbox


def fill(polygons: Sequence[npt.ArrayLike], height: int, width: int) -> np.ndarray:
    """Return the bool (height, width) mask of the pixels whose centres lie inside an odd number of the polygons.

    polygons: each (N, 2), N of any size, points (x, y); they may leave the image and cross themselves. A centre exactly on an edge
    belongs to what is right of it, or below. Raises ValueError for another shape or for coordinates that are not finite.
    """
    rows, columns = _crossings(_edges(polygons), height, width)
    mask = np.zeros((height, width), np.uint8)
    if rows.size == 0:
        return mask.view(bool)
    first, last, left = rows.min(), rows.max() + 1, columns.min()
    inside = columns < width  # a crossing right of the image changes no pixel of it
    flips = mask[first:last]
    np.bitwise_xor.at(flips, (rows[inside] - first, columns[inside]), np.uint8(1))
    box = flips[:, left : columns.max() + 1]
    np.bitwise_xor.accumulate(box, axis=1, out=box)
    return mask.view(bool)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return the borders of a bool (H, W) mask along the edges of its pixels, those of parts and those of holes alike.

    Each is int32 (N, 2), the corners (x, y) only, 0..W by 0..H: that of a part clockwise as seen on the screen, that of a hole
    counter-clockwise. Pixels that touch at a corner only belong to one part. `parts` tells which holes are in which part.
    """
    return [ring for ring, _ in _rings(mask)]


def parts(mask: np.ndarray) -> list[list[np.ndarray]]:
    """Return `outlines` by connected part of a bool (H, W) mask: of each its outer border first, then those of its holes."""
    rings = _rings(mask)
    if len(rings) == 1:
        return [[rings[0][0]]]
    _, labels = cv2.connectedComponents(np.ascontiguousarray(mask, dtype=bool).view(np.uint8), connectivity=8)
    found: dict[int, list[np.ndarray]] = {}
    for ring, (x, y) in rings:  # from top to bottom: the outer border of a part comes before those of its holes
        found.setdefault(int(labels[y, x]), []).append(ring)
    return list(found.values())


def _edges(polygons: Sequence[npt.ArrayLike]) -> np.ndarray:
    """Every edge of every polygon, float64 (E, 2, 2), its upper end first: an edge gone back and forth cancels itself exactly."""
    edges = [np.empty((0, 2, 2))]
    for polygon in polygons:
        points = np.asarray(polygon, dtype=np.float64)
        if points.size and (points.ndim != 2 or points.shape[1] != 2):
            raise ValueError(f"a polygon has shape {points.shape}; allowed is (N, 2): one (x, y) a point")
        if not np.isfinite(points).all():
            raise ValueError("a polygon holds NaN or infinite coordinates; its points must be finite (x, y) image pixels")
        if points.size:
            edges.append(np.stack([points, np.roll(points, -1, axis=0)], axis=1))
    found = np.concatenate(edges)
    upward = found[:, 0, 1] > found[:, 1, 1]
    found[upward] = found[upward, ::-1]
    return found


def _crossings(edges: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where edges cross the lines of pixel centres: the rows, and in each the first column (0..width) that lies right of the edge."""
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    first, last = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (ay, by))
    crosses = first < last
    ax, ay, bx, by, first, last = (values[crosses] for values in (ax, ay, bx, by, first, last))
    count = last - first
    edge = np.repeat(np.arange(count.size), count)
    rows = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (bx - ax) / (by - ay)
    x = ax[edge] + (rows + 0.5 - ay[edge]) * slope[edge]
    return rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)


def _rings(mask: np.ndarray) -> list[tuple[np.ndarray, tuple[int, int]]]:
    """The borders from top to bottom, each with one pixel (x, y) of the mask that it bounds.

    A border turns at corners, where an odd number of the four pixels around is in the mask; where two of them touch diagonally, it
    turns twice. On every line of the grid, corners are joined to edges by twos: the first with the second, the third with the fourth.
    So each corner has one partner in its row and one in its column, and a border is a walk from one to the other by turns.
    """
    x0, y0, x1, y1 = bbox(mask)
    if (x0, y0, x1, y1) == NOWHERE:
        return []
    inside = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.uint8)
    inside[1:-1, 1:-1] = mask[y0:y1, x0:x1]
    above, below = inside[:-1], inside[1:]
    turns = (above ^ below)[:, :-1] ^ (above ^ below)[:, 1:]
    twice = (above[:, :-1] == below[:, 1:]) & (above[:, 1:] == below[:, :-1]) & (above[:, 1:] != above[:, :-1])
    height, width = turns.shape
    points = np.flatnonzero(turns | twice)
    doubled = twice.ravel()[points]
    corners = np.repeat(points, 1 + doubled)  # row by row; of a doubled one, the first ends the edge on the left
    y, x = np.divmod(corners, width)

    place = x.astype(np.int64) * height + y  # column by column; of a doubled one, the first ends the edge above
    second = np.zeros(corners.size, np.int64)
    ends_left = np.cumsum(1 + doubled)[doubled] - 2
    downward = above[y[ends_left], x[ends_left]]  # the pixel above left is in the mask: to stay with it, the left edge goes on below
    second[ends_left], second[ends_left + 1] = downward, 1 - downward
    columns = np.argsort(place * 2 + second, kind="stable")
    partner = np.empty_like(columns)
    partner[columns[0::2]], partner[columns[1::2]] = columns[1::2], columns[0::2]

    vertical, seen, rings = partner.tolist(), bytearray(corners.size), []
    grid = np.stack([x + x0, y + y0], axis=1).astype(np.int32)
    for start in range(0, corners.size, 2):
        if seen[start]:
            continue
        walk: list[int] = []
        here = start
        while not seen[here]:
            there = here ^ 1
            seen[here] = seen[there] = 1
            walk += (here, there)
            here = vertical[there]
        left, top = int(x[start]), int(y[start])
        outer = bool(below[top, left + 1])
        ring = grid[walk] if outer else grid[walk[::-1]]
        rings.append((ring, (left + x0, top + y0 - (not outer))))
    return rings
