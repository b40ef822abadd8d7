"""The results of prompts: predictor input, predictions, and the masks before and after."""

from __future__ import annotations

import numpy as np
import pytest

from cdwidget.prompts import Click
from cdwidget.session import Relabel, Session
from cdwidget.tools import Brush
from support.scripted_predictor import EMPTY_MASK, HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, RandomPredictor, ScriptedPredictor


def test_there_is_no_result_before_the_first_prompt() -> None:
    assert Session(IMAGE, ScriptedPredictor(LEFT_HALF)).prompt_result() is None


def test_the_newest_result_is_not_predicted_again() -> None:
    predictor = ScriptedPredictor(LEFT_HALF | RIGHT_HALF)
    session = Session(IMAGE, predictor)
    session.apply(Click(2, 3))
    result = session.prompt_result()
    assert result is not None and len(predictor.calls) == 1
    assert result.prompts == (Click(2, 3),) and not result.before.any()
    assert (result.predicted == (LEFT_HALF | RIGHT_HALF)).all() and (result.after == LEFT_HALF).all()


def test_every_result_is_available_after_undo_relabel_and_peek() -> None:
    session = Session(IMAGE, RandomPredictor())
    masks = [EMPTY_MASK]
    clicks = [Click(3, 3), Click(9, 8), Click(15, 2), Click(4, 4, False)]
    for click in clicks:
        session.apply(click)
        masks.append(session.mask)
    session.apply(Click(0, 0))
    session.undo()
    session.apply(Relabel("cup"))
    session.peek(Click(17, 13))
    for number, click in enumerate(clicks):
        result = session.prompt_result(number)
        assert result is not None and result.prompts == tuple(clicks[: number + 1]) and result.prompts[-1] == click
        assert (result.before == masks[number]).all() and (result.after == masks[number + 1]).all()
        predictor = RandomPredictor()
        predictor.set_image(IMAGE)
        prior = result.before.astype(np.float32) if result.before.any() else None  # Only the model has drawn it.
        assert (result.predicted == predictor.predict(result.prompts, prior).mask).all()
    with pytest.raises(IndexError):
        session.prompt_result(4)


def test_results_are_the_same_after_later_manual_edits() -> None:
    session = Session(IMAGE, RandomPredictor())
    predictions = []
    for click in (Click(3, 3), Click(15, 2)):
        session.apply(click)
        predictions.append(session.prompt_result().predicted)
    session.apply(Brush(((9, 8), (12, 8)), 2))
    session.apply(Click(0, 0))
    for number, prediction in enumerate(predictions):
        assert (session.prompt_result(number).predicted == prediction).all()


def test_results_of_an_instance_selected_again() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(1, 1))
    session.accept("a")
    assert session.prompt_result() is None
    session.select(1)
    result = session.prompt_result()
    assert result is not None and (result.after == LEFT_HALF).all() and not result.before.any()


def test_a_discarded_undo_step_is_named() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, RIGHT_HALF), history_limit=1)
    session.apply(Click(1, 1))
    session.apply(Click(14, 1))
    assert session.prompt_result() is not None
    with pytest.raises(ValueError, match="undo step was discarded"):
        session.prompt_result(0)


def test_listeners_are_called_after_every_change_until_they_stop() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    areas: list[int] = []
    stop = session.listen(lambda: areas.append(int(session.mask.sum())))
    session.apply(Click(1, 1))
    session.undo()
    session.redo()
    session.peek(Click(9, 9))
    stop()
    session.undo()
    area = int(LEFT_HALF.sum())
    assert areas == [area, 0, area] and session.undo() is None
    assert np.zeros((HEIGHT, WIDTH)).sum() == session.mask.sum()
