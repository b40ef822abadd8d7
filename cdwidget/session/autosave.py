"""Autosave: each change is written to a file before it is made.

So a kernel may stop at any time.

The file is JSON lines: the initial document, then one step a line, {"kind": "apply" | "undo" | "redo", "change": ...}. A line without
its newline is incomplete and ignored. The writer holds a lock file next to it; readers need no lock.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

import cv2
import numpy as np
from filelock import FileLock, Timeout

from cdwidget.masks import Patch
from cdwidget.session.document import Change
from cdwidget.session.editor import Kind
from cdwidget.session.serialization import change_to_json, read_log
from cdwidget.session.session import Session

VERSION = 1
COMPACTION_THRESHOLD_BYTES = (
    16 * 2**20
)  # A larger file is compacted when it is resumed: steps that can be neither undone nor redone are removed.
MAX_NAME_BYTES = 255  # Limit of file systems.
FOLDER = ".cdwidget"
FIRST_BYTES = b'{"journal":'
PREVIEW_SIDE = 16  # Pixels of the reduced image that identifies an image whose pixels differ slightly.
MAX_PREVIEW_DIFFERENCE = 2  # Gray levels.


class InUse(OSError):
    """The session is being edited elsewhere, so the change was not made."""


def journal_path(image: str | os.PathLike[str]) -> Path:
    """Return the path of an image file's journal: .cdwidget/<file name>.jsonl next to it."""
    path = Path(image).expanduser()
    return path.parent / FOLDER / f"{path.name}.jsonl"


