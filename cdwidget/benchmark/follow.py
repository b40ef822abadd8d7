"""Follow objects through sequences made from photographs, and correct them by clicks: how much work each method leaves to the user.

From a correct mask in the first frame, a method proposes a mask in each next one. A proposal with an IoU below GOOD_IOU is corrected by
simulated clicks up to CORRECTED_IOU, from the empty mask if less than half of it is right, and followed on from there; the click on a
proposal that the method itself calls lost counts, too. Frames that hardly show the object need no mask.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple, Protocol

import numpy as np

from cdwidget.benchmark.protocol import Target
from cdwidget.benchmark.record import run_missing
from cdwidget.benchmark.sequences import FRAME_SIDE_PX, SequenceFrame, make_sequence
from cdwidget.click_simulation import next_click
from cdwidget.examples.flow import Flow, flow_image, move_mask
from cdwidget.examples.follow import Follower, FollowingPredictor
from cdwidget.items import Instance
from cdwidget.masks import iou
from cdwidget.predictor import GOOD_IOU, Predictor, QualityModel
from cdwidget.prompts import Click
from cdwidget.session import Session

MAX_CLICKS = 10  # clicks to correct one frame
CORRECTED_IOU = 0.9  # IoU at which a user stops correcting; a mask that is just good enough would not stay so in the next frame.
LOST_IOU = 0.5  # An object is truly lost if its proposed mask has a smaller IoU.
MIN_VISIBLE_SHARE = 0.25  # Smallest visible fraction of an object that needs a mask.
MIN_VISIBLE_PX = 200  # Smallest visible area that needs a mask.


class CarriedMask(NamedTuple):
    """A method's mask in the next frame, bool (H, W), and whether it calls the object lost."""

    mask: np.ndarray
    lost: bool


