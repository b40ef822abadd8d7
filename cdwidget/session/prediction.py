"""What the predictor was asked when a prompt was given, what it answered, and what the answers make of the mask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import Sequence
from weakref import WeakValueDictionary, ref

import numpy as np

from cdwidget.predictor import Factors, Prediction, Predictor
from cdwidget.prompts import Box, Prompt, check_prompt
from cdwidget.session.actions import Alternative
from cdwidget.session.document import Change, Choice, Difference, Document
from cdwidget.session.merge import agrees, merge, take
from cdwidget.session.pixels import HUMAN, Pixels
from cdwidget.tools.canvas import Painted


@dataclass(frozen=True, eq=False)
class Asked:
    """One prompt of an instance, seen afterwards.

    prompts: all given until then, the one in question last. before, answer, after: bool (H, W), the mask before the prompt, the
    predictor's whole answer, and the mask that was made of the two. factors: what the model recorded; None when it records nothing.
    alternatives: bool (H, W), its other answers, best first.
    """

    prompts: tuple[Prompt, ...]
    before: np.ndarray
    answer: np.ndarray
    after: np.ndarray
    factors: Factors | None
    alternatives: Sequence[np.ndarray] = ()

    def outcome(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> Painted:
        """Return what the answer would change.

        image: uint8 (H, W, 3). progressive: merge the answer, else take it whole. locked: bool (H, W), pixels to leave alone, or None.
        own: whether nobody but the model has made the mask.
        """
        return self._taken(self.answer, image, progressive, locked, own)

    def outcomes(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool) -> list[Painted]:
        """Return what one can choose from: `outcome`, then what each answer would change where a click is not taken for a touch-up.

        What would change the same as an earlier one is left out. ValueError for an alternative that does not fit the image.
        """
        found: dict[object, Painted] = {}
        wholly = (self._taken(answer, image, progressive, locked, own, touch_up=False) for answer in (self.answer, *self.alternatives))
        for done in (self.outcome(image, progressive, locked, own), *wholly):
            found.setdefault((done.bbox, done.where.tobytes()), done)
        return list(found.values())

    def _taken(
        self, answer: np.ndarray, image: np.ndarray, progressive: bool, locked: np.ndarray | None, own: bool, touch_up: bool = True
    ) -> Painted:
        check_answer(answer, image)
        if progressive:
            return merge(image, self.before, answer, self.prompts[-1], self.prompts[:-1], locked, own, touch_up)
        return take(self.before, answer, locked)


# MERGED from session.engine: A predictor that several sessions and threads share: one call at a time, and always about the right image.


def check_answer(mask: np.ndarray, image: np.ndarray) -> None:
    """Raise ValueError where a predictor's mask does not fit the image."""
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise ValueError(f"the predictor answered with a mask of {mask.dtype} {mask.shape}, the image needs bool {image.shape[:2]}")


