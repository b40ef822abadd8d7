"""What `cdwidget benchmark` and `cdwidget ablate` do once their options are read."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Sequence

from cdwidget._version import __version__
from cdwidget.benchmark.latency import Latency, measure_apart
from cdwidget.benchmark.methods import Method
from cdwidget.benchmark.noc import Options, Result, Target
from cdwidget.benchmark.plot import plot
from cdwidget.benchmark.report import (
    boundary_table,
    difference_table,
    group_table,
    latency_table,
    noc_table,
    spread_figures,
    spread_table,
    tolerant_table,
    write_csv,
    write_json,
)
from cdwidget.benchmark.runner import run_all
from cdwidget.formats.folders import read_targets
from cdwidget.formats.sets import held_out_targets


def read_objects(data: Sequence[Path], held_out: bool = False, objects: int = 320, seed: int = 0, limit: int | None = None) -> list[Target]:
    """List the objects to cut out: all of benchmark folders (with `limit`, of their first images), or `objects` that training held out."""
    if held_out:
        return [*held_out_targets(data, objects, seed)]
    return [target for folder in data for target in read_targets(folder, limit)]


def read_sizes(text: str) -> list[tuple[int, int]]:
    """Read "512x512,1000x1000" as (width, height) pairs; ValueError for anything else or a side below 16."""
    sizes = []
    for part in text.split(","):
        width, cross, height = part.strip().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 16):
            raise ValueError(f"{part.strip()!r} is no size; write WIDTHxHEIGHT in pixels, each at least 16, like 1000x1000")
        sizes.append((int(width), int(height)))
    return sizes


def carry_out(
    methods: Sequence[Method], targets: Sequence[Target], options: Options, *, sizes: Sequence[tuple[int, int]] = (), jobs: int = 1,
    out: Path | None = None, compare: bool = False, title: str = "", repeats: int = 1,
) -> str:  # fmt: skip
    """Measure, and return the tables to print.

    out: a JSON file for all figures; a CSV and a PNG of the same name are written beside it, and a JSONL record while it runs.
    compare: add what each method costs beside the first. repeats: how many times all is measured, with seeds from that of the options on;
    the tables are of the first run, and one compares the runs.
    """
    record = None if out is None else out.with_suffix(".jsonl")
    runs: list[list[Result]] = []
    if targets:
        seeds = range(options.seed, options.seed + repeats)
        runs = [run_all(methods, targets, replace(options, seed=seed), jobs=jobs, record=record) for seed in seeds]
    results = runs[0] if runs else []
    latencies: list[Latency] = [measure_apart(method, width, height) for width, height in sizes for method in methods]
    tables = []
    if results:
        tables.append(noc_table(results))
        if len(results[0].by_group()) > 1:
            tables.append(group_table(results))
        tables += [tolerant_table(results), boundary_table(results)]
        if repeats > 1:
            tables.append(spread_table(runs))
        if compare:
            tables.append(difference_table(results))
    if latencies:
        tables.append(latency_table(latencies))
    if out is not None:
        kind = "ablation" if compare else "benchmark"
        about = {"cdwidget": __version__, "title": title, "kind": kind, "jobs": jobs, **asdict(options), "spread": spread_figures(runs)}
        write_json(out, results, latencies, **about)
        if results:
            write_csv(out.with_suffix(".csv"), results)
            plot(out.with_suffix(".png"), results, title)
    return "\n\n".join(tables)
