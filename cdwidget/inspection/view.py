"""The part of the image that the network saw, and where its tokens and pixels lie in the image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cdwidget.predictor import Factors


@dataclass(frozen=True)
class View:
    """box: (x0, y0, x1, y1) in image pixels. grid: (rows, columns) of tokens over it. Points are (x, y) in image pixels."""

    box: tuple[int, int, int, int]
    grid: tuple[int, int]

    @classmethod
    def of(cls, factors: Factors) -> View:
        """Return the view of a prediction."""
        return cls(factors.box, factors.grid)

    @property
    def width(self) -> int:
        """Columns of the image in the view."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> int:
        """Rows of the image in the view."""
        return self.box[3] - self.box[1]

    def cell(self, x: float, y: float, rows: int, columns: int) -> tuple[int, int]:
        """(row, column) of the cell an image point lies in, the view cut into rows x columns; points outside belong to the border."""
        row = int((y - self.box[1]) * rows // self.height)
        column = int((x - self.box[0]) * columns // self.width)
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def token(self, x: float, y: float) -> int:
        """The number of the token an image point lies in."""
        row, column = self.cell(x, y, *self.grid)
        return row * self.grid[1] + column

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the tokens' centres in image pixels, float (rows, columns) each."""
        rows, columns = self.grid
        x = self.box[0] + (np.arange(columns) + 0.5) * self.width / columns
        y = self.box[1] + (np.arange(rows) + 0.5) * self.height / rows
        return np.broadcast_to(x, self.grid), np.broadcast_to(y[:, None], self.grid)

    def covered(self, mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """How much of each cell a bool (H, W) mask of the image covers, float32 (rows, columns) in [0, 1]."""
        x0, y0, x1, y1 = self.box
        part = mask[y0:y1, x0:x1].astype(np.float32)
        shrinks = part.size > rows * columns
        return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)


# MERGED from inspection.heads: The latent heads: the readings of a prompt that the model did not choose.


def heads(factors: Factors) -> np.ndarray:
    """What each head answers before pixel diffusion, float32 (1 + latent heads, h, w) in [0, 1]; the main head first."""
    return _sigmoid(factors.logits)


def disagreement(factors: Factors) -> np.ndarray:
    """How far apart the latent heads are, largest minus smallest probability, float32 (h, w) in [0, 1]; 0 with fewer than two."""
    latent = heads(factors)[1:]
    return latent.max(axis=0) - latent.min(axis=0) if len(latent) else np.zeros_like(factors.logits[0])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return (0.5 * np.tanh(0.5 * logits) + 0.5).astype(np.float32)


# MERGED from inspection.pixels: PDM step by step, in numpy: the formula and the constants are those of `cdwidget.model.pdm`.


RINGS = (1, 2, 4, 8)
OFFSETS = tuple((dy * d, dx * d) for d in RINGS for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)  # 32 neighbours
UNCERTAIN = 0.25  # |m| up to which a pixel's own opinion is dropped
MARGIN = 4  # pixels round the uncertain ones that may change too
SEED = np.float32(10)
ROUNDS = 10  # of a model that takes none itself, what they would do
BLOCK = 8192  # pixels whose neighbourhoods exist at the same time


class PixelDiffusion:
    """The pixel diffusion of one prediction.

    image: float32 (h, w, 3) in [0, 1], what it runs over: the view, at the size PDM works on. steps: how many rounds there are to look at.
    """

    def __init__(self, factors: Factors):
        self.height, self.width = factors.seeds.shape
        self.steps = factors.pdm_steps or ROUNDS
        side = factors.pixels.shape[0] // self.height
        blocks = factors.pixels.reshape(self.height, side, self.width, side, 3)
        self.image = blocks.mean(axis=(1, 3), dtype=np.float32) / np.float32(255)
        self._seeds = factors.seeds.astype(np.float32)
        logits = cv2.resize(np.ascontiguousarray(factors.logits[0]), (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        self._m0 = np.tanh(logits / 2).astype(np.float32)  # 2 sigmoid(x) - 1

    def step(self, number: int) -> np.ndarray:
        """m + m0 after `number` rounds, float32 (h, w): object where positive. 0: what the head says, with the clicks' seeds.

        Raises ValueError for a number below 0. Numbers beyond the model's own steps go on.
        """
        if number < 0:
            raise ValueError(f"there is no step {number}; the first is 0")
        while len(self._rounds) <= number:
            m = self._rounds[-1].copy()
            m.reshape(-1)[self.band] = (self._weights * m.reshape(-1)[self._around]).sum(axis=1)
            self._rounds.append(m)
        return self._rounds[number] + self._m0

    def prob(self, number: int) -> np.ndarray:
        """The probability after `number` rounds, float32 (h, w) in [0, 1]: `step` from -2..2 to 0..1."""
        return np.clip(self.step(number), -2, 2) / 4 + np.float32(0.5)

    def neighbours(self, x: int, y: int) -> np.ndarray:
        """w(p, r), the share that pixel p = (x, y) takes from each of its 32 neighbours, float32 (32,), in the order of OFFSETS."""
        return self._affinity(np.array([y * self.width + x]))[0]

    @cached_property
    def band(self) -> np.ndarray:
        """Flat indices (P,) of the pixels that diffusion may change: those near an uncertain one. The others are held."""
        uncertain = (np.abs(self._m0) <= UNCERTAIN).astype(np.uint8)
        near = cv2.dilate(uncertain, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8))
        return np.flatnonzero(near)

    @cached_property
    def _rounds(self) -> list[np.ndarray]:
        return [np.where(np.abs(self._m0) <= UNCERTAIN, np.float32(0), self._m0) + SEED * self._seeds]

    @cached_property
    def _around(self) -> np.ndarray:
        return self._indices(self.band)

    @cached_property
    def _weights(self) -> np.ndarray:
        blocks = [self._affinity(self.band[start : start + BLOCK]) for start in range(0, len(self.band), BLOCK)]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(OFFSETS)), np.float32)

    def _indices(self, pixels: np.ndarray) -> np.ndarray:
        """Flat indices (P, 32) of the neighbours of flat indices (P,); beyond the border the border pixel counts."""
        dy, dx = np.array(OFFSETS).T
        y = np.clip(pixels[:, None] // self.width + dy, 0, self.height - 1)
        x = np.clip(pixels[:, None] % self.width + dx, 0, self.width - 1)
        return y * self.width + x

    def _affinity(self, pixels: np.ndarray) -> np.ndarray:
        """softmax over r of the mean over RGB of -|I(p) - I(r)| / (0.1 std + 1e-8), std over the neighbours: (P,) -> (P, 32)."""
        flat = self.image.reshape(-1, 3)
        around = flat[self._indices(pixels)]  # (P, 32, 3)
        spread = np.float32(0.1) * around.std(axis=1, ddof=1, keepdims=True) + np.float32(1e-8)
        alike = -(np.abs(around - flat[pixels][:, None]) / spread).mean(axis=2)
        weights = np.exp(alike - alike.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)
