"""How long a user waits: encoding a photograph, and a click on it."""

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
from cdwidget.benchmark.protocol import Timed
from cdwidget.predictor import Predictor
from cdwidget.prompts import Click
from cdwidget.session import Session

# Shares of width and height on scikit-image's astronaut: the suit, the face, an arm, the flag, the shuttle ...
POINTS = ((0.40, 0.75), (0.44, 0.22), (0.10, 0.92), (0.90, 0.60), (0.75, 0.90), (0.70, 0.30), (0.45, 0.05), (0.10, 0.20))


@dataclass(frozen=True)
class Latency:
    """Seconds of one method on one photograph: `encode` of set_image, `click` of Session.apply, `predict` the model's share of a click.

    loaded_bytes: memory of the process once the predictor was built; peak_bytes: the most it ever took; None where nobody can say.
    """

    method: str
    width: int
    height: int
    encode: tuple[float, ...]
    click: tuple[float, ...]
    predict: tuple[float, ...]
    loaded_bytes: int | None = None
    peak_bytes: int | None = None


def measure_apart(method: Method, width: int, height: int, rounds: int = 4) -> Latency:
    """`measure_latency` in a new process, whose memory is that of this method at this size alone."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_measure, method, width, height, rounds).result()


def _measure(method: Method, width: int, height: int, rounds: int) -> Latency:
    predictor = method.build()
    loaded = _peak_memory()
    return replace(measure_latency(method.name, predictor, width, height, rounds), loaded_bytes=loaded, peak_bytes=_peak_memory())


def _peak_memory() -> int | None:
    """The most bytes this process has taken so far; known on Linux alone."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def measure_latency(method: str, predictor: Predictor, width: int, height: int, rounds: int = 4) -> Latency:
    """Click through a photograph of the given size, `rounds` times after a first one that is not counted."""
    if min(width, height) < 16 or rounds < 1:
        raise ValueError(f"width, height and rounds are {width}, {height} and {rounds}; allowed are at least 16, 16 and 1")
    image = cv2.resize(np.asarray(astronaut()), (width, height), interpolation=cv2.INTER_CUBIC)
    encode: list[float] = []
    clicks: list[float] = []
    predict: list[float] = []
    for round_ in range(rounds + 1):
        timed = Timed(predictor)  # a new one, which does not hold the picture yet
        session = Session(image, timed)
        session.encode()
        waited: list[float] = []
        for x, y in ((int(x * width), int(y * height)) for x, y in POINTS):
            click = Click(x, y, not session.mask[y, x])  # it disagrees with the mask: a session need not ask the model when a click agrees
            started = perf_counter()
            session.apply(click)
            waited.append(perf_counter() - started)
        if round_:
            encode += timed.encode_seconds
            clicks += waited
            predict += timed.predict_seconds
    return Latency(method, width, height, tuple(encode), tuple(clicks), tuple(predict))
