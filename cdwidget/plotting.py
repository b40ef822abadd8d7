"""Matplotlib figures without pyplot: a figure that notebooks display, and the curve of a training run."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A Figure that a notebook displays; a plain Figure made without pyplot would be printed as text."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        FigureCanvasAgg(self)
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


def plot_training(log: Path, out: Path) -> None:
    """Plot loss and IoU of a training run to a PNG file.

    Thin lines show single batches, thick lines the mean over the last twentieth of all batches. IoU is shown after the first and the last
    of the iterative prompts.

    Args:
        log: JSONL log of `cdwidget train`.
        out: PNG file to write.
    """
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [entry["step"] for entry in entries]
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    loss, iou = figure.subplots(2, 1, sharex=True)
    for axes, name, curves in (
        (loss, "loss", {"mean over the prompts of a batch": [np.mean(entry["loss"]) for entry in entries]}),
        (iou, "IoU", {"first prompt": [e["iou"][0] for e in entries], "last prompt": [e["iou"][-1] for e in entries]}),
    ):
        for label, values in curves.items():
            (line,) = axes.plot(steps, values, linewidth=0.5, alpha=0.3)
            axes.plot(steps, _running_mean(np.array(values), max(1, len(values) // 20)), color=line.get_color(), label=label)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    iou.set_xlabel("batch")
    figure.savefig(out, dpi=100)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of each value and the `width` - 1 values before it, or of fewer at the start."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return (sums[ends] - sums[starts]) / (ends - starts)
