"""Detail branch: fine structure of a focus view, from the picture itself and from features that the network has computed anyway."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Detail(nn.Module):
    """Add what is visible at stride 2 to the coarse answer at stride 4.

    widths: channels of the features at stride 4, 8 and 16. It begins as nothing: the last layer's weights are 0.
    """

    def __init__(self, widths: tuple[int, ...], channels: tuple[int, int, int] = (16, 40, 48)):
        super().__init__()
        fine, middle, coarse = channels
        self.stem = nn.Conv2d(6, fine, 3, stride=2, padding=1)
        self.down = nn.ModuleList([nn.Conv2d(fine, middle, 3, 2, 1), nn.Conv2d(middle, coarse, 3, 2, 1)])
        self.laterals = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip((widths[0], *widths), (middle, middle, coarse, coarse)))
        self.middle = nn.Conv2d(middle, middle, 3, padding=1)
        self.coarse = nn.Sequential(nn.Conv2d(coarse, coarse, 3, padding=1), nn.GELU(), nn.Conv2d(coarse, coarse, 3, padding=1))
        self.up = nn.ModuleList([nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)])
        self.merge = nn.Conv2d(middle, middle, 3, padding=1)
        last = nn.Conv2d(fine, 1, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.out = nn.Sequential(nn.Conv2d(fine, fine, 3, padding=1), nn.GELU(), last)

    def forward(self, image: Tensor, maps: Tensor, features: tuple[Tensor, ...], logits: Tensor) -> Tensor:
        """Return logits (B, 1, S / 2, S / 2).

        image: (B, 3, S, S) in 0..1. maps: (B, 3, S, S), positive and negative clicks and the prior. features: the decoder's at stride 4,
        the encoder's at stride 4 and 8, and the tokens at stride 16. logits: (B, 1, S / 4, S / 4), the coarse answer.
        """
        decoded, stride4, stride8, tokens = (lateral(x) for lateral, x in zip(self.laterals, features))
        fine = F.gelu(self.stem(torch.cat([2 * image - 1, maps], 1)))
        middle = F.gelu(self.middle(F.gelu(self.down[0](fine) + decoded + stride4)))
        coarse = F.gelu(self.down[1](middle) + stride8 + _doubled(tokens))
        coarse = F.gelu(coarse + self.coarse(coarse))
        middle = F.gelu(middle + self.merge(middle + _doubled(self.up[0](coarse))))
        return _doubled(logits) + self.out(fine + _doubled(self.up[1](middle)))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
