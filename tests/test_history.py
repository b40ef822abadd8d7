import json
from random import Random

import numpy as np
import pytest

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.session.journal_json import change_from_json, change_to_json
from cdwidget.tools import Brush
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, RandomPredictor, ScriptedPredictor, any_action


def test_a_new_action_discards_undone_steps():
    session = Session(IMAGE)
    session.relabel("cat")
    session.relabel("dog")
    session.undo()
    session.relabel("cow")
    assert not session.can_redo and session.redo() is None
    session.undo()
    assert session.label == "cat"


def test_the_history_is_bounded_but_the_log_is_not():
    session = Session(IMAGE, history_limit=5000)
    for number in range(50):
        session.relabel(str(number))
    assert len(session.log()["actions"]) == 50
    undone = 0
    while session.undo():
        undone += 1
    assert 1 <= undone <= 5
    assert session.label == str(49 - undone)
    assert len(session.log()["actions"]) == 50 - undone


def test_the_newest_step_can_always_be_undone():
    session = Session(IMAGE, history_limit=0)
    for label in "abc":
        session.relabel(label)
    session.undo()
    assert session.label == "b" and not session.can_undo and session.can_redo
    session.redo()
    assert session.label == "c"


def test_discarded_steps_do_not_count_against_the_limit():
    session = Session(IMAGE, history_limit=10_000)
    session.relabel("first")
    for number in range(50):
        session.relabel(str(number))
        session.undo()
    session.undo()
    assert session.label == "" and not session.can_undo


def test_undo_and_redo_return_the_change():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    change = session.apply(Click(2, 3))
    assert session.undo() is change
    assert session.redo() is change


class Recorder:
    """A journal in memory; checks that changes are recorded before they are made."""

    def __init__(self):
        self.session, self.full, self.lines = None, False, []

    def record(self, change, kind):
        assert (self.session.state is change.new_state) == (kind == "undo"), "recorded before it is made"
        if self.full:
            raise OSError("no space left")
        self.lines.append((kind, json.loads(json.dumps(change_to_json(change))) if kind == "apply" else None))


def test_a_change_that_cannot_be_recorded_is_not_made():
    journal = Recorder()
    session = journal.session = Session(IMAGE, ScriptedPredictor(LEFT_HALF), journal=journal)
    session.apply(Click(2, 3))
    session.relabel("cat")
    session.undo()
    before = session.state, session.mask
    journal.full = True
    for attempt in (lambda: session.apply(Brush(((9, 9),), 2)), session.undo, session.redo):
        with pytest.raises(OSError, match="no space"):
            attempt()
        assert session.state is before[0] and np.array_equal(session.mask, before[1]) and session.can_undo and session.can_redo
    journal.full = False
    session.redo()
    assert session.label == "cat" and [kind for kind, _ in journal.lines] == ["apply", "apply", "undo", "redo"]
    assert session.relabel("cat").is_empty and len(journal.lines) == 4, "a change without effect is not recorded"


@pytest.mark.parametrize("seed", range(3))
def test_a_recorded_change_is_read_back_equal(seed):
    random, journal = Random(seed), Recorder()
    session = journal.session = Session(IMAGE, RandomPredictor(), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF)], journal=journal)
    state = session.state
    for _ in range(150):
        try:
            change = session.apply(any_action(random, session))
        except ValueError:
            continue
        if not change.is_empty:
            read = change_from_json(journal.lines[-1][1], state)
            assert read == change and read.old_state is state
            state = change.new_state


@pytest.mark.parametrize("damage", [{"state": {}}, {"differences": [{}]}, {"action": {"type": "clik"}}, {"differences": 3}])
def test_a_damaged_record_is_refused(damage):
    session = Session(IMAGE, mask=LEFT_HALF)
    record = change_to_json(session.apply(Brush(((9, 9),), 2)))
    with pytest.raises(ValueError, match="does not fit the session"):
        change_from_json({**record, **damage}, session.state)
