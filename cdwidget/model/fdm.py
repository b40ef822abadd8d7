"""FDM, feature diffusion: what the clicks know flows to every token that looks alike (CDNet, ICCV 2021, section 3.2).

A token i takes from token j the share A_ij. Conditional on the clicks, A is re-weighted by where information may come from
(source S_j) and where it may go to (destination D_i), once for the foreground and once for the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Variant = Literal["off", "log", "v1", "v3"]
FLOOR = 1e-3  # of a source: where a branch has no click at all, every token is an equal source


@dataclass(frozen=True)
class FDMFactors:
    """What rebuilds the affinity: A = D_i * softmax_j(q_i . k_j / sqrt(C) + bias_j), or S_j * q_i . k_j inside for v1 and v3.

    q, k, v: (B, N, C). clicks, source, destination: (B, 2, N), foreground then background. grid: (rows, columns) of the N tokens.
    features: (B, C, H, W), X. added: for each branch what it adds to X, (B, C, H, W).
    """

    q: Tensor
    k: Tensor
    v: Tensor
    clicks: Tensor
    source: Tensor
    destination: Tensor
    features: Tensor
    added: tuple[Tensor, ...]
    grid: tuple[int, int]
    variant: Variant


def diffuse(affinity: Tensor, source: Tensor, v: Tensor) -> Tensor:
    """Both branches of the log form with one exponential: Y_b = E (S_b v) / E S_b, where E = exp(affinity).

    affinity (B, N, N), source (B, 2, N) all positive, v (B, N, C) -> (B, 2, N, C). The row's maximum cancels in the quotient.
    """
    weights = (affinity - affinity.detach().amax(-1, keepdim=True)).exp()
    columns = torch.cat([source[:, i, :, None].to(v.dtype) * v for i in range(2)] + [source.transpose(1, 2).to(v.dtype)], -1)
    sums = weights @ columns  # (B, N, N) @ (B, N, 2C + 2) -> (B, N, 2C + 2)
    c = v.shape[-1]
    return torch.stack([sums[..., i * c : (i + 1) * c] / sums[..., 2 * c + i, None] for i in range(2)], 1)


class ClickAffinity(nn.Module):
    """How much each token looks like the clicked ones, before anything is diffused: X (B, C, H, W), sources (B, 2, H, W) -> (B, C, H, W).

    a_b(i) = q_i . sum_j S_j k_j / sum_j S_j in groups of channels, 0 for a branch without clicks. Ours, not the article's: with it the gate
    knows from the first layer on what was clicked.
    """

    def __init__(self, channels: int, groups: int = 8):
        super().__init__()
        self.groups = groups
        self.q = nn.Conv2d(channels, channels, 1, bias=False)
        self.k = nn.Conv2d(channels, channels, 1, bias=False)
        self.out = nn.Conv2d(2 * groups, channels, 1, bias=False)

    def forward(self, x: Tensor, clicks: Tensor) -> Tensor:
        b, c, h, w = x.shape
        source = clicks.flatten(2).to(x.dtype)
        source = source / source.sum(-1, keepdim=True).clamp(min=FLOOR)
        clicked = (source @ self.k(x).flatten(2).transpose(1, 2)).view(b, 2, self.groups, -1)  # (B, 2, N) @ (B, N, C) -> (B, 2, C)
        q = self.q(x).view(b, self.groups, -1, h, w)
        alike = torch.einsum("bsgc,bgchw->bsghw", clicked, q) * (c / self.groups) ** -0.5
        return self.out(alike.flatten(1, 2))


class FDM(nn.Module):
    """X (B, C, H, W) and click sources (B, 2, H, W) -> X' (B, C, H, W), the gate's logits (B, 1, H, W), the factors.

    variant "log": S multiplies after the exponential, A_ij = D_i * S_j exp(q_i.k_j / sqrt C) / sum_j' S_j' exp(...), that is log S is
    added to the logits; a token that is no source gives nothing. "v1" and "v3" are the published code's: S multiplies the logits before
    the softmax, so S = 0 still leaves exp(0); v1 softens S and D to 0.9 x + 0.1, v3 makes confident tokens (gate > 0.8) sources too.
    "off" returns X.
    """

    def __init__(self, channels: int, variant: Variant = "log"):
        super().__init__()
        self.variant = variant
        self.q = nn.Conv2d(channels, channels, 1, bias=False)
        self.k = nn.Conv2d(channels, channels, 1, bias=False)
        self.v = nn.Conv2d(channels, channels, 1, bias=False)
        self.z = nn.ModuleList([nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)) for _ in range(2)])
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, 1, 1),
        )

    def forward(self, x: Tensor, clicks: Tensor) -> tuple[Tensor, Tensor, FDMFactors | None]:
        gate = self.gate(x)
        if self.variant == "off":
            return x, gate, None
        b, c, h, w = x.shape
        q, k, v = (conv(x).flatten(2).transpose(1, 2) for conv in (self.q, self.k, self.v))  # (B, N, C)
        foreground = gate.detach().float().sigmoid().flatten(2)  # (B, 1, N)
        destination = torch.cat([foreground, 1 - foreground], 1)  # (B, 2, N)
        source = clicks.flatten(2)
        if self.variant == "v1":
            source, destination = 0.9 * source + 0.1, 0.9 * destination + 0.1
        elif self.variant == "v3":
            source = (source + (destination > 0.8).to(source.dtype)).clamp(max=1)
        if self.variant == "log":
            y = diffuse((q * c**-0.5) @ k.transpose(1, 2), source + FLOOR, v)  # (B, N, C) @ (B, C, N) -> (B, N, N)
        else:
            affinity = q @ k.transpose(1, 2)
            y = torch.stack([(affinity * source[:, i, None, :]).softmax(-1).to(v.dtype) @ v for i in range(2)], 1)
        y = y * destination.unsqueeze(-1).to(y.dtype)
        added = tuple(z(y[:, i].transpose(1, 2).reshape(b, c, h, w)) for i, z in enumerate(self.z))
        factors = FDMFactors(q, k, v, clicks.flatten(2), source, destination, x, added, (h, w), self.variant)
        return x + added[0] + added[1], gate, factors
