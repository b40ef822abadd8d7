"""The session: one image, its instances, and the one write path to them."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from cdwidget.items import ImageSource, Instance, read_image
from cdwidget.masks import EMPTY_PATCH, Patch
from cdwidget.predictor import Predictor
from cdwidget.prompts import Box, Click, Prompt, Stroke, check_prompt
from cdwidget.session.actions import Accept, Action, Delete, Relabel, Select, action_from_json, action_to_json
from cdwidget.session.asked import Asked
from cdwidget.session.document import Change, Document, State, open_document
from cdwidget.session.edits import edit
from cdwidget.session.engine import engine_of
from cdwidget.session.history import History
from cdwidget.session.log import read_log, write_log
from cdwidget.session.merge import agrees, difference, merge

HISTORY_LIMIT = 256 * 2**20  # bytes: more than 1000 full repaints of a 1000x1000 mask, 20 of a 6000x8000 one


class Session:
    """One image being labelled: instances, each with its mask, label and prompts; one of them, `selected`, is being edited.

    A session begins with a new, empty instance selected. `Accept` finishes the selected instance and begins another new one;
    `Select` takes an earlier one up again. An instance that has no pixels when another is selected is dropped. Instances may
    overlap. Ids are whole numbers from 1 and stay what they are; those of undone instances are given again.

    All changes go through `apply`; each is one undo step. Every method may be called from any thread: changes are made one
    after the other, and reading never waits for them. When an action raises, nothing has changed.

    >>> session = Session("photo.jpg", load_predictor())
    >>> change = session.apply(Click(120, 88, True))
    >>> session.mask
    """

    def __init__(
        self,
        image: ImageSource,
        predictor: Predictor | None = None,
        *,
        mask: Any = None,
        instances: Sequence[Instance] = (),
        progressive: bool = True,
        history_limit: int = HISTORY_LIMIT,
    ) -> None:
        """Open an image.

        image: whatever `read_image` takes.
        predictor: needed once a Click, Stroke or Box is applied. Sessions may share one, which then encodes an image anew when
        they take turns; while they do, nobody else should call its `set_image`.
        mask: (H, W), the mask to start editing from (bool, 0 and anything else, or float in [0, 1]).
        instances: finished ones to begin with; those without an id are numbered on; those without pixels are left out.
        progressive: False takes the predictor's whole answer at every prompt; may be set later, the log keeps what was used.
        history_limit: bytes that undo and redo may take; the oldest steps are given up first, the newest is always kept.
        Raises what `read_image` raises, ValueError for a mask that does not fit the image or an id given twice.
        """
        self._image = read_image(image)
        self._image_view = _read_only(self._image)
        self._engine = None if predictor is None else engine_of(predictor)
        self.progressive = progressive
        self._lock = RLock()
        self._history = History(history_limit)
        self._newest: Asked | None = None  # what the predictor was asked last, by `apply` or `peek`
        self._listeners: list[Callable[[], None]] = []
        self._initial = self._document = open_document(self.height, self.width, mask, instances)

    # ---- reading -------------------------------------------------------------------------------------------------

    @property
    def image(self) -> np.ndarray:
        """The image, uint8 (H, W, 3) RGB, read-only."""
        return self._image_view

    @property
    def height(self) -> int:
        """Rows of the image."""
        return int(self._image.shape[0])

    @property
    def width(self) -> int:
        """Columns of the image."""
        return int(self._image.shape[1])

    @property
    def state(self) -> State:
        """Ids, labels, prompts and the selection, without pixels: cheap to read, never changes under the reader."""
        return self._document.state

    @property
    def mask(self) -> np.ndarray:
        """The mask of the selected instance, bool (H, W), read-only; later actions replace it, they do not write to it."""
        return _read_only(self._document.mask)

    @property
    def instances(self) -> list[Instance]:
        """All instances that have pixels, the one being edited among them, ordered by id; masks are unpacked at each call."""
        document = self._document
        return [
            Instance(document.mask_of(entry.id), entry.label, entry.id) for entry in document.state.entries if document.patch(entry.id).bits
        ]

    @property
    def selected(self) -> int:
        """The id of the instance being edited."""
        return self.state.selected

    @property
    def label(self) -> str:
        """The label of the instance being edited."""
        return self.state.entry().label

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts of the instance being edited, oldest first."""
        return self.state.entry().prompts

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The clicks among `prompts`."""
        return tuple(prompt for prompt in self.prompts if isinstance(prompt, Click))

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` has something to bring back."""
        return self._history.can_redo

    def patch(self, instance: int | None = None) -> Patch:
        """Return the pixels of one instance, by default the selected one, packed, in the bbox of its mask; ValueError if there is none."""
        document = self._document
        return document.patch(document.state.entry(instance).id)

    # ---- writing -------------------------------------------------------------------------------------------------

    def apply(self, action: Action) -> Change:
        """Do an action and return what it changed: the one write path.

        A change that changes nothing at all is returned, but is no undo step. A click that agrees with the mask changes no
        pixel but is kept as a prompt, so it is a step.
        Raises ValueError for a prompt outside the image, an unknown id or a missing predictor, TypeError for what is no action,
        and whatever the predictor raises; then nothing has changed.
        """
        with self._lock:
            change = self._compute(self._document, action)
            if not change.nothing:
                document = self._document.moved(change.now, change.instance, change.after)
                self._history.push(change)
                self._document = document
        self._tell(change)
        return change

    def peek(self, action: Action) -> Change:
        """Return the change that `apply(action)` would make now, without making it; raises what `apply` raises."""
        return self._compute(self._document, action)

    def undo(self) -> Change | None:
        """Take the newest change back and return it (its `before` and `was` are in force now); None when there is none."""
        with self._lock:
            change = self._history.undo()
            if change:
                self._document = self._document.moved(change.was, change.instance, change.before)
        self._tell(change)
        return change

    def redo(self) -> Change | None:
        """Bring back the change undone last and return it (its `after` and `now` are in force); None when there is none."""
        with self._lock:
            change = self._history.redo()
            if change:
                self._document = self._document.moved(change.now, change.instance, change.after)
        self._tell(change)
        return change

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` after every change, undo and redo, in the thread that made it; return a function that ends this."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def accept(self, label: str | None = None) -> Change:
        """Apply `Accept`: finish the selected instance and begin a new one."""
        return self.apply(Accept(label))

    def select(self, instance: int | None = None) -> Change:
        """Apply `Select`: edit an instance again, or begin a new one."""
        return self.apply(Select(instance))

    def delete(self, instance: int | None = None) -> Change:
        """Apply `Delete`: remove an instance, by default the selected one."""
        return self.apply(Delete(instance))

    def relabel(self, label: str, instance: int | None = None) -> Change:
        """Apply `Relabel`: give an instance, by default the selected one, another label."""
        return self.apply(Relabel(label, instance))

    def encode(self) -> None:
        """Let the predictor encode the image now, so that the first click need not wait; for a background thread.

        Does nothing without a predictor, or when it holds this image already. An `apply` that needs the predictor waits for it.
        """
        if self._engine is not None:
            self._engine.encode(self._image)

    def asked(self, number: int = -1) -> Asked | None:
        """Return what one of `prompts`, by default the newest, asked of the predictor and what came of it; None while there is no prompt.

        The predictor is asked again, which gives the same answer; that to the newest prompt is usually at hand still.
        Raises IndexError for a number that no prompt has, ValueError without a predictor or when the prompt can no longer be undone.
        """
        with self._lock:
            document, done = self._document, self._history.undoable
        entry = document.state.entry()
        if not entry.prompts and number == -1:
            return None
        given = entry.prompts[: range(1, len(entry.prompts) + 1)[number]]
        if self._engine is None:
            raise ValueError("this session has no predictor to ask; open it with Session(image, load_predictor())")
        after = document.mask
        for change in reversed(done):
            if change.instance != entry.id:
                continue
            before = after.copy()
            change.before.paste(before)
            if change.now.has(entry.id) and change.now.entry(entry.id).prompts == given and change.action == given[-1]:
                break
            after = before
        else:
            raise ValueError(f"the mask before {given[-1]} is no longer known: its step has left the history; raise history_limit")
        newest = self._newest
        if newest is None or newest.prompts != given or not np.array_equal(newest.before, before):
            prediction = self._engine.ask(self._image, given, before.copy() if before.any() else None)
            newest = Asked(given, before, prediction.mask, after, prediction.factors)
        return replace(newest, after=after)

    # ---- the log -------------------------------------------------------------------------------------------------

    def log(self) -> dict[str, Any]:
        """Return all that is needed to do it again, as plain JSON: the image's size, the first instances, the actions in force.

        Undone actions are not in it; actions that can no longer be undone are. Masks are uncompressed COCO run lengths.
        """
        with self._lock:
            return write_log(self._initial, self._history.applied, self.progressive)

    @classmethod
    def replay(cls, image: ImageSource, predictor: Predictor | None, log: Mapping[str, Any], **options: Any) -> Session:
        """Open `image` and do again what a log says; the masks are identical when image and predictor are.

        options: `progressive` and `history_limit`, as for a new session. The steps can be undone as ever.
        Raises ValueError when the log is not valid, was made on an image of another size, or holds an action that cannot be done.
        """
        first, actions, progressive = read_log(log)
        session = cls(image, predictor, **options)
        if first.mask.shape != (session.height, session.width):
            height, width = first.mask.shape
            raise ValueError(f"the log was made on an image of {width}x{height} pixels, this one has {session.width}x{session.height}")
        session._initial = session._document = first
        for number, (action, session.progressive) in enumerate(actions):
            try:
                session.apply(action)
            except (ValueError, TypeError) as error:
                raise ValueError(f"action {number} of the log, {action}, cannot be done: {error}") from error
        session.progressive = options.get("progressive", progressive)
        return session

    # ---- computing -----------------------------------------------------------------------------------------------

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            for callback in list(self._listeners):
                callback()

    def _compute(self, document: Document, action: Action) -> Change:
        action = action_from_json(action_to_json(action))  # plain numbers: what is done is what the log will say
        if isinstance(action, (Click, Stroke, Box)):
            return self._prompt(document, action)
        return edit(document, action)

    def _prompt(self, document: Document, prompt: Prompt) -> Change:
        check_prompt(prompt, self.width, self.height)
        if self._engine is None:
            raise ValueError("this session has no predictor to answer a prompt; open it with Session(image, load_predictor())")
        mask, state, progressive = document.mask, document.state, self.progressive
        entry = state.entry()
        prompts = (*entry.prompts, prompt)
        before = after = EMPTY_PATCH
        # Without a positive prompt there is no object to speak of, and a model asked all the same may answer "everything".
        nothing_yet = not mask.any()
        pointless = nothing_yet and not any(isinstance(given, Box) or given.positive for given in prompts)
        if not pointless and not (progressive and agrees(mask, prompt)):
            prediction = self._engine.ask(self._image, prompts, None if nothing_yet else mask.copy())
            answer = prediction.mask
            self._newest = Asked(prompts, mask, answer, mask, prediction.factors)
            before, after = merge(self._image, mask, answer, prompt, entry.prompts) if progressive else difference(mask, answer)
        now = state.with_entry(replace(entry, prompts=prompts))
        return Change(prompt, entry.id, state, now, before, after, progressive)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
