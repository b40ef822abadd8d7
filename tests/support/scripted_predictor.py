"""A small image with two masks, predictors that answer what a test wants, users who do anything at all, and all that a session holds."""

from __future__ import annotations

from random import Random
from typing import Any, Sequence
from zlib import crc32

import numpy as np

from cdwidget.masks import iou
from cdwidget.predictor import BAD, Judgement, Prediction
from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.session import Accept, Action, Alternative, Delete, Duplicate, Lock, Merge, Relabel, Reorder, Select, Session, Snap, Split
from cdwidget.tools import Brush, FillHoles, Grow, KeepLargest, Lasso, Matte, Polygon, Shrink, Smooth, Superpixel, Wand

HEIGHT, WIDTH = 14, 18
IMAGE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
NOTHING = np.zeros((HEIGHT, WIDTH), bool)
LEFT = NOTHING.copy()
LEFT[:, :6] = True
RIGHT = NOTHING.copy()
RIGHT[:, 12:] = True


class Scripted:
    """Gives the answers it was given, in order, the last one again and again; beside each the same alternatives."""

    def __init__(self, *answers: np.ndarray, alternatives: Sequence[np.ndarray] = ()) -> None:
        self.answers = list(answers)
        self.alternatives = tuple(alternatives)
        self.asked: list[tuple[tuple[Prompt, ...], np.ndarray | None]] = []

    def set_image(self, image: np.ndarray) -> None:
        pass

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        self.asked.append((tuple(prompts), prior))
        mask = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Prediction(mask, mask.astype(np.float32), self.alternatives)


class Knowing:
    """A critic that knows the truth."""

    def __init__(self, truth: np.ndarray) -> None:
        self.truth = truth

    def set_image(self, image: np.ndarray) -> None:
        pass

    def judge(self, mask: np.ndarray, others: Sequence[np.ndarray] = ()) -> Judgement:
        missed, taken = (self.truth & ~mask).astype(np.float32), (mask & ~self.truth).astype(np.float32)
        return Judgement(agreed := iou(mask, self.truth), float(agreed >= BAD), missed, taken)

    def look(self, mask: np.ndarray) -> np.ndarray:
        return np.sqrt([mask.sum(), mask.any(1).sum(), mask.any(0).sum()]).astype(np.float32)


class Erratic:
    """Gives wild masks that depend on the image, the prompts and the prior alone: deterministic, and never helpful."""

    def set_image(self, image: np.ndarray) -> None:
        self.image = image.copy()

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        seed = crc32(self.image.tobytes() + repr(list(prompts)).encode() + (b"" if prior is None else prior.tobytes()))
        coarse = np.random.default_rng(seed).random([3, *(-(-side // 4) for side in self.image.shape[:2])]) < 0.5
        mask, *alternatives = np.kron(coarse, np.ones((1, 4, 4), bool))[:, : self.image.shape[0], : self.image.shape[1]]
        return Prediction(mask, mask.astype(np.float32), (*alternatives, mask))


def any_action(random: Random, session: Session) -> Action:
    """Return some action, of any kind, that a session may or may not be able to do."""

    def at() -> tuple[float, float]:
        return random.randrange(WIDTH * 64) / 64, random.randrange(HEIGHT * 64) / 64

    def line(least: int) -> Any:
        return tuple(at() for _ in range(random.randint(least, least + 3)))

    def one() -> int:
        return random.choice(session.state.entries).id

    add, radius = random.random() < 0.7, random.choice([0.5, 1, 2, 3.5])
    makers = [
        lambda: Click(*at(), add),
        lambda: Stroke(line(1), add, radius),
        lambda: Box(random.randrange(8), random.randrange(6), random.randint(9, WIDTH), random.randint(7, HEIGHT)),
        lambda: Alternative(random.randint(-1, 3)),
        lambda: Accept(random.choice([None, "", "cat", "dog"])),
        lambda: Select(random.choice([None, one()])),
        lambda: Delete(random.choice([None, one()])),
        lambda: Relabel(random.choice(["", "cat", "dog"]), random.choice([None, one()])),
        lambda: Lock(add),
        lambda: Duplicate(random.choice([None, one()])),
        lambda: Merge(one()),
        lambda: Split(random.choice([None, one()])),
        lambda: Reorder(one(), random.randrange(len(session.state.entries))),
        lambda: Snap(radius),
        lambda: Brush(line(1), radius, add),
        lambda: Polygon(line(3), add),
        lambda: Lasso(line(3), add),
        lambda: Superpixel((random.randrange(12), random.randrange(12)), 16, add),
        lambda: Wand(*at(), random.choice([0.0, 60.0, 120.0]), add),
        lambda: FillHoles(),
        lambda: KeepLargest(),
        lambda: Smooth(radius),
        lambda: Grow(radius),
        lambda: Shrink(radius),
        lambda: Matte(line(1), radius),
    ]
    return random.choice(makers)()


def snapshot(session: Session) -> Any:
    """All that a session holds, as plain values: order, labels, prompts, and of each instance mask, sources and alpha."""
    document = session._document
    alpha = None if session.alpha is None else session.alpha.tobytes()
    patches = [document.patch(entry.id) for entry in session.state.entries]
    return session.state, session.mask.tobytes(), session.sources.tobytes(), alpha, patches, session.label_map().tobytes()
