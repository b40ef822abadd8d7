"""The NoC protocol: click at the largest error until the mask is right, and count the clicks.

A method starts from the empty mask (in `edit` mode from a corrupted one) and receives at most `max_clicks` prompts per object; a box or
a stroke counts as one click. Clicking stops early once the highest IoU threshold is reached and IoU@5 is known, or when no error is
left. From then on an object keeps its last IoU.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Callable, Iterable, Protocol, Sequence

import numpy as np

from cdwidget.click_simulation import core_distance, next_click, stroke_from
from cdwidget.mask_errors import flip_superpixels
from cdwidget.masks import bbox, iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Box, Click, Prompt
from cdwidget.registry import lookup
from cdwidget.session import Session

THRESHOLDS = (0.85, 0.90, 0.95)  # IoU
IOU_CLICK_COUNTS = (1, 3, 5)  # clicks
STROKE_RADIUS = 1 / 250  # fraction of the image's longer side, where the error region is thick enough
BOOTSTRAP_RESAMPLES = 2000

Clicker = Callable[[Prompt], np.ndarray]  # receives the next prompt, returns the mask, bool (H, W)


class Target(Protocol):
    """One object to segment, of the data set `group`."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def image_path(self) -> Path: ...

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read image uint8 (H, W, 3), gt bool (H, W) and ignore bool (H, W)."""


# ---- modes: the initial mask and the next prompt -----------------------------------------------------------------


@dataclass(frozen=True)
class Mode:
    """One way to segment an object.

    Attributes:
        start: (image, gt, ignore, rng) -> the initial mask, bool (H, W), or None for the empty mask.
        prompt: (gt, current mask, ignore, previous prompts, rng) -> the next prompt, or None when no error is left.
    """

    start: Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray | None]
    prompt: Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[Prompt], np.random.Generator], Prompt | None]


def start_empty(image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, rng: np.random.Generator) -> None:
    """Start from the empty mask."""


def start_corrupted(image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Start from a mask of IoU 0.75 to 0.85."""
    return flip_superpixels(image, gt, rng, ignore)


def click(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, previous: Sequence[Prompt], rng: np.random.Generator) -> Click | None:
    """Click at the core of the larger error region."""
    return next_click(gt, mask, ignore, [prompt for prompt in previous if isinstance(prompt, Click)])


def box_first(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, previous: Sequence[Prompt], rng: np.random.Generator) -> Prompt | None:
    """Draw the object's bounding box, then click."""
    return click(gt, mask, ignore, previous, rng) if previous else Box(*bbox(gt))


def stroke(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, previous: Sequence[Prompt], rng: np.random.Generator) -> Prompt | None:
    """Draw a stroke from the core of the larger error region to another point in it."""
    core = next_click(gt, mask, ignore)
    if core is None:
        return None
    error = (gt & ~mask if core.positive else mask & ~gt) & ~ignore
    radius = min(STROKE_RADIUS * max(gt.shape), float(core_distance(error)[core.pixel]) / 2)
    return stroke_from(core, error, max(0.5, radius), rng)


MODES: dict[str, Mode] = {
    "click": Mode(start_empty, click),
    "box": Mode(start_empty, box_first),
    "stroke": Mode(start_empty, stroke),
    "edit": Mode(start_corrupted, click),
}


@dataclass(frozen=True)
class Options:
    """Options of the protocol, the same for every object.

    Attributes:
        mode: A name in MODES.
        max_clicks: Maximum number of prompts per object.
        plain: Call the predictor directly, without a session's progressive merge.
        seed: Seed of everything random.

    Raises:
        ValueError: If `max_clicks` is below 1 or the mode is unknown.
    """

    mode: str = "click"
    max_clicks: int = 20
    plain: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_clicks < 1:
            raise ValueError(f"max_clicks is {self.max_clicks}; it must be at least 1")
        lookup(MODES, self.mode, "mode")