class Engine:
    """A predictor, the lock its callers share, and which image it was given last; get one with `engine_of`."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._lock = Lock()
        self._image: ref[np.ndarray] | None = None

    def encode(self, image: np.ndarray) -> None:
        """Make the predictor hold `image`, this very array; at once when it does already, else after other calls have ended."""
        with self._lock:
            self._hold(image)

    def ask(self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None) -> Prediction:
        """Predict for `image`, encoding it first where the predictor has served another one meanwhile.

        Raises ValueError when the answer is no bool (H, W) mask of the image's size, and whatever the predictor raises.
        """
        with self._lock:
            self._hold(image)
            prediction = self.predictor.predict(prompts, prior)
        check_answer(prediction.mask, image)
        return prediction

    def _hold(self, image: np.ndarray) -> None:
        held = None if self._image is None else self._image()
        if held is image:
            return
        if held is not None and np.array_equal(held, image):  # the same picture, opened again
            self._image = ref(image)
            return
        self._image = None  # where set_image fails, nobody knows what the predictor holds
        self.predictor.set_image(image)
        self._image = ref(image)


# By identity, because a predictor need not be hashable. An engine lives as long as a session uses it, and keeps its
# predictor alive, so that no other object can have the same identity meanwhile.
_ENGINES: WeakValueDictionary[int, Engine] = WeakValueDictionary()
_ENGINES_LOCK = Lock()


def engine_of(predictor: Predictor) -> Engine:
    """Return the one engine of a predictor, the same for all the sessions that use it now."""
    if not (hasattr(predictor, "set_image") and hasattr(predictor, "predict")):
        raise TypeError(f"a predictor has set_image and predict, and {predictor!r} has not; give what cdwidget.load_predictor() returns")
    with _ENGINES_LOCK:
        engine = _ENGINES.get(id(predictor))
        if engine is None:
            engine = _ENGINES[id(predictor)] = Engine(predictor)
        return engine


# MERGED from session.answers: What a predictor's answers make of a document: prompts, and the choice among the answers to the newest one.


class Answers:
    """A predictor's answers about one image, uint8 (H, W, 3); the newest is kept, because it is often asked for again."""

    def __init__(self, image: np.ndarray, engine: Engine) -> None:
        self._image = image
        self._engine = engine
        self._newest: Asked | None = None

    def encode(self) -> None:
        """Let the predictor encode the image now."""
        self._engine.encode(self._image)

    def prompt(self, document: Document, prompt: Prompt, progressive: bool) -> Change:
        """Return what a prompt changes; ValueError for one outside the image."""
        check_prompt(prompt, *self._image.shape[1::-1])
        mask, entry = document.mask, document.state.entry()
        prompts = (*entry.prompts, prompt)
        # Without a positive prompt there is no object to speak of, and a model asked all the same may answer "everything".
        pointless = not mask.any() and not any(isinstance(given, Box) or given.positive for given in prompts)
        if pointless or (progressive and agrees(mask, prompt)):
            now = document.state.with_entry(replace(entry, prompts=prompts, choice=None))
            return document.change(prompt, entry.id, now, progressive=progressive)
        return self._answered(document, prompt, prompts, document.pixels, progressive)

    def alternative(self, document: Document, action: Alternative, progressive: bool) -> Change:
        """Return the change from the answer in force to another one; ValueError when nothing is left open."""
        entry = document.state.entry()
        if entry.choice is None:
            raise ValueError("there is no other answer to choose: the newest change of this instance is no prompt; give a prompt first")
        base = document.pixels.paste(entry.choice.before)
        return self._answered(document, action, entry.prompts, base, progressive)

    def ask(self, prompts: tuple[Prompt, ...], whole: Pixels) -> Asked:
        """Return the predictor's answers to prompts, given all the image's pixels before the newest; kept ones, where they are the newest.

        What nobody but the model has made is shown to it as a probability, which it may doubt, else as a mask.
        """
        newest, before = self._newest, whole.mask
        if newest is None or newest.prompts != prompts or not np.array_equal(newest.before, before):
            prior = before.astype(np.float32) if whole.models_own else before.copy()
            prediction = self._engine.ask(self._image, prompts, prior if before.any() else None)
            newest = Asked(prompts, before, prediction.mask, before, prediction.factors, prediction.alternatives)
            self._newest = newest
        return newest

    def _answered(
        self, document: Document, action: Prompt | Alternative, prompts: tuple[Prompt, ...], base: Pixels, progressive: bool
    ) -> Change:
        """Return the change to what an answer to the newest of `prompts` makes of `base`, the pixels before that prompt."""
        state = document.state
        whole = base.crop(document.box)
        locked = HUMAN[whole.sources] if state.locked else None
        asked, how = self.ask(prompts, whole), (self._image, progressive, locked, whole.models_own)
        if isinstance(action, Alternative):
            outcomes = asked.outcomes(*how)
            number = action.number % len(outcomes)
            before, after = base.paint(outcomes[number], "model")
            choice = Choice(len(outcomes), number, before)
        else:
            before, after = base.paint(asked.outcome(*how), "model")
            choice = Choice(None if asked.alternatives else 1, 0, before)
        now = state.with_entry(replace(state.entry(), prompts=prompts, choice=choice))
        if base is not document.pixels:
            before, after = document.pixels.become(base.paste(after))
        return document.change(action, state.selected, now, Difference(state.selected, before, after), progressive=progressive)
