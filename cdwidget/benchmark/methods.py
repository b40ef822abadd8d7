"""The methods to compare: CDNet by name, classical baselines (GrabCut, random walker), or any predictor by import path."""

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
    """One method to compare.

    Attributes:
        name: Name in tables.
        build: Builds the predictor; it is pickled and called once per process.
        fingerprint: Identifies weights or source code, so that recorded results of another version are not reused.
        plain: Call the predictor directly, without a session's progressive merge.
    """

    name: str
    build: Callable[[], Predictor]
    fingerprint: str
    plain: bool = False


def baseline(name: str) -> Method:
    """Return an entry of BASELINES.

    Prompts go directly to it, since progressive merge is not part of these methods.
    """
    return Method(name, BASELINES[name], name, plain=True)


def import_method(name: str) -> Method:
    """Return any predictor by import path.

    Args:
        name: "package.module:factory", also from the current folder; the factory takes no arguments.

    Raises:
        ValueError: If it cannot be imported.
    """
    module = _factory(name).__module__
    source = getattr(sys.modules[module], "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
    return Method(name, partial(_build, name), f"{name} {digest}")


def _build(name: str) -> Predictor:
    return _factory(name)()


def _factory(name: str) -> Callable[[], Predictor]:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} cannot be imported ({error}); write package.module:factory, a callable without arguments") from error
    return factory


SEED_RADIUS = 5  # px, radius of the disk of certain pixels around a click
INITIAL_RADIUS = 0.25  # fraction of the shorter image side, radius of the initial foreground disk around positive clicks
GRABCUT_ITERATIONS = 5
RANDOM_WALKER_SIDE = 256  # px, longer side of the image that the random walker receives
RANDOM_WALKER_BETA = 130  # edge penalty


class Baseline(ABC):
    """Base class of classical methods: keeps the image and returns a prediction."""

    def __init__(self) -> None:
        self._image: np.ndarray | None = None

    def set_image(self, image: np.ndarray) -> None:
        """Set the image, uint8 (H, W, 3) RGB."""
        self._image = np.ascontiguousarray(image)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """Predict the mask for all prompts; raises ValueError before `set_image`."""
        if self._image is None:
            raise ValueError(f"{type(self).__name__} has no image yet; call set_image first")
        prob = self._predict(self._image, prompts, prior)
        return Prediction(mask=prob > 0.5, prob=prob)

    @abstractmethod
    def _predict(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        """Return the foreground probability, float32 (H, W); the image is uint8 (H, W, 3)."""


class GrabCut(Baseline):
    """OpenCV's GrabCut, seeded by prompts.

    Prompts are certain, and so is the background outside a box. The initial foreground is the prior, else the box, else a disk around
    each positive click. Source: Rother et al., "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004.
    """

    def _predict(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        height, width = image.shape[:2]
        guess = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        if prior is not None and (prior > 0.5).any():
            guess[prior > 0.5] = cv2.GC_PR_FGD
        elif any(isinstance(prompt, Box) for prompt in prompts):
            guess[:] = cv2.GC_PR_FGD
        else:
            guess[_seeds(prompts, image.shape, ceil(INITIAL_RADIUS * min(height, width))) > 0] = cv2.GC_PR_FGD
        seeds = _seeds(prompts, image.shape, SEED_RADIUS)
        guess[seeds > 0], guess[seeds < 0] = cv2.GC_FGD, cv2.GC_BGD
        foreground = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
        if not foreground.all() and foreground.any():  # GrabCut needs samples of both classes.
            cv2.setRNGSeed(0)  # Its k-means initialization is random.
            cv2.grabCut(image, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), GRABCUT_ITERATIONS, cv2.GC_INIT_WITH_MASK)
            foreground = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
        return foreground.astype(np.float32)


class RandomWalker(Baseline):
    """scikit-image's random walker on the image reduced to a longer side of 256 px; at full size one click takes minutes.

    The image border is background where no positive prompt lies, so that the first click has a background seed. The prior is not used.
    Source: Grady, "Random walks for image segmentation", PAMI 2006.
    """

    def _predict(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> np.ndarray:
        height, width = image.shape[:2]
        seeds = _seeds(prompts, image.shape, SEED_RADIUS)
        frame = np.ones_like(seeds, bool)
        frame[1:-1, 1:-1] = False
        seeds[frame & (seeds == 0)] = -1
        if not (seeds > 0).any():
            return np.zeros((height, width), np.float32)
        scale = min(1.0, RANDOM_WALKER_SIDE / max(height, width))
        size = max(2, round(width * scale)), max(2, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        labels = np.zeros(small.shape[:2], np.int32)
        for value, label in ((-1, 2), (1, 1)):  # Foreground wins where both fall on one pixel.
            ys, xs = np.nonzero(seeds == value)
            labels[ys * size[1] // height, xs * size[0] // width] = label
        if (labels > 0).all() or small.min() == small.max():  # Nothing is left to label, or there are no edges.
            prob = labels == 1
        else:
            walk = partial(random_walker, beta=RANDOM_WALKER_BETA, mode="cg_j", channel_axis=-1, return_full_prob=True, prob_tol=1.0)
            prob = walk(small / 255.0, labels)[0].clip(0, 1)
        full = cv2.resize(prob.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        certain = _seeds(prompts, image.shape, 0)
        return np.where(certain > 0, 1, np.where(certain < 0, 0, full)).astype(np.float32)


def _seeds(prompts: Sequence[Prompt], shape: tuple[int, ...], radius: int) -> np.ndarray:
    """Return the labels that prompts make certain, int8 (H, W): 1 foreground, -1 background, 0 unknown; later prompts win.

    A click is a disk of `radius` pixels, a stroke a line; everything outside a box is background.
    """
    seeds = np.zeros(shape[:2], np.int8)
    for prompt in prompts:
        if isinstance(prompt, Click):
            row, column = prompt.pixel
            cv2.circle(seeds.view(np.uint8), (column, row), radius, 1 if prompt.positive else 255, thickness=-1)
        elif isinstance(prompt, Stroke):
            points = np.floor(prompt.points).astype(np.int32)
            color = 1 if prompt.positive else 255
            cv2.polylines(seeds.view(np.uint8), [points], isClosed=False, color=color, thickness=max(1, round(2 * prompt.radius)))
        else:
            inside = np.s_[int(prompt.y0) : ceil(prompt.y1), int(prompt.x0) : ceil(prompt.x1)]
            kept = seeds[inside].copy()
            seeds[:] = -1
            seeds[inside] = kept
    return seeds


BASELINES: dict[str, Callable[[], Predictor]] = {
    "grabcut": GrabCut,
    "random-walker": RandomWalker,
}
