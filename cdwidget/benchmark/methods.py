"""What is compared: a name, how to build its predictor in any process, and what tells its answers from another's."""

from __future__ import annotations

import hashlib
import os
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Callable, Sequence

import cv2
import numpy as np
from skimage.segmentation import random_walker

from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Box, Click, Prompt, Stroke


@dataclass(frozen=True)
class Method:
    """One method. build: makes its predictor; it is pickled. fingerprint: other answers, other fingerprint. plain: never in a session."""

    name: str
    build: Callable[[], Predictor]
    fingerprint: str
    plain: bool = False


def peer(name: str) -> Method:
    """One of PEERS; it gets every prompt directly, because progressive merge is no part of it."""
    return Method(name, PEERS[name], name, plain=True)


def imported(name: str) -> Method:
    """Any predictor by import path, "package.module:factory", also from the current folder; ValueError when there is none such."""
    module = _factory(name).__module__
    source = getattr(sys.modules[module], "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
    return Method(name, partial(_built, name), f"{name} {digest}")


def _built(name: str) -> Predictor:
    return _factory(name)()


def _factory(name: str) -> Callable[[], Predictor]:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} cannot be imported ({error}); write package.module:factory, callable without arguments") from error
    return factory


# MERGED from benchmark.peers: Other methods, as predictors, to compare with by the same clicks.


SEED_RADIUS = 5  # pixels of a click's disk that are certain
GUESS_SHARE = 0.25  # the first guess is a disk round the positive clicks, of this share of the shorter side
ITERATIONS = 5
WALKED = 256  # pixels of the longer side of what the random walker sees
BETA = 130  # how hard an edge is to walk across


class Peer(ABC):
    """What the peers share: the image, and the answer as a prediction."""

    def __init__(self) -> None:
        self._image: np.ndarray | None = None

    def set_image(self, image: np.ndarray) -> None:
        """Take an image, uint8 (H, W, 3) RGB."""
        self._image = np.ascontiguousarray(image)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Answer prompts; ValueError before `set_image`."""
        if self._image is None:
            raise ValueError(f"{type(self).__name__} has no image yet; call set_image first")
        prob = self._answer(self._image, prompts, prior)
        return Prediction(mask=prob > 0.5, prob=prob)

    @abstractmethod
    def _answer(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        """Return the probability of the object, float32 (H, W); the image is uint8 (H, W, 3)."""


class GrabCut(Peer):
    """OpenCV's GrabCut, seeded by prompts: they are certain, and so is what lies out of a box; the prior, else the box, else a disk round
    the positive clicks is the first guess.

    Rother et al., "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004.
    """

    def _answer(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        height, width = image.shape[:2]
        guess = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        if prior is not None and (prior > 0.5).any():
            guess[prior > 0.5] = cv2.GC_PR_FGD
        elif any(isinstance(prompt, Box) for prompt in prompts):
            guess[:] = cv2.GC_PR_FGD
        else:
            guess[_seeds(prompts, image.shape, ceil(GUESS_SHARE * min(height, width))) > 0] = cv2.GC_PR_FGD
        seeds = _seeds(prompts, image.shape, SEED_RADIUS)
        guess[seeds > 0], guess[seeds < 0] = cv2.GC_FGD, cv2.GC_BGD
        foreground = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
        if not foreground.all() and foreground.any():  # GrabCut needs samples of both
            cv2.setRNGSeed(0)  # its k-means starts at random
            cv2.grabCut(image, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), ITERATIONS, cv2.GC_INIT_WITH_MASK)
            foreground = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
        return foreground.astype(np.float32)


class RandomWalker(Peer):
    """scikit-image's random walker on the image reduced to a longer side of 256 pixels: at full size one click takes minutes.

    The image's frame counts as background where no positive prompt lies, so that a first click has something to tell the object from. The
    prior is not used. Grady, "Random walks for image segmentation", PAMI 2006.
    """

    def _answer(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        height, width = image.shape[:2]
        seeds = _seeds(prompts, image.shape, SEED_RADIUS)
        frame = np.ones_like(seeds, bool)
        frame[1:-1, 1:-1] = False
        seeds[frame & (seeds == 0)] = -1
        if not (seeds > 0).any():
            return np.zeros((height, width), np.float32)
        scale = min(1.0, WALKED / max(height, width))
        size = max(2, round(width * scale)), max(2, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = np.zeros(small.shape[:2], np.int32)
        for value, label in ((-1, 2), (1, 1)):  # where both fall on one pixel, the object's wins
            ys, xs = np.nonzero(seeds == value)
            labels[ys * size[1] // height, xs * size[0] // width] = label
        if (labels > 0).all() or small.min() == small.max():  # nowhere, or nothing, to walk by
            prob = labels == 1
        else:
            walk = partial(random_walker, beta=BETA, mode="cg_j", channel_axis=-1, return_full_prob=True, prob_tol=1.0)
            prob = walk(small / 255.0, labels)[0].clip(0, 1)
        full = cv2.resize(prob.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        certain = _seeds(prompts, image.shape, 0)
        return np.where(certain > 0, 1, np.where(certain < 0, 0, full)).astype(np.float32)


def _seeds(prompts: Sequence[Prompt], shape: tuple[int, ...], radius: int) -> np.ndarray:
    """What prompts say for certain, int8 (H, W): 1 in the object, -1 out of it, 0 unknown; later prompts win.

    A click is a disk of `radius` pixels, a stroke a line; out of a box nothing is the object.
    """
    seeds = np.zeros(shape[:2], np.int8)
    for prompt in prompts:
        if isinstance(prompt, Click):
            row, column = prompt.pixel
            cv2.circle(seeds.view(np.uint8), (column, row), radius, 1 if prompt.positive else 255, thickness=-1)
        elif isinstance(prompt, Stroke):
            points = np.floor(prompt.points).astype(np.int32)
            colour = 1 if prompt.positive else 255
            cv2.polylines(seeds.view(np.uint8), [points], isClosed=False, color=colour, thickness=max(1, round(2 * prompt.radius)))
        else:
            inside = np.s_[int(prompt.y0) : ceil(prompt.y1), int(prompt.x0) : ceil(prompt.x1)]
            kept = seeds[inside].copy()
            seeds[:] = -1
            seeds[inside] = kept
    return seeds


PEERS: dict[str, Callable[[], Predictor]] = {
    "grabcut": GrabCut,
    "random-walker": RandomWalker,
}
