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

from cdwidget.benchmark.boundary import NARROW_WIDTH_PX, boundary_iou, grown_iou
from cdwidget.benchmark.results import IOU_CLICK_COUNTS, THRESHOLDS, Result, Run
from cdwidget.click_simulation import core_distance, next_click, stroke_from
from cdwidget.mask_errors import flip_superpixels
from cdwidget.masks import bbox, iou
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Box, Click, Prompt
from cdwidget.registry import lookup
from cdwidget.session import Session

HUMAN_MIN_DEPTH = 0.1  # fraction of the depth of the error region's core
STROKE_RADIUS = 1 / 250  # fraction of the image's longer side, where the error region is thick enough

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


def human_click(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, previous: Sequence[Prompt], rng: np.random.Generator) -> Click | None:
    """Click anywhere in the larger error region, except at its very border."""
    return next_click(gt, mask, ignore, [prompt for prompt in previous if isinstance(prompt, Click)], rng, HUMAN_MIN_DEPTH)


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
    "human": Mode(start_empty, human_click),
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


# ---- the protocol ------------------------------------------------------------------------------------------------


class TimedPredictor:
    """Wrap a predictor, record the seconds of each call, keep its first prediction and count its focus views."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.encode_seconds: list[float] = []
        self.predict_seconds: list[float] = []
        self.first: Prediction | None = None
        self.focus_views = 0

    def set_image(self, image: np.ndarray) -> None:
        started = perf_counter()
        self.predictor.set_image(image)
        self.encode_seconds.append(perf_counter() - started)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        started = perf_counter()
        prediction = self.predictor.predict(prompts, prior)
        self.predict_seconds.append(perf_counter() - started)
        self.first = self.first or prediction
        self.focus_views += prediction.factors is not None and prediction.factors.focus is not None
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
    ious, masks, seconds = click_through(gt, ignore, mask, start, options.max_clicks, mode, rng)
    valid = ~ignore
    candidates = (timed.first.mask, *timed.first.alternatives) if timed.first else ()
    return Run(
        target.name,
        ious,
        seconds,
        target.group,
        start=iou(gt & valid, mask & valid),
        encode=tuple(timed.encode_seconds),
        predict=tuple(timed.predict_seconds),
        best=max((iou(gt & valid, candidate & valid) for candidate in candidates), default=None),
        boundary_ious=tuple(boundary_iou(gt & valid, mask & valid) for mask in masks),
        narrow_boundary_ious=tuple(boundary_iou(gt & valid, mask & valid, NARROW_WIDTH_PX) for mask in masks),
        grown_iou=grown_iou(gt, ignore),
    )


def click_through(
    gt: np.ndarray,
    ignore: np.ndarray,
    mask: np.ndarray,
    start: Callable[[], Clicker],
    max_clicks: int,
    mode: Mode,
    rng: np.random.Generator,
) -> tuple[tuple[float, ...], list[np.ndarray], float]:
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
        IoU and mask after each prompt, and the seconds of the whole loop.
    """
    started = perf_counter()
    clicker = start()
    previous: list[Prompt] = []
    ious: list[float] = []
    masks: list[np.ndarray] = []
    while len(ious) < max_clicks and not (len(ious) >= max(IOU_CLICK_COUNTS) and max(ious) >= max(THRESHOLDS)):
        prompt = mode.prompt(gt, mask, ignore, previous, rng)
        if prompt is None:
            break
        mask = clicker(prompt)
        previous.append(prompt)
        masks.append(mask)
        ious.append(iou(gt & ~ignore, mask & ~ignore))
    return tuple(ious), masks, perf_counter() - started


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
