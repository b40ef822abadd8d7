"""Results as a table to read and as JSON to keep."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from cdwidget.benchmark.latency import Latency
from cdwidget.benchmark.noc import IOU_AT, THRESHOLDS, Result


def noc_table(results: Sequence[Result]) -> str:
    """One row a method. NoF90 `2+1` reads: two objects never reached IoU 0.90, one more did so with the last click."""
    percents = [round(100 * threshold) for threshold in THRESHOLDS]
    header = ["method", "objects", *(f"NoC{q}" for q in percents), *(f"NoF{q}" for q in percents)]
    header += [*(f"mIoU@{k}" for k in IOU_AT), "drops", "SPC s", "predict p50/p95 ms", "encode p50/p95 ms"]
    rows = [
        [
            result.method,
            str(len(result.runs)),
            *(f"{result.noc(q):.2f}" for q in THRESHOLDS),
            *(f"{result.nof(q)}+{result.at_last(q)}" for q in THRESHOLDS),
            *(f"{result.iou_at(k):.3f}" for k in IOU_AT),
            f"{result.drop_share:.1%}",
            f"{result.spc:.3f}",
            _milliseconds(result.predict_seconds),
            _milliseconds(result.encode_seconds),
        ]
        for result in results
    ]
    return _align([header, *rows])


def latency_table(latencies: Sequence[Latency]) -> str:
    """One row a method; a click is the whole `Session.apply`, predict is the model's share of it."""
    header = ["method", "size", "encode p50/p95 ms", "click p50/p95 ms", "predict p50/p95 ms"]
    rows = [
        [
            latency.method,
            f"{latency.width}x{latency.height}",
            _milliseconds(latency.encode),
            _milliseconds(latency.click),
            _milliseconds(latency.predict),
        ]
        for latency in latencies
    ]
    return _align([header, *rows])


def write_json(path: str | Path, results: Sequence[Result] = (), latencies: Sequence[Latency] = (), **about: Any) -> None:
    """Write all figures, `about` them and every object's IoU after each click; the file is there complete or not at all."""
    content = {
        **about,
        "methods": {result.method: _figures(result) for result in results},
        "latency": {
            latency.method: {
                "width": latency.width,
                "height": latency.height,
                "encode_ms": _percentiles(latency.encode),
                "click_ms": _percentiles(latency.click),
                "predict_ms": _percentiles(latency.predict),
            }
            for latency in latencies
        },
    }
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(json.dumps(content, indent=1) + "\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _figures(result: Result) -> dict[str, Any]:
    return {
        "objects": len(result.runs),
        "clicks": result.clicks,
        "max_clicks": result.max_clicks,
        "noc": {str(q): result.noc(q) for q in THRESHOLDS},
        "never_reached": {str(q): result.nof(q) for q in THRESHOLDS},
        "reached_at_last_click": {str(q): result.at_last(q) for q in THRESHOLDS},
        "miou_at": {str(k): result.iou_at(k) for k in IOU_AT},
        "drop_share": result.drop_share,
        "seconds_per_click": result.spc,
        "predict_ms": _percentiles(result.predict_seconds),
        "encode_ms": _percentiles(result.encode_seconds),
        "runs": [{"name": run.name, "ious": list(run.ious), "seconds": run.seconds} for run in result.runs],
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds; empty when the model was never called."""
    return {f"p{q}": float(1000 * np.percentile(seconds, q)) for q in (50, 95)} if seconds else {}


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
