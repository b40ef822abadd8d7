"""Results as tables to read, as JSON to keep, and as CSV, an object a line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from cdwidget.benchmark.intervals import interval
from cdwidget.benchmark.latency import Latency
from cdwidget.benchmark.noc import IOU_AT, THRESHOLDS, Result

MAIN = 0.90  # the threshold whose mean is given with an interval
BOUNDARY_AT = 5  # clicks after which boundary IoU is reported


def noc_table(results: Sequence[Result]) -> str:
    """One row a method. NoF90 `2+1` reads: two objects never reached IoU 0.90, one more did so with the last click; best@1: mIoU of the
    best of the first answer and its alternatives, before any merge."""
    percents = [round(100 * threshold) for threshold in THRESHOLDS]
    header = ["method", "objects", *(f"NoC{q}" for q in percents), f"NoC{100 * MAIN:.0f}[95%]", *(f"NoF{q}" for q in percents)]
    header += [*(f"mIoU@{k}" for k in IOU_AT), "best@1", "drops", "SPC s", "predict p50/p95 ms", "encode p50/p95 ms"]
    rows = [
        [
            result.method,
            str(len(result.runs)),
            *(f"{result.noc(q):.2f}" for q in THRESHOLDS),
            "{:.2f}-{:.2f}".format(*interval(result.clicks_to(MAIN))),
            *(f"{result.nof(q)}+{result.at_last(q)}" for q in THRESHOLDS),
            *(f"{result.iou_at(k):.3f}" for k in IOU_AT),
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
    """One row a data set: NoC85/NoC90 of each method."""
    groups = {group: len(part.runs) for group, part in results[0].by_group().items()}
    parts = [result.by_group() for result in results]
    rows = [
        [group, str(count), *(f"{part[group].noc(0.85):.2f}/{part[group].noc(0.90):.2f}" for part in parts)]
        for group, count in groups.items()
    ]
    return _align([["NoC85/NoC90", "objects", *(result.method for result in results)], *rows])


def tolerant_table(results: Sequence[Result]) -> str:
    """One row a data set: NoC85/NoC90 of each method on the objects alone whose truth, grown by one pixel, keeps an IoU of 0.90.

    The last rows are all tolerant objects, all others, and all.
    """
    parts = [result.tolerant().by_group() for result in results]
    rows = [
        [group, str(len(parts[0][group].runs)), *(f"{part[group].noc(0.85):.2f}/{part[group].noc(0.90):.2f}" for part in parts)]
        for group in parts[0]
    ]
    for name, chosen in (("tolerant", lambda run: run.tolerant), ("not tolerant", lambda run: not run.tolerant), ("all", lambda run: True)):
        some = [Result(result.method, result.max_clicks, tuple(filter(chosen, result.runs))) for result in results]
        if some[0].runs:
            rows.append([name, str(len(some[0].runs)), *(f"{one.noc(0.85):.2f}/{one.noc(0.90):.2f}" for one in some)])
    return _align([["tolerant NoC85/NoC90", "objects", *(result.method for result in results)], *rows])


def boundary_table(results: Sequence[Result]) -> str:
    """One row a method: IoU and boundary IoU (2 % of the diagonal, and 2 px) after 5 clicks and after the last one."""
    last = max(result.max_clicks for result in results)
    header = ["method", *(f"{name}@{k}" for k in (BOUNDARY_AT, last) for name in ("mIoU", "bIoU2%", "bIoU2px"))]
    rows = [
        [result.method]
        + [f"{x:.3f}" for k in (BOUNDARY_AT, last) for x in (result.iou_at(k), result.boundary_at(k), result.boundary_at(k, narrow=True))]
        for result in results
    ]
    return _align([header, *rows])


def spread_table(repeats: Sequence[Sequence[Result]]) -> str:
    """One row a method: NoC over runs with different human-like clicks, as `spread_figures` computes it."""
    header = ["human-like clicks", "runs", *(text for q in (85, 90) for text in (f"NoC{q}", "spread", "best/worst")), "drops"]
    rows = []
    for name, figures in spread_figures(repeats).items():
        row = [name, str(len(repeats))]
        for q in ("0.85", "0.9"):
            found = figures["noc"][q]
            row.append(f"{found['mean']:.2f} ± {found['deviation']:.2f}")
            row += [f"{found['spread']:.1%}", f"{found['best']:.2f}/{found['worst']:.2f}"]
        rows.append([*row, f"{figures['drop_share']:.1%}"])
    return _align([header, *rows])


def spread_figures(repeats: Sequence[Sequence[Result]]) -> dict[str, Any]:
    """Compare runs that differ in their seed alone; repeats: for each run the results of all methods, in one order.

    By method and threshold: mean and standard deviation of the runs' NoC; spread, the difference between the worst and the best run as a
    share of the mean; best and worst, the means over objects of each object's fewest and most clicks.
    """
    figures: dict[str, Any] = {}
    for results in zip(*repeats):
        noc = {}
        for q in THRESHOLDS:
            clicks = np.stack([result.clicks_to(q) for result in results])  # (runs, objects)
            means = clicks.mean(1)
            noc[str(q)] = {
                "mean": float(means.mean()),
                "deviation": float(means.std(ddof=1)) if len(means) > 1 else 0.0,
                "spread": float(np.ptp(means) / means.mean()),
                "best": float(clicks.min(0).mean()),
                "worst": float(clicks.max(0).mean()),
            }
        drops = float(np.mean([result.drop_share for result in results]))
        figures[results[0].method] = {"runs": len(results), "noc": noc, "drop_share": drops}
    return figures


def difference_table(results: Sequence[Result]) -> str:
    """What each of the other methods costs, in clicks to IoU 0.90, beside the first: the mean over objects with its 95 % interval."""
    base = results[0]
    rows = [
        [result.method, f"{difference:+.2f}", f"{low:+.2f} to {high:+.2f}"]
        for result in results[1:]
        for difference, low, high in [_difference(base, result)]
    ]
    return _align([["beside " + base.method, "NoC90", "95%"], *rows])


def _difference(base: Result, other: Result) -> tuple[float, float, float]:
    """Mean of NoC90 differences, object by object, and its interval."""
    pairs = other.clicks_to(MAIN) - base.clicks_to(MAIN)
    return (float(pairs.mean()), *interval(pairs))


def latency_table(latencies: Sequence[Latency]) -> str:
    """One row a method; a click is the whole `Session.apply`, predict is the model's share of it."""
    header = ["method", "size", "encode p50/p95 ms", "click p50/p95 ms", "predict p50/p95 ms", "peak memory MB", "of it loaded"]
    rows = [
        [
            latency.method,
            f"{latency.width}x{latency.height}",
            _milliseconds(latency.encode),
            _milliseconds(latency.click),
            _milliseconds(latency.predict),
            _megabytes(latency.peak_bytes),
            _megabytes(latency.loaded_bytes),
        ]
        for latency in latencies
    ]
    return _align([header, *rows])


