from cdwidget.prompts import Click
from cdwidget.session import Session
from scripted import IMAGE, LEFT, Scripted


def test_a_new_action_forgets_what_was_undone():
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


def test_what_was_undone_and_forgotten_takes_no_room():
    session = Session(IMAGE, history_limit=10_000)
    session.relabel("first")
    for number in range(50):
        session.relabel(str(number))
        session.undo()
    session.undo()
    assert session.label == "" and not session.can_undo


def test_undo_returns_the_change_that_it_takes_back():
    session = Session(IMAGE, Scripted(LEFT))
    change = session.apply(Click(2, 3))
    assert session.undo() is change
    assert session.redo() is change