# ---- results -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One object segmented by one method.

    Attributes:
        ious: IoU after each click.
        seconds: Duration of the whole loop.
        start: IoU before the first click.
        encode: Seconds of each `set_image` call.
        predict: Seconds of each `predict` call.
        best: Highest IoU among the first prediction and its alternatives; None when the predictor was never called.
    """

    name: str
    ious: tuple[float, ...]
    seconds: float
    group: str = ""
    start: float = 0.0
    encode: tuple[float, ...] = ()
    predict: tuple[float, ...] = ()
    best: float | None = None

    def clicks_to(self, threshold: float) -> int | None:
        """Return the index (from 1) of the first click with IoU >= threshold, or None."""
        return next((index for index, iou in enumerate(self.ious, start=1) if iou >= threshold), None)

    def iou_at(self, clicks: int) -> float:
        """Return IoU after this many clicks, or after the last one if there were fewer."""
        return self.ious[min(clicks, len(self.ious)) - 1]

    @property
    def drops(self) -> int:
        """Number of clicks that lowered IoU."""
        return sum(after < before for before, after in zip((self.start, *self.ious), self.ious))


@dataclass(frozen=True)
class Result:
    """All objects segmented by one method."""

    method: str
    max_clicks: int
    runs: tuple[Run, ...]

    @property
    def encode_seconds(self) -> tuple[float, ...]:
        """Seconds of every image encoding."""
        return tuple(seconds for run in self.runs for seconds in run.encode)

    @property
    def predict_seconds(self) -> tuple[float, ...]:
        """Seconds of every prediction."""
        return tuple(seconds for run in self.runs for seconds in run.predict)

    def by_group(self) -> dict[str, Result]:
        """Return the results of each data set."""
        groups = sorted({run.group for run in self.runs})
        return {group: Result(self.method, self.max_clicks, tuple(run for run in self.runs if run.group == group)) for group in groups}

    def clicks_to(self, threshold: float) -> np.ndarray:
        """Return the clicks of each object to the threshold, int (objects,).

        An object that never reaches it counts as `max_clicks` clicks.
        """
        return np.array([run.clicks_to(threshold) or self.max_clicks for run in self.runs])

    def noc(self, threshold: float) -> float:
        """Return the mean number of clicks to the threshold (NoC).

        An object that never reaches it counts as `max_clicks` clicks.
        """
        return float(self.clicks_to(threshold).mean())

    def nof(self, threshold: float) -> int:
        """Return the number of objects that never reach the threshold (NoF)."""
        return sum(run.clicks_to(threshold) is None for run in self.runs)

    def at_last(self, threshold: float) -> int:
        """Return the number of objects that reach the threshold with the last click.

        NoC counts them in the same way as the objects in `nof`.
        """
        return sum(run.clicks_to(threshold) == self.max_clicks for run in self.runs)

    def iou_at(self, clicks: int) -> float:
        """Return the mean IoU after this many clicks."""
        return float(np.mean([run.iou_at(clicks) for run in self.runs]))

    @property
    def best_at_1(self) -> float | None:
        """Mean IoU of the best of the first prediction and its alternatives.

        None when no predictor was called.
        """
        found = [run.best for run in self.runs if run.best is not None]
        return float(np.mean(found)) if found else None

    @property
    def drop_share(self) -> float:
        """Fraction of all clicks that lowered IoU."""
        return sum(run.drops for run in self.runs) / self.clicks

    @property
    def clicks(self) -> int:
        """Total number of clicks."""
        return sum(len(run.ious) for run in self.runs)

    @property
    def spc(self) -> float:
        """Seconds per click of the whole loop.

        The loop includes encoding, prediction, merge, IoU and choosing the next click.
        """
        return sum(run.seconds for run in self.runs) / self.clicks


def bootstrap_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean of `values`, (n,)."""
    chosen = np.random.default_rng(seed).integers(len(values), size=(BOOTSTRAP_RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values, float)[chosen].mean(1), (2.5, 97.5))
    return float(low), float(high)


# ---- the protocol ------------------------------------------------------------------------------------------------


class TimedPredictor:
    """Wrap a predictor, record the seconds of each call and keep its first prediction."""

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


def benchmark(method: str, targets: Iterable[Target], predictor: Predictor, options: Options = Options()) -> Result:
    """Segment all targets, one after the other.

    Args:
        method: Name of the method in tables.
        targets: Objects to segment.
        predictor: Any predictor. Prompts go through `Session.apply`, progressive merge included, as in the widget; with `options.plain`
            directly to the predictor, whose last probability map is the prior.
        options: Mode, number of clicks, seed.

    Returns:
        The figures of every object.

    Example:
        >>> result = benchmark("mine", read_benchmark_objects(folder), my_predictor)
        >>> result.noc(0.90)
        2.4
    """
    return Result(method, options.max_clicks, tuple(segment(target, predictor, options) for target in targets))


def segment(target: Target, predictor: Predictor, options: Options) -> Run:
    """Segment one object."""
    image, gt, ignore = target.load()
    mode = MODES[options.mode]
    rng = np.random.default_rng((options.seed, zlib.crc32(f"{target.group}/{target.name}".encode())))
    initial = mode.start(image, gt, ignore, rng)
    timed = TimedPredictor(predictor)
    start = partial(_plain_clicker if options.plain else _session_clicker, image, timed, initial)
    mask = np.zeros_like(gt) if initial is None else initial
    ious, seconds = click_through(gt, ignore, mask, start, options.max_clicks, mode, rng)
    start_iou = iou(gt & ~ignore, mask & ~ignore)
    candidates = (timed.first.mask, *timed.first.alternatives) if timed.first else ()
    best = max((iou(gt & ~ignore, candidate & ~ignore) for candidate in candidates), default=None)
    return Run(target.name, ious, seconds, target.group, start_iou, tuple(timed.encode_seconds), tuple(timed.predict_seconds), best)


def click_through(
    gt: np.ndarray,
    ignore: np.ndarray,
    mask: np.ndarray,
    start: Callable[[], Clicker],
    max_clicks: int,
    mode: Mode,
    rng: np.random.Generator,
) -> tuple[tuple[float, ...], float]:
    """Prompt for one object until the IoU or the number of prompts reaches its limit.

    Args:
        gt: Ground truth, bool (H, W).
        ignore: Pixels that do not count, bool (H, W).
        mask: Initial mask, bool (H, W).
        start: Opens the image in the method and returns its clicker; timed together with the clicks.
        max_clicks: Maximum number of prompts.
        mode: Chooses the next prompt.
        rng: Random number generator.

    Returns:
        IoU after each prompt, and the seconds of the whole loop.
    """
    started = perf_counter()
    clicker = start()
    previous: list[Prompt] = []
    ious: list[float] = []
    while len(ious) < max_clicks and not (len(ious) >= max(IOU_CLICK_COUNTS) and max(ious) >= max(THRESHOLDS)):
        prompt = mode.prompt(gt, mask, ignore, previous, rng)
        if prompt is None:
            break
        mask = clicker(prompt)
        previous.append(prompt)
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
