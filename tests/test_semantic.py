"""Semantic segmentation: one class per pixel."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from cdwidget.items import Instance
from cdwidget.session import AddToClass, Session
from cdwidget.session.autosave import FileJournal
from cdwidget.tools import Brush
from support.scripted_predictor import HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, snapshot


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
