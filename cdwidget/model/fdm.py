"""FDM, feature diffusion: click information flows to all tokens with similar features (CDNet, ICCV 2021, section 3.2).

Token i receives the fraction A_ij from token j. Conditional on the clicks, A is re-weighted by where information may come from (source
S_j) and where it may go (destination D_i), once for the foreground and once for the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Variant = Literal["off", "log", "v1", "v3"]
MIN_SOURCE = 1e-3  # In a branch without any click, all tokens are equal sources.


@dataclass(frozen=True)
class FDMFactors:
    """Intermediate results of FDM, from which the affinity can be computed again.

    For the variant "log", A = D_i softmax_j(q_i . k_j / sqrt(C) + log S_j); for "v1" and "v3", A = D_i softmax_j(S_j q_i . k_j).

    Attributes:
        q: Queries (B, N, C).
        k: Keys (B, N, C).
        v: Values (B, N, C).
        clicks: Click maps at the tokens (B, 2, N), foreground then background.
        source: S, (B, 2, N).
        destination: D, (B, 2, N).
        features: Input X, (B, C, H, W).
        added: Output of each branch, which is added to X, (B, C, H, W) each.
        grid: Rows and columns of the N tokens.
        variant: The variant of FDM.
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
    """Compute both branches of the variant "log" with one exponential.

    Y_b = E (S_b v) / (E S_b) with E = exp(affinity). The maximum of each row cancels in the quotient and is subtracted first.

    Args:
        affinity: (B, N, N).
        source: (B, 2, N), positive.
        v: (B, N, C).

    Returns:
        (B, 2, N, C).
    """
    weights = (affinity - affinity.detach().amax(-1, keepdim=True)).exp()
    columns = torch.cat([source[:, i, :, None].to(v.dtype) * v for i in range(2)] + [source.transpose(1, 2).to(v.dtype)], -1)
    sums = weights @ columns  # (B, N, N) @ (B, N, 2C + 2) -> (B, N, 2C + 2)
    c = v.shape[-1]
    return torch.stack([sums[..., i * c : (i + 1) * c] / sums[..., 2 * c + i, None] for i in range(2)], 1)


class ClickAffinity(nn.Module):
    """Similarity of each token to the clicked tokens, computed before diffusion.

    a_b(i) = q_i . sum_j S_j k_j / sum_j S_j in groups of channels; 0 for a branch without clicks. Not part of the published CDNet: with it,
    the gate depends on the clicked features from the first layer on.
    """

    def __init__(self, channels: int, groups: int = 8):
        super().__init__()
        self.groups = groups
        self.q = nn.Conv2d(channels, channels, 1, bias=False)
        self.k = nn.Conv2d(channels, channels, 1, bias=False)
        self.out = nn.Conv2d(2 * groups, channels, 1, bias=False)

    def forward(self, x: Tensor, clicks: Tensor) -> Tensor:
        """Map X (B, C, H, W) and click sources (B, 2, H, W) to a tensor to add to X."""
        b, c, h, w = x.shape
        source = clicks.flatten(2).to(x.dtype)
        source = source / source.sum(-1, keepdim=True).clamp(min=MIN_SOURCE)
        clicked = (source @ self.k(x).flatten(2).transpose(1, 2)).view(b, 2, self.groups, -1)  # (B, 2, N) @ (B, N, C) -> (B, 2, C)
        q = self.q(x).view(b, self.groups, -1, h, w)
        similarity = torch.einsum("bsgc,bgchw->bsghw", clicked, q) * (c / self.groups) ** -0.5
        return self.out(similarity.flatten(1, 2))


class FDM(nn.Module):
    """Feature diffusion.

    Args:
        channels: Channels C of the features.
        variant: "log": S multiplies the exponentials, A_ij = D_i S_j exp(q_i . k_j / sqrt C) / sum_j' S_j' exp(...); a token that is no
            source gives nothing. "v1" and "v3" are the published code: S multiplies the logits before the softmax, so that S = 0 still
            gives exp(0); v1 softens S and D to 0.9 x + 0.1, v3 also makes confident tokens (gate > 0.8) sources. "off" returns X.
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
        """Diffuse features.

        Args:
            x: Features X, (B, C, H, W).
            clicks: Click sources, (B, 2, H, W).

        Returns:
            The diffused features (B, C, H, W), the logits of the gate (B, 1, H, W), and the factors; None for "off".
        """
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
            y = diffuse((q * c**-0.5) @ k.transpose(1, 2), source + MIN_SOURCE, v)  # (B, N, C) @ (B, C, N) -> (B, N, N)
        else:
            affinity = q @ k.transpose(1, 2)
            y = torch.stack([(affinity * source[:, i, None, :]).softmax(-1).to(v.dtype) @ v for i in range(2)], 1)
        y = y * destination.unsqueeze(-1).to(y.dtype)
        added = tuple(z(y[:, i].transpose(1, 2).reshape(b, c, h, w)) for i, z in enumerate(self.z))
        factors = FDMFactors(q, k, v, clicks.flatten(2), source, destination, x, added, (h, w), self.variant)
        return x + added[0] + added[1], gate, factors
