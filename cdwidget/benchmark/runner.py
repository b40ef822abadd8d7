"""All methods over all objects: in this process or several, each object's figures written down at once, so that a rerun goes on."""

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
from cdwidget.benchmark.protocol import Options, Result, Run, Target, cut_out
from cdwidget.predictor import Predictor

THREADS = "OMP_NUM_THREADS"


def run_all(
    methods: Sequence[Method], targets: Sequence[Target], options: Options, *, jobs: int = 1, record: Path | None = None
) -> list[Result]:
    """Run every method over every target; results are in the order of the arguments, and the same for any number of `jobs`.

    record: a JSONL file that gets a line an object as it is done. What it holds already, by the same version, weights and options on the
    same object, is not done again.
    """
    keys = {(m, t): _key(method, target, options) for m, method in enumerate(methods) for t, target in enumerate(targets)}
    known = {} if record is None else _read(record)
    todo = [place for place, key in keys.items() if key not in known]
    done = {place: known[key] for place, key in keys.items() if key in known}
    if done:
        tqdm.write(f"{len(done)} of {len(keys)} objects are in {record} already; without that file they are measured again", sys.stderr)
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
        _begin(methods, options)
        for m, t in todo:
            yield (m, t), _run(m, targets[t])
        return
    with _cores_shared(jobs), ProcessPoolExecutor(jobs, get_context("spawn"), _begin_apart, (methods, options, jobs)) as pool:
        futures = {pool.submit(_run, m, targets[t]): (m, t) for m, t in todo}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


_methods: Sequence[Method] = ()  # of this process, a worker or the only one
_options = Options()
_predictors: dict[int, Predictor] = {}


def _begin(methods: Sequence[Method], options: Options) -> None:
    global _methods, _options
    _methods, _options = methods, options
    _predictors.clear()


def _begin_apart(methods: Sequence[Method], options: Options, jobs: int) -> None:
    cv2.setNumThreads(_share(jobs))
    _begin(methods, options)


def _run(m: int, target: Target) -> Run:
    if m not in _predictors:
        _predictors[m] = _methods[m].build()
    return cut_out(target, _predictors[m], replace(_options, plain=_options.plain or _methods[m].plain))


def _share(jobs: int) -> int:
    return max(1, (os.cpu_count() or 1) // jobs)


@contextmanager
def _cores_shared(jobs: int) -> Iterator[None]:
    """Let processes started meanwhile take their share of the cores; numeric libraries read this once, when they are loaded."""
    before = os.environ.get(THREADS)
    os.environ[THREADS] = before or str(_share(jobs))
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS]


def _key(method: Method, target: Target, options: Options) -> str:
    return hashlib.sha256(repr((__version__, method.fingerprint, options, target.image_path, target.name)).encode()).hexdigest()[:16]


def _read(record: Path) -> dict[str, Run]:
    """The runs of a record by key; a last line that was cut off when the program was killed is taken out of it."""
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
