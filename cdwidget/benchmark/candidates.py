"""Measure the candidates after one click, which Tab steps through: is the object one of them, are they in order, are they different?

Each object gets one click at its core, in a session. The candidates are the masks that `Alternative` gives, in the order of Tab, the mask
of the click first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from cdwidget.benchmark.methods import Method
from cdwidget.benchmark.protocol import Target
from cdwidget.benchmark.record import run_missing
from cdwidget.click_simulation import next_click
from cdwidget.masks import iou
from cdwidget.predictor import Predictor
from cdwidget.session import Alternative, Session

ALIKE_IOU = 0.9  # Two candidates with a higher IoU look the same.


@dataclass(frozen=True)
class CandidateRun:
    """The candidates of one object by one method.

    Attributes:
        method: Name of the method.
        name: Name of the object.
        group: Its data set.
        ious: IoU of each candidate with the object, in the order of Tab; the first is the single prediction.
        areas: Pixels of each candidate.
        alike: Highest IoU of two candidates; 0 for a single one.
    """

    method: str
    name: str
    group: str
    ious: tuple[float, ...]
    areas: tuple[int, ...]
    alike: float

    @property
    def is_ordered(self) -> bool:
        """Whether the candidates grow from the smallest on, where Tab begins again after the largest."""
        smallest = self.areas.index(min(self.areas))
        areas = (*self.areas[smallest:], *self.areas[:smallest])
        return all(a < b for a, b in zip(areas, areas[1:]))


def benchmark_candidates(methods: Sequence[Method], targets: Sequence[Target], record: Path | None = None) -> list[CandidateRun]:
    """Click each object once with each method and collect its candidates.

    Args:
        methods: The methods to compare.
        targets: The objects.
        record: JSONL file that receives one line per finished run, see `run_missing`.

    Returns:
        One run for each method and object.
    """
    settings = {
        (m, t): (method.name, "candidates", method.fingerprint, target.image_path, target.name)
        for m, method in enumerate(methods)
        for t, target in enumerate(targets)
    }
    predictor = cache(lambda m: methods[m].build())
    return run_missing(
        settings, lambda todo: (((m, t), _run(methods[m].name, targets[t], predictor(m))) for m, t in todo), CandidateRun, record
    )


def _run(method: str, target: Target, predictor: Predictor) -> CandidateRun:
    image, gt, ignore = target.load()
    masks = candidates(image, gt, ignore, predictor)
    pairs = [iou(a, b) for i, a in enumerate(masks) for b in masks[:i]]
    ious = tuple(float(iou(gt & ~ignore, mask & ~ignore)) for mask in masks)
    areas = tuple(int(np.count_nonzero(mask)) for mask in masks)
    return CandidateRun(method, target.name, target.group, ious, areas, float(max(pairs, default=0)))


def candidates(image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, predictor: Predictor) -> list[np.ndarray]:
    """Return the masks after one click at the core of an object, in the order of Tab."""
    session = Session(image, predictor)
    click = next_click(gt, session.mask, ignore)
    if click is not None:
        session.apply(click)
    masks = [session.mask.copy()]
    for number in range(1, session.alternatives):
        session.apply(Alternative(number))
        masks.append(session.mask.copy())
    return masks


def summarize_candidates(runs: Sequence[CandidateRun]) -> dict[str, dict[str, float]]:
    """Return the figures of each method."""
    return {method: _figures([run for run in runs if run.method == method]) for method in dict.fromkeys(run.method for run in runs)}


def _figures(runs: Sequence[CandidateRun]) -> dict[str, float]:
    single, best = float(np.mean([run.ious[0] for run in runs])), float(np.mean([max(run.ious) for run in runs]))
    return {
        "objects": len(runs),
        "mIoU@1": single,
        "best": best,
        "gain": best - single,
        "candidates": float(np.mean([len(run.ious) for run in runs])),
        "in order": float(np.mean([run.is_ordered for run in runs])),
        "alike": float(np.mean([run.alike > ALIKE_IOU for run in runs])),
    }


def candidates_table(runs: Sequence[CandidateRun]) -> str:
    """Return the figures of each method, of all objects and of each data set, as a Markdown table."""
    columns: list[str] = []
    rows = []
    for group in ("all", *sorted({run.group for run in runs})):
        for method, figures in summarize_candidates([run for run in runs if group in ("all", run.group)]).items():
            columns = list(figures)
            rows.append([group, method, *(_text(name, value) for name, value in figures.items())])
    lines = [["set", "method", *columns], ["---"] * (2 + len(columns)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(name: str, value: float) -> str:
    if name in ("in order", "alike"):
        return f"{value:.1%}"
    return {"objects": f"{value:.0f}", "candidates": f"{value:.1f}"}.get(name, f"{value:.3f}")
