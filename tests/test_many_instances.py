"""The cost of an action does not grow with the number of instances."""

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Accept, Delete, Duplicate, Lock, Relabel, Reorder, Select, Session, Snap
from cdwidget.session.autosave import FileJournal
from cdwidget.session.document import Document, Pixels
from cdwidget.tools import Brush
from support.scripted_predictor import ScriptedPredictor

SIDE = 120
DRAWN = np.zeros((SIDE, SIDE), bool)
DRAWN[100:110, 100:110] = True
STROKE = Brush(((104.0, 104.0), (112.0, 104.0)), 3.0)
ACTIONS = (
    Click(104, 104),
    STROKE,
    Relabel("cat"),
    Snap(2.0),
    Duplicate(),
    Accept("dog"),
    Select(5),
    Lock(True),
    Reorder(5, 0),
    Delete(7),
)


class OpcodeCounter:
    """Counts the bytecodes that Python executes in cdwidget, a measure of work that does not depend on the machine."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if "cdwidget" not in frame.f_globals.get("__name__", ""):
            return None
        frame.f_trace_opcodes = True
        self.count += event == "opcode"
        return self


def small_squares(count: int) -> list[Instance]:
    instances = []
    for number in range(count):
        mask = np.zeros((SIDE, SIDE), bool)
        row, column = divmod(number, SIDE // 3)
        mask[row * 3 : row * 3 + 2, column * 3 : column * 3 + 2] = True
        instances.append(Instance(mask, "cell"))
    return instances


def opened(count: int, journal: Path) -> Session:
    session = Session(np.zeros((SIDE, SIDE, 3), np.uint8), ScriptedPredictor(DRAWN), instances=small_squares(count))
    FileJournal(journal).resume(session)
    session.relabel("first")  # Writes the initial instances to the journal.
    session.apply(STROKE)
    session.peek(Snap(2.0))  # Computes the bounding boxes of the initial instances.
    session.undo()
    return session


def steps_of_each_action(session: Session) -> Iterator[tuple[str, Callable[[], Any]]]:
    for action in ACTIONS:
        name = type(action).__name__
        yield name, lambda action=action: session.apply(action)  # type: ignore[misc]
        yield f"{name}, undo", session.undo
        yield f"{name}, redo", session.redo


def work_of_each_action(count: int, journal: Path) -> dict[str, int]:
    work = {}
    trace = sys.gettrace()
    for name, step in steps_of_each_action(opened(count, journal)):
        counter = OpcodeCounter()
        sys.settrace(counter)
        try:
            step()
        finally:
            sys.settrace(trace)
        work[name] = counter.count
    return work


def memory_of_each_action(count: int, journal: Path) -> dict[str, int]:
    """Return the bytes that each action allocates at most, also inside of functions in C."""
    memory = {}
    session = opened(count, journal)
    tracemalloc.start()
    try:
        for name, step in steps_of_each_action(session):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            step()
            memory[name] = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return memory


def test_the_work_of_an_action_hardly_grows_with_the_number_of_instances(tmp_path: Path) -> None:
    few, many = work_of_each_action(100, tmp_path / "few.jsonl"), work_of_each_action(1000, tmp_path / "many.jsonl")
    blocks = 4 * 900  # Instances are in blocks; a loop over the instances takes 10 bytecodes or more for each.
    allowed = {name: 1.5 * count + blocks for name, count in few.items()}
    assert {name: (few[name], many[name]) for name in few if many[name] > allowed[name]} == {}


def test_an_action_copies_no_list_of_all_instances(tmp_path: Path) -> None:
    few, many = memory_of_each_action(100, tmp_path / "few.jsonl"), memory_of_each_action(1000, tmp_path / "many.jsonl")
    pointers = 8 * 900
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name] + pointers / 2} == {}


def test_snap_reads_the_pixels_of_near_instances_only(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(np.zeros((SIDE, SIDE, 3), np.uint8), instances=small_squares(1000))
    session.apply(Brush(((4.0, 4.0),), 1.5))
    read = []

    def pixels_of(document: Document, id: int) -> Pixels:
        read.append(id)
        return Pixels.of(document.packed[id])

    monkeypatch.setattr(Document, "pixels_of", pixels_of)
    session.peek(Snap(2.0))
    columns = SIDE // 3
    assert read == [1 + row * columns + column for row in range(3) for column in range(3)]


def test_snap_sees_instances_that_were_edited_added_and_deleted() -> None:
    session = Session(np.zeros((SIDE, SIDE, 3), np.uint8), instances=small_squares(200))
    session.apply(Brush(((60.0, 60.0),), 6.0))
    drawn = session.mask.copy()
    assert session.peek(Snap(0)).is_empty, "no instance is near"
    session.accept()
    session.apply(Brush(((64.0, 60.0),), 6.0))
    assert session.apply(Snap(0)).differences and not (session.mask & drawn).any(), "the new instance is a neighbor"
    session.undo()
    session.delete(201)
    assert session.peek(Snap(0)).is_empty, "the deleted instance is none"


@pytest.mark.parametrize("count", [0, 1, 30])
def test_an_unknown_id_is_named_with_the_first_of_the_known_ones(count: int) -> None:
    session = Session(np.zeros((SIDE, SIDE, 3), np.uint8), instances=small_squares(count))
    with pytest.raises(ValueError, match="no instance 99; there are: 1") as error:
        session.select(99)
    assert ("and 11 more" in str(error.value)) == (count == 30)
