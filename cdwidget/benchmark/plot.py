"""IoU against clicks, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cdwidget.benchmark.intervals import interval
from cdwidget.benchmark.noc import Result


def plot(path: str | Path, results: Sequence[Result], title: str = "") -> None:
    """Draw the mean IoU after each click, with its 95 % bootstrap interval, a line a method, into a PNG file."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=title, xlabel="clicks", ylabel="mean IoU")
    for result in results:
        clicks = np.arange(1, min(10, result.max_clicks) + 1)
        ious = np.array([[run.iou_at(int(k)) for run in result.runs] for k in clicks])
        low, high = np.array([interval(row) for row in ious]).T
        (line,) = axes.plot(clicks, ious.mean(1), marker=".", label=result.method)
        axes.fill_between(clicks, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xticks(clicks)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
