"""The image being shown: its session, encoder and autosave state.

The widget and its requests both use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from threading import Thread
from typing import Any, Protocol

from cdwidget.images import Window
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.registry import unknown_name
from cdwidget.session import Accept, Action, AddToClass, Change, Paste, Relabel, Select, SeparateClasses, Session
from cdwidget.session.actions import PREDICTOR_ACTIONS, action_from_json
from cdwidget.tools import TOOL_OF_ACTION
from cdwidget.widget.annotator.encoder import Encoder
from cdwidget.widget.annotator.image_list import ImageList
from cdwidget.widget.annotator.semantic import ERASERS, semantic_action
from cdwidget.widget.annotator.steps import erase_drawing, joined, label_of_new, redo_step, undo_step, whole_step
from cdwidget.widget.transport import Reply, change_reply, document_reply


class TraitHost(Protocol):
    """The members of a widget that its active image uses."""

    lock: AbstractContextManager[Any]
    labels: list[str]
    closed_labels: bool
    mode: str
    view_only: bool

    def set_trait(self, name: str, value: Any) -> None:
        """Set a trait, also a read-only one."""

    def hold_sync(self) -> AbstractContextManager[Any]:
        """Send all traits that are set inside in one message."""


class ImageChanged(ValueError):
    """A change was requested for an image that is no longer shown, so it was not made."""


class ActiveImage:
    """The image being shown, and the one way to change it.

    Edits return the change and the reply that describes it. Traits of the widget mirror the session: `label`, `selected`,
    `locked`, `can_undo`, `can_redo`; and the image: `_image`, `_phase`, `_notice`, `_in_use`, `busy`.

    Args:
        images: The list whose open image is shown.
        host: The widget.

    Attributes:
        images: The list.
        session: The session of the image being shown.
        key: Number of the image being shown; increases whenever another image is shown.
        next_label: The label of the first new object of every image: the label that was chosen or drawn with last.
        is_mirroring: Whether traits are being set to the values of the session.
    """

    def __init__(self, images: ImageList, host: TraitHost) -> None:
        self._host = host
        self._encoder: Encoder | None = None
        self._revision = 0
        self._subscriptions: dict[Callable[[], None], Callable[[], None]] = {}
        self.key = 0
        self.next_label = host.labels[0] if len(host.labels) == 1 or host.mode == "semantic" else ""
        self._first_new: int | None = None  # Id of the new object that was selected when the image was shown.
        self._eraser: int | None = None  # Id of the newest object that was drawn as "No class".
        self._choices: list[tuple[Change, str]] = []  # Relabels by the user, and `next_label` before each.
        self.is_mirroring = False
        self.show(images)

    def show(self, images: ImageList, is_same: bool = False) -> None:
        """Show the open image of a list; `is_same` if it is the one that is shown, read again."""
        images.on_notice = self._show_notice_from_thread
        with self._host.lock:
            self.images = images
            self.session = images.session
            self.key += 1
            self._first_new = self.session.selected if self._is_new else None
            self._eraser = None
            self._sent_state = self.session.state
            size = {"width": self.session.width, "height": self.session.height}
            place = {"name": images.name, "index": images.index, "count": len(images)}
            self._host.set_trait("_image", {"key": self.key, **place, **size, "is_same": is_same})
            self.mirror()
            self._show_notice()
        for callback, stop in list(self._subscriptions.items()):
            stop()
            self._subscriptions[callback] = self.session.listen(callback)
            callback()

    def go(self, step: int) -> list[str]:
        """Show the next (1) or previous (-1) readable image; return the problems of skipped ones.

        Raises:
            ValueError: If there is no such image; then the current one stays.
        """
        with self._host.lock:
            before, skipped = self.session, self.images.go(step)
            self._finish_drawing_of(before)
            self.show(self.images)
        return skipped

    def goto(self, index: int | None) -> list[str]:
        """Show the image at a position, as `ImageList.goto`."""
        with self._host.lock:
            before, skipped = self.session, self.images.goto(index)
            self._finish_drawing_of(before)
            self.show(self.images)
        return skipped

    def take_over(self) -> None:
        """Show the image as it was saved last, and edit it here, as `ImageList.take_over`."""
        with self._host.lock:
            self.images.take_over()
            self.show(self.images)

    def set_window(self, window: Window | None, key: int | None = None) -> None:
        """Show the image with a key through another intensity window, as `ImageList.set_window`; raises as `check_editable`."""
        with self._host.lock:
            self.check_editable(key)
            self.images.set_window(window)
            self.show(self.images, is_same=True)

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` after every change and when another image is shown.

        Returns:
            A function that stops this.
        """

        def subscription() -> None:  # A key of its own, because a callback may be given twice.
            callback()

        def stop() -> None:
            if stop_listening := self._subscriptions.pop(subscription, None):
                stop_listening()

        self._subscriptions[subscription] = self.session.listen(subscription)
        return stop

    # ---- editing -------------------------------------------------------------------------------------------------

    def apply_json(self, action: dict[str, Any], key: int | None = None) -> Reply:
        """Apply an action that the page sends as JSON: {document} with its changes."""
        return self.edit(lambda key: self.apply(action_from_json(action), key), key)

    def edit(self, edit: Callable[[int | None], tuple[Change | None, Reply]], key: int | None) -> Reply:
        """Run an edit that the page requests; raise ValueError if the widget is for viewing only."""
        self.check_editable(key)
        return edit(key)[1]

    def apply(self, action: Action, key: int | None = None) -> tuple[Change | None, Reply]:
        """Apply an action, and wait for the encoder first if it needs the predictor.

        Raises the errors of `Session.apply`; ValueError if the action gives a label that is not allowed; ImageChanged if the image that
        is shown when the action is applied does not have the key.
        """
        self._check_label(action)
        self.wait_for_predictor(action)
        apply = self._apply_semantic if self._host.mode == "semantic" else self._apply
        return self._edit(lambda: apply(action), key)

    def undo(self, key: int | None = None) -> tuple[Change | None, Reply]:
        """Undo the newest change of the image with a key; (None, empty reply) if there is none."""
        return self._edit(self._undo, key, undone=True)

    def redo(self, key: int | None = None) -> tuple[Change | None, Reply]:
        """Redo the change undone last in the image with a key; (None, empty reply) if there is none."""
        return self._edit(self._redo, key)

    def check_editable(self, key: int | None) -> None:
        """Raise ValueError if the widget is for viewing only, or as `check_key`."""
        if self._host.view_only:
            raise ValueError("This widget is for viewing only. Set view_only = False to edit.")
        self.check_key(key)

    def check_key(self, key: int | None) -> None:
        """Raise ImageChanged if a change is for another image than the one that is shown; None is any image."""
        if key is not None and key != self.key:
            raise ImageChanged("Another image is shown now, so this change was not made. Repeat it here, or go back.")

    @property
    def label(self) -> str:
        """The label of the selected object, or the one that a new object will get with its first edit."""
        entry = self.session.state.entry()
        takes_next = entry.id == self._first_new or self._host.mode == "semantic"
        return entry.label or (self.next_label if takes_next and self._is_new else "")

    def document(self) -> Reply:
        """Return the whole document: all instances with their pixels."""
        with self._host.lock:
            return self._with_revision(*document_reply(self.session))

    @property
    def is_sent(self) -> bool:
        """Whether the page has received the current state of the session."""
        return self.session.state is self._sent_state

    def wait_for_predictor(self, action: Action) -> None:
        """Wait until the image is encoded, if an action needs the predictor."""
        if isinstance(action, PREDICTOR_ACTIONS):
            self.wait_for_encoder()

    def wait_for_encoder(self) -> None:
        """Wait until the model is loaded and the image is encoded; raise the error if that failed."""
        encoder = self.encode()
        encoder.done.wait()
        if encoder.error:
            raise encoder.error

    def encode(self) -> Encoder:
        """Start encoding the image in the background, if not started; retry after a failure."""
        if self._encoder is None or self._encoder.session is not self.session or self._encoder.error:
            session = self.session

            def notify(name: str, error: str) -> None:
                if session is self.session:
                    self._host.set_trait("_phase", {"name": name, "error": error})

            self._encoder = Encoder(session, self.images.predictor, notify)
        return self._encoder

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Tell the page that its request takes a while."""
        self._host.set_trait("busy", True)
        try:
            yield
        finally:
            self._host.set_trait("busy", False)

    def mirror(self) -> None:
        """Set the traits that mirror the session."""
        session, state = self.session, self.session.state
        history = {"can_undo": session.can_undo, "can_redo": session.can_redo}
        self.is_mirroring = True
        try:
            with self._host.hold_sync():
                for name, value in {"label": self.label, "selected": state.selected, "locked": state.locked, **history}.items():
                    self._host.set_trait(name, value)
        finally:
            self.is_mirroring = False

    @property
    def _is_new(self) -> bool:
        """Whether the selected object has neither pixels nor prompts."""
        return not self.session.state.entry().prompts and not self.session.has_pixels()

    def _is_drawing(self, session: Session) -> bool:
        """Return whether the selected object is confirmed and has a class, or was drawn as "No class" here."""
        entry = session.state.entry()
        return (bool(entry.label) and entry.confirmed) or entry.id == self._eraser

    def _check_label(self, action: Action) -> None:
        for label in (getattr(action, "label", None), getattr(action, "next", None)):
            if label and self._host.closed_labels and label not in self._host.labels:
                raise unknown_name(dict.fromkeys(self._host.labels), label, "label")

    def _apply_semantic(self, action: Action) -> Change:
        session = self.session
        if isinstance(action, Paste) or (isinstance(action, Select) and action.instance != session.selected):
            self.finish_drawing()
        if isinstance(action, ERASERS) and not action.add and self._is_new:
            label = self.label
            session.apply(replace(action, add=True))
            return session.apply(erase_drawing(label))
        change = self._apply(semantic_action(session, action, self._is_drawing(session)))
        separation = session.apply(SeparateClasses()) if isinstance(action, (Click, Stroke, Box)) else change
        return change if separation.is_empty else separation

    def _apply(self, action: Action) -> Change:
        session = self.session
        if isinstance(action, Relabel) and action.instance in (None, session.selected):
            return self._choose(action.label, session.apply(action))
        if isinstance(action, AddToClass) and action.next is not None:
            return self._choose(action.next, session.apply(action))
        if isinstance(action, (Accept, AddToClass)) and action.label is not None:
            self.next_label = action.label
        if not isinstance(action, (*PREDICTOR_ACTIONS, *TOOL_OF_ACTION)) or not self._is_new:
            return session.apply(action)
        label, change = self.label, session.apply(action)
        self.next_label = label or self.next_label
        self._eraser = self._eraser if label else session.selected
        if label == session.label or change.is_empty:
            return change
        return joined(change, session.apply(label_of_new(label, session.selected)))

    def finish_drawing(self) -> None:
        """In semantic mode, add the drawing to its class; a drawing that cannot be saved stays an object of its own."""
        self._finish_drawing_of(self.session)

    def _finish_drawing_of(self, session: Session) -> None:
        if self._host.mode == "semantic" and not self._host.view_only and session.has_pixels() and self._is_drawing(session):
            with suppress(OSError):
                session.apply(AddToClass())

    def _choose(self, label: str, change: Change) -> Change:
        """Remember the choice of a label; undoing its change restores the label before."""
        self._choices.append((change, self.next_label))
        self.next_label = label
        return change

    def _undo(self) -> Change | None:
        changes = undo_step(self.session)
        for change in changes:
            for choice, before in self._choices:
                if change is choice:
                    self.next_label = before
        return whole_step(changes[::-1], undone=True)

    def _redo(self) -> Change | None:
        changes = redo_step(self.session)
        for change in changes:
            for choice, _ in self._choices:
                if change is choice:
                    self.next_label = choice.new_state.entry().label
        return whole_step(changes, undone=False)

    def _edit(self, edit: Callable[[], Change | None], key: int | None, undone: bool = False) -> tuple[Change | None, Reply]:
        with self._host.lock, self.busy():
            self.check_key(key)  # Here, as another image may have been shown while the edit waited.
            change = edit()
            if change is None:
                return None, ({}, [])
            old, new = (change.new_state, change.old_state) if undone else (change.old_state, change.new_state)
            # Without this widget, the session may have been changed before the edit, or since.
            if self._sent_state is not old or not (self.session.state is new or change.is_empty):
                return change, self.document()
            return change, self._with_revision(*change_reply(change, undone))

    def _with_revision(self, document: dict[str, Any], buffers: list[bytes]) -> Reply:
        self._sent_state = self.session.state
        self._revision += 1
        self.mirror()
        history = {"can_undo": self.session.can_undo, "can_redo": self.session.can_redo}
        return {"document": {**document, **history, "key": self.key, "revision": self._revision}}, buffers

    def _show_notice(self) -> None:
        with self._host.lock:  # Not while another image is being opened, whose notice would be replaced by this one.
            self._host.set_trait("_notice", self.images.notice)
            self._host.set_trait("_in_use", self.images.is_in_use)

    def _show_notice_from_thread(self) -> None:
        """Show the notice in a thread.

        Its sender may hold the lock of another widget that waits for this one.
        """
        Thread(target=copy_context().run, args=(self._show_notice,), daemon=True).start()
