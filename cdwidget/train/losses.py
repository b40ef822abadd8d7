"""Losses of diversified training (CDNet, section 3.4; the normalized focal loss is from RITM, Sofiiuk et al., ICIP 2022)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FOCAL_ALPHA, FOCAL_GAMMA = 0.5, 2.0
GATE_WEIGHT = 0.4


def focal_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Compute the normalized focal loss.

    It is -alpha (1 - p_t)^gamma log p_t, with focal weights scaled to a mean of 1.

    Args:
        logits: (B, C, H, W).
        target: The true mask, 0 or 1, (B, C, H, W).
        valid: 1 for pixels that count, else 0, (B, C, H, W).

    Returns:
        The mean over the valid pixels, (B, C).
    """
    log_pt = F.logsigmoid(logits.float() * (2 * target - 1))
    focus = (1 - log_pt.exp()).pow(FOCAL_GAMMA) * valid
    weight = focus.detach().sum((2, 3)).clamp(min=1e-6)
    return -FOCAL_ALPHA * (focus * log_pt).sum((2, 3)) / weight


def click_loss(logits: Tensor, maps: Tensor) -> Tensor:
    """Compute the binary cross entropy inside the click disks.

    Args:
        logits: (B, C, H, W).
        maps: Disks of positive and negative clicks, (B, 2, H, W).

    Returns:
        (B, C).
    """
    positive, negative = maps[:, :1], maps[:, 1:]
    log_pt = F.logsigmoid(logits.float() * (positive - negative).sign())
    inside = positive + negative
    return -(log_pt * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1e-6)


def dice_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Compute 1 - Dice of the soft mask and the target over the valid pixels.

    Not part of the published CDNet. It favors one whole mask where the focal loss leaves pixels uncertain.

    Args:
        logits: (B, C, H, W).
        target: The true mask, 0 or 1, (B, C, H, W).
        valid: 1 for pixels that count, else 0, (B, C, H, W).

    Returns:
        (B, C).
    """
    prob = logits.float().sigmoid() * valid
    both = (prob * target).sum((2, 3))
    return 1 - (2 * both + 1) / (prob.sum((2, 3)) + (target * valid).sum((2, 3)) + 1)


def quality_loss(quality: Tensor, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Compute the binary cross entropy between the predicted and the actual IoU of every head.

    Args:
        quality: Logits of the predicted IoU, (B, n).
        logits: Mask logits, (B, n, h, w).
        target: The true mask, (B, 1, H, W).
        valid: 1 for pixels that count, else 0, (B, 1, H, W).

    Returns:
        A scalar.
    """
    target, valid = _resized(target, valid, logits)
    predicted, true = (logits.detach() > 0) & (valid > 0), (target > 0) & (valid > 0)
    iou = (predicted & true).sum((2, 3)) / (predicted | true).sum((2, 3)).clamp(min=1)
    return F.binary_cross_entropy_with_logits(quality.float(), iou)


def cdnet_loss(logits: Tensor, gate: Tensor, maps: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Compute the loss of CDNet.

    It is the sum of: focal and Dice loss of the main head, 0.4 times the focal loss of the gate, the smallest focal plus Dice loss among
    the latent heads (diversified training), and the click loss of all heads. The main head is resized to the target; the target is resized
    to the latent heads and the gate.

    Args:
        logits: Mask logits, (B, 1 + heads, h, w).
        gate: Logits of FDM's gate, (B, 1, h', w').
        maps: Prompt maps, (B, 3, S, S).
        target: The true mask, (B, 1, H, W).
        valid: 1 for pixels that count, else 0, (B, 1, H, W).

    Returns:
        The mean over the batch, a scalar.
    """
    main = F.interpolate(logits[:, :1].float(), size=target.shape[-2:], mode="bilinear")
    total = (focal_loss(main, target, valid) + dice_loss(main, target, valid))[:, 0]
    total = total + GATE_WEIGHT * focal_loss(gate, *_resized(target, valid, gate))[:, 0]
    if logits.shape[1] > 1:
        small = _resized(target, valid, logits)
        total = total + (focal_loss(logits[:, 1:], *small) + dice_loss(logits[:, 1:], *small)).min(1).values
    clicks = F.interpolate(maps[:, :2], size=logits.shape[-2:], mode="area")
    return (total + click_loss(logits, clicks).mean(1)).mean()


def _resized(target: Tensor, valid: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Resize target and valid pixels to the resolution of `like`, as 0 or 1."""
    size = like.shape[-2:]
    return tuple((F.interpolate(x, size=size, mode="area") > 0.5).float() for x in (target, valid))  # type: ignore[return-value]
