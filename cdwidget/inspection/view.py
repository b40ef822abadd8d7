"""The part of the image that the network saw, and where its tokens and pixels lie in the image."""

from __future__ import annotations

from dataclasses import dataclass

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
