"""The results of a benchmark: the figures of each object, and their means over objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

THRESHOLDS = (0.85, 0.90, 0.95)  # IoU
IOU_CLICK_COUNTS = (1, 3, 5)  # clicks
TOLERANT_IOU = 0.90
BOOTSTRAP_RESAMPLES = 2000


@dataclass(frozen=True)
class Run:
    """One object segmented by one method.

    Attributes:
        ious: IoU after each click.
        seconds: Duration of the whole loop.
        start: IoU before the first click.
        encode: Seconds of each `set_image` call.
        predict: Seconds of each `predict` call.
        best: Highest IoU among the first prediction and its alternatives; None when the predictor was never called.
        boundary_ious: Boundary IoU after each click, of a boundary of 2 % of the image diagonal.
        narrow_boundary_ious: The same of a boundary of 2 pixels.
        grown_iou: IoU of the ground truth with itself grown by one pixel.
    """

    name: str
    ious: tuple[float, ...]
    seconds: float
    group: str = ""
    start: float = 0.0
    encode: tuple[float, ...] = ()
    predict: tuple[float, ...] = ()
    best: float | None = None
    boundary_ious: tuple[float, ...] = ()
    narrow_boundary_ious: tuple[float, ...] = ()
    grown_iou: float = 1.0

    @property
    def tolerant(self) -> bool:
        """Whether an error of one pixel all along the border leaves an IoU of at least 0.90."""
        return self.grown_iou >= TOLERANT_IOU

    def clicks_to(self, threshold: float) -> int | None:
        """Return the index (from 1) of the first click with IoU >= threshold, or None."""
        return next((index for index, iou in enumerate(self.ious, start=1) if iou >= threshold), None)

    def iou_at(self, clicks: int) -> float:
        """Return IoU after this many clicks, or after the last one if there were fewer."""
        return self.ious[min(clicks, len(self.ious)) - 1]

    @property
    def drops(self) -> int:
        """Number of clicks that lowered IoU."""
        return sum(after < before for before, after in zip((self.start, *self.ious), self.ious))


@dataclass(frozen=True)
class Result:
    """All objects segmented by one method."""

    method: str
    max_clicks: int
    runs: tuple[Run, ...]

    @property
    def encode_seconds(self) -> tuple[float, ...]:
        """Seconds of every image encoding."""
        return tuple(seconds for run in self.runs for seconds in run.encode)

    @property
    def predict_seconds(self) -> tuple[float, ...]:
        """Seconds of every prediction."""
        return tuple(seconds for run in self.runs for seconds in run.predict)

    def by_group(self) -> dict[str, Result]:
        """Return the results of each data set."""
        groups = sorted({run.group for run in self.runs})
        return {group: replace(self, runs=tuple(run for run in self.runs if run.group == group)) for group in groups}

    def by_tolerance(self, tolerant: bool) -> Result:
        """Return the results of the tolerant objects, or of all others."""
        return replace(self, runs=tuple(run for run in self.runs if run.tolerant == tolerant))

    def clicks_to(self, threshold: float) -> np.ndarray:
        """Return the clicks of each object to the threshold, int (objects,).

        An object that never reaches it counts as `max_clicks` clicks.
        """
        return np.array([run.clicks_to(threshold) or self.max_clicks for run in self.runs])

    def noc(self, threshold: float) -> float:
        """Return the mean number of clicks to the threshold (NoC).

        An object that never reaches it counts as `max_clicks` clicks.
        """
        return float(self.clicks_to(threshold).mean())

    def nof(self, threshold: float) -> int:
        """Return the number of objects that never reach the threshold (NoF)."""
        return sum(run.clicks_to(threshold) is None for run in self.runs)

    def at_last(self, threshold: float) -> int:
        """Return the number of objects that reach the threshold with the last click.

        NoC counts them in the same way as the objects in `nof`.
        """
        return sum(run.clicks_to(threshold) == self.max_clicks for run in self.runs)

    def iou_at(self, clicks: int) -> float:
        """Return the mean IoU after this many clicks."""
        return float(np.mean([run.iou_at(clicks) for run in self.runs]))

    def boundary_iou_at(self, clicks: int, narrow: bool = False) -> float | None:
        """Return the mean boundary IoU after this many clicks, or None if it was not measured."""
        measured = [run.narrow_boundary_ious if narrow else run.boundary_ious for run in self.runs]
        found = [ious[min(clicks, len(ious)) - 1] for ious in measured if ious]
        return float(np.mean(found)) if found else None

    @property
    def best_at_1(self) -> float | None:
        """Mean IoU of the best of the first prediction and its alternatives.

        None when no predictor was called.
        """
        found = [run.best for run in self.runs if run.best is not None]
        return float(np.mean(found)) if found else None

    @property
    def drop_share(self) -> float:
        """Fraction of all clicks that lowered IoU."""
        return sum(run.drops for run in self.runs) / self.clicks

    @property
    def clicks(self) -> int:
        """Total number of clicks."""
        return sum(len(run.ious) for run in self.runs)

    @property
    def spc(self) -> float:
        """Seconds per click of the whole loop.

        The loop includes encoding, prediction, merge, IoU and choosing the next click.
        """
        return sum(run.seconds for run in self.runs) / self.clicks


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of `values`, (n,)."""
    chosen = np.random.default_rng(seed).integers(len(values), size=(BOOTSTRAP_RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values, float)[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)


def write_runs(path: Path, runs: Sequence[Any], figures: dict[str, dict[str, float]], **about: Any) -> None:
    """Write all runs of a benchmark and the figures of each method as JSON.

    Args:
        path: The JSON file.
        runs: The runs, as dataclasses.
        figures: The figures by method and name; NaN is written as null.
        **about: Stored in it, too.
    """
    finite = {method: {name: None if value != value else value for name, value in one.items()} for method, one in figures.items()}
    content = {**about, "figures": finite, "runs": [asdict(run) for run in runs]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
