"""The session: one image, its instances, and the one write path to them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from threading import Lock as ThreadLock
from threading import RLock
from typing import Any, Callable, Iterable, Literal, Mapping, Protocol, Sequence

import numpy as np

from cdwidget.items import ImageSource, Instance, read_image
from cdwidget.masks import Patch
from cdwidget.predictor import Predictor
from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.session.actions import Accept, Action, Alternative, Delete, Relabel, Select, action_from_json, action_to_json, name_of
from cdwidget.session.document import Change, Document, State, open_document
from cdwidget.session.handlers import edit, paint
from cdwidget.session.history import History
from cdwidget.session.pixels import SOURCES
from cdwidget.session.prediction import Answers, Asked, engine_of
from cdwidget.session.serialization import change_from_json, read_log, write_log
from cdwidget.tools import TOOLS, Canvas, superpixels
from cdwidget.tools.canvas import crop

HISTORY_LIMIT = 256 * 2**20  # bytes: more than 1000 full repaints of a 1000x1000 mask, 20 of a 6000x8000 one
SUPERPIXEL_MAPS = 4  # granularities that are kept; one takes up to 4 MB, and a second to compute
Kind = Literal["apply", "undo", "redo"]


class Journal(Protocol):
    """Whoever is told of each change before it is in force; when it raises, the change is not made."""

    def record(self, change: Change, kind: Kind) -> None:
        """Keep what is being done: a new change, or one that is taken back or brought back."""


class Session:
    """One image being labelled: instances, each with its mask, label and prompts; one of them, `selected`, is being edited.

    Of each pixel it knows who decided it (`sources`); `Lock` keeps what a hand tool decided from prompts.
    A session begins with a new, empty instance selected. `Accept` finishes the selected instance and begins another new one;
    `Select` takes an earlier one up again. An instance that has no pixels when another is selected is dropped. Instances may
    overlap; the later one is in front. Ids are whole numbers from 1 and stay what they are; those of undone instances are given again.

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
        selected: int | None = None,
        progressive: bool = True,
        history_limit: int = HISTORY_LIMIT,
        journal: Journal | None = None,
    ) -> None:
        """Open an image.

        image: whatever `read_image` takes.
        predictor: needed once a Click, Stroke or Box is applied. Sessions may share one, which then encodes an image anew when
        they take turns; while they do, nobody else should call its `set_image`.
        mask: (H, W), the mask to start editing from (bool, 0 and anything else, or float in [0, 1]).
        instances: finished ones to begin with, the last in front; those without an id are numbered on; those without pixels are left out.
        selected: the id of the one to edit first; by default, or where there is none of it, a new one.
        progressive: False takes the predictor's whole answer at every prompt; may be set later, the log keeps what was used.
        history_limit: bytes that undo and redo may take; the oldest steps are given up first, the newest is always kept.
        journal: told of every change before it is in force; may be set later.
        Raises what `read_image` raises, ValueError for a mask that does not fit the image or an id given twice.
        """
        self._image = read_image(image)
        self._image_view = _read_only(self._image)
        self._answers = None if predictor is None else Answers(self._image, engine_of(predictor))
        self.progressive = progressive
        self.journal = journal
        self._lock = RLock()
        self._superpixels = lru_cache(SUPERPIXEL_MAPS)(partial(superpixels, self._image))
        self._superpixels_lock = ThreadLock()
        self._history = History(history_limit)
        self._listeners: list[Callable[[], None]] = []
        self._initial = self._document = open_document(self.height, self.width, mask, instances, selected)

    def __reduce__(self) -> Any:
        raise TypeError("a session can be neither pickled nor copied; give its log(), and Session.replay(image, predictor, log)")

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
    def sources(self) -> np.ndarray:
        """Who decided each pixel of the selected instance, uint8 (H, W), numbers of SOURCES, read-only; also outside its mask."""
        document = self._document
        return _read_only(document.pixels.crop(document.box).sources)

    @property
    def alpha(self) -> np.ndarray | None:
        """How much of each pixel is the selected instance's, uint8 (H, W), read-only; None where a matte was never made."""
        document = self._document
        alpha = document.pixels.crop(document.box).alpha
        return None if alpha is None else _read_only(alpha)

    @property
    def instances(self) -> list[Instance]:
        """All instances that have pixels, the one being edited among them, in painting order; masks are unpacked at each call."""
        document = self._document
        return [document.instance(entry) for entry in document.state.entries if document.has_pixels(entry.id)]

    def label_map(self, ids: bool = False) -> np.ndarray:
        """Return which instance is in front at each pixel, int32 (H, W): 1 for the first of `instances` (or its id), 0 for none."""
        document = self._document
        labels = np.zeros((self.height, self.width), np.int32)
        patches = ((entry.id, document.mask_patch(entry.id)) for entry in document.state.entries)
        for number, (id, patch) in enumerate(((id, patch) for id, patch in patches if patch.bits), 1):
            crop(labels, patch.bbox)[patch.pixels()] = id if ids else number
        return labels

    def superpixels(self, count: int) -> np.ndarray:
        """Return about `count` superpixels of the image, int32 (h, w), as `cdwidget.tools.superpixels` does; read-only, kept for a while.

        The first call for a count takes about a second: make it in a thread. ValueError for a count that is not allowed.
        """
        with self._superpixels_lock:
            return _read_only(self._superpixels(count))

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
    def locked(self) -> bool:
        """Whether prompts and alternatives leave alone what a hand tool decided."""
        return self.state.locked

    @property
    def alternatives(self) -> int:
        """How many answers to the newest prompt `Alternative` can choose from, the main one among them; may ask the predictor.

        0 when there is no prompt, the mask already was what it asks for, something else has changed the pixels since, or there is no
        predictor.
        """
        document = self._document
        if self._answers is None or document.state.entry().choice is None:
            return 0
        choice = self._answers.alternative(document, Alternative(0), self.progressive).now.entry().choice
        assert choice is not None and choice.count is not None
        return choice.count

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return self._history.newest is not None

    @property
    def can_redo(self) -> bool:
        """Whether `redo` has something to bring back."""
        return self._history.undone is not None

    def patch(self, instance: int | None = None) -> Patch:
        """Return the pixels of one instance, by default the selected one, packed, in the bbox of its mask; ValueError if there is none."""
        document = self._document
        return document.mask_patch(document.state.entry(instance).id)

    def packed(self, instance: int) -> Patch:
        """Return all that is said of one instance's pixels, packed: mask, sources and alpha; ValueError if there is no such instance."""
        document = self._document
        return document.patch(document.state.entry(instance).id)

    # ---- writing -------------------------------------------------------------------------------------------------

    def apply(self, action: Action) -> Change:
        """Do an action and return what it changed: the one write path.

        A change that changes nothing at all is returned, but is no undo step. A click that agrees with the mask changes no
        pixel but is kept as a prompt, so it is a step.
        Raises ValueError for a prompt outside the image, an unknown id, what a tool does not allow or a missing predictor, TypeError
        for what is no action, and whatever predictor and journal raise; then nothing has changed.
        """
        with self._lock:
            change = self._compute(self._document, action)
            if not change.nothing:
                self._write(change, "apply")
        self._tell(change)
        return change

    def peek(self, action: Action) -> Change:
        """Return the change that `apply(action)` would make now, without making it; raises what `apply` raises."""
        return self._compute(self._document, action)

    def undo(self) -> Change | None:
        """Take the newest change back and return it (its `before` and `was` are in force now); None when there is none."""
        with self._lock:
            change = self._history.newest
            if change:
                self._write(change, "undo")
        self._tell(change)
        return change

    def redo(self) -> Change | None:
        """Bring back the change undone last and return it (its `after` and `now` are in force); None when there is none."""
        with self._lock:
            change = self._history.undone
            if change:
                self._write(change, "redo")
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
        if self._answers is not None:
            self._answers.encode()

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
        if self._answers is None:
            raise ValueError("this session has no predictor to ask; open it with Session(image, load_predictor())")
        given = entry.prompts[: range(1, len(entry.prompts) + 1)[number]]
        after = document.pixels
        for change in reversed(done):
            patch = next((one.before for one in change.differences if one.instance == entry.id), None)
            before = after if patch is None else after.paste(patch)
            if change.instance == entry.id and change.action == given[-1] and change.now.entry(entry.id).prompts == given:
                return replace(self._answers.ask(given, before.crop(document.box)), after=after.crop(document.box).mask)
            after = before
        raise ValueError(f"the mask before {given[-1]} is no longer known: its step has left the history; raise history_limit")

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

    def restore(self, first: Document, steps: Iterable[Mapping[str, Any]]) -> None:
        """Begin as `first` instead, and do again what a journal recorded; for a session as it was opened, before it has a journal.

        steps: each {"kind": "apply" | "undo" | "redo", "change": what `change_to_json` made of it, for "apply"}; the next is taken when
        one is done. Neither predictor nor tools are asked. Raises ValueError, KeyError or TypeError at a step that cannot be done; those
        before it stay done.
        """
        with self._lock:
            self._initial = self._document = first
            for step in steps:
                kind = step["kind"]
                if kind == "apply":
                    change: Change | None = change_from_json(step["change"], self.state)
                elif kind in ("undo", "redo"):
                    change = self._history.newest if kind == "undo" else self._history.undone
                else:
                    raise ValueError(f"{kind!r} is no kind of step")
                if change is None:
                    raise ValueError(f"there is nothing to {kind}")
                self._write(change, kind)

    # ---- computing -----------------------------------------------------------------------------------------------

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            for callback in list(self._listeners):
                callback()

    def _write(self, change: Change, kind: Kind) -> None:
        """Bring a change into force or take it back: wholly, or not at all when the journal raises."""
        back = kind == "undo"
        patches = {one.instance: one.before if back else one.after for one in change.differences}
        document = self._document.moved(change.was if back else change.now, patches)
        if self.journal is not None:
            self.journal.record(change, kind)
        if kind == "apply":
            self._history.push(change)
        elif back:
            self._history.undo()
        else:
            self._history.redo()
        self._document = document

    def _compute(self, document: Document, action: Action) -> Change:
        action = action_from_json(action_to_json(action))  # plain numbers: what is done is what the log will say
        if isinstance(action, (Click, Stroke, Box, Alternative)):
            if self._answers is None:
                raise ValueError("this session has no predictor to answer a prompt; open it with Session(image, load_predictor())")
            if isinstance(action, Alternative):
                return self._answers.alternative(document, action, self.progressive)
            return self._answers.prompt(document, action, self.progressive)
        if tool := TOOLS.get(type(action)):
            name = name_of(type(action))
            done = tool(Canvas(self._image_view, _read_only(document.mask), self.superpixels), action)
            return paint(document, action, done, name if name in SOURCES else "command")
        return edit(document, action)


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
