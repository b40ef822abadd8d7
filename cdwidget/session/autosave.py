"""Autosave: every change of a session reaches a file before it is in force, so that a kernel may die at any moment.

The file is JSON lines: what the session began with, then what was done, {"kind": "apply" | "undo" | "redo", "change": ...}. A line
counts once its newline is there. Whoever writes holds a lock beside the file; reading needs none.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence
from weakref import WeakValueDictionary

import cv2
import numpy as np
from filelock import FileLock, Timeout

from cdwidget.masks import Patch
from cdwidget.session.document import Change
from cdwidget.session.serialization import change_to_json, read_log
from cdwidget.session.session import Kind, Session

VERSION = 1
LARGE = 16 * 2**20  # bytes; a file beyond this loses, when it is taken up again, what can be neither undone nor redone
LONGEST_NAME = 255  # bytes that a file system allows
FOLDER = ".cdwidget"
BEGINNING = b'{"journal":'


class InUse(OSError):
    """The session is being edited elsewhere; what was asked for was not done."""


def journal_path(image: str | os.PathLike[str]) -> Path:
    """Return where the journal of an image file is kept: .cdwidget/<file name>.jsonl beside it."""
    path = Path(image).expanduser()
    return path.parent / FOLDER / f"{path.name}.jsonl"


def can_write(path: Path) -> bool:
    """Say whether a file could be made here, or the file that is here be written."""
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        return False
    found = path
    while not os.path.exists(found) and found != found.parent:
        found = found.parent
    return os.access(found, os.W_OK)


class FileJournal:
    """The journal of one session in a file.

    `resume` a fresh session, and it is where it was, undo and redo included; from then on its changes are written. The file is made,
    and its lock taken, with the first change: looking at an image leaves nothing behind. notice: what the user must know, or "".

    >>> session = Session("photo.jpg", load_predictor())
    >>> FileJournal(journal_path("photo.jpg")).resume(session)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()
        self.notice = ""
        # Called when the notice has changed later on, from any thread, which may hold locks of another widget: wait for nobody in it.
        self.on_notice: Callable[[], None] = lambda: None
        self._mutex = RLock()
        self._lock = FileLock(self.path.with_suffix(".lock"), timeout=0, thread_local=False)
        self._file: Any = None
        self._header = b""
        self._end = 0  # of what is valid in the file
        self._found = 0  # bytes that were in the file when it was read
        self._keeps = False  # whether the file holds something else that must not be lost
        self.retired = False  # another session of this process writes to the file now

    def resume(self, session: Session) -> None:
        """Do again in a session that is as it was opened what the journal says, and record what is done in it from now on.

        A journal of another image, or that neither began nor ended with the masks given, is not taken up; its file is kept under
        another name.
        An older session of this process that writes to the same file may no longer be edited.
        """
        with _OPEN_LOCK:
            older = _OPEN.get(str(self.path))
            _OPEN[str(self.path)] = self
        if older is not None:
            older.retire()
        self.restore(session)
        if self._taken():
            self._say(f"{self._what} is being edited in another notebook, and cannot be changed here: {_AGAIN}")
        session.journal = self

    def restore(self, session: Session) -> None:
        """Do again in a session that is as it was opened what the journal says, and leave it at that."""
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder; give autosave a file in it, ending in .jsonl")
        pixels, look = zlib.crc32(session.image.data), _look(session.image)
        begun = {"journal": VERSION, "pixels": pixels, "look": look, "first": session.log()}
        self._header = _line(begun)
        self._read(session, begun)

    def record(self, change: Change, kind: Kind) -> None:
        """Write what is about to be done. InUse, or OSError when the disk is full: then nothing is written, and it may be tried again."""
        line = _line({"kind": kind, "change": change_to_json(change)} if kind == "apply" else {"kind": kind})
        with self._mutex:
            if self.retired:
                raise InUse(f"{self._what} was opened again in another cell, so this was not done: go on there, or run this cell again.")
            try:
                if self._file is None:
                    self._begin()
                self._append(line if self._end else self._header + line)
            except InUse:
                raise
            except OSError as error:
                raise OSError(
                    f"this could not be saved to {self.path} ({error.strerror or error}), so it was not done and nothing is lost. "
                    "Free some space, or let yourself write there, and do it again; autosave=False works without saving."
                ) from error

    def retire(self) -> None:
        """Write no more, because another session does now: what is tried from now on is refused, with that reason."""
        with self._mutex:
            self.retired = True
            self.close()
        self._say(f"{self._what} was opened again in another cell, and is edited there now.")

    def close(self) -> None:
        """Let others write. A change that is recorded later opens the file again, if nobody else has written to it."""
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
                self._found = self._end
            self._lock.release()

    # ---- inside --------------------------------------------------------------------------------------------------

    @property
    def _what(self) -> str:
        return self.path.name.removesuffix(".jsonl")

    def _say(self, notice: str) -> None:
        self.notice = notice
        self.on_notice()

    def _taken(self) -> bool:
        """Say whether another process writes to this file."""
        lock = Path(self._lock.lock_file)
        if not lock.exists() or not os.access(lock, os.W_OK):
            return False
        try:
            with self._lock:
                return False
        except Timeout:
            return True

    def _read(self, session: Session, begun: Mapping[str, Any]) -> None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        self._found = len(data)
        if data.strip(b"\0") and data[: len(BEGINNING)] != BEGINNING[: len(data)]:  # a power cut may leave zeros
            raise ValueError(f"{self.path} is no journal, and is left as it is; give autosave a file of its own, ending in .jsonl")
        whole = data[: data.rfind(b"\n") + 1]  # without a last line that was being written when the process died
        lines = whole.splitlines(keepends=True)
        if not lines:
            return
        if not self._fits(lines, session, begun):
            self._keeps = True
            return self._say(
                f"What was done to {self._what} earlier began with other masks or another picture. To go on with it, open the image "
                f"without masks; once you change something here it is kept as {self._free_name()}, for autosave=."
            )
        self._header = lines[0]
        done, error = _redo(session, lines)
        if error is not None:
            self._keeps = True
            self._say(f"{self.path} is damaged in line {len(done) + 2} ({type(error).__name__}: {error}); a copy of it is kept.")
        self._end = len(lines[0]) + sum(map(len, done))
        if self._end > LARGE and not self._keeps:
            self._rewrite([lines[0], *_needed(done)])

    def _fits(self, lines: Sequence[bytes], session: Session, begun: Mapping[str, Any]) -> bool:
        """Say whether a journal is of this picture, and began or ended with the masks the session was given, or it was given none."""
        try:
            found = json.loads(lines[0])
            read_log(found["first"])
        except (ValueError, KeyError, TypeError):
            return False
        first = json.loads(_line(begun))["first"]
        same = found["journal"] == VERSION and (found.get("pixels") == begun["pixels"] or _alike(found.get("look"), begun["look"]))
        if not same or any(found["first"][name] != first[name] for name in ("width", "height")):
            return False
        if first["mask"] is None and not first["instances"]:
            return True
        if all(found["first"][name] == first[name] for name in ("mask", "instances")):
            return True
        twin = Session(session.image)
        _redo(twin, lines)
        return _labelled(twin) == _labelled(session)

    def _begin(self) -> None:
        """Take the lock and open the file behind what is valid in it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=1)  # somebody may just be asking whether it is taken
        except Timeout:
            raise InUse(f"{self._what} is being edited in another notebook, so this was not done: {_AGAIN}") from None
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size != self._found:
                raise InUse(f"{self._what} was changed in another notebook meanwhile, so this was not done: run this cell again to see it.")
            if self._keeps:
                shutil.copyfile(self.path, self._free_name())
                self._keeps = False
            self._file = open(self.path, "r+b" if size else "w+b", buffering=0)  # noqa: SIM115, for as long as the session lives
            self._file.truncate(self._end)
            _sync_folder(self.path.parent)
        except BaseException:
            self._lock.release()
            raise

    def _append(self, data: bytes) -> None:
        try:
            self._file.seek(self._end)
            _write(self._file, data)
        except BaseException:  # an interrupted kernel leaves no half line either
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(data)

    def _rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the file by another one, at once; where that is not possible, or somebody writes to it, it stays as it is."""
        small = self.path.with_suffix(".new")
        with suppress(OSError), self._lock:  # Timeout is an OSError
            if self.path.stat().st_size != self._found:
                return
            with open(small, "wb", buffering=0) as file:
                _write(file, b"".join(lines))
            os.replace(small, self.path)
            _sync_folder(self.path.parent)
            self._end = self._found = self.path.stat().st_size

    def _free_name(self) -> Path:
        number = 1
        while (path := self.path.with_suffix(f".{number}.jsonl")).exists():
            number += 1
        return path


