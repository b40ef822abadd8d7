"""Semantic segmentation: one class per pixel."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from cdwidget.items import Instance
from cdwidget.prompts import Click, Stroke
from cdwidget.session import SOURCES, AddToClass, SeparateClasses, Session
from cdwidget.session.autosave import FileJournal
from cdwidget.tools import Brush, Polygon
from support.scripted_predictor import EMPTY_MASK, HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor, snapshot

EVERYTHING = ~EMPTY_MASK
ROAD, SKY = Stroke(((2.5, 4.5), (2.5, 9.5)), radius=1.0), Stroke(((15.5, 4.5), (15.5, 9.5)), radius=1.0)
NOT_ROAD, NOT_SKY = (Stroke(stroke.points, False, 1.0) for stroke in (ROAD, SKY))


def classes(session: Session) -> dict[str, int]:
    return {one.label: int(one.mask.sum()) for one in session.instances}


def paint(session: Session, x: float, label: str, radius: float = 2.0) -> None:
    session.apply(Brush(((x, 5.5),), radius))
    session.apply(AddToClass(label))


def test_pixels_of_a_class_are_taken_from_the_others_in_one_step() -> None:
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "road"), Instance(RIGHT_HALF, "sky")])
    session.relabel("car")
    session.apply(Brush(((8.5, 5.5),), 2.0))
    car = session.mask.copy()
    before = snapshot(session)
    session.apply(AddToClass())
    assert classes(session) == {"road": (LEFT_HALF & ~car).sum(), "sky": (RIGHT_HALF & ~car).sum(), "car": car.sum()}
    assert session.label == "car" and not session.mask.any()  # The next drawing is of the same class.
    paint(session, 12.5, "car")
    assert len(session.instances) == 3 and classes(session)["car"] > car.sum()
    session.undo()
    session.undo()
    session.undo()
    assert snapshot(session) == before
    assert session.redo() and classes(session)["car"] == car.sum()


def test_a_class_without_pixels_disappears_and_no_class_is_background() -> None:
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "road")])
    paint(session, 9.5, "sky", 40.0)
    assert classes(session) == {"sky": HEIGHT * WIDTH}
    paint(session, 3.5, "", 3.0)
    assert list(classes(session)) == ["sky"] and 0 < classes(session)["sky"] < HEIGHT * WIDTH
    paint(session, 3.5, "", 40.0)
    assert classes(session) == {}


def test_without_a_drawing_only_the_next_class_changes() -> None:
    session = Session(IMAGE)
    assert session.apply(AddToClass()).is_empty
    session.apply(AddToClass(next="sky"))
    assert session.label == "sky" and len(session.state.entries) == 1


def test_any_order_of_drawings_gives_the_label_map_that_was_painted(tmp_path: Path) -> None:
    random, names = Random(0), ["", "road", "sky", "car"]
    session = Session(IMAGE)
    FileJournal(tmp_path / "a.jsonl").resume(session)
    expected = np.zeros((HEIGHT, WIDTH), int)
    for _ in range(40):
        number = random.randrange(4)
        session.apply(Brush(((random.random() * WIDTH, random.random() * HEIGHT),), random.choice([1.0, 2.0, 5.0])))
        expected[session.mask] = number
        session.apply(AddToClass(names[number], random.choice([None, "car"])))
        found = np.zeros_like(expected)
        for one in session.instances:
            assert not found[one.mask].any() and one.mask.any()
            found[one.mask] = names.index(one.label)
        assert (found == expected).all()
    again = Session(IMAGE)
    FileJournal(tmp_path / "a.jsonl").resume(again)
    assert snapshot(again) == snapshot(session)
    replayed = Session.replay(IMAGE, None, session.log())
    assert (replayed.label_map() == session.label_map()).all()


def draw_road_and_sky(*masks: np.ndarray) -> Session:
    """Return a session with a finished road and a drawing of the sky, predicted as the first two masks."""
    session = Session(IMAGE, ScriptedPredictor(*masks))
    session.relabel("road")
    session.apply(ROAD)
    session.apply(AddToClass(next="sky"))
    session.apply(SKY)
    return session


def test_a_stroke_of_a_class_is_a_negative_prompt_of_another_class_that_covers_it() -> None:
    session = draw_road_and_sky(EVERYTHING, RIGHT_HALF, LEFT_HALF)
    change = session.apply(SeparateClasses())
    assert classes(session) == {"road": LEFT_HALF.sum(), "sky": RIGHT_HALF.sum()}
    assert [one.instance for one in change.differences] == [1] and session.prompts == (SKY,)
    prompts, prior = session.predictor.calls[-1]
    assert prompts == (ROAD, NOT_SKY) and prior.dtype == np.float32 and prior.all()
    assert session.apply(SeparateClasses()).is_empty  # Now the classes agree with all prompts.


def test_a_drawing_leaves_the_strokes_of_other_classes_to_them() -> None:
    session = draw_road_and_sky(LEFT_HALF, EVERYTHING, ~LEFT_HALF)
    session.apply(SeparateClasses())
    assert classes(session) == {"road": LEFT_HALF.sum(), "sky": (~LEFT_HALF).sum()}
    assert session.prompts == (SKY, NOT_ROAD) and session.predictor.calls[-1][0] == session.prompts


def test_both_classes_are_predicted_again_in_one_step_that_is_saved_and_replayed(tmp_path: Path) -> None:
    masks = EVERYTHING, EVERYTHING, LEFT_HALF, RIGHT_HALF
    session = draw_road_and_sky(*masks)
    FileJournal(tmp_path / "a.jsonl").resume(session)
    before = snapshot(session)
    session.apply(SeparateClasses())
    after = snapshot(session)
    assert classes(session) == {"road": LEFT_HALF.sum(), "sky": RIGHT_HALF.sum()} and not session.locked
    session.undo()
    assert snapshot(session) == before
    session.redo()
    assert snapshot(session) == after
    again = Session(IMAGE)
    FileJournal(tmp_path / "a.jsonl").resume(again)
    assert snapshot(again) == after
    assert snapshot(Session.replay(IMAGE, ScriptedPredictor(*masks), session.log())) == after


def test_painted_pixels_of_another_class_stay() -> None:
    session = draw_road_and_sky(RIGHT_HALF, RIGHT_HALF, EMPTY_MASK)
    session.select(1)
    session.apply(Brush(((15.5, 4.5),), 1.0))
    painted = session.sources == SOURCES.index("brush")
    session.select(2)
    session.apply(SeparateClasses())
    road = session.instances[0].mask
    assert painted.any() and road[painted].all() and road.sum() < RIGHT_HALF.sum()


def test_classes_and_drawings_without_prompts_are_not_predicted() -> None:
    session = Session(IMAGE, ScriptedPredictor(RIGHT_HALF), instances=[Instance(EVERYTHING, "road"), Instance(EVERYTHING)])
    session.relabel("sky")
    session.apply(SKY)
    assert session.apply(SeparateClasses()).is_empty and len(session.predictor.calls) == 1


def test_the_prompt_of_the_drawing_counts_where_it_contradicts_another() -> None:
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, LEFT_HALF, EMPTY_MASK))
    session.relabel("road")
    session.apply(Click(2.5, 5.5))
    session.apply(AddToClass(next="sky"))
    session.apply(Click(2.5, 5.5))  # It is sky after all.
    session.apply(SeparateClasses())
    assert (session.mask == LEFT_HALF).all() and not session.instances[0].mask[5, 2]
    session.apply(AddToClass())
    assert classes(session) == {"sky": LEFT_HALF.sum()}


def test_a_class_that_loses_all_pixels_is_removed() -> None:
    session = draw_road_and_sky(EVERYTHING, RIGHT_HALF, LEFT_HALF)
    session.select(1)
    session.apply(Polygon(((0, 0), (12, 0), (12, HEIGHT), (0, HEIGHT)), False))
    session.select(2)
    session.apply(SeparateClasses())
    assert classes(session) == {"sky": RIGHT_HALF.sum()} and [entry.id for entry in session.state.entries] == [2]
    session.undo()
    assert classes(session) == {"road": RIGHT_HALF.sum(), "sky": RIGHT_HALF.sum()}


def test_prompts_of_all_drawings_of_a_class_count() -> None:
    middle, rest = ~(LEFT_HALF | RIGHT_HALF), ~RIGHT_HALF
    session = draw_road_and_sky(LEFT_HALF, RIGHT_HALF, middle, EVERYTHING, rest)
    session.apply(AddToClass())
    session.apply(Click(8.5, 5.5))
    session.apply(AddToClass(next="road"))
    session.apply(Click(4.5, 1.5))
    session.apply(SeparateClasses())
    assert session.prompts[1:] == (NOT_SKY, Click(8.5, 5.5, False))
