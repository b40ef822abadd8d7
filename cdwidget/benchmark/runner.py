"""Run all methods over all objects, in one or several processes; finished objects are recorded, so a rerun resumes."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Iterator, Sequence

import cv2

from cdwidget.benchmark.methods import Method
from cdwidget.benchmark.protocol import Options, Target, segment
from cdwidget.benchmark.record import run_missing
from cdwidget.benchmark.results import Result, Run
from cdwidget.predictor import Predictor

THREADS = "OMP_NUM_THREADS"


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
    settings = {
        (m, t): (method.name, method.fingerprint, options, target.image_path, target.name)
        for m, method in enumerate(methods)
        for t, target in enumerate(targets)
    }
    runs = run_missing(settings, lambda todo: _runs(methods, targets, options, jobs, todo), Run, record)
    count = len(targets)
    return [Result(method.name, options.max_clicks, tuple(runs[m * count : (m + 1) * count])) for m, method in enumerate(methods)]


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
