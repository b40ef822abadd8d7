"""The losses of diversified training (CDNet, section 3.4; the normalised focal loss is RITM's)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

ALPHA, GAMMA, GATE_WEIGHT = 0.5, 2.0, 0.4


def focal_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Normalised focal loss: -alpha (1 - p_t)^gamma log p_t, scaled so that the focal weights of a sample sum to its valid pixels.

    logits, target, valid: (B, C, H, W), target and valid in {0, 1} -> (B, C), the mean over the valid pixels.
    """
    log_pt = F.logsigmoid(logits.float() * (2 * target - 1))
    focus = (1 - log_pt.exp()).pow(GAMMA) * valid
    weight = focus.detach().sum((2, 3)).clamp(min=1e-6)
    return -ALPHA * (focus * log_pt).sum((2, 3)) / weight


def click_loss(logits: Tensor, maps: Tensor) -> Tensor:
    """Binary cross entropy inside the click disks: logits (B, C, H, W), maps (B, 2, H, W) -> (B, C)."""
    positive, negative = maps[:, :1], maps[:, 1:]
    log_pt = F.logsigmoid(logits.float() * (positive - negative).sign())
    inside = positive + negative
    return -(log_pt * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1e-6)


def dice_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """1 - Dice overlap of the soft mask and the target over the valid pixels: (B, C, H, W) each -> (B, C).

    Ours, beside the focal loss: it pulls towards one whole mask where the focal loss leaves pixels undecided.
    """
    prob = logits.float().sigmoid() * valid
    both = (prob * target).sum((2, 3))
    return 1 - (2 * both + 1) / (prob.sum((2, 3)) + (target * valid).sum((2, 3)) + 1)


def quality_loss(quality: Tensor, logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Binary cross entropy of the predicted IoU with the IoU that each head reaches: quality (B, n), logits (B, n, h, w), a scalar."""
    target, valid = _resized(target, valid, logits)
    guess, truth = (logits.detach() > 0) & (valid > 0), (target > 0) & (valid > 0)
    reached = (guess & truth).sum((2, 3)) / (guess | truth).sum((2, 3)).clamp(min=1)
    return F.binary_cross_entropy_with_logits(quality.float(), reached)


def cdnet_loss(logits: Tensor, gate: Tensor, maps: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """NFL + Dice of the main head + 0.4 NFL(gate) + min over latent heads of NFL + Dice + click BCE of every head; the mean, a scalar.

    logits (B, 1 + heads, h, w), gate (B, 1, h', w'), maps (B, 3, S, S), target and valid (B, 1, H, W). The main head is resized to the
    target, the target to the latent heads and the gate.
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
    """Target and valid pixels, hard again, at the resolution of `like`."""
    size = like.shape[-2:]
    return tuple((F.interpolate(x, size=size, mode="area") > 0.5).float() for x in (target, valid))  # type: ignore[return-value]
