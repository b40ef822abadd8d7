"""PDM, pixel diffusion: a coarse prediction flows to the pixels that look alike (CDNet, section 3.3). It has no parameters.

The formula runs over every pixel. Where the prediction is decided its own opinion is added back in the end, so it hardly changes there: the
formula is evaluated in and round the uncertain pixels alone, the rest is held. That is what makes ten rounds cost a few milliseconds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RINGS = (1, 2, 4, 8)
OFFSETS = tuple((dy * d, dx * d) for d in RINGS for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)  # 32 neighbours
UNCERTAIN = 0.25  # |m| up to which a pixel's own opinion is dropped
MARGIN = 4  # pixels round the uncertain ones that may change too
SEED = 10.0


class Affinity:
    """w(p, r), how much pixel p takes from each of its 32 neighbours r, of one image (3, H, W); computed where asked, then kept.

    w is the softmax over r of the mean over RGB of -|I(p) - I(r)| / (0.1 std + 1e-8), std over the neighbours. Borders are replicated.
    """

    def __init__(self, image: Tensor):
        self.shape = self.height, self.width = image.shape[-2:]
        self._pixels = image.flatten(1)  # (3, H W)
        self._weights = image.new_zeros(self.height * self.width, len(OFFSETS))
        self.known = torch.zeros(self.height * self.width, dtype=torch.bool, device=image.device)
        self._dy, self._dx = torch.tensor(OFFSETS, device=image.device).T

    def neighbours(self, pixels: Tensor) -> Tensor:
        """Flat indices (P, 32) of the neighbours of flat indices (P,)."""
        y = (pixels[:, None] // self.width + self._dy).clamp(0, self.height - 1)
        x = (pixels[:, None] % self.width + self._dx).clamp(0, self.width - 1)
        return y * self.width + x

    def weights(self, pixels: Tensor) -> Tensor:
        """w of these pixels, (P,) -> (P, 32)."""
        new = pixels[~self.known[pixels]]
        if len(new):
            around = self._pixels[:, self.neighbours(new)]  # (3, P, 32)
            spread = 0.1 * around.std(-1, keepdim=True) + 1e-8
            self._weights[new] = torch.softmax(-((around - self._pixels[:, new, None]).abs() / spread).mean(0), -1)
            self.known[new] = True
        return self._weights[pixels]


def diffuse(logits: Tensor, seeds: Tensor, affinity: Affinity, steps: int, clamp: bool = False) -> Tensor:
    """Refine logits (H, W) in `steps` rounds of m(p) <- sum_r w(p, r) m(r); return m + m0, (H, W), object where positive.

    m = 2 sigmoid(logits) - 1; pixels with |m| <= 0.25 start at 0; seeds (H, W), +1 at positive and -1 at negative clicks, else 0, add +-10
    once, or are set again each round with `clamp`. Pixels with no uncertain one within 4 pixels are held.
    """
    m0 = (2 * logits.sigmoid() - 1).flatten()
    m = torch.where(m0.abs() <= UNCERTAIN, torch.zeros_like(m0), m0) + SEED * seeds.flatten()
    uncertain = (m0.abs() <= UNCERTAIN).float().view(1, 1, *logits.shape)
    band = F.max_pool2d(uncertain, 2 * MARGIN + 1, 1, MARGIN).flatten()
    pixels = band.nonzero()[:, 0]
    around, weights = affinity.neighbours(pixels), affinity.weights(pixels)
    inside = seeds.flatten()[pixels]
    for _ in range(steps):
        new = (weights * m[around]).sum(-1)
        m[pixels] = torch.where(inside != 0, SEED * inside, new) if clamp else new
    return (m + m0).view_as(logits)
