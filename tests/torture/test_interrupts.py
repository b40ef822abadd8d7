"""Interrupts at every bytecode of changes that a journal records, and of closing and opening it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from cdwidget.session import Accept, Session
from cdwidget.session.autosave import FileJournal
from cdwidget.session.files import open_regular
from cdwidget.session.lock_file import LockFile
from cdwidget.tools import Brush
from support.attack_budget import IS_LONG
from support.attack_counts import count
from support.interrupts import interrupt_everywhere
from support.journals import draw, notice, opened, saved
from support.scripted_predictor import snapshot

MAX_OPCODES = 20_000  # An action must have fewer, so that all of them are interrupted.


class InterruptAt:
    """Raises KeyboardInterrupt before the n-th opcode of a call in cdwidget/session."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if f"cdwidget{os.sep}session" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


def drawn(path: Path) -> Session:
    session = opened(path)
    draw(session, 3)
    return session


def reopened(path: Path) -> Session:
    drawn(path).journal.close()  # type: ignore[union-attr]
    return opened(path)


def undone(path: Path) -> Session:
    session = drawn(path)
    session.undo()
    return session


def with_deleted_file(path: Path) -> Session:
    session = reopened(path)
    path.unlink()
    return session


def with_cut_file(path: Path) -> Session:
    session = drawn(path)
    os.truncate(path, path.stat().st_size - 40)
    return session


def with_replaced_file(path: Path) -> Session:
    session = drawn(path)
    path.rename(path.with_suffix(".old"))
    path.write_bytes(b"other\n")
    return session


def stroke(session: Session) -> None:
    session.apply(Brush(((9.0, 9.0), (3.0, 4.0)), 2.0, not session.mask.all()))


INTERRUPTED = {
    "first stroke": (opened, stroke),
    "stroke": (drawn, stroke),
    "undo": (drawn, Session.undo),
    "redo": (undone, Session.redo),
    "stroke after opening": (reopened, stroke),
    "stroke after deletion": (with_deleted_file, stroke),
    "stroke after a cut": (with_cut_file, stroke),
    "stroke after replacement": (with_replaced_file, stroke),
}


@pytest.mark.parametrize("kind", INTERRUPTED)
def test_an_interrupt_anywhere_never_parts_session_and_journal(tmp_path: Path, kind: str) -> None:
    trace = sys.gettrace()
    interrupted = 0
    begin, act = INTERRUPTED[kind]
    for number in range(1, MAX_OPCODES, 1 if IS_LONG else 101):
        path = tmp_path / f"{number}.jsonl"
        session = begin(path)
        steps = len(session.actions) - (kind == "undo")
        try:
            sys.settrace(InterruptAt(number))
            act(session)
            break  # The call has fewer opcodes.
        except KeyboardInterrupt:
            interrupted += 1
            count(f"interrupts of {kind}", "nothing parted")
        finally:
            sys.settrace(trace)
        session.apply(Accept("cat"))
        session.apply(Brush(((2.0, 2.0),), 1.0))
        assert snapshot(saved(path)) == snapshot(session), number
        session.journal.close()  # type: ignore[union-attr]
        again = opened(path)
        assert notice(again) == "" and again.actions == session.actions
        assert [again.undo() for _ in range(steps + 2)].count(None) == 0
    else:
        raise AssertionError("the call has more opcodes")
    assert interrupted > 10


def test_changes_are_saved_after_an_interrupt_anywhere_in_closing(tmp_path: Path) -> None:
    trace, path = sys.gettrace(), tmp_path / "a.jsonl"
    session = drawn(path)
    assert isinstance(session.journal, FileJournal)
    for number in range(1, MAX_OPCODES):
        try:
            sys.settrace(InterruptAt(number))
            session.journal.close()
            break
        except KeyboardInterrupt:
            count("interrupts of closing", "changes saved")
        finally:
            sys.settrace(trace)
        draw(session, 1)
        assert snapshot(saved(path)) == snapshot(session), number
    assert number > 20


def test_an_image_can_be_opened_again_after_opening_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: LockFile) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.jsonl"
    session = drawn(path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LockFile, "release", interrupt)
        opened(path)
    again = opened(path)
    assert notice(again) == "" and snapshot(again) == snapshot(session)
    draw(again, 1)
    assert snapshot(saved(path)) == snapshot(again)


def test_an_interrupt_in_opening_a_file_closes_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    files = (f"session{os.sep}files.py", "<frozen os>", f"{os.sep}os.py")
    for _ in interrupt_everywhere(lambda: open_regular(path, os.O_RDWR).close(), files):
        count("interrupts of opening a file", "no other file closed")
