"""Background work before the first prompt: loading the model, encoding the image."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import Callable

from cdwidget.default_predictor import LazyPredictor
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.tools.matte import load_solver


class Encoder:
    """Encode the image of one session in a background thread.

    Args:
        session: The session whose image is encoded.
        predictor: The session's predictor, to be loaded first if it is a `LazyPredictor`; None if the session brings its own.
        notify: Called from the thread with the phase ("loading", "encoding", "ready" or "failed") and the error message or "".

    Attributes:
        done: Set when the session can process prompts, or has failed.
        error: The exception if it has failed.
    """

    def __init__(self, session: Session, predictor: Predictor | None, notify: Callable[[str, str], None]) -> None:
        self.session = session
        self.error: Exception | None = None
        self._predictor = predictor
        self._notify = notify
        self.done = Event()
        # The copied context tells ipykernel which cell the thread's messages belong to.
        Thread(target=copy_context().run, args=(self._run,), daemon=True).start()

    def _run(self) -> None:
        try:
            if isinstance(self._predictor, LazyPredictor) and not self._predictor.is_loaded:
                self._notify("loading", "")
                self._predictor.load()
            self._notify("encoding", "")
            self.session.encode()
        except Exception as error:
            self.error = error
        finally:
            self.done.set()
        self._notify("failed" if self.error else "ready", f"{type(self.error).__name__}: {self.error}" if self.error else "")


def preload_tool(tool: str) -> None:
    """Start loading the resources of a tool in the background, so that its first use is fast."""
    if tool == "matte":
        Thread(target=_load_matting_solver, daemon=True).start()


def _load_matting_solver() -> None:
    with suppress(ImportError):  # The first use of the tool reports it.
        load_solver()
