"""Results as text tables, JSON, CSV (one line per object) and a plot."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cdwidget import tables
from cdwidget.benchmark.latency import Latency
from cdwidget.benchmark.results import IOU_CLICK_COUNTS, THRESHOLDS, Result, bootstrap_interval

MAIN_THRESHOLD = 0.90  # IoU threshold whose mean is reported with an interval
BOUNDARY_CLICK_COUNT = 5  # clicks
COMPARED_CLICK_COUNTS = (1, 3)  # clicks


def noc_table(results: Sequence[Result]) -> str:
    """Return the main table, one row per method.

    NoF90 `2+1`: two objects never reach IoU 0.90, one more does so with the last click. best@1: mean IoU of the best of the first
    prediction and its alternatives, before any merge.
    """
    percents = [round(100 * threshold) for threshold in THRESHOLDS]
    header = ["method", "objects", *(f"NoC{q}" for q in percents), f"NoC{100 * MAIN_THRESHOLD:.0f}[95%]", *(f"NoF{q}" for q in percents)]
    header += [*(f"mIoU@{k}" for k in IOU_CLICK_COUNTS), "best@1", "drops", "SPC s", "predict p50/p95 ms", "encode p50/p95 ms"]
    rows = [
        [
            result.method,
            str(len(result.runs)),
            *(f"{result.noc(q):.2f}" for q in THRESHOLDS),
            "{:.2f}-{:.2f}".format(*bootstrap_interval(result.clicks_to(MAIN_THRESHOLD))),
            *(f"{result.nof(q)}+{result.at_last(q)}" for q in THRESHOLDS),
            *(f"{result.iou_at(k):.3f}" for k in IOU_CLICK_COUNTS),
            "-" if result.best_at_1 is None else f"{result.best_at_1:.3f}",
            f"{result.drop_share:.1%}",
            f"{result.spc:.3f}",
            _milliseconds(result.predict_seconds),
            _milliseconds(result.encode_seconds),
        ]
        for result in results
    ]
    return _align([header, *rows])


def group_table(results: Sequence[Result]) -> str:
    """Return NoC85/NoC90 of each method, one row per data set."""
    return _align([["NoC85/NoC90", "objects", *(result.method for result in results)], *_group_rows(results)])


def iou_table(results: Sequence[Result]) -> str:
    """Return the mean IoU after one and after three clicks of each method, one row per data set and one for all.

    The methods after the first one are given as differences to it.
    """
    parts = [{**result.by_group(), "all": result} for result in results]
    rows = []
    for group, base in parts[0].items():
        ious = np.array([[part[group].iou_at(k) for k in COMPARED_CLICK_COUNTS] for part in parts])
        differences = ["/".join(f"{value:+.3f}" for value in row) for row in ious[1:] - ious[0]]
        rows.append([group, str(len(base.runs)), "/".join(f"{value:.3f}" for value in ious[0]), *differences])
    return _align([["mIoU@1/mIoU@3", "objects", *(result.method for result in results)], *rows])


def tolerant_table(results: Sequence[Result]) -> str:
    """Return NoC85/NoC90 of each method on tolerant objects, by data set and of all, and on the others.

    An object is tolerant if its ground truth and the same grown by one pixel have an IoU of at least 0.90.
    """
    tolerant, others = ([result.by_tolerance(part) for result in results] for part in (True, False))
    rows = _group_rows(tolerant) if len(results[0].by_group()) > 1 else []
    rows += [_noc_row(name, part) for name, part in (("tolerant", tolerant), ("not tolerant", others)) if part[0].runs]
    return _align([["tolerant NoC85/NoC90", "objects", *(result.method for result in results)], *rows])


def _group_rows(results: Sequence[Result]) -> list[list[str]]:
    parts = [result.by_group() for result in results]
    return [_noc_row(group, [part[group] for part in parts]) for group in parts[0]]


def _noc_row(name: str, results: Sequence[Result]) -> list[str]:
    return [name, str(len(results[0].runs)), *(f"{result.noc(0.85):.2f}/{result.noc(0.90):.2f}" for result in results)]


def boundary_table(results: Sequence[Result]) -> str:
    """Return IoU and boundary IoU after 5 clicks and after the last one, one row per method.

    The boundary is 2 % of the image diagonal or 2 pixels wide.
    """
    counts = sorted({BOUNDARY_CLICK_COUNT, results[0].max_clicks})
    header = ["method", *(f"{name}@{k}" for k in counts for name in ("mIoU", "boundary-2%", "boundary-2px"))]
    rows = [
        [result.method]
        + [
            "-" if value is None else f"{value:.3f}"
            for k in counts
            for value in (result.iou_at(k), result.boundary_iou_at(k), result.boundary_iou_at(k, narrow=True))
        ]
        for result in results
    ]
    return _align([header, *rows])


def spread_table(repeats: Sequence[Sequence[Result]]) -> str:
    """Return mean, standard deviation and spread of NoC over repeated runs, one row per method."""
    percents = [round(100 * threshold) for threshold in THRESHOLDS]
    rows = [
        [method, str(len(repeats))]
        + [text for noc in figures.values() for text in (f"{noc['mean']:.2f} ± {noc['standard_deviation']:.2f}", f"{noc['spread']:.1%}")]
        for method, figures in noc_spread(repeats).items()
    ]
    return _align([["method", "runs", *(text for q in percents for text in (f"NoC{q} ± SD", "spread"))], *rows])


def noc_spread(repeats: Sequence[Sequence[Result]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return how much NoC varies over runs that differ in their seed only.

    Args:
        repeats: For each run the results of all methods, in the same order.

    Returns:
        By method and threshold: mean and sample standard deviation of the NoC of the runs, and their spread, which is the difference
        between the worst and the best run divided by the mean.
    """
    spread = {}
    for results in zip(*repeats):
        nocs = {str(q): np.array([result.noc(q) for result in results]) for q in THRESHOLDS}
        spread[results[0].method] = {
            q: {
                "mean": float(noc.mean()),
                "standard_deviation": float(noc.std(ddof=1)) if len(noc) > 1 else 0.0,
                "spread": float(np.ptp(noc) / noc.mean()),
            }
            for q, noc in nocs.items()
        }
    return spread


