"""The file of a catalogue: interrupts, other writers, read-only and private files, memory, upgrades, foreign content."""

import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue, connections, schema, storage
from support.attack_counts import count
from support.interrupts import interrupt_everywhere

TRACED_FILES = (*(f"cdwidget/catalogue/{name}.py" for name in ("storage", "connections", "editing")), "contextlib.py")
HUGE = 2**63


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three images, each with a cat and a dog."""
    for number in range(3):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / f"{number}.png")
    found = Catalogue(tmp_path / "labels.db", user="ana")
    found.add([Item(tmp_path / f"{n}.png", [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")]) for n in range(3)])
    return found


def statuses(path: Path) -> list[str]:
    """Return what another process finds on the disk; fail if the file is locked."""
    connection = sqlite3.connect(path, timeout=0.1, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    found = [status for (status,) in connection.execute("SELECT status FROM instances ORDER BY id")]
    connection.execute("COMMIT")
    connection.close()
    return found


CHANGES: dict[str, Callable[[Catalogue], Any]] = {
    "set_status": lambda catalogue: catalogue.set_status([1, 2], "accepted"),
    "tag": lambda catalogue: catalogue.tag(1, "night"),
    "undo": lambda catalogue: catalogue.undo(1),
    "put_scores": lambda catalogue: catalogue.put_scores(1, [ScoreValue(1, "edge", 0.5)]),
    "update": lambda catalogue: catalogue.update(1, [Instance(square(9, 9), "cat", 1), Instance(square(1, 1), "dog", 2)]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_interrupt_at_any_place_loses_no_later_change(catalogue: Catalogue, name: str) -> None:
    kept = []  # Notebooks keep the last error and its frames.
    for error in interrupt_everywhere(lambda: CHANGES[name](catalogue), TRACED_FILES):
        kept[:] = [error]
        count("interrupts of catalogue changes", "nothing lost")
        status = "skipped" if statuses(catalogue.path)[4] == "rejected" else "rejected"
        catalogue.set_status(3, status)
        assert statuses(catalogue.path)[4:] == [status, status]
        assert len(set(statuses(catalogue.path)[:2])) == 1, "all of a change, or nothing"
    assert kept


def test_an_interrupted_block_is_rolled_back(catalogue: Catalogue) -> None:
    def block() -> None:
        with catalogue.transaction():
            catalogue.set_status([1, 2], "accepted")

    for _ in interrupt_everywhere(block, TRACED_FILES):
        catalogue.set_status(3, "skipped")
        found = statuses(catalogue.path)
        assert len(set(found[:4])) == 1 and found[4:] == ["skipped", "skipped"]
        catalogue.set_status([1, 2, 3], "new")
        count("interrupts of catalogue changes", "nothing lost")


def test_waiting_for_another_writer_can_be_interrupted(catalogue: Catalogue) -> None:
    other = sqlite3.connect(catalogue.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # It is ignored when a shell runs the tests in the background.
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            catalogue.set_status(1, "accepted")
        timer.join()
    finally:
        signal.signal(signal.SIGINT, ignored)
    other.execute("COMMIT")
    catalogue.set_status(1, "accepted")
    assert statuses(catalogue.path)[:2] == ["accepted", "accepted"]


def test_a_connection_inside_a_transaction_is_never_lent(catalogue: Catalogue) -> None:
    with catalogue.database.connection() as connection:
        connection.execute("BEGIN IMMEDIATE")  # As an interrupt may leave it.
    catalogue.set_status(1, "accepted")
    assert statuses(catalogue.path)[0] == "accepted"


def test_eight_processes_create_a_catalogue_at_once(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from cdwidget import Catalogue
        start = time.time() + 0.2
        children = []
        for number in range(8):
            if pid := os.fork():
                children.append(pid)
                continue
            time.sleep(max(0, start - time.time()))
            try:
                Catalogue(sys.argv[1]).add([f"{number}.png"])
                os._exit(0)
            finally:
                os._exit(1)
        sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "labels.db")]
    assert subprocess.run(command, timeout=60).returncode == 0
    assert len(Catalogue(tmp_path / "labels.db")) == 8


# ---- read-only and private files, memory -----------------------------------------------------------------------------


def test_a_catalogue_is_opened_for_reading_only(catalogue: Catalogue) -> None:
    catalogue.set_status(1, "accepted")
    catalogue.close()
    before = catalogue.path.read_bytes()
    found = Catalogue(catalogue.path, read_only=True)
    assert found.read_only and found.query("accepted")[0].id == 1 and found.thumbnails([1])[0].error == ""
    assert found.session(1).instances and found.check() == [] and len(found.subset().without_duplicates()) == 1
    for change in (lambda: found.set_status(1, "new"), lambda: found.add(["x.png"]), lambda: found.tag(1, "a")):
        with pytest.raises(OSError, match="open for reading only.*Get permission"):
            change()
    found.close()
    assert catalogue.path.read_bytes() == before
    with pytest.raises(FileNotFoundError, match="no catalogue"):
        Catalogue(catalogue.path.with_name("other.db"), read_only=True)


def test_files_can_be_private(tmp_path: Path, catalogue: Catalogue) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    private = Catalogue(tmp_path / "private.db", private=True)
    private.add([Item(tmp_path / "0.png", [Instance(square(1, 1), "cat")])])
    session = private.session(1)
    session.delete(1)
    assert mode(private.path) == mode(Path(f"{private.path}-wal")) == 0o600
    assert mode(tmp_path / ".cdwidget" / "private.db") == 0o700
    catalogue.path.chmod(0o644)
    catalogue.close()
    Catalogue(catalogue.path, private=True)
    assert mode(catalogue.path) == 0o600


def test_a_catalogue_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    catalogue = Catalogue(":memory:")
    catalogue.add([Item(f"{n}.png", [Instance(square(n, n), "cat")]) for n in range(4)])
    threads = [threading.Thread(target=catalogue.set_status, args=(item, "accepted")) for item in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalogue.close()
    assert catalogue.count("accepted") == 3 and len(Catalogue(":memory:")) == 0 and not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="give it a file"):
        pickle.dumps(catalogue)


# ---- upgrades and foreign content ------------------------------------------------------------------------------------


def write_old_file(path: Path, version: int) -> Path:
    """Write a catalogue of an older version with one instance, a cat."""
    raw = sqlite3.connect(path)
    for statements in schema.MIGRATIONS[:version]:
        for statement in statements:
            raw.execute(statement)
    raw.execute("INSERT INTO items (path, height, width, changed) VALUES ('a.png', 30, 40, 0)")
    raw.execute(
        "INSERT INTO instances (id, item, number, position, label, crowd, area, x0, y0, x1, y1) "
        "VALUES (1, 1, 1, 0, 'cat', 0, 1200, 0, 0, 40, 30)"
    )
    raw.execute("INSERT INTO masks (instance, counts) VALUES (1, '0`U1')")
    raw.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    raw.execute(f"PRAGMA user_version = {version}")
    raw.commit()
    raw.close()
    return path


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_an_upgrade_keeps_a_copy(tmp_path: Path, version: int) -> None:
    path = write_old_file(tmp_path / "labels.db", version)
    path.chmod(0o640)
    catalogue = Catalogue(path)
    (row,) = catalogue.query(of="instances")
    assert (row.label, row.confidence, row.attributes) == ("cat", None, {}) and catalogue.item(1).instances[0].mask.all()
    catalogue.set_status(1, "accepted")
    assert catalogue.undo(1)
    copy = tmp_path / f"labels.db.v{version}"
    raw = sqlite3.connect(copy)
    assert raw.execute("PRAGMA user_version").fetchone() == (version,)
    assert raw.execute("SELECT count(*) FROM instances").fetchone() == (1,) and stat.S_IMODE(copy.stat().st_mode) == 0o640
    before = copy.read_bytes()
    Catalogue(path)
    assert copy.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir() if not one.name.endswith(("-wal", "-shm"))) == ["labels.db", copy.name]


def test_numbers_beyond_64_bits_are_explained(catalogue: Catalogue) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: catalogue.item(HUGE),
        lambda: catalogue.history(HUGE),
        lambda: catalogue.update(HUGE, []),
        lambda: catalogue.query(limit=HUGE),
        lambda: catalogue.query(where=[("id", "=", HUGE)]),
        lambda: catalogue.set_status(HUGE, "new"),
        lambda: catalogue.undo(HUGE),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="too large|there (are|is) no"):
            call()


@pytest.mark.parametrize("version", [1, len(schema.MIGRATIONS)])
def test_a_file_that_cannot_be_written_is_opened_for_reading(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """As on a disk without write access: SQLite can neither write to the file nor create files next to it."""
    path = write_old_file(tmp_path / "labels.db", version)
    connect = sqlite3.connect

    def connect_read_only(name: str, **options: Any) -> sqlite3.Connection:
        if "immutable" in name or name == storage.MEMORY:
            return connect(name, **options)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(connections.sqlite3, "connect", connect_read_only)
    found = Catalogue(path)
    assert found.read_only and len(found) == 1 and found.item(1).instances[0].label == "cat"
    threads = [threading.Thread(target=found.query) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(OSError, match="for reading only"):
        found.set_status(1, "accepted")
    monkeypatch.undo()
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (version,)
    assert [one.name for one in tmp_path.iterdir()] == ["labels.db"]


def test_one_damaged_row_does_not_cost_the_others(catalogue: Catalogue) -> None:
    """As another program, or a damaged disk, may leave it."""

    def damage(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE masks SET counts = ? WHERE instance = 1", (b"\xff\xfe",))
        connection.execute("UPDATE instances SET x0 = 'left' WHERE id = 2")
        connection.execute("UPDATE instances SET label = cast(x'ff00fe' AS TEXT), attributes = '[1' WHERE id = 3")

    catalogue.database.write(damage)
    assert [bool(one.error) for one in catalogue.thumbnails([1, 2, 3, 4])] == [True, True, False, False]
    rows = catalogue.query(of="instances", limit=None)
    assert len(rows) == 6 and rows[2].attributes == {} and rows[3].label == "dog"
    with pytest.raises(ValueError):
        list(catalogue.item(1).instances)
    assert [one.label for one in catalogue.item(3).instances] == ["cat", "dog"]
    catalogue.database.write(lambda connection: connection.execute("DROP TABLE scores"))
    with pytest.raises(ValueError, match=r"labels.db is not a catalogue, or is damaged \(no such table: scores\)"):
        catalogue.scores(1)
    catalogue.database.write(lambda connection: connection.execute("ALTER TABLE instances RENAME COLUMN position TO p"))
    for read in (catalogue.item, catalogue.session):
        with pytest.raises(ValueError, match=r"labels.db is not a catalogue, or is damaged \(no such column: .*position\)"):
            read(1)


def test_a_file_of_an_unknown_schema_format_is_named(catalogue: Catalogue) -> None:
    catalogue.close()
    with open(catalogue.path, "r+b") as file:
        file.seek(44)  # The number of the schema format; SQLite knows 1 to 4.
        file.write((70).to_bytes(4, "big"))
    with pytest.raises(ValueError, match=r"labels.db is not a catalogue, or is damaged \(unsupported file format\)"):
        Catalogue(catalogue.path)


def test_workers_open_the_catalogue_in_the_same_way(catalogue: Catalogue) -> None:
    found = pickle.loads(pickle.dumps(Catalogue(catalogue.path, user="ben", read_only=True)))
    assert found.read_only and found.user == "ben"


def test_the_history_has_readable_times(catalogue: Catalogue) -> None:
    before = datetime.now().astimezone()
    catalogue.set_status(1, "accepted")
    (entry,) = catalogue.history(1)
    assert before <= entry.time <= datetime.now().astimezone()
    assert repr(entry) == f"HistoryEntry('accepted' by ana, {entry.time:%Y-%m-%d %H:%M:%S}, detail={{}})"


def test_swapped_arguments_of_run_are_explained(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError, match=r"a job and a catalogue, run\(Score\(\), catalogue\); its second argument is a Score"):
        cdwidget.run(catalogue, cdwidget.Score())  # type: ignore[arg-type]
