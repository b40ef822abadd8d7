"""Looking back at a session's prompts: the question, the answer and the mask before and after each."""

from __future__ import annotations

import numpy as np
import pytest

from cdwidget.prompts import Click
from cdwidget.session import Relabel, Session
from cdwidget.tools import Brush
from support.scripted_predictor import HEIGHT, IMAGE, LEFT, NOTHING, RIGHT, WIDTH, Erratic, Scripted


def test_there_is_nothing_to_look_back_at_before_the_first_prompt() -> None:
    assert Session(IMAGE, Scripted(LEFT)).asked() is None


def test_the_newest_prompt_is_not_asked_again() -> None:
    predictor = Scripted(LEFT | RIGHT)
    session = Session(IMAGE, predictor)
    session.apply(Click(2, 3))
    asked = session.asked()
    assert asked is not None and len(predictor.asked) == 1
    assert asked.prompts == (Click(2, 3),) and not asked.before.any()
    assert (asked.answer == (LEFT | RIGHT)).all() and (asked.after == LEFT).all()


def test_every_prompt_can_be_looked_back_at_with_undo_relabel_and_peek_between() -> None:
    session = Session(IMAGE, Erratic())
    masks = [NOTHING]
    clicks = [Click(3, 3), Click(9, 8), Click(15, 2), Click(4, 4, False)]
    for click in clicks:
        session.apply(click)
        masks.append(session.mask)
    session.apply(Click(0, 0))
    session.undo()
    session.apply(Relabel("cup"))
    session.peek(Click(17, 13))
    for number, click in enumerate(clicks):
        asked = session.asked(number)
        assert asked is not None and asked.prompts == tuple(clicks[: number + 1]) and asked.prompts[-1] == click
        assert (asked.before == masks[number]).all() and (asked.after == masks[number + 1]).all()
        engine = Erratic()
        engine.set_image(IMAGE)
        prior = asked.before.astype(np.float32) if asked.before.any() else None  # the model's own, not somebody's mask
        assert (asked.answer == engine.predict(asked.prompts, prior).mask).all()
    with pytest.raises(IndexError):
        session.asked(4)


def test_a_prompt_is_asked_again_as_it_was_when_a_hand_has_drawn_since() -> None:
    session = Session(IMAGE, Erratic())
    answers = []
    for click in (Click(3, 3), Click(15, 2)):
        session.apply(click)
        answers.append(session.asked().answer)
    session.apply(Brush(((9, 8), (12, 8)), 2))
    session.apply(Click(0, 0))
    for number, answer in enumerate(answers):
        assert (session.asked(number).answer == answer).all()


def test_an_instance_taken_up_again_is_looked_back_at() -> None:
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(1, 1))
    session.accept("a")
    assert session.asked() is None
    session.select(1)
    asked = session.asked()
    assert asked is not None and (asked.after == LEFT).all() and not asked.before.any()


def test_a_step_that_left_the_history_is_named() -> None:
    session = Session(IMAGE, Scripted(LEFT, RIGHT), history_limit=1)
    session.apply(Click(1, 1))
    session.apply(Click(14, 1))
    assert session.asked() is not None
    with pytest.raises(ValueError, match="no longer known"):
        session.asked(0)


def test_listeners_hear_of_every_change_until_they_stop() -> None:
    session = Session(IMAGE, Scripted(LEFT))
    heard: list[int] = []
    stop = session.listen(lambda: heard.append(int(session.mask.sum())))
    session.apply(Click(1, 1))
    session.undo()
    session.redo()
    session.peek(Click(9, 9))
    stop()
    session.undo()
    area = int(LEFT.sum())
    assert heard == [area, 0, area] and session.undo() is None
    assert np.zeros((HEIGHT, WIDTH)).sum() == session.mask.sum()
