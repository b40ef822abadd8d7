"""The maps of one prompt: what they are computed from, and their values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cdwidget.examples import ExampleAffinity
from cdwidget.inspection import Affinity, Branch, PixelDiffusion, View
from cdwidget.predictor import Factors
from cdwidget.session import PromptResult

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Query:
    """The point, and the part of the model, that a map is shown for.

    Args:
        x: Column in image pixels.
        y: Row in image pixels.
        branch: The branch of FDM.
        number: A step of PDM, or a head.
        variant: One of the map's variants; "" for the model's variant.
    """

    x: float
    y: float
    branch: Branch = "foreground"
    number: int = 0
    variant: str = ""


@dataclass(frozen=True, eq=False)
class MapImage:
    """The values of a map.

    Args:
        values: float32 (rows, columns); NaN where there is no value.
        box: (x0, y0, x1, y1) that the values cover, in image pixels.
        low: Lower end of the color scale.
        high: Upper end of the color scale.
    """

    values: np.ndarray
    box: Box
    low: float
    high: float

    def value_at(self, x: float, y: float) -> float:
        """Return the value at an image point; NaN outside the box."""
        x0, y0, x1, y1 = self.box
        rows, columns = self.values.shape
        row, column = int((y - y0) / (y1 - y0) * rows // 1), int((x - x0) / (x1 - x0) * columns // 1)
        return float(self.values[row, column]) if 0 <= row < rows and 0 <= column < columns else float("nan")


class PromptMaps:
    """All maps of one prompt, computed on demand.

    Args:
        result: The result of the prompt.
        factors: The factors that the model recorded for it.
        image: The image, uint8 (H, W, 3) RGB.
        predictor: The predictor, for the maps of the whole image.

    Attributes:
        result: The result.
        factors: The factors.
        photograph: The image.
        view: The region that the network saw.
    """

    def __init__(self, result: PromptResult, factors: Factors, image: np.ndarray, predictor: Any) -> None:
        self.result = result
        self.factors = factors
        self.photograph = image
        self.view = View.of(factors)
        self._predictor = predictor
        self._affinities: dict[str, Affinity] = {}

    def affinity(self, variant: str = "") -> Affinity:
        """Return the affinity matrix of a variant of FDM, by default the model's variant."""
        if variant not in self._affinities:
            self._affinities[variant] = Affinity(self.factors, variant or self.factors.variant)
        return self._affinities[variant]

    @cached_property
    def diffusion(self) -> PixelDiffusion:
        """The pixel diffusion."""
        return PixelDiffusion(self.factors)

    @cached_property
    def image_view(self) -> View:
        """The whole image, divided into the tokens of `example`."""
        height, width = self.photograph.shape[:2]
        return View((0, 0, width, height), self.example.similarity.shape)

    @cached_property
    def example(self) -> ExampleAffinity:
        """The affinity of the image's tokens to those of the object; raises TypeError or ValueError if there is none."""
        return ExampleAffinity(self._predictor, self.photograph, self.result.after)
