"""Adding given objects to a session in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdwidget import rle
from cdwidget.items import Instance
from cdwidget.session import Paste, Session
from cdwidget.session.autosave import FileJournal
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF

GIVEN = [Instance(LEFT_HALF, "cup", id=7, attributes={"full": True}, score=0.8), Instance(RIGHT_HALF, "plate", id=8, track_id=3)]


def described(session: Session) -> list[tuple[Any, ...]]:
    return [(one.label, one.track_id, one.score, one.attributes, one.mask.tobytes()) for one in session.instances]


def test_objects_are_added_in_one_step_behind_a_new_object() -> None:
    session = Session(IMAGE, instances=[Instance(RIGHT_HALF, "table")])
    new = session.selected
    session.apply(Paste.of(GIVEN))
    assert [one.label for one in session.instances] == ["table", "cup", "plate"]
    assert [one.track_id for one in session.instances] == [None, 7, 3] and session.instances[1].score == 0.8
    assert session.instances[1].attributes == {"full": True} and (session.instances[1].mask == LEFT_HALF).all()
    assert session.selected == new == session.state.entries[-1].id
    session.undo()
    assert [one.label for one in session.instances] == ["table"]
    session.redo()
    assert [one.label for one in session.instances] == ["table", "cup", "plate"]


def test_objects_go_in_front_of_an_edited_object_and_leave_it_selected() -> None:
    session = Session(IMAGE, mask=RIGHT_HALF)
    edited = session.selected
    session.apply(Paste.of(GIVEN[:1]))
    assert session.selected == edited and [one.label for one in session.instances] == ["", "cup"]
    assert (session.mask == RIGHT_HALF).all()


def test_added_objects_are_saved_and_replayed(tmp_path: Path) -> None:
    session = Session(IMAGE)
    FileJournal(tmp_path / "image.jsonl").resume(session)
    session.apply(Paste.of(GIVEN))
    session.journal.close()  # type: ignore[union-attr]
    restarted = Session(IMAGE)
    FileJournal(tmp_path / "image.jsonl").resume(restarted)
    assert described(restarted) == described(session) == described(Session.replay(IMAGE, None, session.log()))
    restarted.undo()
    assert not restarted.instances


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "no objects"),
        ([{"label": "cup"}], "mask"),
        ([{"mask": rle.encode(LEFT_HALF), "color": "red"}], "color"),
        ([{"mask": rle.encode(LEFT_HALF[:5])}], "add up"),
        ([{"mask": rle.encode(np.zeros_like(LEFT_HALF))}], "no pixels"),
        ([{"mask": rle.encode(LEFT_HALF), "score": "high"}], "score"),
        ([{"mask": rle.encode(LEFT_HALF), "track_id": 1.5}], "track_id"),
        ([{"mask": rle.encode(LEFT_HALF), "label": 3}], "label"),
        ("cup", "list of objects"),
    ],
)
def test_a_wrong_object_is_refused_and_nothing_is_added(objects: Any, message: str) -> None:
    session = Session(IMAGE)
    with pytest.raises(ValueError, match=message):
        session.apply(Paste(objects))
    assert not session.instances
