"""A matplotlib figure that notebooks show by themselves, made without pyplot: nothing is kept, nothing opens a window."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A Figure that a notebook shows by itself; one made without pyplot would be printed as text."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        FigureCanvasAgg(self)
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()


# MERGED from train.curve: The training curve: the log, as a picture.


def plot(log: Path, out: Path) -> None:
    """Draw the loss, and the IoU after the first prompt of a batch's life and after the last, from a JSONL log into a PNG file.

    Pale is each batch, strong the mean over the batches just before it, a twentieth of all.
    """
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [entry["step"] for entry in entries]
    figure = Figure(figsize=(8, 6), layout="constrained")
    FigureCanvasAgg(figure)
    loss, iou = figure.subplots(2, 1, sharex=True)
    for axes, name, curves in (
        (loss, "loss", {"mean of a batch's life": [np.mean(entry["loss"]) for entry in entries]}),
        (iou, "IoU", {"first prompt": [e["iou"][0] for e in entries], "last prompt": [e["iou"][-1] for e in entries]}),
    ):
        for label, values in curves.items():
            (line,) = axes.plot(steps, values, linewidth=0.5, alpha=0.3)
            axes.plot(steps, _smooth(np.array(values), max(1, len(values) // 20)), color=line.get_color(), label=label)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    iou.set_xlabel("batch")
    figure.savefig(out, dpi=100)


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """The mean of each value and the `width` - 1 before it, as far as there are so many."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return (sums[ends] - sums[starts]) / (ends - starts)
