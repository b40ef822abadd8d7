"""Kills and interrupts at random moments: every acknowledged change is on the disk, and every change is whole."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue
from cdwidget.formats import FORMATS
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.tools import Brush, Matte
from support.attack_budget import IS_LONG, seeds
from support.attack_counts import count
from support.interrupts import interrupt_everywhere
from support.processes import Killed, kill_at_random, run_in_process, slow_down_disk
from support.scripted_predictor import IMAGE, RandomPredictor, any_action, snapshot

KILLS_PER_JOURNAL = 7
MAX_INTERRUPTED_STEPS = 50  # Python ignores an interrupt that arrives while it deletes an object.
Acknowledge = Callable[[], None]


# ---- sessions -------------------------------------------------------------------------------------------------------


def opened(path: Path) -> Session:
    session = Session(IMAGE, RandomPredictor())
    FileJournal(path).resume(session)
    return session


def step(session: Session, random: Random) -> None:
    """Apply, undo or redo a random action; it may be impossible."""
    kind = random.random()
    try:
        if kind < 0.15:
            session.undo()
        elif kind < 0.2:
            session.redo()
        else:
            session.apply(any_action(random, session))
    except ValueError:
        pass


def edit_image(acknowledge: Acknowledge, path: Path, seed: int) -> None:
    random, session = Random(seed), opened(path)
    if seed % 3 == 0:
        slow_down_disk(Random(seed))
    while True:
        step(session, random)
        acknowledge()


def test_a_session_that_is_killed_keeps_every_acknowledged_step(tmp_path: Path) -> None:
    for seed in seeds(KILLS_PER_JOURNAL):
        if seed % KILLS_PER_JOURNAL == 0:
            path, twin = tmp_path / f"{seed}.jsonl", Session(IMAGE, RandomPredictor())
        (steps,) = kill_at_random(Random(seed), 30, Killed(edit_image, path, seed))
        random, saved = Random(seed), opened(path)
        assert saved.journal.notice == ""  # type: ignore[union-attr]
        for _ in range(steps):
            step(twin, random)
        if snapshot(saved) != snapshot(twin):
            step(twin, random)  # One more step may be saved than was acknowledged.
        assert snapshot(saved) == snapshot(twin), seed
        assert (saved.can_undo, saved.can_redo) == (twin.can_undo, twin.can_redo)
        saved.journal.close()  # type: ignore[union-attr]
        count("kills of a session", "nothing lost")
        count("acknowledged steps of sessions", "found", steps)


def interrupt_edits(path: Path, seed: int) -> None:
    """Edit an image, interrupted by signals at random moments, as by Ctrl+C."""
    warm = Session(IMAGE)
    warm.apply(Brush(((3.0, 3.0), (3.0, 8.0)), 3.0))
    warm.apply(Matte(((6.0, 3.0), (6.0, 8.0)), 1.0))  # Numba, which the matte uses, breaks if its first call is interrupted.
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    random, session = Random(seed), opened(path)
    for _ in range(20):
        with suppress(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.001 + random.random() * 0.003)
            for _ in range(MAX_INTERRUPTED_STEPS):
                step(session, random)
            signal.setitimer(signal.ITIMER_REAL, 0)
        session.apply(Brush(((5.0, 5.0),), 2.0, not session.mask[5, 5]))
        saved = Session(IMAGE)
        FileJournal(path).restore(saved)
        assert snapshot(saved) == snapshot(session)
        count("signals during edits", "nothing parted")


def test_signals_at_random_moments_never_part_session_and_journal(tmp_path: Path) -> None:
    for seed in seeds(1):
        run_in_process(interrupt_edits, tmp_path / f"{seed}.jsonl", seed)


# ---- catalogues -----------------------------------------------------------------------------------------------------


def random_mask(random: Random) -> np.ndarray:
    mask = np.zeros((18, 24), bool)
    x, y = random.randrange(20), random.randrange(14)
    mask[y : y + 4, x : x + 4] = True
    return mask


def catalogue_of(path: Path) -> Catalogue:
    found = Catalogue(path, user="test")
    if not len(found):
        folder = path.parent / "images"
        folder.mkdir(exist_ok=True)
        for number in range(8):
            Image.new("RGB", (24, 18), (20 * number, 40, 20)).save(folder / f"{number}.png")
        masks = [random_mask(Random(number)) for number in range(8)]
        found.add([Item(folder / f"{number}.png", [Instance(mask, "cat", 1)]) for number, mask in enumerate(masks)])
    return found


def change_item(catalogue: Catalogue, item: int, random: Random) -> None:
    """Make a random change of an item, or several in one transaction."""
    changes: list[Callable[[], Any]] = [
        lambda: catalogue.set_status(item, random.choice(["accepted", "rejected", "skipped"])),
        lambda: catalogue.tag(item, str(random.randrange(100))),
        lambda: catalogue.untag(item, str(random.randrange(100))),
        lambda: catalogue.update(item, [Instance(random_mask(random), str(random.randrange(100)), 1)]),
        lambda: catalogue.put_scores(item, [ScoreValue(1, "edge", random.random())]),
        lambda: catalogue.undo(item),
    ]
    chosen = random.sample(changes, random.choice([1, 1, 1, 3]))
    if len(chosen) == 1:
        chosen[0]()
        return
    with catalogue.transaction():
        for change in chosen:
            change()


def content(catalogue: Catalogue, item: int) -> Any:
    """Return what a catalogue stores about an item, without the times of changes."""
    found = catalogue.item(item)
    instances = [(instance.label, instance.id, instance.mask.tobytes()) for instance in found.instances]
    (row,) = catalogue.rows([item], of="items")
    history = [(entry.action, entry.undone) for entry in catalogue.history(item)]
    scores = [(score.name, score.value) for score in catalogue.scores(item)]
    tags = catalogue.database.rows("SELECT tag FROM tags WHERE item = ? ORDER BY tag", (item,))
    return instances, row.status, tags, found.version, history, scores


def change_catalogue(acknowledge: Acknowledge, path: Path, item: int, seed: int) -> None:
    catalogue, random = catalogue_of(path), Random(8 * seed + item)
    while True:
        change_item(catalogue, item, random)
        acknowledge()


@pytest.mark.parametrize("writers", [1, 2, 8])
def test_writers_of_a_catalogue_that_are_killed_keep_every_acknowledged_change(tmp_path: Path, writers: int) -> None:
    path, kept = tmp_path / "labels.db", catalogue_of(tmp_path / "labels.db")
    twin = Catalogue(":memory:", user="test")
    twin.add(kept.items())
    kept.close()
    for seed in seeds(2):
        processes = [Killed(change_catalogue, path, item, seed) for item in range(1, writers + 1)]
        steps = kill_at_random(Random(seed), 20, *processes)
        found = Catalogue(path)
        assert found.database.rows("PRAGMA integrity_check") == [("ok",)]
        for item, number in enumerate(steps, 1):
            random = Random(8 * seed + item)
            for _ in range(number):
                change_item(twin, item, random)
            if content(found, item) != content(twin, item):
                change_item(twin, item, random)  # One more change may be saved than was acknowledged.
            assert content(found, item) == content(twin, item), (seed, item)
        found.close()
        count(f"kills of {writers} writers of a catalogue", "nothing lost")
        count("acknowledged changes of catalogues", "found", sum(steps))


# ---- exports --------------------------------------------------------------------------------------------------------


def items(folder: Path, label: str) -> list[Item]:
    """Three images with one large cat or one small dog each."""
    folder.mkdir(exist_ok=True)
    mask = np.zeros((30, 40), bool)
    mask[5:25, 5:25] = label == "cat"
    mask[8:16, 8:16] = True
    found = []
    for number in range(3):
        path = folder / f"{number}.png"
        if not path.exists():
            Image.new("RGB", (40, 30), (90, 90, 90)).save(path)
        found.append(Item(path, [Instance(mask, label)]))
    return found


def export(acknowledge: Acknowledge, format: str, out: Path, seed: int) -> None:
    sets = [items(out.parent / "images", label) for label in ("dog", "cat")]
    turn = seed
    while True:
        cdwidget.write(format, sets[turn % 2], out)
        turn += 1
        acknowledge()


@pytest.mark.parametrize("format", FORMATS)
def test_exports_that_are_killed_leave_one_whole_data_set(tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    cdwidget.write(format, items(tmp_path / "images", "cat"), out)
    for seed in seeds(1, tests=len(FORMATS)):
        kill_at_random(Random(seed), 3, Killed(export, format, out, seed))
        dataset = cdwidget.read(format, out)
        is_large = {instance.area > 200 for item in dataset for instance in item.instances}
        assert (len(dataset), len(is_large), list(dataset.problems)) == (3, 1, []), seed
        assert not list(out.parent.rglob(".*.tmp"))
        count("kills of exports", "one whole data set")


@pytest.mark.parametrize("format", ["npz", "png", "yolo"])
def test_an_interrupted_export_leaves_one_whole_data_set(tmp_path: Path, format: str) -> None:
    out, sets = tmp_path / "out", [items(tmp_path / "images", label) for label in ("dog", "cat")]
    cdwidget.write(format, sets[0], out)
    stored = [False]  # Whether the objects of the stored data set are large.

    def export_other() -> None:
        cdwidget.write(format, sets[not stored[0]], out)

    for _ in interrupt_everywhere(export_other, ("formats/replacement.py",), 1 if IS_LONG else 25):
        stored = [*{instance.area > 200 for item in cdwidget.read(format, out) for instance in item.instances}]
        assert len(stored) == 1
        count("interrupts of exports", "one whole data set")