def write_json(path: str | Path, results: Sequence[Result] = (), latencies: Sequence[Latency] = (), **about: Any) -> None:
    """Write all figures, `about` them and every object's IoU after each click; the file is there complete or not at all."""
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
    """Write a line an object and method: clicks to each threshold (empty for never), IoU, clicks, drops, seconds."""
    with Path(path).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["method", "set", "object", *(f"clicks to {q}" for q in THRESHOLDS), "IoU at start", *(f"IoU@{k}" for k in IOU_AT)]
            + ["clicks", "drops", "seconds"]
        )
        for result in results:
            for run in result.runs:
                reached = [run.clicks_to(q) for q in THRESHOLDS]
                ious = [f"{iou:.4f}" for iou in (run.start, *(run.iou_at(k) for k in IOU_AT))]
                rows.writerow([result.method, run.group, run.name, *reached, *ious, len(run.ious), run.drops, f"{run.seconds:.3f}"])


def _figures(result: Result, base: Result) -> dict[str, Any]:
    difference, low, high = _difference(base, result)
    tolerant = result.tolerant()
    return {
        "objects": len(result.runs),
        "clicks": result.clicks,
        "max_clicks": result.max_clicks,
        "noc": {str(q): result.noc(q) for q in THRESHOLDS},
        "noc_interval": {str(q): interval(result.clicks_to(q)) for q in THRESHOLDS},
        "noc90_beside_first": {"mean": difference, "interval": [low, high]},
        "noc_by_set": {
            group: {"objects": len(part.runs), **{str(q): part.noc(q) for q in THRESHOLDS}} for group, part in result.by_group().items()
        },
        "tolerant": {
            "objects": len(tolerant.runs),
            "noc": {str(q): tolerant.noc(q) for q in THRESHOLDS},
            "never_reached": {str(q): tolerant.nof(q) for q in THRESHOLDS},
            "noc_by_set": {
                group: {"objects": len(part.runs), **{str(q): part.noc(q) for q in THRESHOLDS}}
                for group, part in tolerant.by_group().items()
            },
        }
        if tolerant.runs
        else {"objects": 0},
        "boundary_iou_at": {
            str(k): {"2%": result.boundary_at(k), "2px": result.boundary_at(k, narrow=True)} for k in (*IOU_AT, result.max_clicks)
        },
        "never_reached": {str(q): result.nof(q) for q in THRESHOLDS},
        "reached_at_last_click": {str(q): result.at_last(q) for q in THRESHOLDS},
        "miou_at": {str(k): result.iou_at(k) for k in IOU_AT},
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
                "tolerance": run.tolerance,
            }
            for run in result.runs
        ],
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds; empty when the model was never called."""
    return {f"p{q}": float(1000 * np.percentile(seconds, q)) for q in (50, 95)} if seconds else {}


def _megabytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:.0f}"


def _milliseconds(seconds: Sequence[float]) -> str:
    return "/".join(f"{value:.0f}" for value in _percentiles(seconds).values()) or "-"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = (
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths)))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
