"""Several objects in one view: each is predicted in a small window of the encoded view."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor

from cdwidget.masks import bbox
from cdwidget.model.cdnet import CDNet
from cdwidget.model.quantization import inference_precision
from cdwidget.model.view import View

WINDOW_TOKENS = 2  # The side of a window is a multiple of this many tokens.
LOGIT_CELL_PX = 4  # view px per logit


def predict_windows(network: CDNet, view: View, maps: np.ndarray, window: float) -> tuple[np.ndarray, np.ndarray]:
    """Predict several objects, each in a window of a view around its positive prompts (else all).

    Args:
        network: The network.
        view: The encoded view.
        maps: Prompt maps of each object in the whole view, float32 (N, 3, S, S).
        window: Side of a window, relative to the view's.

    Returns:
        Probabilities of each object and head, float32 (N, heads, S / 4, S / 4), 0 outside the window, and expected IoUs (N, heads).
    """
    size, device = maps.shape[-1], view.image.device
    step = WINDOW_TOKENS * network.stride
    side = min(size, step * ceil(window * size / step))
    corners = [_window_corner(one[0] if one[0].any() else one[1], side, network.stride) for one in maps]
    levels = tuple(torch.cat([_cut(level, x, y, side, size) for x, y in corners]) for level in view.encoded)
    parts = np.stack([one[:, y : y + side, x : x + side] for one, (x, y) in zip(maps, corners)])
    with inference_precision(device.type):
        output = network(levels, torch.from_numpy(parts).to(device), True)
    probs = output.logits.float().sigmoid()
    iou = (2 * probs - 1).abs().mean((2, 3)) if output.quality is None else output.quality.float().sigmoid()
    whole = np.zeros((*probs.shape[:2], size // LOGIT_CELL_PX, size // LOGIT_CELL_PX), np.float32)
    for one, prob, (x, y) in zip(whole, probs.cpu().numpy(), corners):
        top, left = y // LOGIT_CELL_PX, x // LOGIT_CELL_PX
        one[:, top : top + prob.shape[1], left : left + prob.shape[2]] = prob
    return whole, iou.cpu().numpy()


def _cut(level: Tensor, x: int, y: int, side: int, size: int) -> Tensor:
    """Return the window of an encoder level (1, C, h, w) of a view; corner and sides are in view pixels."""
    left, top, length = (value * level.shape[-1] // size for value in (x, y, side))
    return level[..., top : top + length, left : left + length]


def _window_corner(positive: np.ndarray, side: int, step: int) -> tuple[int, int]:
    """Return the corner (x, y) of the window around prompts, float32 (S, S), a multiple of `step`."""
    x0, y0, x1, y1 = bbox(positive > 0)
    x, y = (int(np.clip(round((center - side / 2) / step) * step, 0, len(positive) - side)) for center in ((x0 + x1) / 2, (y0 + y1) / 2))
    return x, y
