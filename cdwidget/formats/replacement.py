"""Replacing several files at once: all of the new files, or all of the old ones, whenever the process or the computer stops.

The new files are written as drafts, which are listed in a log. When all drafts are on the disk, the log gets its last line, the drafts are
renamed, and files that the new data set does not have are removed. What a process that was killed or interrupted has left is completed or
removed by the next one that writes or reads the folder: completed if the log has its last line, else removed. A log with its last line may
be completed by any process, because an interrupted one may keep it locked. A data set from another person may have a log, too: no log
changes files that its data set does not have.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator
from uuid import uuid4

try:
    import fcntl
except ImportError:  # On Windows, where a file that is open cannot be removed.
    fcntl = None  # type: ignore[assignment]

LOG_PREFIX = ".cdwidget-"
LOG_SUFFIX = ".files"
DRAFT_NAME = re.compile(r"\.[0-9a-f]{32}\.tmp")
LAST_LINE = b'"complete"\n'
MAX_SYNCED_FILES = 100  # More files are flushed by one call for the whole system, which is faster.
ABANDONED_AFTER_S = 24 * 3600.0  # Where files cannot be locked, an older log is that of a process that was killed.
LOG_DEPTH = 3  # Data sets have their files in subfolders of this depth at most, as `gtFine/train/city/` of Cityscapes.


class Replacement:
    """New files that replace old ones together; use it with `replacing`."""

    def __init__(self, is_durable: bool = True, folder: Path | None = None) -> None:
        """Start without files; arguments as for `replacing`."""
        self._is_durable = is_durable
        self._folder = folder
        self._is_complete = False  # Whether the log has its last line, so that the drafts will be renamed in any case.
        self._drafts: list[tuple[Path | None, Path]] = []  # The draft of each file; None for a file that is to be removed.
        self._log: BinaryIO | None = None
        self._log_path = Path()

    def draft(self, path: Path) -> Path:
        """Return the path of the draft to write for a file; its folder is created."""
        with naming_file(path):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{uuid4().hex}.tmp")
            self._record(draft, path)
        return draft

    def remove(self, path: Path) -> None:
        """Remove an old file, in the folder of the log or below it, when the others are replaced."""
        with naming_file(path):
            self._record(None, path)

    def _record(self, draft: Path | None, path: Path) -> None:
        if self._log is None:
            self._log = self._open_log(self._folder or path.parent)
        names = [name and _relative(name, self._log_path.parent) for name in (draft, path)]
        self._log.write(json.dumps(names).encode() + b"\n")
        self._log.flush()
        self._drafts.append((draft, path))

    def _open_log(self, folder: Path) -> BinaryIO:
        folder.mkdir(parents=True, exist_ok=True)
        finish_interrupted(folder, depth=0)
        self._log_path = folder / f"{LOG_PREFIX}{uuid4().hex}{LOG_SUFFIX}"
        log = open(self._log_path, "xb")
        if fcntl is not None:
            with suppress(OSError):  # Not every file system can lock.
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return log

    def commit(self) -> None:
        """Replace the files."""
        if self._log is None:
            return
        if self._is_durable:
            _flush([draft for draft, _ in self._drafts if draft])
        with naming_file(self._drafts[-1][1]):
            self._log.write(LAST_LINE)
            self._log.flush()
            if self._is_durable:
                os.fsync(self._log.fileno())
        self._is_complete = True
        for draft, path in self._drafts:
            with naming_file(path):
                _complete(draft, path, self._log_path)
        if self._is_durable:
            _flush_folders({path.parent for _, path in self._drafts})

    def close(self) -> None:
        """Remove the log, and the drafts if they are not complete.

        Complete drafts replace their files, also if `commit` was interrupted. If that is impossible now, the log stays, and the next
        process that writes or reads the folder does it.
        """
        if self._log is None:
            return
        with suppress(OSError):
            _rename_or_remove(self._drafts, self._is_complete, self._log_path)
            self._log_path.unlink(missing_ok=True)
        with suppress(OSError):  # Closing it writes what a full disk has refused.
            self._log.close()
        self._log = None


@contextmanager
def replacing(is_durable: bool = True, folder: Path | None = None) -> Iterator[Replacement]:
    """Replace files together if the block ends without an error; else the old ones stay.

    Args:
        is_durable: Whether the files must survive a power failure, which takes time; copies of other files need not.
        folder: The folder of the log; by default that of the first file.
    """
    files = Replacement(is_durable, folder)
    try:
        yield files
        files.commit()
    finally:
        files.close()


def finish_interrupted(folder: Path, depth: int = LOG_DEPTH) -> None:
    """Complete or undo what processes that were killed have left in a folder.

    Args:
        folder: The folder.
        depth: Number of levels of subfolders that are looked through.
    """
    for level in range(depth + 1):
        with suppress(OSError):
            for log in folder.glob("*/" * level + f"{LOG_PREFIX}*{LOG_SUFFIX}"):
                # The folder need not be writable, another process may do the same, and the log may be damaged.
                with suppress(OSError, ValueError, TypeError, RuntimeError):
                    _finish(log)


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Make an error name the file that could not be written instead of its draft."""
    try:
        yield
    except OSError as error:
        if error.filename == str(path):
            raise
        raise OSError(error.errno, f"{error.strerror}, so the previous file is kept", str(path)) from error


