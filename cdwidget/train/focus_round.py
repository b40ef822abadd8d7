"""Focus views of a batch, in which the network learns to correct its own predictions as at inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import cv2
import numpy as np

from cdwidget.masks import Bbox
from cdwidget.model.focus import FOCUS, focus_box
from cdwidget.model.prompt_maps import prompt_maps
from cdwidget.prompts import Prompt
from cdwidget.train.data import TrainingView


@dataclass(frozen=True)
class FocusSample:
    """A target in a focus view.

    Attributes:
        view: The view, F pixels wide, without masks.
        target: The true mask, bool (F, F).
        maps: All prompts so far and the prediction, float32 (3, F, F), see `prompt_maps`.
    """

    view: TrainingView
    target: np.ndarray
    maps: np.ndarray


def focus_samples(
    images: Sequence[np.ndarray], targets: np.ndarray, valid: np.ndarray, before: np.ndarray, after: np.ndarray,
    prompts: Sequence[Sequence[Prompt]], size: int, radius: float,
) -> list[FocusSample]:  # fmt: skip
    """Return the focus views of the newest prompts.

    Args:
        images: The view of each target, uint8 (S, S, 3) RGB.
        targets: The true masks, bool (N, S, S).
        valid: Pixels that count, bool (N, S, S).
        before: Probabilities before the newest prompts, float32 (N, S, S).
        after: Probabilities after them, float32 (N, S, S).
        prompts: The prompts of each target in pixels of its view, oldest first.
        size: Side F of a focus view in pixels.
        radius: Radius of a click in pixels of the focus view.

    Returns:
        A sample for each target whose newest prompt has a focus view.
    """
    samples = []
    for image, target, counts, old, new, given in zip(images, targets, valid, before, after, prompts):
        box = focus_box(old > 0.5, new > 0.5, given[-1], FOCUS, size, 1.0) if given else None
        if box is None:
            continue
        maps = np.concatenate([prompt_maps(given, box, size, radius), _enlarged(new, box, size)[None]])
        mask, counted = (_enlarged(part.astype(np.float32), box, size) > 0.5 for part in (target, counts))
        view = TrainingView(_enlarged(image, box, size), np.zeros((0, *mask.shape), bool), 0, counted)
        samples.append(FocusSample(view, mask, maps))
    return samples


def _enlarged(array: np.ndarray, box: Bbox, size: int) -> np.ndarray:
    """Resize a square part of an array to `size` pixels."""
    x0, y0, x1, y1 = box
    interpolation = cv2.INTER_AREA if x1 - x0 > size else cv2.INTER_LINEAR
    return cv2.resize(array[y0:y1, x0:x1], (size, size), interpolation=interpolation)
