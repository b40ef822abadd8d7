"""Measure how long a user waits for encoding a photograph and for a click, and the memory it takes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from skimage.data import astronaut

from cdwidget.benchmark.methods import Method
from cdwidget.benchmark.protocol import TimedPredictor
from cdwidget.predictor import Predictor
from cdwidget.prompts import Click
from cdwidget.session import Session

# Clicks on scikit-image's astronaut, as fractions of width and height: the suit, the face, an arm, the flag, the shuttle.
POINTS = ((0.40, 0.75), (0.44, 0.22), (0.10, 0.92), (0.90, 0.60), (0.75, 0.90), (0.70, 0.30), (0.45, 0.05), (0.10, 0.20))


@dataclass(frozen=True)
class Latency:
    """Latency of one method on one photograph.

    Attributes:
        encode: Seconds of each `set_image`.
        click: Seconds of each `Session.apply` without a focus view.
        predict: Seconds of each `predict`, the model's share of a click.
        loaded_bytes: Memory of the process once the predictor is built; None where the system does not report it.
        peak_bytes: Peak memory of the process; None where the system does not report it.
        focus_click: Seconds of each `Session.apply` with a focus view.
    """

    method: str
    width: int
    height: int
    encode: tuple[float, ...]
    click: tuple[float, ...]
    predict: tuple[float, ...]
    loaded_bytes: int | None = None
    peak_bytes: int | None = None
    focus_click: tuple[float, ...] = ()


def measure_in_new_process(method: Method, width: int, height: int, rounds: int = 4) -> Latency:
    """Run `measure_latency` in a new process.

    Its memory is then that of this method at this size only.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, method, width, height, rounds).result()


def _measure(method: Method, width: int, height: int, rounds: int) -> Latency:
    predictor = method.build()
    loaded = _peak_memory()
    return replace(measure_latency(method.name, predictor, width, height, rounds), loaded_bytes=loaded, peak_bytes=_peak_memory())


def _peak_memory() -> int | None:
    """Return the peak memory of this process in bytes; None where there is no /proc (Linux only)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def measure_latency(method: str, predictor: Predictor, width: int, height: int, rounds: int = 4) -> Latency:
    """Measure encoding and clicks on a photograph of the given size.

    Args:
        method: Name of the method in tables.
        predictor: Any predictor.
        width: Width of the photograph in pixels, at least 16.
        height: Height of the photograph in pixels, at least 16.
        rounds: Measured repetitions, after one warm-up round.

    Raises:
        ValueError: If a size or the number of rounds is too small.
    """
    if min(width, height) < 16 or rounds < 1:
        raise ValueError(f"width, height and rounds are {width}, {height} and {rounds}; allowed are at least 16, 16 and 1")
    image = cv2.resize(np.asarray(astronaut()), (width, height), interpolation=cv2.INTER_CUBIC)
    encode: list[float] = []
    clicks: list[float] = []
    focus_clicks: list[float] = []
    predict: list[float] = []
    for round_ in range(rounds + 1):
        timed = TimedPredictor(predictor)
        session = Session(image, timed)
        session.encode()
        usual: list[float] = []
        closer: list[float] = []
        for x, y in ((int(x * width), int(y * height)) for x, y in POINTS):
            click = Click(x, y, not session.mask[y, x])  # A click that agrees with the mask would not need the predictor.
            focus_views, started = timed.focus_views, perf_counter()
            session.apply(click)
            waited = closer if timed.focus_views > focus_views else usual
            waited.append(perf_counter() - started)
        if round_:
            encode += timed.encode_seconds
            clicks += usual
            focus_clicks += closer
            predict += timed.predict_seconds
    return Latency(method, width, height, tuple(encode), tuple(clicks), tuple(predict), focus_click=tuple(focus_clicks))
