"""Predictions for the prompts of one image, and the resulting changes of the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from weakref import WeakValueDictionary, ref

import numpy as np

from cdwidget._deprecated import renamed_property
from cdwidget.predictor import Factors, Prediction, Predictor
from cdwidget.prompts import Box, Prompt, check_prompt
from cdwidget.session.alternatives import Alternative, different_edits
from cdwidget.session.document import IS_MANUAL, Change, Choice, Difference, Document, Pixels
from cdwidget.session.merge import adopt, agrees, merge
from cdwidget.tools.canvas import PixelEdit


@dataclass(frozen=True, eq=False)
class PromptResult:
    """The result of one prompt: predictor input, predictions, and the mask after merging.

    Args:
        prompts: All prompts up to this one, oldest first.
        before: The mask before the prompt, bool (H, W).
        predicted: The main prediction, bool (H, W).
        after: The mask after the prompt, bool (H, W).
        factors: The factors that the model recorded; None if it records none.
        alternatives: Other predictions, bool (H, W), best first.
    """

    prompts: tuple[Prompt, ...]
    before: np.ndarray
    predicted: np.ndarray
    after: np.ndarray
    factors: Factors | None
    alternatives: Sequence[np.ndarray] = ()

    answer = renamed_property("answer", "predicted")

    def edit(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, model_only: bool) -> PixelEdit:
        """Return the pixels that the main prediction changes.

        Args:
            image: uint8 (H, W, 3), RGB.
            progressive: Whether the prediction is merged; False adopts it completely.
            locked: Pixels that stay, bool (H, W); None for none.
            model_only: Whether only the model has drawn the mask.
        """
        return self._edit(self.predicted, image, progressive, locked, model_only)

    def edits(self, image: np.ndarray, progressive: bool, locked: np.ndarray | None, model_only: bool) -> list[PixelEdit]:
        """Return the different edits to choose from; the arguments are the same as in `edit`.

        The first is `edit`, the others are the predictions without the restriction of border clicks, as `different_edits` orders them.

        Raises:
            ValueError: If an alternative does not fit the image.
        """
        masks = (self.predicted, *self.alternatives)
        unrestricted = (self._edit(mask, image, progressive, locked, model_only, border_clicks=False) for mask in masks)
        return different_edits(self.edit(image, progressive, locked, model_only), unrestricted)

    def _edit(
        self, mask: np.ndarray, image: np.ndarray, progressive: bool, locked: np.ndarray | None, model_only: bool,
        border_clicks: bool = True,
    ) -> PixelEdit:  # fmt: skip
        _check_size(mask, image)
        if progressive:
            return merge(image, self.before, mask, self.prompts[-1], self.prompts[:-1], locked, model_only, border_clicks)
        return adopt(self.before, mask, locked)


class ImagePredictor:
    """A shared predictor for one image, uint8 (H, W, 3); keeps the newest result."""

    def __init__(self, image: np.ndarray, predictor: Predictor) -> None:
        self._image = image
        self._predictor = share(predictor)
        self._newest: PromptResult | None = None
        self._granular: tuple[PromptResult, list[np.ndarray]] | None = None

    def encode(self) -> None:
        """Encode the image now."""
        self._predictor.encode(self._image)

    def apply(self, document: Document, action: Prompt | Alternative, progressive: bool) -> Change:
        """Return the change by a prompt, or by another prediction for the newest one.

        Raises:
            ValueError: If the prompt is outside the image, or there is no other prediction.
        """
        entry = document.state.entry()
        if isinstance(action, Alternative):
            if entry.choice is None:
                raise ValueError("There is no alternative: the newest change of this instance is not a prompt. Give a prompt first.")
            return self._change(document, action, entry.prompts, document.pixels.paste(entry.choice.before), progressive)
        check_prompt(action, *self._image.shape[1::-1])
        mask, prompts = document.mask, (*entry.prompts, action)
        # Without a positive prompt there is no object, and a model may predict the whole image.
        no_object = not mask.any() and not any(isinstance(prompt, Box) or prompt.positive for prompt in prompts)
        if no_object or (progressive and agrees(mask, action)):
            state = document.state.with_entry(replace(entry, prompts=prompts, choice=None))
            return document.change(action, entry.id, state, progressive=progressive)
        return self._change(document, action, prompts, document.pixels, progressive)

    def predict(self, prompts: tuple[Prompt, ...], before: Pixels) -> PromptResult:
        """Predict for prompts, given the pixels of the whole image before the newest one.

        The `after` of the result is not set yet.

        The prior is a soft mask if only the model has drawn it, and a hard mask if a person has edited it (the predictor may revise
        only soft priors).
        """
        newest, mask = self._newest, before.mask
        if newest is None or newest.prompts != prompts or not np.array_equal(newest.before, mask):
            prior = mask.astype(np.float32) if before.is_model_only else mask.copy()
            prediction = self._predictor.predict(self._image, prompts, prior if mask.any() else None)
            newest = PromptResult(prompts, mask, prediction.mask, mask, prediction.factors, prediction.alternatives)
            self._newest = newest
        return newest

    def _granular_masks(self, result: PromptResult) -> list[np.ndarray]:
        """Predict a first prompt at each granularity of the predictor; later prompts correct an object instead of choosing one."""
        if result.before.any():
            return []
        if self._granular is None or self._granular[0] is not result:
            granularities = self._predictor.granularities
            masks = [self._predictor.predict(self._image, result.prompts, None, granularity).mask for granularity in granularities]
            self._granular = result, masks
        return self._granular[1]

    def _change(
        self, document: Document, action: Prompt | Alternative, prompts: tuple[Prompt, ...], base: Pixels, progressive: bool
    ) -> Change:
        """Return the change by a prediction for the newest of `prompts`.

        `base` holds the pixels before that prompt.
        """
        state = document.state
        whole = base.crop(document.box)
        locked = IS_MANUAL[whole.sources] if state.locked else None
        result, options = self.predict(prompts, whole), (self._image, progressive, locked, whole.is_model_only)
        if isinstance(action, Alternative):
            edits = replace(result, alternatives=(*result.alternatives, *self._granular_masks(result))).edits(*options)
            number = action.number % len(edits)
            before, after = base.edit(edits[number], "model")
            choice = Choice(len(edits), number, before)
        else:
            before, after = base.edit(result.edit(*options), "model")
            choice = Choice(None if result.alternatives or self._predictor.granularities else 1, 0, before)
        new_state = state.with_entry(replace(state.entry(), prompts=prompts, choice=choice))
        if base is not document.pixels:
            before, after = document.pixels.difference(base.paste(after))
        return document.change(action, state.selected, new_state, Difference(state.selected, before, after), progressive=progressive)


class SharedPredictor:
    """A predictor for several sessions and threads, made by `share`.

    It runs one call at a time, always for the right image.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._lock = Lock()
        self._image: ref[np.ndarray] | None = None

    def encode(self, image: np.ndarray) -> None:
        """Encode an image, unless the predictor holds it already."""
        with self._lock:
            self._hold(image)

    @property
    def granularities(self) -> Sequence[float]:
        """The granularities that the predictor offers; empty if it takes none."""
        return getattr(self._predictor, "granularities", ())

    def predict(
        self, image: np.ndarray, prompts: Sequence[Prompt], prior: np.ndarray | None, granularity: float | None = None
    ) -> Prediction:
        """Predict for an image; it is encoded again if the predictor holds another one.

        Raises:
            ValueError: If the predicted mask does not fit the image.
        """
        options = () if granularity is None else (granularity,)
        with self._lock:
            self._hold(image)
            prediction = self._predictor.predict(prompts, prior, *options)
        if not hasattr(prediction, "mask"):
            raise TypeError(
                f"the predictor returned {type(prediction).__name__}; predict() must return cdwidget.Prediction(mask, probabilities)"
            )
        _check_size(prediction.mask, image)
        return prediction

    def _hold(self, image: np.ndarray) -> None:
        held = None if self._image is None else self._image()
        if held is image:
            return
        if held is not None and np.array_equal(held, image):  # The same image, opened again.
            self._image = ref(image)
            return
        self._image = None  # If set_image fails, the predictor may hold anything.
        self._predictor.set_image(image)
        self._image = ref(image)


