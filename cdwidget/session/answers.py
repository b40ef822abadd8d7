"""What a predictor's answers make of a document: prompts, and the choice among the answers to the newest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cdwidget.prompts import Box, Prompt, check_prompt
from cdwidget.session.actions import Alternative
from cdwidget.session.asked import Asked
from cdwidget.session.document import Change, Choice, Difference, Document
from cdwidget.session.engine import Engine
from cdwidget.session.merge import agrees
from cdwidget.session.pixels import HUMAN, Pixels


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
