"""Which of the changes that an answer would make to the mask before are right: the model's second look at its own answer (ours).

A click on a mask that is nearly right asks for a small repair, but the new answer differs from the mask in other places too: far off,
thin, or hardly surer than before. A small network judges each changed pixel by that, so that such differences stay out of the merge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor, nn

TRUSTED = 0.5  # probability of being right above which a change is believed
MEASURES = 10
EDGE = 0.002  # probabilities are kept so far from 0 and 1


@dataclass(frozen=True, eq=False)
class Changes:
    """The pixels of a view (h, w) that an answer would change round the newest prompt.

    pixels: bool (h, w). measures: float32 (count, MEASURES) of them, in raster order.
    """

    pixels: np.ndarray
    measures: np.ndarray


def changes(prob: np.ndarray, prior: np.ndarray, painted: np.ndarray, adding: bool, prompts: int, quality: float) -> Changes:
    """Find and measure the changes round the newest prompt.

    prob, prior: float32 (h, w), the answer and the mask before. painted: bool (h, w), where the prompt is. adding: whether it is positive.
    prompts: how many there are. quality: the logit of the answer's predicted IoU, 0 for a model without.
    """
    before, wanted = (prior > 0.5) == adding, (prob > 0.5) == adding
    held = _holding(wanted & ~before, painted)
    rows, columns = np.nonzero(held)
    side = float(len(prob))
    thick = _depth(held)
    core = max(1.0, float(thick[painted].max(initial=0)))
    sure = np.clip(prob[rows, columns] if adding else 1 - prob[rows, columns], EDGE, 1 - EDGE)
    far = cv2.distanceTransform((~painted).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[rows, columns]
    off = _depth(~before)[rows, columns]
    own = thick[rows, columns]
    of_all = (
        np.log(core / side),
        np.log(max(1, len(rows)) / max(1, int(np.count_nonzero(prior > 0.5)))),
        np.log(prompts),
        quality,
    )
    of_each = (np.log(sure / (1 - sure)), far / side, np.log1p(far / core), np.log1p(off), own / core, np.log(own))
    table = np.empty((len(rows), MEASURES), np.float32)
    table[:, : len(of_each)] = np.stack(of_each, 1)
    table[:, len(of_each) :] = of_all
    return Changes(held, table)


class Trust(nn.Module):
    """measures (n, MEASURES) -> (n,), the logit of each changed pixel's being right. A new one believes all; `fit-trust` fits it."""

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(MEASURES))
        self.register_buffer("scale", torch.ones(MEASURES))
        last = nn.Linear(24, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 5.0)
        self.layers = nn.Sequential(nn.Linear(MEASURES, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), last)

    def forward(self, measures: Tensor) -> Tensor:
        return self.layers(((measures - self.centre) / self.scale).clamp(-5, 5))[:, 0]

    def believed(self, found: Changes) -> np.ndarray:
        """The changes that are believed, with one pixel round them, so that their own border decides: uint8 (h, w) of 0 and 1."""
        chosen = np.zeros(found.pixels.shape, np.uint8)
        measures = torch.from_numpy(found.measures).to(self.centre.device)
        chosen[found.pixels] = (self(measures).sigmoid() > TRUSTED).cpu().numpy()
        return cv2.dilate(chosen, np.ones((3, 3), np.uint8))


def _holding(region: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The 8-connected parts of a region that a prompt lies in or touches."""
    _, parts = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
    near = cv2.dilate(painted.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return region & np.isin(parts, np.unique(parts[near & region]))


def _depth(region: np.ndarray) -> np.ndarray:
    """Distance of each pixel of a region to the nearest one outside; the view's own border is no border."""
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.minimum(distance, max(region.shape))  # where nothing is outside
