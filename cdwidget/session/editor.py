"""The write path of a session: all changes of its document, and their history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from threading import Lock, RLock
from typing import Any, Literal, NamedTuple, Protocol, Union

import numpy as np

from cdwidget.predictor import Predictor
from cdwidget.prompts import Action
from cdwidget.session.actions import PREDICTOR_ACTIONS, not_an_action
from cdwidget.session.document import Change, Document, State
from cdwidget.session.instances import INSTANCE_ACTIONS, edit_selected
from cdwidget.session.prediction import ImagePredictor
from cdwidget.session.semantic import SeparateClasses, separate_classes
from cdwidget.tools import TOOL_OF_ACTION, Canvas, superpixels

KEPT_SHARE = 7 / 8  # Share of the limit that is kept when steps are discarded, so that this does not happen at every step.
MAX_SUPERPIXEL_MAPS = 4  # Kept in memory. One takes up to 4 MB, and a second to compute.
Kind = Literal["apply", "undo", "redo"]


class SavedChange(Protocol):
    """A change in a journal that is decoded when it is needed."""

    @property
    def action(self) -> Action:
        """The action."""

    @property
    def progressive(self) -> bool:
        """Whether the prediction was merged progressively."""

    @property
    def nbytes(self) -> int:
        """Approximate memory, in bytes."""

    def load(self) -> Change:
        """Decode the change; raises ValueError if it is damaged."""


class Step(NamedTuple):
    """A change in a chain, newest first.

    Args:
        change: The change.
        older: The step before it; None for the oldest.
        nbytes: Memory of this step and the older ones.
    """

    change: Union[Change, SavedChange]
    older: Step | None
    nbytes: int


@dataclass(frozen=True, eq=False)
class History:
    """The undo and redo steps of a session.

    They use at most `limit` bytes: the oldest are discarded first, the newest is always kept.

    Args:
        limit: Bytes.
        done: The change to undo next, with the older ones.
        undone: The change to redo next, the one undone last, with those undone before.
        discarded: The discarded actions, oldest first, and whether the prediction of each was merged progressively.
    """

    limit: int
    done: Step | None = None
    undone: Step | None = None
    discarded: tuple[tuple[Action, bool], ...] = field(default=(), repr=False)

    @property
    def newest(self) -> Change | None:
        """The change to undo next; None if there is none."""
        return self.done and _loaded(self.done.change)

    @property
    def newest_undone(self) -> Change | None:
        """The change to redo next; None if there is none."""
        return self.undone and _loaded(self.undone.change)

    @property
    def applied(self) -> list[tuple[Action, bool]]:
        """All actions that were not undone, oldest first, also discarded ones.

        Each comes with whether its prediction was merged progressively.
        """
        kept = [(change.action, change.progressive) for change in _changes(self.done)]
        return [*self.discarded, *reversed(kept)]

    def undoable(self) -> Iterator[Change]:
        """Yield the changes that can be undone, newest first."""
        return map(_loaded, _changes(self.done))

    def redoable(self) -> Iterator[Change]:
        """Yield the changes that can be redone, the next one first."""
        return map(_loaded, _changes(self.undone))

    def push(self, change: Change | SavedChange) -> History:
        """Return the history with a new change; undone changes can no longer be redone."""
        done = _step(change, self.done)
        if done.nbytes <= self.limit or done.older is None:
            return History(self.limit, done, None, self.discarded)
        kept: list[Change | SavedChange] = []
        discarded: list[tuple[Action, bool]] = []
        nbytes = 0
        for one in _changes(done):
            nbytes += one.nbytes
            if kept and (discarded or nbytes > KEPT_SHARE * self.limit):
                discarded.append((one.action, one.progressive))
            else:
                kept.append(one)
        chain = None
        for one in reversed(kept):
            chain = _step(one, chain)
        return History(self.limit, chain, None, (*self.discarded, *reversed(discarded)))

    def undo(self, change: Change | SavedChange) -> History:
        """Return the history after undoing `change`, its newest one."""
        assert self.done is not None
        return History(self.limit, self.done.older, _step(change, self.undone), self.discarded)

    def redo(self, change: Change | SavedChange) -> History:
        """Return the history after redoing `change`, the one undone last."""
        assert self.undone is not None
        return History(self.limit, _step(change, self.done), self.undone.older, self.discarded)


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

    @property
    def newest_change(self) -> Change | None:
        """The change that `undo` would undo; None if there is none."""
        return self._history.newest

    @property
    def newest_undone(self) -> Change | None:
        """The change that `redo` would redo; None if there is none."""
        return self._history.newest_undone

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
            apply = separate_classes if kind is SeparateClasses else ImagePredictor.apply
            return apply(self._predictor, document, action, self.progressive)
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


def _loaded(change: Change | SavedChange) -> Change:
    return change if isinstance(change, Change) else change.load()


def _step(change: Change | SavedChange, older: Step | None) -> Step:
    return Step(change, older, change.nbytes + (older.nbytes if older else 0))


def _changes(step: Step | None) -> Iterator[Change | SavedChange]:
    while step is not None:
        yield step.change
        step = step.older
