"""A small image with two masks, predictors without a network, random actions, and snapshots of sessions."""

from __future__ import annotations

from random import Random
from time import sleep
from typing import Any, Sequence
from zlib import crc32

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import iou
from cdwidget.predictor import GOOD_IOU, Prediction, QualityEstimate
from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.session import (
    Accept,
    Action,
    AddToClass,
    Alternative,
    Confirm,
    Delete,
    Duplicate,
    Lock,
    Merge,
    Paste,
    Relabel,
    Reorder,
    Select,
    SeparateClasses,
    Session,
    SetAttributes,
    SetTrackIds,
    Snap,
    Split,
)
from cdwidget.tools import Brush, FillHoles, Grow, KeepLargest, Lasso, Matte, Polygon, Shrink, Smooth, Superpixel, Wand

HEIGHT, WIDTH = 14, 18
IMAGE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
EMPTY_MASK = np.zeros((HEIGHT, WIDTH), bool)
LEFT_HALF = EMPTY_MASK.copy()
LEFT_HALF[:, :6] = True
RIGHT_HALF = EMPTY_MASK.copy()
RIGHT_HALF[:, 12:] = True


class ScriptedPredictor:
    """Predicts given masks in order, then the last one again; all with the same alternatives.

    Attributes:
        calls: Prompts and prior of each call of `predict`.
    """

    def __init__(self, *masks: np.ndarray, alternatives: Sequence[np.ndarray] = ()) -> None:
        self.masks = list(masks)
        self.alternatives = tuple(alternatives)
        self.calls: list[tuple[tuple[Prompt, ...], np.ndarray | None]] = []

    def set_image(self, image: np.ndarray) -> None:
        pass

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        self.calls.append((tuple(prompts), prior))
        mask = self.masks.pop(0) if len(self.masks) > 1 else self.masks[0]
        return Prediction(mask, mask.astype(np.float32), self.alternatives)


class SquarePredictor:
    """Predicts a square around the newest click.

    Args:
        side: Its side in pixels.
        seconds: Time that a prediction takes.
    """

    def __init__(self, side: int = 20, seconds: float = 0) -> None:
        self.side = side
        self.seconds = seconds
        self.shape = (0, 0)

    def set_image(self, image: np.ndarray) -> None:
        self.shape = image.shape[:2]

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        sleep(self.seconds)
        click, half = prompts[-1], self.side // 2
        assert isinstance(click, Click)
        mask = np.zeros(self.shape, bool)
        mask[max(0, int(click.y) - half) : int(click.y) + half, max(0, int(click.x) - half) : int(click.x) + half] = True
        return Prediction(mask, mask.astype(np.float32))


class OracleQualityModel:
    """A quality model that knows the true mask."""

    def __init__(self, truth: np.ndarray) -> None:
        self.truth = truth

    def set_image(self, image: np.ndarray) -> None:
        pass

    def estimate(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> QualityEstimate:
        missed, taken = (self.truth & ~mask).astype(np.float32), (mask & ~self.truth).astype(np.float32)
        return QualityEstimate(agreed := iou(mask, self.truth), float(agreed >= GOOD_IOU), missed, taken)

    def embed(self, mask: np.ndarray) -> np.ndarray:
        return np.sqrt([mask.sum(), mask.any(1).sum(), mask.any(0).sum()]).astype(np.float32)


class RandomPredictor:
    """Predicts random masks that only depend on the image, the prompts and the prior."""

    def set_image(self, image: np.ndarray) -> None:
        self.image = image.copy()

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        seed = crc32(self.image.tobytes() + repr(list(prompts)).encode() + (b"" if prior is None else prior.tobytes()))
        coarse = np.random.default_rng(seed).random([3, *(-(-side // 4) for side in self.image.shape[:2])]) < 0.5
        mask, *alternatives = np.kron(coarse, np.ones((1, 4, 4), bool))[:, : self.image.shape[0], : self.image.shape[1]]
        return Prediction(mask, mask.astype(np.float32), (*alternatives, mask))


def any_action(random: Random, session: Session) -> Action:
    """Return a random action of any kind, which may not be possible."""

    def point() -> tuple[float, float]:
        return random.randrange(WIDTH * 64) / 64, random.randrange(HEIGHT * 64) / 64

    def line(min_count: int) -> Any:
        return tuple(point() for _ in range(random.randint(min_count, min_count + 3)))

    def random_id() -> int:
        return random.choice(session.state.entries).id

    add, radius = random.random() < 0.7, random.choice([0.5, 1, 2, 3.5])
    makers = [
        lambda: Click(*point(), add),
        lambda: Stroke(line(1), add, radius),
        lambda: Box(random.randrange(8), random.randrange(6), random.randint(9, WIDTH), random.randint(7, HEIGHT)),
        lambda: Alternative(random.randint(-1, 3)),
        lambda: Accept(random.choice([None, "", "cat", "dog"])),
        lambda: Select(random.choice([None, random_id()])),
        lambda: Delete(random.choice([None, random_id(), (random_id(), random_id())])),
        lambda: Relabel(random.choice(["", "cat", "dog"]), random.choice([None, random_id(), (random_id(), random_id())])),
        lambda: SetAttributes(random.choice([None, random_id()]), random.choice([{}, {"occluded": add}, {"pose": ["left", 1.5, None]}])),
        lambda: SetTrackIds((random_id(),), (random.randrange(3),)),
        lambda: Confirm((random_id(),)),
        lambda: Lock(add),
        lambda: Duplicate(random.choice([None, random_id()])),
        lambda: Merge(random_id()),
        lambda: Split(random.choice([None, random_id()])),
        lambda: Reorder(random_id(), random.randrange(len(session.state.entries))),
        lambda: Snap(radius),
        lambda: AddToClass(random.choice([None, "", "cat"]), random.choice([None, "dog"])),
        lambda: SeparateClasses(),
        lambda: Paste.of(Instance(mask, "cat", confirmed=add) for mask in random.sample([LEFT_HALF, RIGHT_HALF], random.randint(1, 2))),
        lambda: Brush(line(1), radius, add),
        lambda: Polygon(line(3), add),
        lambda: Lasso(line(3), add),
        lambda: Superpixel((random.randrange(12), random.randrange(12)), 16, add),
        lambda: Wand(*point(), random.choice([0.0, 60.0, 120.0]), add),
        lambda: FillHoles(),
        lambda: KeepLargest(),
        lambda: Smooth(radius),
        lambda: Grow(radius),
        lambda: Shrink(radius),
        lambda: Matte(line(1), radius),
    ]
    return random.choice(makers)()


def snapshot(session: Session) -> Any:
    """Return the content of a session as values: order, labels, prompts, and mask, sources and alpha of each instance."""
    alpha = None if session.alpha is None else session.alpha.tobytes()
    patches = [session.patch(entry.id) for entry in session.state.entries]
    return session.state, session.mask.tobytes(), session.sources.tobytes(), alpha, patches, session.label_map().tobytes()
