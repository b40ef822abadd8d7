"""PDM, pixel diffusion: a coarse prediction flows to similar pixels nearby (CDNet, section 3.3). It has no parameters.

The published formula runs over every pixel. Where the prediction is confident, it hardly changes, because the prediction is added back in
the end; so the formula is evaluated only in and around uncertain pixels. Ten iterations therefore take a few milliseconds.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RING_RADII_PX = (1, 2, 4, 8)
OFFSETS = tuple((dy * d, dx * d) for d in RING_RADII_PX for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)  # 32 neighbors
UNCERTAINTY_THRESHOLD = 0.25  # Pixels with |m| up to this start at 0.
MARGIN_PX = 4  # Diffusion may also change pixels within this distance of uncertain ones.
SEED_VALUE = 10.0


class Affinity:
    """Affinity w(p, r) of each pixel p with its 32 neighbors r, computed on demand and cached.

    w is the softmax over r of the mean over RGB of -|I(p) - I(r)| / (0.1 std + 1e-8), with std over the neighbors. Borders are replicated.

    Args:
        image: float (3, H, W).
    """

    def __init__(self, image: Tensor):
        self.shape = self.height, self.width = image.shape[-2:]
        self._pixels = image.flatten(1)  # (3, H W)
        self._weights = image.new_zeros(self.height * self.width, len(OFFSETS))
        self.known = torch.zeros(self.height * self.width, dtype=torch.bool, device=image.device)
        self._dy, self._dx = torch.tensor(OFFSETS, device=image.device).T

    def neighbors(self, pixels: Tensor) -> Tensor:
        """Return the flat indices (P, 32) of the neighbors of pixels with flat indices (P,)."""
        y = (pixels[:, None] // self.width + self._dy).clamp(0, self.height - 1)
        x = (pixels[:, None] % self.width + self._dx).clamp(0, self.width - 1)
        return y * self.width + x

    def weights(self, pixels: Tensor) -> Tensor:
        """Return w of pixels with flat indices (P,), (P, 32)."""
        new = pixels[~self.known[pixels]]
        if len(new):
            around = self._pixels[:, self.neighbors(new)]  # (3, P, 32)
            spread = 0.1 * around.std(-1, keepdim=True) + 1e-8
            self._weights[new] = torch.softmax(-((around - self._pixels[:, new, None]).abs() / spread).mean(0), -1)
            self.known[new] = True
        return self._weights[pixels]


def diffuse(logits: Tensor, seeds: Tensor, affinity: Affinity, steps: int, clamp: bool = False) -> Tensor:
    """Refine logits by iterating m(p) <- sum_r w(p, r) m(r).

    m starts as m0 = 2 sigmoid(logits) - 1, and at 0 where |m0| <= 0.25. Pixels with no uncertain pixel within 4 px do not change.

    Args:
        logits: (H, W).
        seeds: +1 at positive clicks, -1 at negative clicks, else 0, (H, W); they add +-10.
        affinity: Pixel affinities of the image.
        steps: Number of iterations.
        clamp: Reset seeds in every iteration instead of adding them once.

    Returns:
        m + m0, (H, W), positive inside the object.
    """
    m0 = (2 * logits.sigmoid() - 1).flatten()
    m = torch.where(m0.abs() <= UNCERTAINTY_THRESHOLD, torch.zeros_like(m0), m0) + SEED_VALUE * seeds.flatten()
    uncertain = (m0.abs() <= UNCERTAINTY_THRESHOLD).float().view(1, 1, *logits.shape)
    band = F.max_pool2d(uncertain, 2 * MARGIN_PX + 1, 1, MARGIN_PX).flatten()
    pixels = band.nonzero()[:, 0]
    around, weights = affinity.neighbors(pixels), affinity.weights(pixels)
    inside = seeds.flatten()[pixels]
    for _ in range(steps):
        new = (weights * m[around]).sum(-1)
        m[pixels] = torch.where(inside != 0, SEED_VALUE * inside, new) if clamp else new
    return (m + m0).view_as(logits)