# The keys are identities, because a predictor need not be hashable. A shared predictor lives as long as a session uses it, and keeps its
# predictor alive, so no other object can get the same identity in that time.
_SHARED_PREDICTORS: WeakValueDictionary[int, SharedPredictor] = WeakValueDictionary()
_SHARED_LOCK = Lock()


def share(predictor: Predictor) -> SharedPredictor:
    """Return the `SharedPredictor` that all sessions use for a predictor."""
    if isinstance(predictor, str):
        raise TypeError(f"the predictor is a name; give the model: cdwidget.load_predictor({predictor!r})")
    if isinstance(predictor, type):
        raise TypeError(f"the predictor is a class; give an object of it: {predictor.__name__}(...)")
    if not (hasattr(predictor, "set_image") and hasattr(predictor, "predict")):
        raise TypeError(f"a predictor needs set_image() and predict(); got {type(predictor).__name__}")
    with _SHARED_LOCK:
        shared = _SHARED_PREDICTORS.get(id(predictor))
        if shared is None:
            shared = _SHARED_PREDICTORS[id(predictor)] = SharedPredictor(predictor)
        return shared


def _check_size(mask: np.ndarray, image: np.ndarray) -> None:
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise ValueError(f"the predictor returned a mask of {mask.dtype} {mask.shape}, the image needs bool {image.shape[:2]}")
