"""The NoC protocol: click where `next_click` says until the mask is right, and count.

A method starts from the empty mask (in *edit* mode from a faulty one) and gets at most `max_clicks` prompts an object; a box or a stroke
counts as a click. The clicking stops early once IoU has reached the highest threshold and IoU@5 is known; a mask without any error is done
as well. From there on an object keeps its last IoU.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Callable, Iterable, Protocol, Sequence

import numpy as np

from cdwidget.benchmark.boundary import NARROW_PX, TOLERANT_IOU, boundary_iou, tolerance
from cdwidget.benchmark.modes import MODES, Mode
from cdwidget.lookup import lookup
from cdwidget.masks import iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Prompt
from cdwidget.session import Session

THRESHOLDS = (0.85, 0.90, 0.95)
IOU_AT = (1, 3, 5)

Clicker = Callable[[Prompt], np.ndarray]  # takes the next prompt, returns the mask bool (H, W)


class Target(Protocol):
    """One object to be cut out, of the data set `group`."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def image_path(self) -> Path: ...

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read image uint8 (H, W, 3), gt bool (H, W) and ignore bool (H, W)."""


@dataclass(frozen=True)
class Options:
    """How every object is cut out. mode: a name in MODES. plain: ask the model without a session's progressive merge. seed: of all that is
    drawn at random. Raises ValueError for what is not allowed."""

    mode: str = "click"
    max_clicks: int = 20
    plain: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_clicks < 1:
            raise ValueError(f"max_clicks is {self.max_clicks}; it must be at least 1")
        lookup(MODES, self.mode, "mode")


@dataclass(frozen=True)
class Run:
    """One object under one method: IoU at the start and after each click, the seconds of the whole loop, of encoding and of predicting.

    best: the highest IoU of the model's first answer and the alternatives to it; None when it was never asked.
    boundary, narrow: boundary IoU after each click, of 2 % of the image's diagonal and of 2 pixels. tolerance: IoU of the truth with itself
    grown by one pixel.
    """

    name: str
    ious: tuple[float, ...]
    seconds: float
    group: str = ""
    start: float = 0.0
    encode: tuple[float, ...] = ()
    predict: tuple[float, ...] = ()
    best: float | None = None
    boundary: tuple[float, ...] = ()
    narrow: tuple[float, ...] = ()
    tolerance: float = 1.0

    @property
    def tolerant(self) -> bool:
        """Whether a border one pixel off leaves IoU at 0.90 or more."""
        return self.tolerance >= TOLERANT_IOU

    def clicks_to(self, threshold: float) -> int | None:
        """Index (from 1) of the first click with IoU >= threshold; None when no click reached it."""
        return next((index for index, iou in enumerate(self.ious, start=1) if iou >= threshold), None)

    def iou_at(self, clicks: int) -> float:
        """IoU after so many clicks; that of the last click when there were fewer."""
        return self.ious[min(clicks, len(self.ious)) - 1]

    @property
    def drops(self) -> int:
        """How many clicks lowered IoU."""
        return sum(after < before for before, after in zip((self.start, *self.ious), self.ious))


class Timed:
    """A predictor that notes how many seconds each call of another one took, and its first answer."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.encode_seconds: list[float] = []
        self.predict_seconds: list[float] = []
        self.first: Prediction | None = None

    def set_image(self, image: np.ndarray) -> None:
        started = perf_counter()
        self.predictor.set_image(image)
        self.encode_seconds.append(perf_counter() - started)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        started = perf_counter()
        prediction = self.predictor.predict(prompts, prior)
        self.predict_seconds.append(perf_counter() - started)
        self.first = self.first or prediction
        return prediction


@dataclass(frozen=True)
class Result:
    """All objects under one method."""

    method: str
    max_clicks: int
    runs: tuple[Run, ...]

    @property
    def encode_seconds(self) -> tuple[float, ...]:
        """How long the model took for each image."""
        return tuple(seconds for run in self.runs for seconds in run.encode)

    @property
    def predict_seconds(self) -> tuple[float, ...]:
        """How long the model took for each click."""
        return tuple(seconds for run in self.runs for seconds in run.predict)

    def by_group(self) -> dict[str, Result]:
        """The same method on each data set alone."""
        groups = sorted({run.group for run in self.runs})
        return {group: Result(self.method, self.max_clicks, tuple(run for run in self.runs if run.group == group)) for group in groups}

    def tolerant(self) -> Result:
        """Return the same method on the objects alone that tolerate a border one pixel off."""
        return Result(self.method, self.max_clicks, tuple(run for run in self.runs if run.tolerant))

    def boundary_at(self, clicks: int, narrow: bool = False) -> float:
        """Return the mean boundary IoU after so many clicks; NaN where none was measured."""
        measured = [run.narrow if narrow else run.boundary for run in self.runs]
        found = [values[min(clicks, len(values)) - 1] for values in measured if values]
        return float(np.mean(found)) if found else float("nan")

    def clicks_to(self, threshold: float) -> np.ndarray:
        """Clicks of each object to the threshold, int (objects,); `max_clicks` for one that never gets there."""
        return np.array([run.clicks_to(threshold) or self.max_clicks for run in self.runs])

    def noc(self, threshold: float) -> float:
        """Mean number of clicks to reach the threshold; an object that never does counts `max_clicks`."""
        return float(self.clicks_to(threshold).mean())

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
    def best_at_1(self) -> float | None:
        """Mean of the highest IoU among the first answer and its alternatives, as if someone chose; None when no model was asked."""
        found = [run.best for run in self.runs if run.best is not None]
        return float(np.mean(found)) if found else None

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


