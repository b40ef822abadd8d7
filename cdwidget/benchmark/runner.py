"""Run all methods over all objects, in one or several processes; finished objects are recorded, so a rerun resumes."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Iterator, Sequence

import cv2
from tqdm import tqdm

from cdwidget._version import __version__
from cdwidget.benchmark.methods import Method
from cdwidget.benchmark.protocol import Options, Target, segment
from cdwidget.benchmark.results import Result, Run
from cdwidget.predictor import Predictor

THREADS = "OMP_NUM_THREADS"
RECORD_VERSION = 2  # Increases when a run gets a new figure, so that recorded runs without it are measured again.


def run_all(
    methods: Sequence[Method], targets: Sequence[Target], options: Options, *, jobs: int = 1, record: Path | None = None
) -> list[Result]:
    """Run every method over every target.

    Args:
        methods: The methods to compare.
        targets: Objects to segment.
        options: Options of the protocol, the same for every object.
        jobs: Number of processes. The masks and clicks do not depend on it, the seconds do.
        record: JSONL file that receives one line per finished object. Objects that it already holds for the same version, weights and
            options are not measured again.

    Returns:
        One result per method, in the order of `methods`; its runs are in the order of `targets`.
    """
    keys = {(m, t): _key(method, target, options) for m, method in enumerate(methods) for t, target in enumerate(targets)}
    known = {} if record is None else _read(record)
    todo = [pair for pair, key in keys.items() if key not in known]
    done = {pair: known[key] for pair, key in keys.items() if key in known}
    if done:
        tqdm.write(f"{len(done)} of {len(keys)} objects are already in {record}; delete that file to measure them again", sys.stderr)
    with tqdm(total=len(keys), initial=len(done), unit="object", disable=None) as bar:
        for (m, t), run in _runs(methods, targets, options, jobs, todo):
            done[m, t] = run
            if record is not None:
                with record.open("a") as file:
                    file.write(json.dumps({"key": keys[m, t], "method": methods[m].name, **asdict(run)}) + "\n")
            bar.set_postfix_str(methods[m].name)
            bar.update()
    return [Result(method.name, options.max_clicks, tuple(done[m, t] for t in range(len(targets)))) for m, method in enumerate(methods)]


def _runs(
    methods: Sequence[Method], targets: Sequence[Target], options: Options, jobs: int, todo: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], Run]]:
    if jobs <= 1:
        _set_up(methods, options)
        for m, t in todo:
            yield (m, t), _run(m, targets[t])
        return
    with _limit_threads(jobs), ProcessPoolExecutor(jobs, get_context("spawn"), _set_up_worker, (methods, options, jobs)) as pool:
        futures = {pool.submit(_run, m, targets[t]): (m, t) for m, t in todo}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


# State of one process, a worker or the only one.
_methods: Sequence[Method] = ()
_options = Options()
_predictors: dict[int, Predictor] = {}


def _set_up(methods: Sequence[Method], options: Options) -> None:
    global _methods, _options
    _methods, _options = methods, options
    _predictors.clear()


def _set_up_worker(methods: Sequence[Method], options: Options, jobs: int) -> None:
    cv2.setNumThreads(_threads_per_job(jobs))
    _set_up(methods, options)


def _run(m: int, target: Target) -> Run:
    if m not in _predictors:
        _predictors[m] = _methods[m].build()
    return segment(target, _predictors[m], replace(_options, plain=_options.plain or _methods[m].plain))


def _threads_per_job(jobs: int) -> int:
    return max(1, (os.cpu_count() or 1) // jobs)


@contextmanager
def _limit_threads(jobs: int) -> Iterator[None]:
    """Give processes that start inside this block their share of the cores; numeric libraries read the variable when they are loaded."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(_threads_per_job(jobs))
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]


def _key(method: Method, target: Target, options: Options) -> str:
    parts = (RECORD_VERSION, __version__, method.fingerprint, options, target.image_path, target.name)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(record: Path) -> dict[str, Run]:
    """Return the runs of a record by key; an incomplete last line, left by a killed process, is removed from the file."""
    known = {}
    lines = record.read_text().splitlines(keepends=True) if record.exists() else []
    if lines and not lines[-1].endswith("\n"):
        record.write_text("".join(lines[:-1]))
        del lines[-1]
    for line in lines:
        entry: dict[str, Any] = json.loads(line)
        key, _ = entry.pop("key"), entry.pop("method")
        known[key] = Run(**{name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()})  # type: ignore[arg-type]
    return known