class Carrier(Protocol):
    """A method that carries a mask from frame to frame."""

    def start(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Set the mask, bool (H, W), of an image, uint8 (H, W, 3)."""

    def advance(self, image: np.ndarray) -> CarriedMask:
        """Propose the mask in the next image."""


class CopyPrevious:
    """Proposes the mask of the previous frame."""

    def start(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Set the mask, bool (H, W), of an image, uint8 (H, W, 3)."""
        self._mask = mask

    def advance(self, image: np.ndarray) -> CarriedMask:
        """Propose the mask in the next image."""
        return CarriedMask(self._mask, False)


class FlowWarping:
    """Moves the mask by OpenCV's DIS optical flow (Kroeger et al., ECCV 2016)."""

    def start(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Set the mask, bool (H, W), of an image, uint8 (H, W, 3)."""
        self._image, self._prob = flow_image(image), mask.astype(np.float32)

    def advance(self, image: np.ndarray) -> CarriedMask:
        """Propose the mask in the next image."""
        later = flow_image(image)
        self._prob = move_mask(self._prob, Flow.between(self._image, later).sources)
        self._image = later
        return CarriedMask(self._prob > 0.5, False)


class Following:
    """Proposes the mask of `Follower`."""

    def __init__(self, predictor: FollowingPredictor, quality: QualityModel) -> None:
        self._follower = Follower(predictor, quality)

    def start(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Set the mask, bool (H, W), of an image, uint8 (H, W, 3)."""
        self._follower.start(image, [Instance(mask)])

    def advance(self, image: np.ndarray) -> CarriedMask:
        """Propose the mask in the next image."""
        frame = self._follower.advance(image)
        return CarriedMask((frame.instances or frame.lost)[0].mask, bool(frame.lost))


CARRIERS: dict[str, Callable[[FollowingPredictor, QualityModel], Carrier]] = {
    "follow": Following,
    "optical flow": lambda predictor, quality: FlowWarping(),
    "copy previous": lambda predictor, quality: CopyPrevious(),
}


@dataclass(frozen=True)
class FollowRun:
    """One object carried through its sequence by one method.

    Attributes:
        method: A name in CARRIERS.
        name: Name of the object.
        ious: IoU of the proposal in each frame that shows the object.
        clicks: Clicks in all frames.
        told: Whether the method called the object lost, in each frame before which it did not.
        lost: Whether the object was truly lost in those frames.
        seconds: CPU seconds of each proposal, over all threads.
    """

    method: str
    name: str
    ious: tuple[float, ...]
    clicks: int
    told: tuple[bool, ...]
    lost: tuple[bool, ...]
    seconds: tuple[float, ...]


def benchmark_following(
    targets: Sequence[Target], predictor: Any, clicker: Predictor, quality: QualityModel, frames: int = 50, seed: int = 0, *,
    fingerprint: str = "", record: Path | None = None,
) -> list[FollowRun]:  # fmt: skip
    """Carry objects through sequences made from their photographs, by each method.

    Args:
        targets: The objects; the photograph of the next one is the texture of the occluder.
        predictor: A predictor with tokens, see `Follower`.
        clicker: The predictor for the corrections; another one, or a twin, since both keep an image.
        quality: The model that estimates how good a mask is.
        frames: Number of frames of each sequence.
        seed: Seed of the sequences.
        fingerprint: Identifies the weights of the models in the record.
        record: JSONL file that receives one line per finished sequence, see `run_missing`.

    Returns:
        The runs of all objects and methods.
    """
    settings = {
        (t, method): (method, "follow", fingerprint, frames, seed, target.image_path, target.name, _next(targets, t).image_path)
        for t, target in enumerate(targets)
        for method in CARRIERS
    }

    def measure(todo: Sequence[tuple[int, str]]) -> Iterator[tuple[tuple[int, str], FollowRun]]:
        for t, method in todo:
            name = f"{targets[t].group}/{targets[t].name}"
            sequence = _sequence(name, targets[t], _next(targets, t), frames, seed)
            yield (t, method), _carry(method, name, CARRIERS[method](predictor, quality), sequence, clicker)

    return run_missing(settings, measure, FollowRun, record)


def _next(targets: Sequence[Target], index: int) -> Target:
    return targets[(index + 1) % len(targets)]


def _sequence(name: str, target: Target, occluder: Target, frames: int, seed: int) -> Iterator[SequenceFrame]:
    """Make the sequence of an object, which is the same for every method."""
    image, mask, _ = target.load()
    texture, _, _ = occluder.load()
    return make_sequence(image, mask, texture, np.random.default_rng((seed, zlib.crc32(name.encode()))), frames)


def _carry(method: str, name: str, carrier: Carrier, sequence: Iterable[SequenceFrame], clicker: Predictor) -> FollowRun:
    ious: list[float] = []
    told: list[bool] = []
    lost: list[bool] = []
    seconds: list[float] = []
    clicks, is_started, was_told = 0, False, False
    for frame in sequence:
        needs_mask = frame.visible_share >= MIN_VISIBLE_SHARE and np.count_nonzero(frame.mask) >= MIN_VISIBLE_PX
        if not is_started:
            if needs_mask:
                carrier.start(frame.image, frame.mask)
                is_started = True
            continue
        started = process_time()
        proposal = carrier.advance(frame.image)
        seconds.append(process_time() - started)
        found = iou(frame.mask, proposal.mask)
        if not was_told:
            told.append(proposal.lost)
            lost.append(bool(found < LOST_IOU))
        was_told = proposal.lost
        if not needs_mask:
            continue
        ious.append(float(found))
        if found < GOOD_IOU or proposal.lost:
            corrected, count = _correct(frame.image, frame.mask, proposal.mask, found, clicker)
            clicks += max(1, count)
            carrier.start(frame.image, corrected)
            was_told = False
    return FollowRun(method, name, tuple(ious), clicks, tuple(told), tuple(lost), tuple(seconds))


def _correct(image: np.ndarray, gt: np.ndarray, mask: np.ndarray, found: float, clicker: Predictor) -> tuple[np.ndarray, int]:
    """Click until the mask is right; return the mask and the number of clicks."""
    session = Session(image, clicker, mask=mask if found >= LOST_IOU else None)
    clicks: list[Click] = []
    while len(clicks) < MAX_CLICKS and iou(gt, session.mask) < CORRECTED_IOU:
        click = next_click(gt, session.mask, clicked=clicks)
        if click is None:
            break
        session.apply(click)
        clicks.append(click)
    return session.mask.copy(), len(clicks)


def summarize(runs: Sequence[FollowRun]) -> dict[str, dict[str, float]]:
    """Return the figures of each method over all its runs; a share without a case is NaN."""
    figures = {}
    for method in dict.fromkeys(run.method for run in runs):
        chosen = [run for run in runs if run.method == method]
        ious = np.array([value for run in chosen for value in run.ious])
        told, lost = (np.array([value for run in chosen for value in getattr(run, name)], bool) for name in ("told", "lost"))
        figures[method] = {
            "sequences": len(chosen),
            "frames": len(ious),
            "mean_iou": float(ious.mean()),
            "share_good": float((ious >= GOOD_IOU).mean()),
            "clicks_per_100_frames": 100 * sum(run.clicks for run in chosen) / len(ious),
            "truly_lost": int(lost.sum()),
            "lost_recall": _share(told[lost]),
            "lost_precision": _share(lost[told]),
            "cpu_seconds_per_frame": float(np.mean([value for run in chosen for value in run.seconds])),
        }
    return figures


def _share(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def follow_table(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures of `summarize` as a table."""
    header = f"{'method':14}{'IoU':>7}{f'>={GOOD_IOU}':>8}{'clicks/100':>12}{'lost recall':>13}{'precision':>11}{'CPU s/frame':>13}"
    rows = [
        f"{method:14}{one['mean_iou']:7.3f}{one['share_good']:8.3f}{one['clicks_per_100_frames']:12.1f}"
        f"{one['lost_recall']:13.2f}{one['lost_precision']:11.2f}{one['cpu_seconds_per_frame']:13.2f}"
        for method, one in figures.items()
    ]
    first = next(iter(figures.values()))
    return "\n".join([f"{first['sequences']} sequences of {FRAME_SIDE_PX}x{FRAME_SIDE_PX} pixels", header, *rows])
