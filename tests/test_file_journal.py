"""Autosave: restoring a session, also after a killed process, a full disk or a second notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdwidget.images import read_image
from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Accept, Alternative, Lock, Merge, Select, Session, autosave
from cdwidget.session.autosave import FileJournal, InUse
from cdwidget.session.files import journal_path
from cdwidget.tools import Brush, FillHoles, Matte
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, RandomPredictor, ScriptedPredictor

ACTIONS: list[Any] = [
    Click(3, 3),
    Brush(((10.5, 4.5), (14, 9)), 2.0),
    Alternative(1),
    Lock(True),
    Click(15, 12, False),
    Accept("cat"),
    Click(2, 11),
    "undo",
    Brush(((1.0, 1.0),), 3.0, False),
    Brush(((4.0, 8.0),), 3.0),
    Matte(((4.0, 8.0), (6.0, 8.0)), 2.0),
    "undo",
    "redo",
    Select(1),
    FillHoles(),
    Merge(2),
    "undo",
]


def do(session: Session, step: Any) -> None:
    if isinstance(step, str):
        getattr(session, step)()
        return
    try:
        session.apply(step)
    except ValueError as error:  # Alternative without a prompt before it.
        assert "There is no alternative" in str(error)


def all_states(session: Session) -> list[Any]:
    """Return the content of a session at every step, after redoing all and then undoing all."""
    states = []

    def append_state() -> None:
        patches = [session.patch(entry.id) for entry in session.state.entries]
        states.append((session.state, patches, session.can_undo, session.can_redo))

    append_state()
    undone = redone = 0
    while session.redo():
        redone += 1
        append_state()
    while session.undo():
        undone += 1
        append_state()
    for _ in range(undone - redone):
        session.redo()
    return states


def opened(path: Path, predictor: Any = None, **options: Any) -> Session:
    session = Session(IMAGE, predictor, **options)
    FileJournal(path).resume(session)
    return session


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_session_is_restored_at_every_step(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session, twin = opened(path, RandomPredictor()), Session(IMAGE, RandomPredictor())
    for step in ACTIONS:
        do(session, step)
        do(twin, step)
        again = opened(path)  # Restoring needs no predictor.
        assert again.log() == twin.log()
        copy = path.with_name("copy.jsonl")
        copy.write_bytes(path.read_bytes())
        assert all_states(opened(copy)) == all_states(twin)
        session = opened(path, RandomPredictor())


def test_an_incomplete_line_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path, RandomPredictor())
    masks = [session.mask]
    for step in (Click(3, 3), Brush(((9.0, 9.0),), 4.0), Click(12, 2)):
        session.apply(step)
        masks.append(session.mask)
    whole = path.read_bytes()
    starts = np.cumsum([len(line) for line in lines(path)])[:-1]
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes(whole[:length])
        session = opened(torn)
        assert session.state.entry().prompts == () or length >= starts[0]
        assert (session.mask == masks[int((starts <= length).sum()) - 1 if length >= starts[0] else 0]).all()
        session.apply(Brush(((2.0, 2.0),), 2.0))
        assert (opened(torn).mask == session.mask).all()  # The incomplete line is overwritten.


def test_a_killed_process_loses_at_most_the_change_in_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from cdwidget.tools import Brush
from test_file_journal import opened
session = opened(Path({str(path)!r}))
for number in range(10_000):
    session.apply(Brush(((number % 18 + 0.5, number // 18 % 14 + 0.5),), 1.5, number % 3 != 0))
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    printed = 0
    for line in process.stdout:
        printed = int(line) + 1
        if printed == 25:
            process.kill()
    process.wait()
    session = opened(path)
    twin = Session(IMAGE)
    allowed = []
    for number in range(printed + 1):  # A change may be saved before its line is printed.
        twin.apply(Brush(((number % 18 + 0.5, number // 18 % 14 + 0.5),), 1.5, number % 3 != 0))
        allowed.append(all_states(twin))
    assert printed >= 25 and all_states(session) in allowed[-2:]


FULL_DISK_PROGRAM = """
import resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from cdwidget.tools import Brush
from test_file_journal import all_states, opened
path = Path({path!r})
session = opened(path)
session.apply(Brush(((4.0, 4.0),), 2.0))
before = session.mask.copy()
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, most))
for attempt in range(2):
    try:
        session.apply(Brush(((12.0, 9.0),), 3.0))
    except OSError as error:
        print(error)
    assert (session.mask == before).all() and not session.can_redo and (opened(path.parent / "copy.jsonl").mask == 0).all()
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
session.apply(Brush(((12.0, 9.0),), 3.0))
assert (session.mask != before).any() and (opened(path).mask == session.mask).all()
"""


def test_a_full_disk_changes_nothing_and_the_action_can_be_repeated(tmp_path: Path) -> None:
    code = FULL_DISK_PROGRAM.format(tests=str(Path(__file__).parent), path=str(tmp_path / "a.jsonl"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("could not be saved") == 2 and "repeat it" in done.stdout


def test_only_one_process_writes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    here = opened(path)
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from cdwidget.tools import Brush
from test_file_journal import opened
session = opened(Path({str(path)!r}))
for number, line in enumerate(sys.stdin):
    try:
        session.apply(Brush(((12.0 - 3 * number, 9.0),), 3.0))
        print("done", flush=True)
    except OSError as error:
        print(type(error).__name__, error, flush=True)
    if line == "close\\n":
        session.journal.close()
        print("closed", flush=True)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin and other.stdout

    def send(line: str) -> str:
        assert other.stdin and other.stdout
        other.stdin.write(line + "\n")
        other.stdin.flush()
        return other.stdout.readline()

    assert send("draw") == "done\n"
    with pytest.raises(InUse, match="another notebook, so this change was not made"):
        here.apply(Brush(((2.0, 2.0),), 2.0))
    assert not here.mask.any() and not here.can_undo
    second = opened(path)
    assert second.mask.any() and "is already open in another notebook" in second.journal.notice  # type: ignore[union-attr]

    assert send("close") == "done\n" and other.stdout.readline() == "closed\n"
    with pytest.raises(InUse, match="changed in another notebook"):
        second.apply(Brush(((2.0, 2.0),), 2.0))
    third = opened(path)
    assert third.journal.notice == ""  # type: ignore[union-attr]
    third.apply(Brush(((2.0, 2.0),), 2.0))
    assert send("draw").startswith("InUse")
    other.stdin.close()
    other.wait()


def test_the_newest_session_of_a_process_writes_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = opened(path)
    first.apply(Brush(((4.0, 4.0),), 2.0))
    notices: list[str] = []
    first.journal.on_notice = lambda: notices.append(first.journal.notice)  # type: ignore[union-attr]
    second = opened(path)
    assert "opened again in another cell" in notices[0]
    with pytest.raises(InUse, match="Continue there"):
        first.apply(Brush(((9.0, 9.0),), 2.0))
    second.undo()
    assert not opened(path).mask.any()


def test_a_session_without_changes_creates_no_file(tmp_path: Path) -> None:
    path = journal_path(tmp_path / "photo.jpg")
    session = opened(path, ScriptedPredictor(LEFT_HALF))
    session.peek(Click(1, 1))
    assert session.undo() is None
    assert list(tmp_path.iterdir()) == [] and path == tmp_path / ".cdwidget" / "photo.jpg.jsonl"
    session.apply(Click(1, 1))
    assert path.exists()


def test_a_journal_of_other_masks_is_copied_before_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    opened(path, instances=[Instance(LEFT_HALF, "cat")]).apply(Brush(((12.0, 9.0),), 3.0))
    worked_on = opened(path, instances=[Instance(LEFT_HALF, "cat")])  # Runs the same cell again.
    assert worked_on.can_undo and opened(path).can_undo  # Without masks, it resumes any journal.
    saved = path.read_bytes()

    other = opened(path, mask=RIGHT_HALF)
    assert not other.can_undo and (other.mask == RIGHT_HALF).all() and "Earlier" in other.journal.notice  # type: ignore[union-attr]
    assert path.read_bytes() == saved
    other.apply(Brush(((2.0, 2.0),), 2.0))
    assert (tmp_path / "a.1.jsonl").read_bytes() == saved and (opened(path, mask=RIGHT_HALF).mask == other.mask).all()

    picture = Session(255 - IMAGE)
    FileJournal(path).resume(picture)
    assert not picture.can_undo and not picture.mask.any()


def test_an_image_that_was_compressed_again_keeps_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path)
    session.apply(Brush(((12.0, 9.0),), 3.0))
    nearly = np.clip(IMAGE.astype(int) + np.random.default_rng(0).integers(-1, 2, IMAGE.shape), 0, 255).astype(np.uint8)
    for picture, same in ((nearly, True), (255 - IMAGE, False), (IMAGE[:, ::-1], False)):
        again = Session(picture)
        FileJournal(path).resume(again)
        assert again.can_undo == same and again.mask.any() == same


@pytest.mark.parametrize(("old", "new"), [((0, 65535), None), ((0, 4095), (300, 2600)), (None, (0, 65535))])
def test_a_deep_image_keeps_its_journal_when_its_window_changes(tmp_path: Path, old: Any, new: Any) -> None:
    path = tmp_path / "a.jsonl"
    deep = IMAGE.astype(np.uint16) * 9 + 300
    session = Session(read_image(deep, window=old))
    FileJournal(path).resume(session)
    session.apply(Brush(((12.0, 9.0),), 3.0))
    for picture, same in ((deep, True), (deep[:, ::-1], False), (deep[::-1], False)):
        again = Session(read_image(picture, window=new))
        FileJournal(path).resume(again)
        assert again.can_undo == same and again.mask.any() == same


def test_a_journal_that_ends_with_the_given_masks_is_resumed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path, instances=[Instance(LEFT_HALF, "cat")])
    session.apply(Brush(((12.0, 9.0),), 3.0))
    given = [Instance(one.mask, one.label) for one in session.instances]
    again = opened(path, instances=given)
    assert again.can_undo and again.journal.notice == "" and len(again.instances) == 2  # type: ignore[union-attr]
    for other in (given[:1] + [Instance(RIGHT_HALF)], given[::-1], [Instance(given[0].mask, "dog"), given[1]]):
        assert not opened(path, instances=other).can_undo


def test_the_copy_of_an_unused_journal_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = opened(path)
    first.apply(Brush(((12.0, 9.0),), 3.0))
    other = opened(path, mask=RIGHT_HALF)
    kept = tmp_path / "a.1.jsonl"
    assert str(kept) in other.journal.notice  # type: ignore[union-attr]
    other.apply(Brush(((2.0, 2.0),), 2.0))
    assert (opened(kept).mask == first.mask).all()


def test_a_damaged_file_is_restored_up_to_the_damage_and_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path)
    for x in (2.0, 6.0, 10.0):
        session.apply(Brush(((x, 5.0),), 1.0))
    good = lines(path)
    for wrong in (b"\x00\x00\n", b'{"kind": "paint"}\n', b'{"kind": "redo"}\n', good[2].replace(b'"bits"', b'"bets"'), b"[]\n"):
        path.write_bytes(b"".join([*good[:2], wrong, *good[3:]]))
        damaged = path.read_bytes()
        session = opened(path)
        assert len(session.log()["actions"]) == 1 and "damaged in line 3" in session.journal.notice  # type: ignore[union-attr]
        session.apply(Brush(((14.0, 5.0),), 1.0))
        assert max(tmp_path.glob("a.*.jsonl"), key=lambda kept: kept.stat().st_mtime_ns).read_bytes() == damaged
        assert len(opened(path).log()["actions"]) == 2


def test_a_large_file_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path)
    for number in range(40):
        session.apply(Brush(((number % 18 + 0.5, 5.0),), 1.5))
        if number % 4:
            session.undo()
    session.undo()
    twin = all_states(opened(path))
    size = path.stat().st_size
    monkeypatch.setattr(autosave, "COMPACTION_THRESHOLD_BYTES", 1000)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    small = opened(copy)
    assert copy.stat().st_size < size / 2 and all_states(small) == twin
    small.apply(Brush(((1.0, 1.0),), 1.0))
    assert (opened(copy).mask == small.mask).all()


def test_lines_are_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(path, RandomPredictor())
    session.apply(Click(3, 3))
    session.undo()
    assert [json.loads(line).get("kind") for line in lines(path)] == [None, "apply", "undo"]
