"""Sequences made from photographs, with the true mask of an object in each frame.

A virtual camera moves over the photograph (pan, zoom, rotation, perspective) while its content bends, the light changes, frames are
blurred, and an occluder passes in front of the object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple

import cv2
import numpy as np

from cdwidget.masks import bbox

FRAME_SIDE_PX = 512
WARP_NODES = 5  # Nodes per side of the grid whose displacements are interpolated.
OCCLUDER_SIZE = 1.2  # Longest extent of the occluder, relative to the object's.
OCCLUDER_FRAMES = 14  # Frames in which the occluder crosses the object.
NOISE = 2.0  # Standard deviation of the noise of each frame, in gray levels.


@dataclass(frozen=True)
class MotionRange:
    """The largest deviations from the first frame.

    Attributes:
        pan: Shift, as a fraction of the frame's side.
        zoom: Factor of the scale, up or down.
        rotation: Angle in degrees.
        perspective: Shift of the frame's corners, as a fraction of its side.
        warp: Displacement of the content, as a fraction of the frame's side.
        light: Factor of the brightness, up or down.
        blur: Standard deviation of the blur in pixels.
        occluder: Whether an occluder passes.
    """

    pan: float = 0.25
    zoom: float = 1.4
    rotation: float = 25.0
    perspective: float = 0.08
    warp: float = 0.02
    light: float = 1.5
    blur: float = 2.0
    occluder: bool = True


class SequenceFrame(NamedTuple):
    """One frame of a sequence.

    Attributes:
        image: uint8 (S, S, 3), RGB.
        mask: The visible part of the object, bool (S, S).
        visible_share: Visible part of the object as a fraction of its whole area, in [0, 1].
    """

    image: np.ndarray
    mask: np.ndarray
    visible_share: float


def make_sequence(
    image: np.ndarray, mask: np.ndarray, occluder: np.ndarray, rng: np.random.Generator, frames: int = 50,
    motion: MotionRange = MotionRange(), side: int = FRAME_SIDE_PX,
) -> Iterator[SequenceFrame]:  # fmt: skip
    """Move a virtual camera over a photograph.

    Args:
        image: The photograph, uint8 (H, W, 3), RGB.
        mask: The object, bool (H, W).
        occluder: The photograph whose texture the occluder has, uint8 (H, W, 3), RGB.
        rng: Source of the motion; the same state gives the same sequence.
        frames: Number of frames.
        motion: The largest deviations from the first frame.
        side: Side of the square frames in pixels.

    Yields:
        The frames.

    Example:
        >>> frames = list(make_sequence(image, mask, image[:, ::-1], np.random.default_rng(0)))
        >>> frames[0].image.shape, frames[0].mask.sum()
        ((512, 512, 3), 18233)
    """
    height, width = mask.shape
    path = _paths(rng, 11 + 2 * WARP_NODES**2, frames)  # Values in [-1, 1], 0 in the first frame.
    crossing = _crossing(rng, frames)
    shape = _blob(rng)
    scale = side / min(height, width)
    x0, y0, x1, y1 = bbox(mask)
    center = np.array([width + x0 + x1, height + y0 + y1]) / 4  # Between the centers of photograph and object.
    texture = cv2.resize(occluder, (side, side), interpolation=cv2.INTER_AREA)
    for t in range(frames):
        p = path[:, t]
        matrix = _camera(center, scale, side, p[:8], motion)
        source = cv2.perspectiveTransform(_pixel_grid(side)[None], np.linalg.inv(matrix))[0].reshape(side, side, 2)
        nodes = p[11:].reshape(WARP_NODES, WARP_NODES, 2).astype(np.float32) * motion.warp * side / scale
        source = (source + cv2.resize(nodes, (side, side), interpolation=cv2.INTER_CUBIC)).astype(np.float32)
        frame = cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        coverage = cv2.remap(mask.astype(np.float32), source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        whole = _whole_area(mask, matrix)
        visible = coverage > 0.5
        position = crossing[t] if motion.occluder and visible.any() else None
        if position is not None:
            hidden = _occluded(visible, position, shape)
            frame[hidden] = texture[hidden]
            visible &= ~hidden
        frame = frame.astype(np.float32) * motion.light ** p[8]
        frame = 255 * (np.clip(frame, 0, 255) / 255) ** (motion.light ** (0.5 * p[9]))
        if (sigma := motion.blur * abs(p[10])) > 0.3:
            frame = cv2.GaussianBlur(frame, (0, 0), sigma)
        frame += rng.normal(0, NOISE, frame.shape)
        yield SequenceFrame(np.clip(np.rint(frame), 0, 255).astype(np.uint8), visible, min(1.0, float(visible.sum()) / max(1.0, whole)))


def _paths(rng: np.random.Generator, count: int, frames: int) -> np.ndarray:
    """Return smooth random curves, float64 (count, frames) in [-1, 1], which start at 0."""
    t = np.arange(frames) / 50
    curves = np.zeros((count, frames))
    for _ in range(2):
        frequency, phase, weight = (rng.uniform(low, high, (count, 1)) for low, high in ((0.3, 1.2), (0, 2 * np.pi), (0.3, 1)))
        curves += weight * np.sin(2 * np.pi * frequency * t + phase)
    curves -= curves[:, :1]
    largest = np.abs(curves).max(1, keepdims=True)
    return curves / np.maximum(largest, 1)


def _crossing(rng: np.random.Generator, frames: int) -> list[np.ndarray | None]:
    """Return the occluder's center relative to the object's box in each frame, (2,), from -1 to 1; None while it is out of sight."""
    start = int(rng.integers(frames // 4, max(frames // 4 + 1, frames - OCCLUDER_FRAMES)))
    angle = rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    offset = rng.uniform(-0.5, 0.5) * direction[::-1] * (1, -1)
    steps = np.linspace(-1.6, 1.6, OCCLUDER_FRAMES)
    return [direction * steps[t - start] + offset if start <= t < start + OCCLUDER_FRAMES else None for t in range(frames)]


def _blob(rng: np.random.Generator) -> np.ndarray:
    """Return a random star-shaped polygon with radius around 0.5, float64 (n, 2)."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radii = 0.5 + sum(rng.uniform(-0.1, 0.1) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def _occluded(visible: np.ndarray, position: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the pixels that the occluder hides, bool (S, S)."""
    x0, y0, x1, y1 = bbox(visible)
    size = np.array([x1 - x0, y1 - y0])
    extent = OCCLUDER_SIZE * max(x1 - x0, y1 - y0)
    polygon = np.array([x0 + x1, y0 + y1]) / 2 + position * (size + extent) / 2 + shape * extent
    hidden = np.zeros(visible.shape, np.uint8)
    cv2.fillPoly(hidden, [np.rint(polygon).astype(np.int32)], 1)
    return hidden > 0


