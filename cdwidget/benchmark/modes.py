"""The ways to cut out an object: the mask one starts from, and the next prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from cdwidget.clicks import core_distance, next_click, stroke_from
from cdwidget.faults import faulty_mask
from cdwidget.masks import bbox
from cdwidget.prompts import Box, Click, Prompt

HUMAN_DEPTH = 0.1  # of the error's depth, from which on people click
STROKE_RADIUS = 1 / 250  # of the image's longer side, where the error is thick enough


@dataclass(frozen=True)
class Mode:
    """How one object is cut out.

    start: of image, gt, ignore and a generator makes the mask to begin with, bool (H, W), or None for the empty one. prompt: of gt, the
    mask so far, ignore, the prompts so far and the generator makes the next prompt, or None when no error is left.
    """

    start: Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray | None]
    prompt: Callable[[np.ndarray, np.ndarray, np.ndarray, Sequence[Prompt], np.random.Generator], Prompt | None]


def from_nothing(image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, rng: np.random.Generator) -> None:
    """Begin with the empty mask."""


def from_faulty(image: np.ndarray, gt: np.ndarray, ignore: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Begin with a mask of IoU 0.75 to 0.85."""
    return faulty_mask(image, gt, rng, ignore)


def click(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, given: Sequence[Prompt], rng: np.random.Generator) -> Click | None:
    """Click at the core of the larger error."""
    return next_click(gt, mask, ignore, [prompt for prompt in given if isinstance(prompt, Click)])


def human_click(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, given: Sequence[Prompt], rng: np.random.Generator) -> Click | None:
    """Click anywhere in the larger error that is at least a tenth as deep as its core, as people do (RClicks, NeurIPS 2024)."""
    return next_click(gt, mask, ignore, [prompt for prompt in given if isinstance(prompt, Click)], rng, HUMAN_DEPTH)


def box_first(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, given: Sequence[Prompt], rng: np.random.Generator) -> Prompt | None:
    """Draw the object's box, then click."""
    return click(gt, mask, ignore, given, rng) if given else Box(*bbox(gt))


def stroke(gt: np.ndarray, mask: np.ndarray, ignore: np.ndarray, given: Sequence[Prompt], rng: np.random.Generator) -> Prompt | None:
    """Scribble from the core of the larger error to somewhere else in it."""
    core = next_click(gt, mask, ignore)
    if core is None:
        return None
    error = (gt & ~mask if core.positive else mask & ~gt) & ~ignore
    radius = min(STROKE_RADIUS * max(gt.shape), float(core_distance(error)[core.pixel]) / 2)
    return stroke_from(core, error, max(0.5, radius), rng)


MODES: dict[str, Mode] = {
    "click": Mode(from_nothing, click),
    "human": Mode(from_nothing, human_click),
    "box": Mode(from_nothing, box_first),
    "stroke": Mode(from_nothing, stroke),
    "edit": Mode(from_faulty, click),
}
