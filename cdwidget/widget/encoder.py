"""Getting the model and the image ready in the background, so that the first click need not wait."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import Callable, Sequence

import numpy as np

import cdwidget
from cdwidget.predictor import Prediction, Predictor
from cdwidget.prompts import Prompt
from cdwidget.session import Session
from cdwidget.tools.matte import load_solver


class EmbeddedPredictor:
    """The embedded model, loaded when it is needed first: importing torch takes seconds that showing an image must not wait for."""

    def __init__(self, load: Callable[[], Predictor] | None = None) -> None:
        self._lock = Lock()
        self._load = load
        self._predictor: Predictor | None = None

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._predictor is not None

    def load(self) -> Predictor:
        """Return the model, loading it at the first call."""
        with self._lock:
            if self._predictor is None:
                self._predictor = self._load() if self._load else cdwidget.load_predictor()
            return self._predictor

    def twin(self) -> EmbeddedPredictor:
        """Return another predictor of the same model, which holds an image of its own."""
        return EmbeddedPredictor(lambda: self.load().twin())  # type: ignore[attr-defined]  # what is embedded is a CDNetPredictor

    def set_image(self, image: np.ndarray) -> None:
        """As `Predictor.set_image`."""
        self.load().set_image(image)

    def predict(self, prompts: Sequence[Prompt], prior: np.ndarray | None = None) -> Prediction:
        """As `Predictor.predict`."""
        return self.load().predict(prompts, prior)


EMBEDDED = EmbeddedPredictor()  # shared by all widgets of a kernel


def prepare(tool: str) -> None:
    """Begin to load what a tool that is taken up will need, if that takes long."""
    if tool == "matte":
        Thread(target=_load_matte, daemon=True).start()


def _load_matte() -> None:
    with suppress(ImportError):  # it is said when somebody mattes
        load_solver()


class Encoder:
    """Encodes one session's image in a thread of its own.

    tell(phase, error) is called from that thread: "loading" the model, "encoding", then "ready" or "failed" with what went wrong.
    """

    def __init__(self, session: Session, predictor: Predictor | None, tell: Callable[[str, str], None]) -> None:
        self.session = session
        self.error: Exception | None = None
        self._predictor = predictor
        self._tell = tell
        self._done = Event()
        # In a copy of the context, so that ipykernel knows which cell the thread's messages belong to.
        Thread(target=copy_context().run, args=(self._run,), daemon=True).start()

    def wait(self) -> None:
        """Return when the session can answer prompts; raise what went wrong on the way."""
        self._done.wait()
        if self.error:
            raise self.error

    def _run(self) -> None:
        try:
            if isinstance(self._predictor, EmbeddedPredictor) and not self._predictor.loaded:
                self._tell("loading", "")
                self._predictor.load()
            self._tell("encoding", "")
            self.session.encode()
        except Exception as error:
            self.error = error
        finally:
            self._done.set()
        self._tell("failed" if self.error else "ready", f"{type(self.error).__name__}: {self.error}" if self.error else "")
