"""The session: one image being labeled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.formats.instances import LazyInstances
from cdwidget.images import ImageSource, read_image
from cdwidget.items import Instance
from cdwidget.masks import Patch, crop
from cdwidget.predictor import Predictor
from cdwidget.prompts import Click, Prompt
from cdwidget.session.alternatives import Alternative
from cdwidget.session.document import Change, Document, Entry
from cdwidget.session.editor import DocumentEditor, Journal, read_only
from cdwidget.session.instances import Accept, Delete, Relabel, Select, SetAttributes
from cdwidget.session.opening import open_document
from cdwidget.session.prediction import PromptResult
from cdwidget.session.serialization import actions_to_json, read_log, write_log

HISTORY_LIMIT_BYTES = 256 * 2**20  # More than 1000 full repaints of a 1000x1000 mask, 20 of a 6000x8000 one.


class Session(DocumentEditor):
    """One image being labeled: instances with masks, labels and prompts.

    A session starts with a new, empty instance selected. `Accept` finishes the selected instance and starts another; `Select` edits
    an earlier one again. An instance without pixels is dropped when another one is selected. Instances may overlap; the later one is
    in front. Ids are whole numbers from 1 and never change; ids of undone instances are used again. `sources` records how each pixel
    was set; `Lock` protects the pixels that a manual tool set.

    All changes go through `apply`, and each is one undo step. Any thread may call any method: changes are made one after the other,
    and reading never waits for them. If an action raises, nothing has changed.

    Args:
        image: A path, a PIL image or an array, as `read_image` takes it.
        predictor: Predictor for clicks, strokes and boxes; None if there will be none. Sessions may share one, which then encodes an
            image again whenever they take turns; do not call its `set_image` yourself.
        mask: The mask to start editing from, (H, W), bool, whole numbers or floats in [0, 1].
        instances: Finished instances, the last one in front, as `as_instances` takes them. Missing ids are assigned; instances without
            pixels are left out.
        selected: Id of the instance to edit first; by default, or if there is none, a new one.
        progressive: Whether predictions are merged progressively; False replaces the mask. It may be set later.
        history_limit: Memory of the undo history in bytes; the oldest steps are discarded first, the newest is always kept.
        journal: Records every change before it is made; may be set later.

    Raises:
        ValueError: If the mask does not fit the image, or an id is given twice.

    Example:
        >>> session = Session("photo.jpg", load_predictor())
        >>> change = session.apply(Click(120, 88))
        >>> session.mask
    """

    def __init__(
        self,
        image: ImageSource,
        predictor: Predictor | None = None,
        *,
        mask: Any = None,
        instances: Any = (),
        selected: int | None = None,
        progressive: bool = True,
        history_limit: int = HISTORY_LIMIT_BYTES,
        journal: Journal | None = None,
    ) -> None:
        pixels = read_image(image)
        height, width = pixels.shape[:2]
        document = open_document(height, width, mask, instances, selected)
        super().__init__(pixels, predictor, document, history_limit, journal)
        self._given_predictor = predictor
        self.progressive = progressive

    def __reduce__(self) -> Any:
        raise TypeError("A session can be neither pickled nor copied. Keep session.log(), and call Session.replay(image, predictor, log).")

    def __repr__(self) -> str:
        document = self._document
        count = sum(document.has_pixels(entry.id) for entry in document.state.entries)
        return f"<Session: {self.width}x{self.height} pixels, {count} objects, object {document.state.selected} is selected>"

    @property
    def image(self) -> np.ndarray:
        """The image, uint8 (H, W, 3), RGB, read-only."""
        return self._image

    @property
    def predictor(self) -> Predictor | None:
        """The predictor that the session was opened with; None if there is none."""
        return self._given_predictor

    @property
    def height(self) -> int:
        """Number of rows of the image."""
        return int(self._image.shape[0])

    @property
    def width(self) -> int:
        """Number of columns of the image."""
        return int(self._image.shape[1])

    @property
    def mask(self) -> np.ndarray:
        """The mask of the selected instance, bool (H, W), read-only.

        Later actions replace the array, they do not write to it.
        """
        return read_only(self._document.mask)

    @property
    def sources(self) -> np.ndarray:
        """The source of each pixel of the selected instance, uint8 (H, W), read-only.

        Values are numbers of SOURCES, also outside the mask.
        """
        document = self._document
        return read_only(document.pixels.crop(document.box).sources)

    @property
    def alpha(self) -> np.ndarray | None:
        """The alpha of the selected instance, uint8 (H, W), read-only; None if it has no matte."""
        document = self._document
        alpha = document.pixels.crop(document.box).alpha
        return None if alpha is None else read_only(alpha)

    @property
    def instances(self) -> Sequence[Instance]:
        """All instances that have pixels, in painting order, also the selected one.

        A sequence of their present state, which later actions do not change. Masks are unpacked at each access, so that an image with
        many objects needs little memory.
        """
        document = self._document
        entries = [entry for entry in document.state.entries if document.has_pixels(entry.id)]
        return LazyInstances(len(entries), partial(_unpack, document, entries))

    @property
    def selected(self) -> int:
        """The id of the instance being edited."""
        return self._document.state.selected

    @property
    def label(self) -> str:
        """The label of the selected instance."""
        return self._document.state.entry().label

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """All prompts of the selected instance, oldest first."""
        return self._document.state.entry().prompts

    @property
    def clicks(self) -> tuple[Click, ...]:
        """The clicks among `prompts`."""
        return tuple(prompt for prompt in self.prompts if isinstance(prompt, Click))

    @property
    def locked(self) -> bool:
        """Whether prompts keep the pixels that a manual tool set."""
        return self._document.state.locked

    @property
    def actions(self) -> list[dict[str, Any]]:
        """All actions that were not undone, oldest first, as JSON; the last part of `log()`."""
        return actions_to_json(self._history.applied)

    @property
    def alternatives(self) -> int:
        """The number of predictions that `Alternative` can choose from, with the main one.

        Reading it may call the predictor.

        0 if there is no prompt, the newest one agreed with the mask, something else changed the pixels since, or there is no
        predictor.
        """
        document = self._document
        if self._predictor is None or document.state.entry().choice is None:
            return 0
        choice = self._predictor.apply(document, Alternative(0), self.progressive).new_state.entry().choice
        assert choice is not None and choice.count is not None
        return choice.count

    def label_map(self, ids: bool = False) -> np.ndarray:
        """Return the instance in front at each pixel.

        Args:
            ids: Whether pixels hold ids; by default, positions in `instances`, from 1.

        Returns:
            int32 (H, W); 0 for no instance.
        """
        document = self._document
        labels = np.zeros((self.height, self.width), np.int32)
        patches = ((entry.id, document.patch(entry.id).mask_only()) for entry in document.state.entries)
        for number, (id, patch) in enumerate(((id, patch) for id, patch in patches if patch.bits), 1):
            crop(labels, patch.bbox)[patch.pixels()] = id if ids else number
        return labels

    def patch(self, instance: int | None = None) -> Patch:
        """Return the compressed pixels of an instance: mask, sources and alpha.

        Args:
            instance: Its id; None for the selected instance.

        Raises:
            ValueError: If there is no such instance.
        """
        document = self._document
        return document.patch(document.state.entry(instance).id)

    def has_pixels(self, instance: int | None = None) -> bool:
        """Return whether the mask of an instance has any pixel.

        Faster than `patch(instance).any()`, which compresses the mask.

        Args:
            instance: Its id; None for the selected instance.

        Raises:
            ValueError: If there is no such instance.
        """
        document = self._document
        return document.has_pixels(document.state.entry(instance).id)

    def mask_patch(self, instance: int | None = None) -> Patch:
        """Return the compressed mask of an instance, in its bbox.

        Args:
            instance: Its id; None for the selected instance.

        Raises:
            ValueError: If there is no such instance.
        """
        return self.patch(instance).mask_only()

    def prompt_result(self, number: int = -1) -> PromptResult | None:
        """Return the predictor input, predictions and masks of a prompt, by predicting again.

        Args:
            number: Index in `prompts`; the newest by default.

        Returns:
            The result; None if there is no prompt yet. The result of the newest prompt is usually still in memory.

        Raises:
            IndexError: If there is no such prompt.
            ValueError: If there is no predictor, the prompt came from another class, or its undo step was discarded.
        """
        document, history = self._version
        entry = document.state.entry()
        if not entry.prompts and number == -1:
            return None
        if self._predictor is None:
            raise ValueError("This session has no predictor. Open it with Session(image, load_predictor()).")
        prompts = entry.prompts[: range(1, len(entry.prompts) + 1)[number]]
        after = document.pixels
        for change in history.undoable():
            patch = next((difference.before for difference in change.differences if difference.instance == entry.id), None)
            before = after if patch is None else after.paste(patch)
            if change.instance == entry.id and change.action == prompts[-1] and change.new_state.entry(entry.id).prompts == prompts:
                result = self._predictor.predict(prompts, before.crop(document.box))
                return replace(result, after=after.crop(document.box).mask)
            after = before
        raise ValueError(
            f"Cannot recompute {prompts[-1]}: it came from another class, or its undo step was discarded. Increase history_limit."
        )

    def accept(self, label: str | None = None) -> Change:
        """Apply `Accept`: finish the selected instance and start a new one."""
        return self.apply(Accept(label))

    def select(self, instance: int | None = None) -> Change:
        """Apply `Select`: edit another instance, or start a new one."""
        return self.apply(Select(instance))

    def delete(self, instance: int | Sequence[int] | None = None) -> Change:
        """Apply `Delete`: delete one or several instances, by default the selected one."""
        return self.apply(Delete(instance))

    def relabel(self, label: str, instance: int | Sequence[int] | None = None) -> Change:
        """Apply `Relabel`: change the label of instances, by default of the selected one."""
        return self.apply(Relabel(label, instance))

    def set_attributes(self, attributes: Mapping[str, Any], instance: int | None = None) -> Change:
        """Apply `SetAttributes`: replace attributes, by default of the selected instance."""
        return self.apply(SetAttributes(instance, attributes))

    def encode(self) -> None:
        """Encode the image now, in a background thread, so that the first click need not wait.

        Does nothing without a predictor, or if that holds the image already. An `apply` that needs the predictor waits for it.
        """
        if self._predictor is not None:
            self._predictor.encode()

    def log(self) -> dict[str, Any]:
        """Return the log that `Session.replay` reads, as JSON.

        It holds the size of the image, the initial instances, and all actions.

        Undone actions are not included; discarded undo steps are. Masks are uncompressed COCO run lengths.
        """
        return write_log(self._initial, self._history.applied, self.progressive)

    @classmethod
    def replay(cls, image: ImageSource, predictor: Predictor | None, log: Mapping[str, Any], **options: Any) -> Session:
        """Open an image and apply the actions of a log.

        The masks are identical if image and predictor are.

        Args:
            image: The image that the log was made with.
            predictor: The predictor that the log was made with; None if it has no prompts.
            log: The result of `log()`.
            **options: `progressive` and `history_limit`, as for a new session.

        Raises:
            ValueError: If the log is not valid, belongs to an image of another size, or holds an action that is not possible.
        """
        initial, actions, progressive = read_log(log)
        session = cls(image, predictor, **options)
        height, width = initial.mask.shape
        if (height, width) != (session.height, session.width):
            raise ValueError(f"the log was made on an image of {width}x{height} pixels, this one has {session.width}x{session.height}")
        session._start_from(initial)
        for number, (action, session.progressive) in enumerate(actions):
            try:
                session.apply(action)
            except (ValueError, TypeError) as error:
                raise ValueError(f"action {number} of the log, {action}, cannot be applied: {error}") from error
        session.progressive = options.get("progressive", progressive)
        return session

    def packed(self, instance: int) -> Patch:
        """Return `patch(instance)`; the deprecated name."""
        warn_renamed("Session.packed", "Session.patch")
        return self.patch(instance)

    def asked(self, number: int = -1) -> PromptResult | None:
        """Return `prompt_result(number)`; the deprecated name."""
        warn_renamed("Session.asked", "Session.prompt_result")
        return self.prompt_result(number)


def _unpack(document: Document, entries: Sequence[Entry], indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        yield document.instance(entries[index])