def benchmark(method: str, targets: Iterable[Target], predictor: Predictor, options: Options = Options()) -> Result:
    """Run a predictor over all targets, one after the other.

    Prompts go to `Session.apply`, progressive merge included, as in the widget; with `options.plain` straight to the predictor, whose own
    last prob is its prior.
    """
    return Result(method, options.max_clicks, tuple(cut_out(target, predictor, options) for target in targets))


def cut_out(target: Target, predictor: Predictor, options: Options) -> Run:
    """Cut one object out."""
    image, gt, ignore = target.load()
    mode = MODES[options.mode]
    rng = np.random.default_rng((options.seed, zlib.crc32(f"{target.group}/{target.name}".encode())))
    initial = mode.start(image, gt, ignore, rng)
    timed = Timed(predictor)
    start = partial(_plain_clicker if options.plain else _session_clicker, image, timed, initial)
    mask = np.zeros_like(gt) if initial is None else initial
    masks: list[np.ndarray] = []

    def start_recorded() -> Clicker:
        clicker = start()

        def click_recorded(prompt: Prompt) -> np.ndarray:
            masks.append(clicker(prompt))
            return masks[-1]

        return click_recorded

    ious, seconds = click_through(gt, ignore, mask, start_recorded, options.max_clicks, mode, rng)
    valid = ~ignore
    boundary = tuple(boundary_iou(gt & valid, one & valid) for one in masks)
    narrow = tuple(boundary_iou(gt & valid, one & valid, NARROW_PX) for one in masks)
    begin = iou(gt & ~ignore, mask & ~ignore)
    candidates = (timed.first.mask, *timed.first.alternatives) if timed.first else ()
    best = max((iou(gt & ~ignore, candidate & ~ignore) for candidate in candidates), default=None)
    times = tuple(timed.encode_seconds), tuple(timed.predict_seconds)
    return Run(target.name, ious, seconds, target.group, begin, *times, best, boundary, narrow, tolerance(gt, ignore))


def click_through(
    gt: np.ndarray,
    ignore: np.ndarray,
    mask: np.ndarray,
    start: Callable[[], Clicker],
    max_clicks: int,
    mode: Mode,
    rng: np.random.Generator,
) -> tuple[tuple[float, ...], float]:
    """Give prompts for one object, bool (H, W), until it is done; return IoU after each, and the seconds of it all.

    mask: what one starts from. start: gives the method for its image and is timed with the clicks.
    """
    started = perf_counter()
    clicker = start()
    given: list[Prompt] = []
    ious: list[float] = []
    while len(ious) < max_clicks and not (len(ious) >= max(IOU_AT) and max(ious) >= max(THRESHOLDS)):
        prompt = mode.prompt(gt, mask, ignore, given, rng)
        if prompt is None:
            break
        mask = clicker(prompt)
        given.append(prompt)
        ious.append(iou(gt & ~ignore, mask & ~ignore))
    return tuple(ious), perf_counter() - started


def _session_clicker(image: np.ndarray, predictor: Predictor, initial: np.ndarray | None) -> Clicker:
    session = Session(image, predictor, mask=initial)

    def click_in_session(prompt: Prompt) -> np.ndarray:
        session.apply(prompt)
        return session.mask

    return click_in_session


def _plain_clicker(image: np.ndarray, predictor: Predictor, initial: np.ndarray | None) -> Clicker:
    predictor.set_image(image)
    prompts: list[Prompt] = []
    prior = initial

    def click_plainly(prompt: Prompt) -> np.ndarray:
        nonlocal prior
        prompts.append(prompt)
        prediction = predictor.predict(prompts, prior)
        prior = prediction.prob
        return prediction.mask

    return click_plainly
