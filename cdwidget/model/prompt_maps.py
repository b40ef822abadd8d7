"""Prompts as input maps of CDNet: positive clicks, negative clicks and the previous mask."""

from __future__ import annotations

from typing import Literal, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cdwidget.prompts import Box, Click, Prompt, Stroke

POSITIVE, NEGATIVE = 0, 1  # channels of the maps; the previous mask is the third
ClickEncoding = Literal["disk", "gaussian", "distance"]
DISTANCE_CELL_PX = 4  # view px; distances to clicks are computed on cells of this side
MAX_DISTANCE_PX = 128.0  # view px, at which a distance map reaches 0
BOX_GAP_PX = 2  # view px between a box and the frame painted around it


def prompt_maps(prompts: Sequence[Prompt], box: tuple[float, float, float, float], size: int, radius: float) -> np.ndarray:
    """Paint prompts into a square view of the image.

    A click is a disk. A stroke is a line at least as wide as a disk. A box is a frame of negatives just outside it. Points outside the
    view are not painted.

    Args:
        prompts: Clicks, strokes and boxes in image pixels.
        box: The view (x0, y0, x1, y1) in image pixels.
        size: Side S of the view in pixels.
        radius: Radius of a click in view pixels.

    Returns:
        Positive and negative prompts, float32 (2, S, S) of 0 and 1.
    """
    maps = np.zeros((2, size, size), np.float32)
    scale_x, scale_y = size / (box[2] - box[0]), size / (box[3] - box[1])

    def to_view(x: float, y: float) -> tuple[float, float]:
        return (x - box[0]) * scale_x, (y - box[1]) * scale_y

    for prompt in prompts:
        if isinstance(prompt, Click):
            x, y = to_view(int(prompt.x) + 0.5, int(prompt.y) + 0.5)  # A click means a pixel, so it lies at the pixel's center.
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


def paint_disk(canvas: np.ndarray, x: float, y: float, radius: float) -> None:
    """Set pixels to 1 whose centers are within `radius` pixels of the point (x, y).

    Args:
        canvas: float32 (H, W), changed in place.
        x: Horizontal position in pixels.
        y: Vertical position in pixels.
        radius: Radius in pixels.
    """
    height, width = canvas.shape
    top, bottom = max(0, int(y - radius - 1)), min(height, int(y + radius + 2))
    left, right = max(0, int(x - radius - 1)), min(width, int(x + radius + 2))
    ys, xs = np.ogrid[top:bottom, left:right]
    is_inside = (xs + 0.5 - x) ** 2 + (ys + 0.5 - y) ** 2 <= radius**2
    canvas[top:bottom, left:right][is_inside] = 1.0


def paint_frame(canvas: np.ndarray, x0: float, y0: float, x1: float, y1: float, radius: float) -> None:
    """Set the frame around a box to 1; it starts `BOX_GAP_PX` outside the box.

    Args:
        canvas: float32 (H, W), changed in place.
        x0: Left border of the box in pixels.
        y0: Top border.
        x1: Right border.
        y1: Bottom border.
        radius: Thickness in pixels.
    """
    gap = BOX_GAP_PX + radius / 2
    corners = [round(value) for value in (x0 - gap, y0 - gap, x1 + gap, y1 + gap)]
    cv2.rectangle(canvas, (corners[0], corners[1]), (corners[2], corners[3]), 1.0, max(1, round(radius)))


def source_maps(maps: Tensor, stride: int, radius: float) -> Tensor:
    """Compute the sources S of FDM: the fraction of a click's disk in each token.

    The disks are pooled to the token grid and blurred with a 3x3 Gaussian, so that a click between two tokens is a source in both.

    Args:
        maps: Click disks, (B, 2, H, W).
        stride: Pixels between tokens.
        radius: Radius of a disk in pixels.

    Returns:
        (B, 2, H / stride, W / stride) in [0, 1].
    """
    disk_area = 3.14159 * radius**2
    mass = F.avg_pool2d(maps, stride) * (stride**2 / disk_area)
    kernel = torch.tensor([1.0, 2.0, 1.0], device=maps.device, dtype=maps.dtype)
    kernel = (kernel[:, None] * kernel / 4).expand(2, 1, 3, 3)  # The central weight is 1.
    return F.conv2d(mass, kernel, padding=1, groups=2).clamp(max=1.0)


def encode_clicks(maps: Tensor, encoding: ClickEncoding, radius: float) -> Tensor:
    """Replace click disks by another encoding.

    Args:
        maps: Positive and negative click disks and the previous mask, (B, 3, S, S).
        encoding: "disk" returns the maps. "gaussian" is exp(-d^2 / (2 radius^2)) of the distance d to the nearest disk. "distance" is
            max(0, 1 - d / MAX_DISTANCE_PX) (Xu et al., "DIOS", CVPR 2016, which truncates at 255).
        radius: Radius of the Gaussian in pixels.

    Returns:
        (B, 3, S, S); the third map is unchanged.
    """
    if encoding == "disk":
        return maps
    distance = _distance(maps[:, :2])
    value = torch.exp(-((distance / radius) ** 2) / 2) if encoding == "gaussian" else (1 - distance / MAX_DISTANCE_PX).clamp(min=0)
    return torch.cat([F.interpolate(value, size=maps.shape[-2:], mode="bilinear"), maps[:, 2:]], 1)


def _distance(disks: Tensor) -> Tensor:
    """Exact distance in pixels from each cell to the nearest cell with a disk: (B, 2, S, S) -> (B, 2, N, N), N = S / DISTANCE_CELL_PX."""
    distance = (1 - F.max_pool2d(disks.float(), DISTANCE_CELL_PX)) * 1e6
    index = torch.arange(distance.shape[-1], device=distance.device)
    squared = ((index[:, None] - index) ** 2).float()
    distance = (distance[:, :, None] + squared[:, :, None]).amin(-2)  # minimum in each column: (B, 2, 1, N, N) + (N, N, 1)
    distance = (distance[:, :, :, None] + squared).amin(-1)  # then along each row: (B, 2, N, 1, N) + (N, N)
    return DISTANCE_CELL_PX * distance.sqrt()