def can_write(path: Path) -> bool:
    """Return whether a file can be written, or created if there is none."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        return False
    found = path
    while not os.path.exists(found) and found != found.parent:
        found = found.parent
    return os.access(found, os.W_OK)


class FileJournal:
    """The journal of one session in a file.

    `resume` restores a session that was just opened, undo and redo included, and writes all its changes from then on. The file is
    created and locked by the first change, so opening an image leaves no file.

    Args:
        path: The file, ending in .jsonl.

    Attributes:
        notice: A message for the user, or "".
        on_notice: Called when `notice` changes, from any thread. Its caller may hold locks of another widget, so it must not wait.
        retired: Whether another session of this process writes to the file now.

    Example:
        >>> session = Session("photo.jpg", load_predictor())
        >>> FileJournal(journal_path("photo.jpg")).resume(session)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().resolve()
        self.notice = ""
        self.on_notice: Callable[[], None] = lambda: None
        self._mutex = RLock()
        self._lock = FileLock(self.path.with_suffix(".lock"), timeout=0, thread_local=False)
        self._file: Any = None
        self._header = b""
        self._end = 0  # Bytes of the file that are valid.
        self._found = 0  # Bytes of the file when it was read.
        self._has_other_content = False  # Whether the file must be copied before it is changed.
        self.retired = False

    def resume(self, session: Session) -> None:
        """Restore a session that was just opened, and record its changes from now on.

        A journal of another image, or with other masks at its start and end than the session, is not used; the first change copies it
        to a new name. An older session of this process that writes to the same file becomes read-only.

        Args:
            session: The session, without changes.

        Raises:
            ValueError: If the file is not a journal.
        """
        with _OPEN_LOCK:
            older = _OPEN_JOURNALS.get(str(self.path))
            _OPEN_JOURNALS[str(self.path)] = self
        if older is not None:
            older.retire()
        self.restore(session)
        if self._is_locked_elsewhere():
            self._set_notice(f"{self._image_name} is already open in another notebook, so it is read-only here. {_HOW_TO_EDIT}")
        session.journal = self

    def restore(self, session: Session) -> None:
        """Restore a session that was just opened, without recording its changes.

        Raises:
            ValueError: If the file is not a journal.
        """
        if self.path.is_dir():
            raise ValueError(f"{self.path} is a folder. Set autosave to a file in it, ending in .jsonl.")
        checksum, preview = zlib.crc32(session.image.data), _preview(session.image)
        header = {"journal": VERSION, "pixels": checksum, "look": preview, "first": session.log()}
        self._header = _line(header)
        self._read(session, header)

    def record(self, change: Change, kind: Kind) -> None:
        """Write a change that is about to be made.

        If this raises, nothing is written, and it may be called again.

        Raises:
            InUse: If another session or process edits the image.
            OSError: If the disk is full or not writable.
        """
        line = _line({"kind": kind, "change": change_to_json(change)} if kind == "apply" else {"kind": kind})
        with self._mutex:
            if self.retired:
                raise InUse(
                    f"{self._image_name} was opened again in another cell, so this change was not made. "
                    "Continue there, or run this cell again."
                )
            try:
                if self._file is None:
                    self._begin()
                self._append(line if self._end else self._header + line)
            except InUse:
                raise
            except OSError as error:
                raise OSError(
                    f"This change could not be saved to {self.path} ({error.strerror or error}), so it was not made. "
                    "Free disk space or change the permissions and repeat it, or set autosave=False."
                ) from error

    def retire(self) -> None:
        """Refuse all further changes, because another session writes to the file now."""
        with self._mutex:
            self.retired = True
            self.close()
        self._set_notice(f"{self._image_name} was opened again in another cell, so it is read-only here.")

    def close(self) -> None:
        """Release the lock.

        A later change opens the file again, unless another process has changed it.
        """
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
                self._found = self._end
            self._lock.release()

    @property
    def _image_name(self) -> str:
        return self.path.name.removesuffix(".jsonl")

    def _set_notice(self, notice: str) -> None:
        self.notice = notice
        self.on_notice()

    def _is_locked_elsewhere(self) -> bool:
        """Return whether another process holds the lock."""
        lock = Path(self._lock.lock_file)
        if not lock.exists() or not os.access(lock, os.W_OK):
            return False
        try:
            with self._lock:
                return False
        except Timeout:
            return True

    def _read(self, session: Session, header: Mapping[str, Any]) -> None:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return
        self._found = len(data)
        if data.strip(b"\0") and data[: len(FIRST_BYTES)] != FIRST_BYTES[: len(data)]:  # A power failure may leave zeros.
            raise ValueError(f"{self.path} is not a journal, so it was not changed. Set autosave to another file, ending in .jsonl.")
        complete = data[: data.rfind(b"\n") + 1]
        lines = complete.splitlines(keepends=True)
        if not lines:
            return
        if not self._fits(lines, session, header):
            self._has_other_content = True
            return self._set_notice(
                f"Earlier edits of {self._image_name} started from other masks or another image. To continue them, open it without masks; "
                f"your first change here moves them to {self._free_name()}."
            )
        self._header = lines[0]
        done, error = _repeat(session, lines)
        if error is not None:
            self._has_other_content = True
            self._set_notice(
                f"{self.path} is damaged in line {len(done) + 2} ({type(error).__name__}: {error}). "
                "The steps before it were restored, and your first change keeps a copy."
            )
        self._end = len(lines[0]) + sum(map(len, done))
        if self._end > COMPACTION_THRESHOLD_BYTES and not self._has_other_content:
            self._rewrite([lines[0], *_compact(done)])

    def _fits(self, lines: Sequence[bytes], session: Session, header: Mapping[str, Any]) -> bool:
        """Return whether a journal belongs to the image and initial masks of a session.

        These may be the masks at its start or at its end.
        """
        try:
            found = json.loads(lines[0])
            read_log(found["first"])
        except (ValueError, KeyError, TypeError):
            return False
        first = json.loads(_line(header))["first"]
        same_image = found.get("pixels") == header["pixels"] or _is_similar(found.get("look"), header["look"])
        if found["journal"] != VERSION or not same_image or any(found["first"][name] != first[name] for name in ("width", "height")):
            return False
        if first["mask"] is None and not first["instances"]:
            return True
        if all(found["first"][name] == first[name] for name in ("mask", "instances")):
            return True
        restored = Session(session.image)
        _repeat(restored, lines)
        return _labels_and_masks(restored) == _labels_and_masks(session)

    def _begin(self) -> None:
        """Acquire the lock and open the file for writing after its valid part."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=1)  # Another process may hold it for a moment to check whether it is locked.
        except Timeout:
            raise InUse(f"{self._image_name} is already open in another notebook, so this change was not made. {_HOW_TO_EDIT}") from None
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size != self._found:
                raise InUse(
                    f"{self._image_name} was changed in another notebook, so this change was not made. "
                    "Run this cell again to load that version."
                )
            if self._has_other_content:
                shutil.copyfile(self.path, self._free_name())
                self._has_other_content = False
            self._file = open(self.path, "r+b" if size else "w+b", buffering=0)  # noqa: SIM115, open as long as the session.
            self._file.truncate(self._end)
            _sync_folder(self.path.parent)
        except BaseException:
            self._lock.release()
            raise

    def _append(self, data: bytes) -> None:
        try:
            self._file.seek(self._end)
            _write(self._file, data)
        except BaseException:  # Also if the kernel is interrupted.
            with suppress(OSError):
                self._file.truncate(self._end)
            raise
        self._end += len(data)

    def _rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace the file atomically.

        The file does not change if it cannot be replaced or another process writes to it.
        """
        new = self.path.with_suffix(".new")
        with suppress(OSError), self._lock:  # Timeout is an OSError.
            if self.path.stat().st_size != self._found:
                return
            with open(new, "wb", buffering=0) as file:
                _write(file, b"".join(lines))
            os.replace(new, self.path)
            _sync_folder(self.path.parent)
            self._end = self._found = self.path.stat().st_size

    def _free_name(self) -> Path:
        number = 1
        while (path := self.path.with_suffix(f".{number}.jsonl")).exists():
            number += 1
        return path


_OPEN_JOURNALS: WeakValueDictionary[str, FileJournal] = WeakValueDictionary()  # The journal of this process that may write to each file.
_OPEN_LOCK = RLock()
_HOW_TO_EDIT = "Close it there and run this cell again, or use autosave=False to start over without saving."


def _repeat(session: Session, lines: Sequence[bytes]) -> tuple[list[bytes], Exception | None]:
    """Repeat the steps of a journal.

    Returns the lines of the steps that were possible, and the error of the next one.
    """
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


def _compact(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines of steps that were not undone or can still be redone."""
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


def _labels_and_masks(session: Session) -> list[tuple[str, Patch]]:
    """Return the label and the mask of each instance that has pixels, in painting order."""
    found = ((entry.label, session.mask_patch(entry.id)) for entry in session.state.entries)
    return [(label, patch) for label, patch in found if patch.bits]


def _preview(image: np.ndarray) -> list[int]:
    """Return a reduced image that identifies a file decoded or compressed differently."""
    return cv2.resize(image, (PREVIEW_SIDE, PREVIEW_SIDE), interpolation=cv2.INTER_AREA).ravel().tolist()


def _is_similar(a: Any, b: list[int]) -> bool:
    return isinstance(a, list) and len(a) == len(b) and all(abs(one - other) <= MAX_PREVIEW_DIFFERENCE for one, other in zip(a, b))


def _line(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def _write(file: Any, data: bytes) -> None:
    """Write all data and wait until it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Write the name of a new file to the disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
