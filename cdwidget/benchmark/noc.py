"""The NoC protocol: click where `next_click` says until the mask is right, and count.

A method starts from the empty mask and gets at most `max_clicks` clicks an object. The clicking stops early once IoU has reached the
highest threshold and IoU@5 is known; a mask without any error is done as well. From there on an object keeps its last IoU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Callable, Iterable, Sequence

import numpy as np

from cdwidget.clicks import next_click
from cdwidget.formats.folders import Target
from cdwidget.masks import iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Click, Prompt
from cdwidget.session import Session

THRESHOLDS = (0.85, 0.90, 0.95)
IOU_AT = (1, 3, 5)

Clicker = Callable[[Click], np.ndarray]  # takes the next click, returns the mask bool (H, W)


@dataclass(frozen=True)
class Run:
    """One object under one method: IoU after each click, and the seconds of the whole loop."""

    name: str
    ious: tuple[float, ...]
    seconds: float

    def clicks_to(self, threshold: float) -> int | None:
        """Index (from 1) of the first click with IoU >= threshold; None when no click reached it."""
        return next((index for index, iou in enumerate(self.ious, start=1) if iou >= threshold), None)

    def iou_at(self, clicks: int) -> float:
        """IoU after so many clicks; that of the last click when there were fewer."""
        return self.ious[min(clicks, len(self.ious)) - 1]

    @property
    def drops(self) -> int:
        """How many clicks lowered IoU."""
        return sum(after < before for before, after in zip(self.ious, self.ious[1:]))


class Timed:
    """A predictor that notes how many seconds each call of another one took."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.encode_seconds: list[float] = []
        self.predict_seconds: list[float] = []

    def set_image(self, image: np.ndarray) -> None:
        started = perf_counter()
        self.predictor.set_image(image)
        self.encode_seconds.append(perf_counter() - started)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        started = perf_counter()
        prediction = self.predictor.predict(prompts, prior)
        self.predict_seconds.append(perf_counter() - started)
        return prediction


@dataclass(frozen=True)
class Result:
    """All objects under one method, and how long the model took for each image (encode) and click (predict), in seconds."""

    method: str
    max_clicks: int
    runs: tuple[Run, ...]
    encode_seconds: tuple[float, ...]
    predict_seconds: tuple[float, ...]

    def noc(self, threshold: float) -> float:
        """Mean number of clicks to reach the threshold; an object that never does counts `max_clicks`."""
        return float(np.mean([run.clicks_to(threshold) or self.max_clicks for run in self.runs]))

    def nof(self, threshold: float) -> int:
        """Number of objects that never reached the threshold."""
        return sum(run.clicks_to(threshold) is None for run in self.runs)

    def at_last(self, threshold: float) -> int:
        """Number of objects that reached the threshold with the very last click: NoC counts them like those of `nof`."""
        return sum(run.clicks_to(threshold) == self.max_clicks for run in self.runs)

    def iou_at(self, clicks: int) -> float:
        """Mean IoU after so many clicks."""
        return float(np.mean([run.iou_at(clicks) for run in self.runs]))

    @property
    def drop_share(self) -> float:
        """Share of all clicks that lowered IoU."""
        return sum(run.drops for run in self.runs) / self.clicks

    @property
    def clicks(self) -> int:
        """Number of clicks given in all."""
        return sum(len(run.ious) for run in self.runs)

    @property
    def spc(self) -> float:
        """Seconds per click of the whole loop: encoding, prediction, merge, IoU and the choice of the next click."""
        return sum(run.seconds for run in self.runs) / self.clicks


def benchmark(
    method: str, targets: Iterable[Target], predictor: Predictor, *, through_session: bool = True, max_clicks: int = 20
) -> Result:
    """Run a predictor over all targets.

    With `through_session` the clicks go to `Session.apply`, progressive merge included, as in the widget; without it straight to the
    predictor, whose own last prob is its prior.
    """
    if max_clicks < 1:
        raise ValueError(f"max_clicks is {max_clicks}; it must be at least 1")
    timed = Timed(predictor)
    start = _session_clicker if through_session else _plain_clicker
    runs = []
    for target in targets:
        image, gt, ignore = target.load()
        runs.append(click_through(target.name, gt, ignore, partial(start, image, timed), max_clicks))
    return Result(method, max_clicks, tuple(runs), tuple(timed.encode_seconds), tuple(timed.predict_seconds))


def click_through(name: str, gt: np.ndarray, ignore: np.ndarray, start: Callable[[], Clicker], max_clicks: int) -> Run:
    """Click one object, bool (H, W), until it is done; `start` gives the method for its image and is timed with the clicks."""
    started = perf_counter()
    clicker = start()
    mask = np.zeros_like(gt)
    clicks: list[Click] = []
    ious: list[float] = []
    while len(ious) < max_clicks and not (len(ious) >= max(IOU_AT) and max(ious) >= max(THRESHOLDS)):
        click = next_click(gt, mask, ignore, clicks)
        if click is None:
            break
        mask = clicker(click)
        clicks.append(click)
        ious.append(iou(gt & ~ignore, mask & ~ignore))
    return Run(name, tuple(ious), perf_counter() - started)


def _session_clicker(image: np.ndarray, predictor: Predictor) -> Clicker:
    session = Session(image, predictor)

    def click_in_session(click: Click) -> np.ndarray:
        session.apply(click)
        return session.mask

    return click_in_session


def _plain_clicker(image: np.ndarray, predictor: Predictor) -> Clicker:
    predictor.set_image(image)
    clicks: list[Click] = []
    prior: np.ndarray | None = None

    def click_plainly(click: Click) -> np.ndarray:
        nonlocal prior
        clicks.append(click)
        prediction = predictor.predict(clicks, prior)
        prior = prediction.prob
        return prediction.mask

    return click_plainly