def difference_table(results: Sequence[Result]) -> str:
    """Return the NoC90 difference of each method to the first one: the mean over objects with its 95 % interval."""
    base = results[0]
    rows = [
        [result.method, f"{difference:+.2f}", f"{low:+.2f} to {high:+.2f}"]
        for result in results[1:]
        for difference, low, high in [_difference(base, result)]
    ]
    return _align([["difference to " + base.method, "NoC90", "95%"], *rows])


def _difference(base: Result, other: Result) -> tuple[float, float, float]:
    """Return the mean of the NoC90 differences per object, and its interval."""
    pairs = other.clicks_to(MAIN_THRESHOLD) - base.clicks_to(MAIN_THRESHOLD)
    return (float(pairs.mean()), *bootstrap_interval(pairs))


def latency_table(latencies: Sequence[Latency]) -> str:
    """Return latencies, one row per method.

    A click is the whole `Session.apply` without a focus view, a focus click one with it, predict the model's share of all clicks.
    """
    measured = ("encode", "click", "focus click", "predict")
    header = ["method", "size", *(f"{name} p50/p95 ms" for name in measured), "peak memory MB", "after loading"]
    rows = [
        [
            latency.method,
            f"{latency.width}x{latency.height}",
            _milliseconds(latency.encode),
            _milliseconds(latency.click),
            _milliseconds(latency.focus_click),
            _milliseconds(latency.predict),
            _megabytes(latency.peak_bytes),
            _megabytes(latency.loaded_bytes),
        ]
        for latency in latencies
    ]
    return _align([header, *rows])


