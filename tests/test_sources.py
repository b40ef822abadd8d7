"""The source of each pixel, the lock, alpha, and alternatives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdwidget.items import Instance
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import SOURCES, Accept, Alternative, Lock, Relabel, Select, Session
from cdwidget.tools import Brush, FillHoles, Grow, Lasso, Matte, Polygon, Superpixel, Wand
from support.scripted_predictor import EMPTY_MASK, HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, RandomPredictor, ScriptedPredictor

MIDDLE_MASK = ~(LEFT_HALF | RIGHT_HALF)
SQUARE = ((2, 2), (5, 2), (5, 5), (2, 5))
SOFT_ALPHA = np.where(LEFT_HALF, 255, 0).astype(np.uint8)
SOFT_ALPHA[:, 6] = 90


def source_at(session, row, column):
    return SOURCES[session.sources[row, column]]


# ---- sources -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (Brush(((3, 3),), 1.5), "brush"),
        (Brush(((3, 3),), 1.5, False), "brush"),
        (Polygon(SQUARE), "polygon"),
        (Lasso(SQUARE), "lasso"),
        (Superpixel(tuple(range(10)), 16), "superpixel"),
        (Wand(3.5, 3.5, 255), "wand"),
        (Click(3, 3), "model"),
    ],
)
def test_each_tool_records_its_source(action, name):
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(action)
    assert source_at(session, 3, 3) == name
    assert set(np.unique(session.sources)) <= {0, SOURCES.index(name)}
    session.undo()
    assert not session.sources.any()
    session.redo()
    assert source_at(session, 3, 3) == name


def test_commands_record_their_source_only_for_changed_pixels():
    session = Session(IMAGE)
    session.apply(Polygon(((1, 1), (9, 1), (9, 9), (1, 9))))
    session.apply(Brush(((5, 5),), 1, False))
    session.apply(FillHoles())
    assert session.mask[5, 5] and source_at(session, 5, 5) == "command" and source_at(session, 2, 2) == "polygon"
    session.apply(Grow(1))
    assert source_at(session, 3, 0) == "command" and source_at(session, 2, 2) == "polygon"


def test_given_masks_are_imports_and_the_model_is_the_source_of_its_changes():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF | RIGHT_HALF), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF)])
    session.apply(Click(15, 3))
    assert (session.sources == np.select([LEFT_HALF, RIGHT_HALF], [SOURCES.index("import"), SOURCES.index("model")], 0)).all()
    session.select(1)
    assert source_at(session, 3, 15) == "import" and source_at(session, 3, 3) == "nobody"


def test_the_source_of_removed_pixels_is_kept():
    session = Session(IMAGE, mask=LEFT_HALF)
    session.apply(Brush(((12, 3),), 1, False))
    session.accept()
    session.select(1)
    assert source_at(session, 3, 12) == "brush" and not session.mask[3, 12]
    with pytest.raises(ValueError, match="read-only"):
        session.sources[0, 0] = 1


def test_painting_the_same_pixels_twice_is_one_step():
    session = Session(IMAGE, mask=LEFT_HALF)
    assert session.apply(Brush(((3, 3),), 1)).bbox == (2, 2, 4, 4), "their source is the brush now"
    assert session.apply(Brush(((3, 3),), 1)).is_empty


# ---- the lock ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("progressive", [True, False])
def test_brushed_pixels_are_bit_identical_after_locking_and_clicking_elsewhere(progressive):
    session = Session(IMAGE, ScriptedPredictor(~MIDDLE_MASK, EMPTY_MASK), mask=LEFT_HALF, progressive=progressive)
    session.apply(Brush(((9, 4), (9, 9)), 2))
    session.apply(Brush(((4, 7),), 1, False))
    brushed = session.sources == SOURCES.index("brush")
    before = session.mask[brushed]
    session.apply(Lock(True))
    session.apply(Click(15, 3))
    assert session.mask[3, 15] and session.mask[brushed].tobytes() == before.tobytes()
    session.apply(Click(3, 10, False))
    assert not session.mask[10, 3] and session.mask[brushed].tobytes() == before.tobytes()
    assert (session.sources[brushed] == SOURCES.index("brush")).all()
    session.apply(Lock(False))
    session.apply(Click(9, 7, False))
    assert not session.mask[7, 9], "unlocked pixels may change"


xs, ys = st.floats(0, WIDTH, exclude_max=True), st.floats(0, HEIGHT, exclude_max=True)
points = st.lists(st.tuples(xs, ys), min_size=1, max_size=4).map(tuple)
predictor_actions = st.one_of(
    st.builds(Click, xs, ys, st.booleans()),
    st.builds(Stroke, points, st.booleans(), st.floats(0.5, 4)),
    st.builds(Box, st.integers(0, 8), st.integers(0, 6), st.integers(9, WIDTH), st.integers(7, HEIGHT)),
    st.builds(Alternative, st.integers(0, 3)),
)


@given(
    st.lists(st.builds(Brush, points, st.floats(0.5, 4), st.booleans()), min_size=1, max_size=3),
    st.lists(st.tuples(predictor_actions, st.booleans()), max_size=6),
)
def test_no_prompt_changes_locked_pixels(strokes, steps):
    session = Session(IMAGE, RandomPredictor(), mask=LEFT_HALF)
    for action in (*strokes, Lock(True)):
        session.apply(action)
    human = session.sources == SOURCES.index("brush")
    mask = session.mask
    for action, session.progressive in steps:
        try:
            session.apply(action)
        except ValueError:  # There is no alternative.
            continue
        assert np.array_equal(session.mask[human], mask[human])
        assert (session.sources[human] == SOURCES.index("brush")).all()


def test_a_click_on_a_locked_pixel_is_kept_and_changes_unlocked_pixels():
    session = Session(IMAGE, ScriptedPredictor(~EMPTY_MASK))
    session.apply(Brush(((3.5, 3.5),), 1, False))
    session.apply(Lock(True))
    session.apply(Click(3.5, 3.5))
    assert session.prompts == (Click(3.5, 3.5),) and not session.mask[3, 3] and session.mask.sum() > 0


def test_the_lock_is_an_undo_step():
    session = Session(IMAGE)
    assert not session.locked and session.apply(Lock(False)).is_empty
    session.apply(Lock(True))
    assert session.locked and Session.replay(IMAGE, None, session.log()).locked
    session.undo()
    assert not session.locked


# ---- alpha -------------------------------------------------------------------------------------------------------


def test_other_tools_replace_the_alpha_of_a_matte():
    session = Session(IMAGE, ScriptedPredictor(EMPTY_MASK), mask=LEFT_HALF)
    assert session.alpha is None
    session.apply(Matte(((6, 2), (6, 11)), 2))
    soft = session.alpha
    assert ((soft > 0) & (soft < 255)).any() and np.array_equal(session.mask, soft > 127)
    assert source_at(session, 6, 6) == "matte"
    session.apply(Brush(((6, 7),), 1.5, False))
    assert (session.alpha[6:8, 5:7] == 0).all() and session.alpha[2, 6] == soft[2, 6]
    session.apply(Click(1, 1, False))
    assert session.alpha[1, 1] == 0
    session.undo()
    session.undo()
    assert np.array_equal(session.alpha, soft)
    session.undo()
    assert session.alpha is None


def test_the_alpha_of_an_instance_is_kept():
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "cat", alpha=SOFT_ALPHA)])
    assert session.alpha is None, "the selected one is another"
    assert np.array_equal(session.instances[0].alpha, SOFT_ALPHA)
    assert np.array_equal(Session.replay(IMAGE, None, session.log()).instances[0].alpha, SOFT_ALPHA)
    session.select(1)
    assert np.array_equal(session.alpha, SOFT_ALPHA) and source_at(session, 3, 6) == "import"
    with pytest.raises(ValueError, match=r"alpha is float64 \(14, 18\); it must be uint8"):
        Session(IMAGE, instances=[Instance(LEFT_HALF, alpha=SOFT_ALPHA / 255)])


# ---- alternatives ------------------------------------------------------------------------------------------------


def test_alternatives_are_cycled_and_each_is_a_step():
    part = LEFT_HALF.copy()
    part[7:] = False
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[LEFT_HALF | RIGHT_HALF, part]))
    session.apply(Click(2, 3))
    assert session.state.entry().choice.count is None, "not counted yet"
    assert session.alternatives == 2, "components apart from the click stay, so two of three predictions have the same result"
    assert session.apply(Alternative(0)).is_empty
    session.apply(Alternative(1))
    assert np.array_equal(session.mask, part) and (session.sources > 0).sum() == part.sum()
    assert session.state.entry().choice.chosen == 1
    session.apply(Alternative(2))
    assert np.array_equal(session.mask, LEFT_HALF), "numbers wrap around"
    assert session.apply(Alternative(0)).is_empty
    session.undo()
    assert np.array_equal(session.mask, part) and session.state.entry().choice.chosen == 1
    session.undo()
    session.undo()
    assert not session.mask.any() and session.alternatives == 0


def test_alternatives_are_in_order_of_size_and_never_two_alike():
    squares = {side: np.zeros((100, 100), bool) for side in (20, 40, 41, 60, 80)}
    for side, square in squares.items():
        square[50 - side // 2 : 50 - side // 2 + side, 50 - side // 2 : 50 - side // 2 + side] = True
    others = [squares[side] for side in (80, 20, 41, 60)]
    session = Session(np.zeros((100, 100, 3), np.uint8), ScriptedPredictor(squares[40], alternatives=others))
    session.apply(Click(50, 50))
    sides = []
    for number in range(5):
        session.apply(Alternative(number))
        sides.append(round(session.mask.sum() ** 0.5))
    assert sides == [40, 60, 80, 20, 40] and session.alternatives == 4
    session.apply(Alternative(-1))
    assert round(session.mask.sum() ** 0.5) == 20, "the previous one is smaller"


def test_the_first_alternative_of_a_border_click_is_the_unrestricted_prediction():
    columns = np.broadcast_to(np.arange(300), (300, 300))
    wide, narrow = columns < 150, columns < 144
    session = Session(np.zeros((300, 300, 3), np.uint8), ScriptedPredictor(wide, narrow, alternatives=[narrow]))
    session.apply(Click(50, 100))
    session.apply(Click(146, 100, False))
    assert 0 < (session.mask & ~narrow).sum() < (wide & ~narrow).sum(), "only near the click"
    session.apply(Alternative(1))
    assert np.array_equal(session.mask, narrow) and session.alternatives == 2


def test_each_instance_has_alternatives_for_its_newest_prompt():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF | RIGHT_HALF, alternatives=[LEFT_HALF | MIDDLE_MASK | RIGHT_HALF]))
    session.apply(Click(2, 3))
    session.apply(Alternative(1))
    session.apply(Accept("cat"))
    with pytest.raises(ValueError, match="There is no alternative"):
        session.apply(Alternative(1))
    session.apply(Select(1))
    session.apply(Relabel("dog"))
    assert session.alternatives == 2, "a label changes no pixel"
    session.apply(Alternative(0))
    assert np.array_equal(session.mask, LEFT_HALF)
    session.apply(Click(9, 3, False))  # Agrees.
    assert session.alternatives == 0


def test_other_changes_of_pixels_end_the_alternatives():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[EMPTY_MASK]))
    session.apply(Click(2, 3))
    assert session.alternatives == 2
    session.apply(Brush(((9, 9),), 1))
    assert session.alternatives == 0
    session.undo()
    session.apply(Alternative(1))
    assert session.mask.sum() < LEFT_HALF.sum()


def test_a_prompt_that_was_peeked_at_is_not_predicted_again():
    predictor = ScriptedPredictor(LEFT_HALF, alternatives=[EMPTY_MASK])
    session = Session(IMAGE, predictor)
    session.peek(Click(2, 3))
    session.apply(Click(2, 3))
    session.apply(Alternative(1))
    session.apply(Alternative(0))
    assert len(predictor.calls) == 1


def test_an_alternative_of_another_size_is_refused():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[LEFT_HALF.T]))
    session.apply(Click(2, 3))
    with pytest.raises(ValueError, match="the predictor returned"):
        session.apply(Alternative(1))
    assert np.array_equal(session.mask, LEFT_HALF)


def test_an_alternative_is_undone_with_a_short_history():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[EMPTY_MASK]), history_limit=0)
    session.apply(Click(2, 3))
    for number in (1, 2, 3):
        session.apply(Alternative(number))
    assert session.mask.sum() < LEFT_HALF.sum()
    session.undo()
    assert np.array_equal(session.mask, LEFT_HALF)
    assert replace(session.state.entry().choice, before=None).count == 2
