"""Editing items of a catalogue: saved changes survive conflicts, crashes and full disks."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import Conflict, ScoreValue
from cdwidget.tools import Brush


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """20 images, each with a cat and a dog."""
    for number in range(20):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / f"{number}.png")
    found = Catalogue(tmp_path / "labels.db", user="ana")
    found.add([Item(tmp_path / f"{n}.png", [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")]) for n in range(20)])
    return found


def brush(x: float = 15.0) -> Brush:
    return Brush(((x, 15.0),), 3.0)


def python(code: str, *arguments: object, **options: Any) -> subprocess.Popen:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_session_is_saved(catalogue: Catalogue) -> None:
    catalogue.put_scores(1, [ScoreValue(1, "overall", 0.5), ScoreValue(2, "overall", 0.4)])
    session = catalogue.session(1)
    assert [one.label for one in session.instances] == ["cat", "dog"]
    session.select(1)
    session.apply(brush())
    edited = session.mask.copy()
    session.accept()
    session.apply(brush(35))
    session.relabel("bird")
    assert catalogue.update(1, session, status="accepted") == 1
    cat, dog, bird = catalogue.item(1).instances
    assert (cat.mask == edited).all() and (dog.mask == square(20, 10)).all() and (bird.label, bird.id) == ("bird", session.selected)
    assert [row.score for row in catalogue.query(of="instances", where=[("item", "=", 1)])] == [None, 0.4, None], "scored another mask"
    (entry,) = catalogue.history(1)
    assert (entry.action, entry.user) == ("accepted", "ana")
    assert [action["type"] for action in entry.detail["actions"]] == ["select", "brush", "accept", "brush", "relabel"]


def test_one_instance_can_be_accepted(catalogue: Catalogue) -> None:
    session = catalogue.session(1)
    session.delete(2)
    catalogue.update(1, session, status="accepted", instance=1)
    assert [row.status for row in catalogue.query(of="instances", limit=2)] == ["accepted", "new"]
    assert catalogue.item(1).status == "accepted" and len(catalogue.item(1).instances) == 1
    session.undo()
    assert catalogue.update(1, session) == 2 and len(catalogue.item(1).instances) == 2, "a session can be saved again"


def test_undo_restores_masks(catalogue: Catalogue) -> None:
    before = [(one.id, one.label, one.mask.tobytes()) for one in catalogue.item(1).instances]
    session = catalogue.session(1)
    session.delete(1)
    session.select(2)
    session.apply(brush())
    session.accept("cow")
    session.apply(brush(30))
    catalogue.update(1, session, status="accepted")
    assert catalogue.undo(1) and catalogue.item(1).status == "new"
    assert [(one.id, one.label, one.mask.tobytes()) for one in catalogue.item(1).instances] == before
    with pytest.raises(Conflict):
        catalogue.update(1, session)


def test_equal_instances_are_no_change(catalogue: Catalogue) -> None:
    catalogue.put_scores(1, [ScoreValue(1, "overall", 0.5)])
    assert catalogue.update(1, catalogue.session(1)) == 0 and catalogue.history(1) == []
    assert catalogue.update(1, catalogue.item(1).instances) == 0 and catalogue.query(limit=1)[0].score == 0.5


def test_masks_of_another_size_are_rejected(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="item 1 is 40x30 pixels, the given masks are 5x5"):
        catalogue.update(1, [Instance(np.ones((5, 5), bool))])
    with pytest.raises(ValueError, match="opened from item 1"):
        catalogue.update(2, catalogue.session(1))
    with pytest.raises(ValueError, match="no item 99"):
        catalogue.update(99, [])


def test_concurrent_changes_raise_a_conflict(catalogue: Catalogue) -> None:
    other = Catalogue(catalogue.path, user="ben")
    mine, theirs = catalogue.session(1, autosave=False), other.session(1, autosave=False)
    for session, x in ((mine, 10), (theirs, 30)):
        session.apply(brush(x))
    other.update(1, theirs, status="accepted")
    kept = other.item(1).instances[2].mask
    with pytest.raises(Conflict, match=r"item 1 \(0.png\) changed since you opened it: accepted by ben.*Nothing was overwritten"):
        catalogue.update(1, mine, status="accepted")
    assert (catalogue.item(1).instances[2].mask == kept).all() and mine.mask[15, 10]
    catalogue.update(1, mine, overwrite=True)
    assert catalogue.item(1).instances[2].mask[15, 10]
    catalogue.undo(1)
    assert (other.item(1).instances[2].mask == kept).all()


def test_only_one_of_two_processes_edits_an_item(catalogue: Catalogue) -> None:
    code = """
        import sys
        from cdwidget import Catalogue
        from cdwidget.tools import Brush
        catalogue = Catalogue(sys.argv[1], user="ben")
        session = catalogue.session(1)
        session.apply(Brush(((30.0, 15.0),), 3.0))
        print("edited", flush=True)
        sys.stdin.readline()
        catalogue.update(1, session, status="accepted")
        print("accepted", flush=True)
        """
    process = python(code, catalogue.path, stdin=subprocess.PIPE)
    assert process.stdout and process.stdin and process.stdout.readline() == "edited\n", process.stderr.read() if process.stderr else ""
    mine = catalogue.session(1)
    assert "already open in another notebook" in mine.journal.notice  # type: ignore[union-attr]
    with pytest.raises(OSError, match="0.png is already open in another notebook"):
        mine.apply(brush())
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait(60) == 0
    assert catalogue.item(1).status == "accepted" and len(catalogue.session(1).instances) == 3


UPDATE_LOOP = """
    import sys
    from cdwidget import Catalogue, Instance
    import numpy as np
    catalogue = Catalogue(sys.argv[1], user=sys.argv[2])
    mask = np.zeros((30, 40), bool)
    for turn in range(int(sys.argv[3])):
        for item in range(1, 21):
            mask[turn % 30, item] = True
            instances = [catalogue.item(item).instances[0], Instance(mask.copy(), f"{sys.argv[2]} {turn}", 7)]
            catalogue.update(item, instances, status="accepted")
            print(item, turn, flush=True)
    """


def test_two_processes_write_concurrently(catalogue: Catalogue) -> None:
    processes = [python(UPDATE_LOOP, catalogue.path, who, 3) for who in ("ben", "cem")]
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert len(out.splitlines()) == 60
    for item in range(1, 21):
        assert sorted(entry.user for entry in catalogue.history(item)) == ["ben"] * 3 + ["cem"] * 3
        assert catalogue.item(item).version == 6


def test_threads_and_forks_have_separate_connections(catalogue: Catalogue) -> None:
    def write(item: int) -> None:
        catalogue.set_status(item, "skipped")

    threads = [threading.Thread(target=write, args=(item,)) for item in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork()
    if child == 0:
        catalogue.set_status(9, "skipped")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0 and catalogue.count("skipped") == 9


def test_finished_threads_leave_no_file_open(catalogue: Catalogue) -> None:
    opened = len(os.listdir("/dev/fd"))
    for number in range(50):
        thread = threading.Thread(target=catalogue.set_status, args=(number % 20 + 1, "accepted"))
        thread.start()
        thread.join()
    assert len(os.listdir("/dev/fd")) < opened + 10
    catalogue.close()
    assert len(os.listdir("/dev/fd")) < opened and catalogue.count("accepted") == 20, "and the file is opened again"


def test_saved_changes_survive_a_kill(catalogue: Catalogue) -> None:
    process = python(UPDATE_LOOP, catalogue.path, "ben", 1000)
    assert process.stdout and process.stderr
    done = [process.stdout.readline() for _ in range(50)]
    process.send_signal(signal.SIGKILL)
    done += process.stdout.read().splitlines()
    accepted = {int(item): int(turn) for item, turn in (line.split() for line in done if len(line.split()) == 2)}
    found = Catalogue(catalogue.path)
    assert accepted and found.database.rows("PRAGMA integrity_check") == [("ok",)]
    for item, turn in accepted.items():
        label = found.item(item).instances[-1].label
        assert int(label.removeprefix("ben ")) in (turn, turn + 1), "one more change may be saved than was printed"


def test_a_killed_session_is_restored(catalogue: Catalogue) -> None:
    code = """
        import sys, os, signal
        from cdwidget import Catalogue
        from cdwidget.tools import Brush
        session = Catalogue(sys.argv[1]).session(1)
        session.select(1)
        session.apply(Brush(((15.0, 15.0),), 3.0))
        os.kill(os.getpid(), signal.SIGKILL)
        """
    assert python(code, catalogue.path).wait(60) == -signal.SIGKILL
    session = catalogue.session(1)
    assert session.selected == 1 and session.mask[15, 15] and session.can_undo
    assert not catalogue.item(1).instances[0].mask[15, 15], "it was not saved yet"
    catalogue.update(1, session, status="accepted")
    again = catalogue.session(1)
    assert again.instances[0].mask[15, 15] and not again.can_undo


def test_unsaved_edits_outlive_decisions_on_the_same_image(catalogue: Catalogue) -> None:
    session = catalogue.session(1)
    session.apply(Brush(((15.0, 15.0),), 3.0))
    session.journal.close()
    catalogue.set_status([catalogue.item(1).instances[0].id], "accepted")
    again = catalogue.session(1)
    assert again.mask[15, 15] and again.can_undo and again.journal.notice == ""
    catalogue.update(1, again)
    assert not catalogue.session(1).can_undo and not (catalogue.path.parent / ".cdwidget" / catalogue.path.name / "1").exists()


def test_unsaved_edits_of_other_masks_are_kept_in_a_named_file(catalogue: Catalogue) -> None:
    session = catalogue.session(1)
    session.apply(Brush(((15.0, 15.0),), 3.0))
    session.journal.close()
    catalogue.update(1, [])
    catalogue.update(1, [Instance(~session.mask, "other")])
    again = catalogue.session(1)
    assert not again.can_undo and "Earlier edits" in again.journal.notice
    again.apply(Brush(((5.0, 5.0),), 2.0))
    (kept,) = again.journal.path.parent.glob("*.1.jsonl")
    assert kept.name in again.journal.notice or str(kept) in again.journal.notice
    catalogue.update(1, again)
    assert kept.exists()


def test_adding_resumes_after_a_kill(tmp_path: Path) -> None:
    code = """
        import sys
        from cdwidget import Catalogue
        from cdwidget.catalogue import catalogue as module
        module.ADD_BATCH_ITEMS = 50
        def paths():
            for number in range(100_000):
                if number % 50 == 0:
                    print(number, flush=True)
                yield f"images/{number}.jpg"
        Catalogue(sys.argv[1]).add(paths())
        """
    process = python(code, tmp_path / "labels.db")
    assert process.stdout
    for _ in range(20):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    catalogue = Catalogue(tmp_path / "labels.db")
    before = len(catalogue)
    assert before >= 900 and before % 50 == 0
    added = catalogue.add(f"images/{number}.jpg" for number in range(before + 10))
    assert (added.items, added.instances, len(catalogue)) == (10, 0, before + 10)


def test_a_full_disk_loses_nothing_and_is_reported(catalogue: Catalogue) -> None:
    catalogue.set_status(2, "accepted")
    session = catalogue.session(1, autosave=False)
    session.apply(brush())
    catalogue.close()
    code = """
        import resource, sys
        import numpy as np
        from cdwidget import Catalogue, Instance
        catalogue = Catalogue(sys.argv[1])
        size = catalogue.path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, size + 200_000))
        rng = np.random.default_rng(0)
        for turn in range(10_000):
            try:
                catalogue.update(1, [Instance(rng.random((30, 40)) < 0.5, str(turn), 1)], status="accepted")
            except OSError as error:
                print(error)
                break
            print(turn, flush=True)
        print(catalogue.item(1).instances[0].label)
        """
    process = python(code, catalogue.path)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    *done, message, stored = out.splitlines()
    assert "This change was not made; earlier ones are safe." in message
    assert stored == done[-1] and len(done) > 3
    assert catalogue.item(1).instances[0].label == done[-1] and catalogue.item(2).status == "accepted"
    catalogue.update(1, session, overwrite=True)
    assert len(catalogue.item(1).instances) == 3


def test_a_file_that_cannot_grow_keeps_earlier_batches(tmp_path: Path) -> None:
    code = """
        import resource, sys
        from cdwidget import Catalogue
        catalogue = Catalogue(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
        try:
            catalogue.add(f"images/{'x' * 100}{number}.jpg" for number in range(100_000))
        except OSError as error:
            print(error)
        print(len(catalogue))
        """
    process = python(code, tmp_path / "labels.db")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    message, count = out.splitlines()
    assert "earlier ones are safe" in message and int(count) > 1000
    assert len(Catalogue(tmp_path / "labels.db")) == int(count)


def test_catalogues_and_items_are_picklable(catalogue: Catalogue) -> None:
    other, item = pickle.loads(pickle.dumps((catalogue, catalogue.item(1))))
    assert other.user == "ana" and other.update(1, item.instances, status="accepted", version=item.version) == 1
    with pytest.raises(Conflict, match="accepted by ana"):
        catalogue.update(1, item.instances, status="rejected", version=item.version)


def test_a_transaction_is_atomic(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError, match="stop"), catalogue.transaction():
        catalogue.set_status([1, 2], "accepted")
        catalogue.tag(1, "night")
        raise RuntimeError("stop")
    assert catalogue.count("accepted") == 0 and catalogue.tags() == []
