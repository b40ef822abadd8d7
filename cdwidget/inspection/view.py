"""The region of the image that the network saw: geometry, latent heads, pixel diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.predictor import Factors

# The formula and the constants are those of `cdwidget.model.pdm`.
RING_RADII_PX = (1, 2, 4, 8)
OFFSETS = tuple((dy * d, dx * d) for d in RING_RADII_PX for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)  # 32 neighbors
UNCERTAINTY_THRESHOLD = 0.25  # Pixels with |m| up to this start at 0.
MARGIN_PX = 4  # Diffusion may also change pixels within this distance of uncertain ones.
SEED_VALUE = np.float32(10)  # Value of a positive click; a negative click has the negative value.
DEFAULT_STEPS = 10  # Shown for a model that runs no pixel diffusion itself.
BLOCK_PIXELS = 8192  # Pixels whose neighborhoods are in memory at the same time.


@dataclass(frozen=True)
class View:
    """The region that the network saw; points are (x, y) in image pixels.

    Args:
        box: (x0, y0, x1, y1), half-open, in image pixels.
        grid: (rows, columns) of tokens over the box.

    Example:
        >>> view = View.of(session.prompt_result().factors)
        >>> view.token(120, 88)
        500
    """

    box: tuple[int, int, int, int]
    grid: tuple[int, int]

    @classmethod
    def of(cls, factors: Factors) -> View:
        """Return the view of a prediction."""
        return cls(factors.box, factors.grid)

    @property
    def width(self) -> int:
        """Width of the box in image pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> int:
        """Height of the box in image pixels."""
        return self.box[3] - self.box[1]

    def cell(self, x: float, y: float, rows: int, columns: int) -> tuple[int, int]:
        """Return the cell of an image point, if the view is divided into a grid.

        Args:
            x: Column in image pixels.
            y: Row in image pixels.
            rows: Rows of the grid.
            columns: Columns of the grid.

        Returns:
            (row, column); for a point outside the view, the nearest cell at its border.
        """
        row = int((y - self.box[1]) * rows // self.height)
        column = int((x - self.box[0]) * columns // self.width)
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def token(self, x: float, y: float) -> int:
        """Return the index of the token at an image point, counted row by row."""
        row, column = self.cell(x, y, *self.grid)
        return row * self.grid[1] + column

    def centers(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of the token centers in image pixels, float64 (rows, columns) each."""
        rows, columns = self.grid
        x = self.box[0] + (np.arange(columns) + 0.5) * self.width / columns
        y = self.box[1] + (np.arange(rows) + 0.5) * self.height / rows
        return np.broadcast_to(x, self.grid), np.broadcast_to(y[:, None], self.grid)

    def coverage(self, mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Return the fraction of each cell that a mask covers.

        Args:
            mask: bool (H, W), of the whole image.
            rows: Rows of the grid over the view.
            columns: Columns of the grid.

        Returns:
            float32 (rows, columns) in [0, 1].
        """
        x0, y0, x1, y1 = self.box
        part = mask[y0:y1, x0:x1].astype(np.float32)
        shrinks = part.size > rows * columns
        return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the token centers: deprecated name of `centers`."""
        warn_renamed("View.centres", "View.centers")
        return self.centers()

    def covered(self, mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Return the fraction of each cell that a mask covers: deprecated name of `coverage`."""
        warn_renamed("View.covered", "View.coverage")
        return self.coverage(mask, rows, columns)


def head_probabilities(factors: Factors) -> np.ndarray:
    """Return the probabilities of each head before pixel diffusion.

    Args:
        factors: The recorded factors of a prediction.

    Returns:
        float32 (1 + latent heads, h, w) in [0, 1], the main head first.
    """
    return (0.5 * np.tanh(0.5 * factors.logits) + 0.5).astype(np.float32)


def head_disagreement(factors: Factors) -> np.ndarray:
    """Return the range of the latent heads' probabilities: largest minus smallest.

    Args:
        factors: The recorded factors of a prediction.

    Returns:
        float32 (h, w) in [0, 1]; 0 if there are fewer than two latent heads.
    """
    latent = head_probabilities(factors)[1:]
    return latent.max(axis=0) - latent.min(axis=0) if len(latent) else np.zeros_like(factors.logits[0])


def focus_change(factors: Factors) -> np.ndarray:
    """Return how much the focus view changes the probabilities in its box.

    Args:
        factors: The recorded factors of a prediction.

    Returns:
        float32 (h, w) in [-1, 1]; 0 if there was no focus view.
    """
    focus = factors.focus
    if focus is None:
        return np.zeros_like(factors.logits[0])
    return focus.prob - cv2.resize(focus.prior, focus.prob.shape[::-1], interpolation=cv2.INTER_AREA)


class PixelDiffusion:
    """The pixel diffusion (PDM) of one prediction, step by step.

    Args:
        factors: The recorded factors of a prediction.

    Attributes:
        image: The view at the resolution of PDM, float32 (h, w, 3) RGB in [0, 1].
        height: Rows of `image`.
        width: Columns of `image`.
        steps: Number of steps to show.

    Example:
        >>> diffusion = PixelDiffusion(session.prompt_result().factors)
        >>> diffusion.prob(diffusion.steps).shape
        (256, 256)
    """

    def __init__(self, factors: Factors):
        self.height, self.width = factors.seeds.shape
        self.steps = factors.pdm_steps or DEFAULT_STEPS
        side = factors.pixels.shape[0] // self.height
        blocks = factors.pixels.reshape(self.height, side, self.width, side, 3)
        self.image = blocks.mean(axis=(1, 3), dtype=np.float32) / np.float32(255)
        self._seeds = factors.seeds.astype(np.float32)
        logits = cv2.resize(np.ascontiguousarray(factors.logits[0]), (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        self._m0 = np.tanh(logits / 2).astype(np.float32)  # 2 sigmoid(x) - 1

    def step(self, number: int) -> np.ndarray:
        """Return m + m0 after some steps.

        Args:
            number: Number of steps; 0 for the main head's output with the clicks as seeds. May exceed the model's number of steps.

        Returns:
            float32 (h, w), positive in the object.

        Raises:
            ValueError: If `number` is negative.
        """
        if number < 0:
            raise ValueError(f"there is no step {number}; the first is 0")
        while len(self._states) <= number:
            m = self._states[-1].copy()
            m.reshape(-1)[self.band] = (self._weights * m.reshape(-1)[self._neighbors]).sum(axis=1)
            self._states.append(m)
        return self._states[number] + self._m0

    def prob(self, number: int) -> np.ndarray:
        """Return the probability after some steps: `step` mapped from [-2, 2] to [0, 1].

        Args:
            number: Steps, as for `step`.

        Returns:
            float32 (h, w).
        """
        return np.clip(self.step(number), -2, 2) / 4 + np.float32(0.5)

    def neighbor_weights(self, x: int, y: int) -> np.ndarray:
        """Return w(p, r): the fraction that pixel p receives from each of its neighbors r.

        Args:
            x: Column of p in `image`.
            y: Row of p in `image`.

        Returns:
            float32 (32,), in the order of OFFSETS.
        """
        return self._affinity(np.array([y * self.width + x]))[0]

    def neighbours(self, x: int, y: int) -> np.ndarray:
        """Return the neighbor weights: deprecated name of `neighbor_weights`."""
        warn_renamed("PixelDiffusion.neighbours", "PixelDiffusion.neighbor_weights")
        return self.neighbor_weights(x, y)

    @cached_property
    def band(self) -> np.ndarray:
        """Flat indices of the pixels near an uncertain pixel, which diffusion may change, (P,)."""
        uncertain = (np.abs(self._m0) <= UNCERTAINTY_THRESHOLD).astype(np.uint8)
        near = cv2.dilate(uncertain, np.ones((2 * MARGIN_PX + 1, 2 * MARGIN_PX + 1), np.uint8))
        return np.flatnonzero(near)

    @cached_property
    def _states(self) -> list[np.ndarray]:
        """m after 0, 1, ... steps, up to the last step computed so far."""
        return [np.where(np.abs(self._m0) <= UNCERTAINTY_THRESHOLD, np.float32(0), self._m0) + SEED_VALUE * self._seeds]

    @cached_property
    def _neighbors(self) -> np.ndarray:
        return self._neighbor_indices(self.band)

    @cached_property
    def _weights(self) -> np.ndarray:
        blocks = [self._affinity(self.band[start : start + BLOCK_PIXELS]) for start in range(0, len(self.band), BLOCK_PIXELS)]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(OFFSETS)), np.float32)

    def _neighbor_indices(self, pixels: np.ndarray) -> np.ndarray:
        """Return the neighbors of pixels as flat indices, (P,) -> (P, 32), clipped to the image."""
        dy, dx = np.array(OFFSETS).T
        y = np.clip(pixels[:, None] // self.width + dy, 0, self.height - 1)
        x = np.clip(pixels[:, None] % self.width + dx, 0, self.width - 1)
        return y * self.width + x

    def _affinity(self, pixels: np.ndarray) -> np.ndarray:
        """Return the weights of the neighbors, (P,) -> (P, 32).

        softmax over r of the mean over RGB of -|I(p) - I(r)| / (0.1 std + 1e-8), with the std over the neighbors.
        """
        flat = self.image.reshape(-1, 3)
        neighbors = flat[self._neighbor_indices(pixels)]  # (P, 32, 3)
        scale = np.float32(0.1) * neighbors.std(axis=1, ddof=1, keepdims=True) + np.float32(1e-8)
        similarity = -(np.abs(neighbors - flat[pixels][:, None]) / scale).mean(axis=2)
        weights = np.exp(similarity - similarity.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)
