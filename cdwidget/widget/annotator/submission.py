"""The images of a list that were submitted or skipped, and the functions to call then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cdwidget.session import Accept, Action, Session, State
from cdwidget.widget.annotator.previous import confirmation


class Owner(Protocol):
    """The widget that the functions receive."""

    @property
    def session(self) -> Session:
        """The session of the image being shown."""

    def apply(self, action: Action) -> object:
        """Apply an action."""


def accept_objects(owner: Owner) -> None:
    """Finish the selected object, and confirm all objects but lost ones."""
    if owner.session.has_pixels():
        owner.apply(Accept())
    if action := confirmation(owner.session):
        owner.apply(action)


class Submission:
    """The decisions "submit" and "skip" about images, and their callbacks."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[Any], Any]]] = {"submit": [], "skip": []}
        self._finished: dict[int, tuple[str, State]] = {}  # The decision about each image, and its state then.

    @property
    def count(self) -> int:
        """The number of images that were submitted or skipped."""
        return len(self._finished)

    def has(self, index: int) -> bool:
        """Return whether an image was submitted or skipped."""
        return index in self._finished

    @property
    def events(self) -> list[str]:
        """The decisions that have a callback."""
        return [name for name, callbacks in self._callbacks.items() if callbacks]

    def register(self, event: str, callback: Callable[[Any], Any]) -> None:
        """Call `callback(widget)` when an image is submitted or skipped."""
        self._callbacks[event].append(callback)

    def finish(self, event: str, index: int, owner: Owner) -> None:
        """Call the callbacks of a decision about an image, unless it was made before and nothing has changed since."""
        decision = event, owner.session.state
        if self._finished.get(index) != decision:
            for callback in self._callbacks[event]:
                callback(owner)
            self._finished[index] = decision
