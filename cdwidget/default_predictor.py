"""The models that are used when none is given.

The package registers how they are loaded (`cdwidget/__init__.py`), so that their users need not import the model and torch.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Callable, Sequence, cast

if TYPE_CHECKING:
    import numpy as np

    from cdwidget.predictor import GranularPredictor, Prediction, Predictor, QualityModel
    from cdwidget.prompts import Prompt


class LazyPredictor:
    """A predictor that is loaded on first use, because importing torch takes seconds.

    Args:
        load: Returns the predictor; called once, from the thread that needs it first.

    Example:
        >>> predictor = LazyPredictor(cdwidget.load_predictor)
        >>> predictor.is_loaded
        False
    """

    def __init__(self, load: Callable[[], Predictor]) -> None:
        self._lock = Lock()
        self._load = load
        self._predictor: Predictor | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._predictor is not None

    def load(self) -> Predictor:
        """Return the predictor, loading it at the first call."""
        with self._lock:
            if self._predictor is None:
                self._predictor = self._load()
            return self._predictor

    def twin(self) -> LazyPredictor:
        """Return a second predictor that shares the model but holds its own image."""
        return LazyPredictor(lambda: self.load().twin())  # type: ignore[attr-defined]  # CDNetPredictor has `twin`.

    def set_image(self, image: np.ndarray) -> None:
        """Encode an image, uint8 (H, W, 3) RGB, as `Predictor.set_image` does."""
        self.load().set_image(image)

    @property
    def granularities(self) -> Sequence[float]:
        """The granularities that sessions offer as suggestions."""
        return getattr(self.load(), "granularities", ())

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None, granularity: float | None = None) -> Prediction:
        """Predict the mask for all prompts given so far, as `GranularPredictor.predict` does."""
        if granularity is None:
            return self.load().predict(prompts, prior)
        return cast("GranularPredictor", self.load()).predict(prompts, prior, granularity)


_loaders: list[Callable[[str | None], Predictor]] = []
_quality_loaders: list[Callable[[], QualityModel]] = []
_NAMED_PREDICTORS: dict[str, LazyPredictor] = {}


def register_loader(load: Callable[[str | None], Predictor]) -> None:
    """Set how predictors are loaded by name, None for the default one; the last registration counts."""
    _loaders.append(load)


def register_quality_loader(load: Callable[[], QualityModel]) -> None:
    """Set how the quality model is loaded; the last registration counts."""
    _quality_loaders.append(load)


def load_predictor() -> Predictor:
    """Load the default predictor."""
    return _loaders[-1](None)


def load_quality_model() -> QualityModel:
    """Load the quality model."""
    return _quality_loaders[-1]()


def named_predictor(name: str) -> LazyPredictor:
    """Return the predictor that `load_predictor(name)` loads; widgets that give one name share it."""
    return _NAMED_PREDICTORS.setdefault(name, LazyPredictor(lambda: _loaders[-1](name)))


DEFAULT_PREDICTOR = LazyPredictor(lambda: _loaders[-1](None))  # Shared by all widgets of a kernel.
