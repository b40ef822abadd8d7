"""Taking an image over from another process: changes made there before are kept, later ones are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random
from time import sleep

import pytest

from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal, InUse
from cdwidget.tools import Brush
from support.attack_budget import seeds
from support.attack_counts import count
from support.scripted_predictor import IMAGE, snapshot


def opened(path: Path, force: bool = False) -> Session:
    session = Session(IMAGE)
    FileJournal(path).resume(session, force=force)
    return session


def journal(session: Session) -> FileJournal:
    assert isinstance(session.journal, FileJournal)
    return session.journal


def toggle(session: Session) -> None:
    """Apply a stroke that changes the mask."""
    session.apply(Brush(((5.5, 5.5),), 1.0, not session.mask[5, 5]))


def steps(session: Session) -> int:
    """Return the number of steps that can be undone, after undoing them."""
    count = 0
    while session.undo():
        count += 1
    return count


def take_turns(path: Path, seed: int) -> int:
    """Take the image over again and again, and draw until the other process does; return the number of saved strokes."""
    random, saved = Random(seed), 0
    for _ in seeds(8):
        session = opened(path, force=True)
        try:
            for _ in range(random.randrange(1, 40)):
                toggle(session)
                saved += 1
        except InUse:
            sleep(random.random() / 100)
    return saved


def test_two_processes_that_take_an_image_from_each_other_lose_no_saved_stroke(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    code = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}
from pathlib import Path
from test_take_over import take_turns
print("ready", flush=True)
print(take_turns(Path({str(path)!r}), 1))
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout and other.stdout.readline() == "ready\n"
    here = take_turns(path, 2)
    there = int(other.stdout.read())
    assert other.wait() == 0
    session = opened(path, force=True)
    assert journal(session).notice == "" and here and there
    assert steps(session) == here + there
    count("strokes of two processes", "found", here + there)
    assert list(tmp_path.glob("a.*.jsonl")) == list(tmp_path.glob("*.draft")) == []  # No version was set aside.


def test_the_process_before_is_refused_also_after_the_new_one_has_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    code = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parents[1]), str(Path(__file__).parent)]!r}
from pathlib import Path
from test_take_over import InUse, journal, opened, toggle
session = opened(Path({str(path)!r}))
toggle(session)
print("drawn", flush=True)
for line in sys.stdin:
    if line == "take\\n":
        session = opened(Path({str(path)!r}), force=True)
    try:
        toggle(session)
        print(journal(session).is_in_use, "saved", flush=True)
    except InUse as error:
        journal(session).discard()
        print(journal(session).is_in_use, error, flush=True)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(line: str) -> str:
        assert other.stdin and other.stdout
        other.stdin.write(line + "\n")
        other.stdin.flush()
        return other.stdout.readline()

    assert other.stdout and other.stdout.readline() == "drawn\n"
    assert journal(looking := opened(path)).is_in_use and "read-only" in journal(looking).notice
    session = opened(path, force=True)
    assert session.mask[5, 5] and not journal(session).is_in_use
    assert "was taken over by another notebook, so this change was not made" in send("draw")
    toggle(session)
    saved = snapshot(session)
    journal(session).close()
    assert send("draw").startswith("True a was taken over")
    session = opened(path)
    assert snapshot(session) == saved
    toggle(session)
    assert send("take") == "False saved\n"
    with pytest.raises(InUse, match="taken over by another notebook"):
        toggle(session)
    assert other.stdin
    other.stdin.close()
    other.wait()
    assert steps(opened(path)) == 4