def write_json(path: str | Path, results: Sequence[Result] = (), latencies: Sequence[Latency] = (), **about: Any) -> None:
    """Write all figures and every object's IoU after each click to a JSON file, atomically.

    Args:
        path: File to write.
        results: Click counts per method.
        latencies: Latency measurements.
        **about: Further entries of the file, such as title and mode.
    """
    content = {
        **about,
        "methods": {result.method: _figures(result, results[0]) for result in results},
        "latency": [
            {
                "method": latency.method,
                "width": latency.width,
                "height": latency.height,
                "encode_ms": _percentiles(latency.encode),
                "click_ms": _percentiles(latency.click),
                "focus_click_ms": _percentiles(latency.focus_click),
                "predict_ms": _percentiles(latency.predict),
                "peak_bytes": latency.peak_bytes,
                "loaded_bytes": latency.loaded_bytes,
            }
            for latency in latencies
        ],
    }
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_csv(path: str | Path, results: Sequence[Result]) -> None:
    """Write a CSV file with one line per object and method.

    Its columns are clicks to each threshold (empty if never reached), IoU, clicks, drops and seconds.
    """
    header = ["method", "set", "object", *(f"clicks to {q}" for q in THRESHOLDS), "IoU at start", *(f"IoU@{k}" for k in IOU_CLICK_COUNTS)]
    rows = []
    for result in results:
        for run in result.runs:
            reached = [run.clicks_to(q) for q in THRESHOLDS]
            ious = [f"{iou:.4f}" for iou in (run.start, *(run.iou_at(k) for k in IOU_CLICK_COUNTS))]
            rows.append([result.method, run.group, run.name, *reached, *ious, len(run.ious), run.drops, f"{run.seconds:.3f}"])
    tables.write_csv(Path(path), [*header, "clicks", "drops", "seconds"], rows)


def _figures(result: Result, base: Result) -> dict[str, Any]:
    difference, low, high = _difference(base, result)
    tolerant = result.by_tolerance(True)
    return {
        "objects": len(result.runs),
        "clicks": result.clicks,
        "max_clicks": result.max_clicks,
        "noc": {str(q): result.noc(q) for q in THRESHOLDS},
        "noc_interval": {str(q): bootstrap_interval(result.clicks_to(q)) for q in THRESHOLDS},
        "noc90_difference_to_first": {"mean": difference, "interval": [low, high]},
        "noc_by_set": _noc_by_set(result),
        "tolerant": {
            "objects": len(tolerant.runs),
            "noc": {str(q): tolerant.noc(q) for q in THRESHOLDS} if tolerant.runs else {},
            "never_reached": {str(q): tolerant.nof(q) for q in THRESHOLDS},
            "noc_by_set": _noc_by_set(tolerant),
        },
        "never_reached": {str(q): result.nof(q) for q in THRESHOLDS},
        "reached_at_last_click": {str(q): result.at_last(q) for q in THRESHOLDS},
        "miou_at": {str(k): result.iou_at(k) for k in IOU_CLICK_COUNTS},
        "boundary_iou_at": {
            str(k): {"iou": result.iou_at(k), "2%": result.boundary_iou_at(k), "2px": result.boundary_iou_at(k, narrow=True)}
            for k in (BOUNDARY_CLICK_COUNT, result.max_clicks)
        },
        "best_at_1": result.best_at_1,
        "drop_share": result.drop_share,
        "seconds_per_click": result.spc,
        "predict_ms": _percentiles(result.predict_seconds),
        "encode_ms": _percentiles(result.encode_seconds),
        "runs": [
            {
                "name": run.name,
                "set": run.group,
                "start": run.start,
                "ious": list(run.ious),
                "seconds": run.seconds,
                "grown_iou": run.grown_iou,
            }
            for run in result.runs
        ],
    }


def _noc_by_set(result: Result) -> dict[str, dict[str, float]]:
    return {group: {"objects": len(part.runs), **{str(q): part.noc(q) for q in THRESHOLDS}} for group, part in result.by_group().items()}


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50 and p95 in milliseconds; empty if the model was never called."""
    return {f"p{q}": float(1000 * np.percentile(seconds, q)) for q in (50, 95)} if seconds else {}


def _megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:.0f}"


def _milliseconds(seconds: Sequence[float]) -> str:
    return "/".join(f"{value:.0f}" for value in _percentiles(seconds).values()) or "-"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left, the figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = (
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def plot_iou(path: str | Path, results: Sequence[Result], title: str = "") -> None:
    """Plot the mean IoU after each click, with its 95 % interval, to a PNG file."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=title, xlabel="clicks", ylabel="mean IoU")
    for result in results:
        clicks = np.arange(1, min(10, result.max_clicks) + 1)
        ious = np.array([[run.iou_at(int(k)) for run in result.runs] for k in clicks])
        low, high = np.array([bootstrap_interval(row) for row in ious]).T
        (line,) = axes.plot(clicks, ious.mean(1), marker=".", label=result.method)
        axes.fill_between(clicks, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set_xticks(clicks)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)
