"""A predictor that several sessions and threads share: one call at a time, and always about the right image."""

from __future__ import annotations

from threading import Lock
from typing import Sequence
from weakref import WeakValueDictionary, ref

import numpy as np

from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Prompt


def check_answer(mask: np.ndarray, image: np.ndarray) -> None:
    """Raise ValueError where a predictor's mask does not fit the image."""
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise ValueError(f"the predictor answered with a mask of {mask.dtype} {mask.shape}, the image needs bool {image.shape[:2]}")


class Engine:
    """A predictor, the lock its callers share, and which image it was given last; get one with `engine_of`."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._lock = Lock()
        self._image: ref[np.ndarray] | None = None

    def encode(self, image: np.ndarray) -> None:
        """Make the predictor hold `image`, this very array; at once when it does already, else after other calls have ended."""
        with self._lock:
            self._hold(image)

    def ask(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> Prediction:
        """Predict for `image`, encoding it first where the predictor has served another one meanwhile.

        Raises ValueError when the answer is no bool (H, W) mask of the image's size, and whatever the predictor raises.
        """
        with self._lock:
            self._hold(image)
            prediction = self.predictor.predict(prompts, prior)
        check_answer(prediction.mask, image)
        return prediction

    def _hold(self, image: np.ndarray) -> None:
        held = None if self._image is None else self._image()
        if held is image:
            return
        if held is not None and np.array_equal(held, image):  # the same picture, opened again
            self._image = ref(image)
            return
        self._image = None  # where set_image fails, nobody knows what the predictor holds
        self.predictor.set_image(image)
        self._image = ref(image)


# By identity, because a predictor need not be hashable. An engine lives as long as a session uses it, and keeps its
# predictor alive, so that no other object can have the same identity meanwhile.
_ENGINES: WeakValueDictionary[int, Engine] = WeakValueDictionary()
_ENGINES_LOCK = Lock()


def engine_of(predictor: Predictor) -> Engine:
    """Return the one engine of a predictor, the same for all the sessions that use it now."""
    if not (hasattr(predictor, "set_image") and hasattr(predictor, "predict")):
        raise TypeError(f"a predictor has set_image and predict, and {predictor!r} has not; give what cdwidget.load_predictor() returns")
    with _ENGINES_LOCK:
        engine = _ENGINES.get(id(predictor))
        if engine is None:
            engine = _ENGINES[id(predictor)] = Engine(predictor)
        return engine