_OPEN: WeakValueDictionary[str, FileJournal] = WeakValueDictionary()  # the one that may write to a file, of this process
_OPEN_LOCK = RLock()
_AGAIN = "close it there and run this cell again, or open it with autosave=False to begin anew without saving."


def _redo(session: Session, lines: Sequence[bytes]) -> tuple[list[bytes], Exception | None]:
    """Do again what a journal says; return the lines that could be done, without the first, and what is wrong with the one behind."""
    done: list[bytes] = []

    def steps() -> Iterator[Any]:
        for line in lines[1:]:
            yield json.loads(line)
            done.append(line)

    try:
        session.restore(read_log(json.loads(lines[0])["first"])[0], steps())
    except (ValueError, KeyError, TypeError) as error:
        return done, error
    return done, None


def _needed(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines that lead to where the session is, and those that can still be redone."""
    done: list[bytes] = []
    undone: list[bytes] = []
    for line in lines:
        kind = json.loads(line)["kind"]
        if kind == "apply":
            done.append(line)
            undone.clear()
        elif kind == "undo":
            undone.append(done.pop())
        else:
            done.append(undone.pop())
    return [*done, *reversed(undone), *[_line({"kind": "undo"})] * len(undone)]


def _labelled(session: Session) -> list[tuple[str, Patch]]:
    """What there is to see of a session: labels and masks, in order."""
    found = ((entry.label, session.patch(entry.id)) for entry in session.state.entries)
    return [(label, patch) for label, patch in found if patch.bits]


def _look(image: np.ndarray) -> list[int]:
    """How a picture looks from afar: nearly the same when another version of a library decodes the file, or it was compressed again."""
    return cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA).ravel().tolist()


def _alike(a: Any, b: list[int]) -> bool:
    return isinstance(a, list) and len(a) == len(b) and all(abs(one - other) <= 2 for one, other in zip(a, b))


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def _write(file: Any, data: bytes) -> None:
    """Write all of it, and return when it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring the name of a new file to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
