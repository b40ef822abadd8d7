"""Prompts as images: two click maps and the previous mask, what every CDNet takes beside the picture."""

from __future__ import annotations

from typing import Literal, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdwidget.prompts import Box, Click, Prompt, Stroke

POSITIVE, NEGATIVE, PRIOR = 0, 1, 2
Encoding = Literal["disk", "gaussian", "distance"]
COARSE = 4  # pixels of a cell in which distances to clicks are measured
REACH = 128.0  # pixels, at which a distance map has fallen to 0


def paint_disk(canvas: np.ndarray, x: float, y: float, radius: float) -> None:
    """Set to 1 the pixels of `canvas` (float32, (H, W)) whose centres lie within `radius` pixels of the point (x, y)."""
    height, width = canvas.shape
    top, bottom = max(0, int(y - radius - 1)), min(height, int(y + radius + 2))
    left, right = max(0, int(x - radius - 1)), min(width, int(x + radius + 2))
    ys, xs = np.ogrid[top:bottom, left:right]
    near = (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= radius**2
    canvas[top:bottom, left:right][near] = 1.0


def paint_frame(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, radius: float) -> None:
    """Set to 1 the frame of a box given in pixels of `canvas`, float32 (H, W): half a disk thick, its inner edge 2 pixels off the box."""
    gap = 2 + radius / 2
    corners = [round(value) for value in (x0 - gap, y0 - gap, x1 + gap, y1 + gap)]
    cv2.rectangle(canvas, (corners[0], corners[1]), (corners[2], corners[3]), 1.0, max(1, round(radius)))


def click_maps(prompts: Sequence[Prompt], box: tuple[float, float, float, float], size: int, radius: float) -> np.ndarray:
    """Paint prompts, given in image pixels, into a `size` x `size` view of the image's `box` (x0, y0, x1, y1).

    Returns float32 (2, size, size): positive, negative. A click is a disk of `radius` view pixels; a stroke a line at least that wide.
    A Box is a frame of negatives just outside it. Points outside the view are not painted.
    """
    maps = np.zeros((2, size, size), np.float32)
    scale_x, scale_y = size / (box[2] - box[0]), size / (box[3] - box[1])

    def to_view(x: float, y: float) -> tuple[float, float]:
        return (x - box[0]) * scale_x, (y - box[1]) * scale_y

    for prompt in prompts:
        if isinstance(prompt, Click):
            # a click on integer coordinates means the pixel, so its centre
            x, y = to_view(int(prompt.x) + 0.5, int(prompt.y) + 0.5)
            if 0 <= x < size and 0 <= y < size:
                paint_disk(maps[NEGATIVE - int(prompt.positive)], x, y, radius)
        elif isinstance(prompt, Stroke):
            points = np.array([to_view(x, y) for x, y in prompt.points], np.float32)
            width = max(1, round(2 * max(radius, prompt.radius * (scale_x + scale_y) / 2)))
            canvas = maps[NEGATIVE - int(prompt.positive)]
            cv2.polylines(canvas, [np.round(points).astype(np.int32).reshape(-1, 1, 2)], False, 1.0, width)
        elif isinstance(prompt, Box):
            (x0, y0), (x1, y1) = to_view(prompt.x0, prompt.y0), to_view(prompt.x1, prompt.y1)
            paint_frame(maps[NEGATIVE], x0, y0, x1, y1, radius)
    return maps


def source_maps(maps: Tensor, stride: int, radius: float) -> Tensor:
    """S of FDM: how much of a click lies in and around each token, (B, 2, H, W) -> (B, 2, H / stride, W / stride) in [0, 1].

    The disks are pooled to the token grid and blurred with a 3x3 Gaussian, so that a click between two tokens is a source in both.
    """
    disk = 3.14159 * radius**2
    mass = F.avg_pool2d(maps, stride) * (stride**2 / disk)
    kernel = torch.tensor([1.0, 2.0, 1.0], device=maps.device, dtype=maps.dtype)
    kernel = (kernel[:, None] * kernel / 4).expand(2, 1, 3, 3)  # the middle weighs 1
    return F.conv2d(mass, kernel, padding=1, groups=2).clamp(max=1.0)


def encode_clicks(maps: Tensor, encoding: Encoding, radius: float) -> Tensor:
    """What the network is shown of maps (B, 3, S, S) with disks in the first two: the disks, or what falls with the distance to them.

    "gaussian": exp(-d^2 / 2 radius^2) (DIOS's successors); "distance": 1 - d / REACH, at least 0 (DIOS, CVPR 2016, there 255 at most).
    """
    if encoding == "disk":
        return maps
    away = _distance(maps[:, :2])
    value = torch.exp(-((away / radius) ** 2) / 2) if encoding == "gaussian" else (1 - away / REACH).clamp(min=0)
    return torch.cat([F.interpolate(value, size=maps.shape[-2:], mode="bilinear"), maps[:, 2:]], 1)


def _distance(disks: Tensor) -> Tensor:
    """Pixels from each cell to the nearest one with a disk in it, exact between cells: (B, 2, S, S) -> (B, 2, S / COARSE, S / COARSE)."""
    away = (1 - F.max_pool2d(disks.float(), COARSE)) * 1e6
    index = torch.arange(away.shape[-1], device=away.device)
    squared = ((index[:, None] - index) ** 2).float()
    away = (away[:, :, None] + squared[:, :, None]).amin(-2)  # the nearest in each column: (B, 2, 1, N, N) + (N, N, 1)
    away = (away[:, :, :, None] + squared).amin(-1)  # and then along each row: (B, 2, N, 1, N) + (N, N)
    return COARSE * away.sqrt()