def _finish(log: Path) -> None:
    if not stat.S_ISREG(log.lstat().st_mode):  # A pipe would never end.
        return
    with log.open("r+b") as file:
        if not file.read().endswith(LAST_LINE) and not _is_abandoned(file, log):
            return
        file.seek(0)
        *lines, rest = file.read().split(b"\n")
        is_complete = bool(lines) and lines[-1] + b"\n" == LAST_LINE and not rest
        names = map(json.loads, lines[:-1] if is_complete else lines)
        drafts = [(draft and log.parent / draft, log.parent / path) for draft, path in names]
        _rename_or_remove([one for one in drafts if _is_of_data_set(*one, log.parent)], is_complete, log)
        log.unlink(missing_ok=True)


def _is_of_data_set(draft: Path | None, path: Path, folder: Path) -> bool:
    """Return whether a line of a log in `folder` replaces a file by a draft next to it, or removes a file in that folder."""
    if draft:
        return draft.parent == path.parent and DRAFT_NAME.fullmatch(draft.name) is not None
    return path.parent.resolve().is_relative_to(folder.resolve())


def _rename_or_remove(drafts: Iterable[tuple[Path | None, Path]], is_complete: bool, log: Path) -> None:
    """Complete the files that are left if all drafts were complete, else remove the drafts."""
    for draft, path in drafts:
        if is_complete and (draft is None or draft.exists()):
            _complete(draft, path, log)
        if draft:
            draft.unlink(missing_ok=True)


def _complete(draft: Path | None, path: Path, log: Path) -> None:
    """Give a draft the name of its file, or remove the file if it has no draft; another process may do the same."""
    if draft:
        try:
            os.replace(draft, path)
        except FileNotFoundError:
            if not path.exists():
                raise
    elif log.exists():  # Else the file may be that of a later export.
        path.unlink(missing_ok=True)


def _is_abandoned(file: BinaryIO, path: Path) -> bool:
    """Return whether no process writes to a log any more; its lock is held then, until the file is closed."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False
        except OSError:  # Not every file system can lock.
            pass
    return time.time() - path.stat().st_mtime > ABANDONED_AFTER_S


def _relative(path: Path, folder: Path) -> str:
    """Return a name that stays right if the data set is moved."""
    return os.path.relpath(path, folder)


def _flush(paths: list[Path]) -> None:
    """Write files to the disk, so that a power failure after the renaming cannot empty them."""
    if len(paths) > MAX_SYNCED_FILES and hasattr(os, "sync"):
        os.sync()
        return
    for path in paths:
        with naming_file(path), path.open("r+b") as file:
            os.fsync(file.fileno())


def _flush_folders(folders: Iterable[Path]) -> None:
    """Write the names of files to the disk, where the system can."""
    for folder in folders:
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
