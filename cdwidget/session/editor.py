"""The write path of a session: all changes of its document, and their history."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from threading import Lock, RLock
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from cdwidget.predictor import Predictor
from cdwidget.prompts import Action
from cdwidget.session.actions import PREDICTOR_ACTIONS, not_an_action
from cdwidget.session.document import Change, Document, State
from cdwidget.session.history import History
from cdwidget.session.instances import INSTANCE_ACTIONS, edit_selected
from cdwidget.session.prediction import ImagePredictor
from cdwidget.tools import TOOL_OF_ACTION, Canvas, superpixels

MAX_SUPERPIXEL_MAPS = 4  # Kept in memory. One takes up to 4 MB, and a second to compute.
Kind = Literal["apply", "undo", "redo"]


class Journal(Protocol):
    """Records each change before it is made; if it raises, the change is not made."""

    def record(self, change: Change, kind: Kind) -> None:
        """Record a change that is applied, undone or redone."""


class Version(NamedTuple):
    """A document and its history, which always change together."""

    document: Document
    history: History


class DocumentEditor:
    """Applies, undoes and redoes actions on the document of one image; the base of `Session`."""

    def __init__(
        self, image: np.ndarray, predictor: Predictor | None, document: Document, history_limit: int, journal: Journal | None
    ) -> None:
        self.progressive = True
        self.journal = journal
        self._image = read_only(image)
        self._predictor = None if predictor is None else ImagePredictor(image, predictor)
        self._initial = document
        self._version = Version(document, History(history_limit))  # Replaced as a whole: an interrupt cannot part the two.
        self._listeners: list[Callable[[], None]] = []
        self._lock = RLock()
        self._superpixels = lru_cache(MAX_SUPERPIXEL_MAPS)(partial(superpixels, image))
        self._superpixels_lock = Lock()

    @property
    def _document(self) -> Document:
        return self._version.document

    @property
    def _history(self) -> History:
        return self._version.history

    def _start_from(self, initial: Document, version: Version | None = None) -> None:
        """Replace the document and its history, by default by an empty one, without recording it."""
        with self._lock:
            self._initial = initial
            self._version = version or Version(initial, History(self._history.limit))

    @property
    def state(self) -> State:
        """Ids, labels, prompts and the selection, without pixels; an immutable value."""
        return self._document.state

    @property
    def can_undo(self) -> bool:
        """Whether `undo` can undo a change."""
        return self._history.done is not None

    @property
    def can_redo(self) -> bool:
        """Whether `redo` can redo a change."""
        return self._history.undone is not None

    def apply(self, action: Action) -> Change:
        """Apply an action. Every change of a mask goes through this method.

        A change that changes nothing is returned, but is not an undo step. A click that agrees with the mask changes no pixel but is
        kept as a prompt, so it is a step.

        Args:
            action: A prompt (Click, Stroke, Box), an action of a tool, or one of this module, such as Accept.

        Returns:
            The change: the pixels and the state before and after.

        Raises:
            ValueError: If a prompt is outside the image, an id is unknown, a tool does not allow it, or there is no predictor.
            TypeError: If it is not an action.
        """
        with self._lock:
            change = self._compute(self._document, action)
            if not change.is_empty:
                self._write(change, "apply")
        self._notify(change)
        return change

    def peek(self, action: Action) -> Change:
        """Return the change that `apply` would make, without making it; raises the same errors."""
        return self._compute(self._document, action)

    def undo(self) -> Change | None:
        """Undo the newest change and return it; None if there is none."""
        with self._lock:
            change = self._history.newest
            if change:
                self._write(change, "undo")
        self._notify(change)
        return change

    def redo(self) -> Change | None:
        """Redo the change undone last and return it; None if there is none."""
        with self._lock:
            change = self._history.newest_undone
            if change:
                self._write(change, "redo")
        self._notify(change)
        return change

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call a function after every change, undo and redo, in the thread that made it.

        Args:
            callback: Called without arguments.

        Returns:
            A function that stops the calls.
        """
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def superpixels(self, count: int) -> np.ndarray:
        """Return superpixels of the image, as `cdwidget.tools.superpixels`.

        Args:
            count: Approximate number of superpixels. The first call for a number takes about a second.

        Returns:
            Labels from 0, int32 (h, w), read-only.

        Raises:
            ValueError: If the count is not allowed.
        """
        with self._superpixels_lock:
            return read_only(self._superpixels(count))

    def _compute(self, document: Document, action: Any) -> Change:
        kind = type(action)
        if kind in PREDICTOR_ACTIONS:
            if self._predictor is None:
                raise ValueError("This session has no predictor for prompts. Open it with Session(image, load_predictor()).")
            return self._predictor.apply(document, action, self.progressive)
        if tool := TOOL_OF_ACTION.get(kind):
            edit = tool.run(Canvas(self._image, read_only(document.mask), self.superpixels), action)
            return edit_selected(document, action, edit, tool.source)
        if kind in INSTANCE_ACTIONS:
            return INSTANCE_ACTIONS[kind](document, action)
        raise not_an_action(action)

    def _write(self, change: Change, kind: Kind) -> None:
        """Apply, undo or redo a change: completely, or not at all if the journal raises.

        An interrupt between the journal and the last line leaves a line in the journal that the session did not follow; the journal
        removes it before it writes the next one.
        """
        undo = kind == "undo"
        patches = {difference.instance: difference.before if undo else difference.after for difference in change.differences}
        document = self._document.with_patches(change.old_state if undo else change.new_state, patches)
        history = self._history
        version = Version(document, history.push(change) if kind == "apply" else history.undo(change) if undo else history.redo(change))
        if self.journal is not None:
            self.journal.record(change, kind)
        self._version = version

    def _notify(self, change: Change | None) -> None:
        if change is not None:
            for callback in list(self._listeners):
                callback()


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of an array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view
