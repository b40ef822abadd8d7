"""Asking a predictor that several sessions and threads share: one call at a time, and always about the right image."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Callable, Sequence
from weakref import WeakKeyDictionary, ref

import numpy as np

from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Prompt


@dataclass
class _Seat:
    """Who a predictor serves: the lock its callers share, and the image it was given last."""

    lock: Any = field(default_factory=RLock)
    image: Callable[[], np.ndarray | None] = lambda: None


_SEATS: WeakKeyDictionary[Predictor, _Seat] = WeakKeyDictionary()
_SEATS_LOCK = RLock()


def encode(predictor: Predictor, image: np.ndarray) -> None:
    """Make `predictor` hold `image`, the very array: nothing is done when it does already; waits while it is busy."""
    seat = _seat(predictor)
    with seat.lock:
        _take_seat(seat, predictor, image)


def ask(predictor: Predictor, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> Prediction:
    """Predict for `image`, encoding it first where another session has had the predictor meanwhile.

    Raises ValueError when the answer is not a bool (H, W) mask of the image's size.
    """
    seat = _seat(predictor)
    with seat.lock:
        _take_seat(seat, predictor, image)
        prediction = predictor.predict(prompts, prior)
    mask = prediction.mask
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise ValueError(f"the predictor answered with a mask of {mask.dtype} {mask.shape}; a bool {image.shape[:2]} mask is needed")
    return prediction


def _seat(predictor: Predictor) -> _Seat:
    with _SEATS_LOCK:
        return _SEATS.setdefault(predictor, _Seat())


def _take_seat(seat: _Seat, predictor: Predictor, image: np.ndarray) -> None:
    if seat.image() is image:
        return
    seat.image = lambda: None  # what it holds is unknown if set_image fails
    predictor.set_image(image)
    seat.image = ref(image)