def _camera(center: np.ndarray, scale: float, side: int, p: np.ndarray, motion: MotionRange) -> np.ndarray:
    """Return the homography from the photograph to a frame, float64 (3, 3)."""
    zoom = scale * 1.15 * motion.zoom ** p[2]
    angle = np.deg2rad(motion.rotation * p[3])
    rotation = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = side / 2 - rotation @ center + motion.pan * side * p[:2]
    affine = np.vstack([np.column_stack([rotation, shift]), [0, 0, 1]])
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    moved = corners + motion.perspective * side * np.array([[p[4], p[5]], [p[6], p[7]], [-p[4], p[6]], [p[5], -p[7]]], np.float32)
    return cv2.getPerspectiveTransform(corners, moved.astype(np.float32)) @ affine


def _pixel_grid(side: int) -> np.ndarray:
    ys, xs = np.mgrid[:side, :side]
    return np.stack([xs.ravel(), ys.ravel()], 1).astype(np.float64)


def _whole_area(mask: np.ndarray, matrix: np.ndarray) -> float:
    """Return the area of the object in an unbounded frame, in frame pixels."""
    ys, xs = np.nonzero(mask)
    points = np.stack([xs, ys, np.ones_like(xs)]).astype(np.float64)
    w = matrix[2] @ points
    return float((np.linalg.det(matrix) / np.abs(w) ** 3).sum())  # Jacobian determinant of a homography.
