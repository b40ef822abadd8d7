"""How long a user waits: encoding a photograph, and a click on it."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import cv2
import numpy as np
from skimage.data import astronaut

from cdwidget.benchmark.noc import Timed
from cdwidget.predictor import Predictor
from cdwidget.prompts import Click
from cdwidget.session import Session

# Shares of width and height on scikit-image's astronaut: the suit, the face, an arm, the flag, the shuttle ...
POINTS = ((0.40, 0.75), (0.44, 0.22), (0.10, 0.92), (0.90, 0.60), (0.75, 0.90), (0.70, 0.30), (0.45, 0.05), (0.10, 0.20))


@dataclass(frozen=True)
class Latency:
    """Seconds of one method on one photograph: `encode` of set_image, `click` of Session.apply, `predict` the model's share of a click."""

    method: str
    width: int
    height: int
    encode: tuple[float, ...]
    click: tuple[float, ...]
    predict: tuple[float, ...]


def measure_latency(method: str, predictor: Predictor, width: int, height: int, rounds: int = 4) -> Latency:
    """Click through a photograph of the given size, `rounds` times after a first one that is not counted."""
    if min(width, height) < 16 or rounds < 1:
        raise ValueError(f"width, height and rounds are {width}, {height} and {rounds}; allowed are at least 16, 16 and 1")
    image = cv2.resize(np.asarray(astronaut()), (width, height), interpolation=cv2.INTER_CUBIC)
    timed = Timed(predictor)
    click_seconds: list[float] = []
    for round_ in range(rounds + 1):
        if round_ == 1:
            timed = Timed(predictor)
            click_seconds.clear()
        session = Session(image, timed)
        session.encode()
        for x, y in ((int(x * width), int(y * height)) for x, y in POINTS):
            click = Click(x, y, not session.mask[y, x])  # it disagrees with the mask: a session need not ask the model when a click agrees
            started = perf_counter()
            session.apply(click)
            click_seconds.append(perf_counter() - started)
    return Latency(method, width, height, tuple(timed.encode_seconds), tuple(click_seconds), tuple(timed.predict_seconds))
