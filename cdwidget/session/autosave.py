"""Autosave: each change is written to a file before it is made.

So a kernel may stop at any time. `journal` describes the lines of the file; a line without its newline is incomplete and ignored. The
writer holds a lock file next to it; readers need no lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import RLock
from typing import IO, Any
from weakref import WeakValueDictionary, ref

from filelock import Timeout

from cdwidget.session.document import Change
from cdwidget.session.editor import Kind
from cdwidget.session.files import (
    FOLDER,
    check_no_linked_folder,
    check_regular,
    copy_to_free_name,
    exclusive,
    is_taken_over,
    open_regular,
    read_regular,
    replace_file,
    take_over,
    write_all,
)
from cdwidget.session.files import journal_path as journal_path  # Both names are imported from here together.
from cdwidget.session.journal import Position, header_line, session_lines, snapshot_line, step_line
from cdwidget.session.journal_match import Fingerprint, restore_session
from cdwidget.session.lock_file import LockFile
from cdwidget.session.session import Session

COMPACTION_THRESHOLD_BYTES = 16 * 2**20  # A larger file is compacted when it is resumed, if that halves it.
MIN_SNAPSHOT_DISTANCE_BYTES = 2**16  # Bytes between two snapshots: at least this many,
SNAPSHOT_DISTANCE_RATIO = 4  # and this many times the size of a snapshot, so that these add at most a quarter.


class InUse(OSError):
    """The session is being edited elsewhere, so the change was not made."""


class FileJournal:
    """The journal of one session in a file.

    `resume` restores a session that was just opened, undo and redo included, and writes all its changes from then on. The file is
    created and locked by the first change, so opening an image leaves no file.

    Args:
        path: The file, ending in .jsonl.
        image: Identifies the image; None for the pixels of the session, which change with the intensity window.

    Attributes:
        notice: A message for the user, or "".
        on_notice: Called when `notice` changes, from any thread. Its caller may hold locks of another widget, so it must not wait.
        retired: Whether another session of this process writes to the file now.
        is_in_use: Whether another session or process edits the image, so that changes here are refused.

    Example:
        >>> session = Session("photo.jpg", load_predictor())
        >>> FileJournal(journal_path("photo.jpg")).resume(session)
    """

    def __init__(self, path: str | os.PathLike[str], image: Fingerprint | None = None) -> None:
        given = Path(path).expanduser()
        self.path = given.parent.resolve() / given.name  # A link to a folder of images is followed, one in its place is not.
        self._given = Path(os.path.abspath(given))
        self.notice = ""
        self.on_notice: Callable[[], None] = lambda: None
        self._mutex = RLock()
        self._lock = LockFile(self.path.with_suffix(".lock"), self._warn_without_locks)
        self._process = os.getpid()
        self._session: ref[Session] | None = None
        self._file: IO[bytes] | None = None
        self._given_image, self._image = image, image or Fingerprint(0, [])
        self._header = b""  # The first line of the file, if it is a journal of this session.
        self._before = self._after = Position()  # The places before and after the newest line.
        self._found: tuple[int, int, int] | None = None  # Device, inode and bytes of the file when it was read.
        self._is_rewritten = False  # Whether the first change replaces the whole file,
        self._is_copied = False  # after copying it to a free name.
        self._installed: bytes | None = None  # The file that an interrupted call was writing.
        self._known_bytes = 0  # Largest size that the file can have without a change by another process.
        self.retired = False
        self.is_in_use = False

    def resume(self, session: Session, *, force: bool = False) -> None:
        """Restore a session that was just opened, and record its changes from now on.

        A journal of another image, or with other masks at its start and end than the session, is not used; the first change copies it
        to a new name. An older session of this process that writes to the same file becomes read-only.

        Args:
            session: The session, without changes.
            force: Whether to take the file over if another process has it open. Its changes so far are kept, later ones are refused.

        Raises:
            ValueError: If the file is not a journal, was written by a newer version of cdwidget, or is a link.
            OSError: If the file cannot be taken over.
        """
        with _OPEN_LOCK:
            older = _OPEN_JOURNALS.get(str(self.path))
            if older is not None:
                older.retire()  # Before it is forgotten: an interrupt could leave its lock.
            _OPEN_JOURNALS[str(self.path)] = self
        self._check_paths()
        is_locked = self._lock.is_held_elsewhere()
        if is_locked and force:
            self._take_over()
        self.restore(session)
        if is_locked and not force:
            self.is_in_use = True
            self._set_notice(f"{self._image_name} is already open in another notebook, so it is read-only here. {_HOW_TO_EDIT}")
        elif self._after.end > COMPACTION_THRESHOLD_BYTES and not self._is_rewritten:
            self._compact(session)
        session.journal = self

    def restore(self, session: Session) -> None:
        """Restore a session that was just opened, without recording its changes.

        Raises:
            ValueError: If the file is not a journal, was written by a newer version of cdwidget, or is a link.
        """
        self._check_paths()
        self._session = ref(session)
        self._image = self._given_image or Fingerprint.of(session.image)
        self._read(session)

    def record(self, change: Change, kind: Kind) -> None:
        """Write a change that is about to be made.

        If this raises, the change is not saved, and it may be called again.

        Raises:
            InUse: If another session or process edits the image.
            OSError: If the disk is full or not writable.
        """
        with self._mutex:
            if self.retired:
                raise InUse(
                    f"{self._image_name} was opened again in another cell or page, so this change was not made. "
                    "Continue there, or open it here again."
                )
            if self._process != os.getpid():
                raise InUse(
                    f"{self._image_name} was opened before this process was forked, so this change was not made. "
                    "Open it again here to edit it."
                )
            try:
                if self._file is None:
                    self._begin()
                while not self._append_safely(change, kind):
                    continue
            except InUse as error:
                self.is_in_use = True
                self._set_notice(str(error))
                raise
            except (OSError, ValueError) as error:
                raise OSError(
                    f"This change could not be saved to {self.path} ({getattr(error, 'strerror', None) or error}), so it was not made. "
                    "Free disk space or change the permissions and repeat it, or set autosave=False."
                ) from error

    def retire(self) -> None:
        """Refuse all further changes, because another session writes to the file now."""
        with self._mutex:
            self.retired = self.is_in_use = True
            self.close()
        self._set_notice(f"{self._image_name} was opened again in another cell or page, so it is read-only here.")

    def close(self) -> None:
        """Release the lock.

        A later change opens the file again, unless another process has changed it.
        """
        with self._mutex:
            if self._file is not None:
                self._found = _identity(os.fstat(self._file.fileno()))
                self._known_bytes = self._found[2]
                file, self._file = self._file, None  # No closed file stays, if this is interrupted.
                file.close()
            if self._process == os.getpid():  # The lock of a forked process is the one of its parent.
                self._lock.release()

    def discard(self) -> None:
        """Delete the file after its changes were stored elsewhere, and close it.

        A file that another session edits, or that holds edits which the session did not restore, stays.
        """
        with self._mutex, suppress(OSError), ExitStack() as turn:  # Timeout is an OSError.
            if not self.retired and not self._is_copied:
                self._lock.acquire(0)
                if self._file is not None:
                    turn.enter_context(exclusive(self._file))
                    if is_taken_over(self._file):
                        return
                if self._found is not None or self._file is not None:
                    self.path.unlink(missing_ok=True)
                self.close()
                self._lock.path.unlink(missing_ok=True)
                self.path.parent.rmdir()  # Only if it is empty.

    @property
    def _image_name(self) -> str:
        return self.path.name.removesuffix(".jsonl")

    def _set_notice(self, notice: str) -> None:
        self.notice = notice
        self.on_notice()

    def _check_paths(self) -> None:
        """Raise ValueError if the file, its lock or its folder is a link."""
        check_no_linked_folder(self._given, FOLDER)
        for path in (self.path, self._lock.path):
            check_regular(path)

    def _warn_without_locks(self) -> None:
        self._set_notice(
            f"The disk of {self.path.parent} cannot lock files, so another notebook that edits {self._image_name} is not noticed in time. "
            "Your changes are saved; edit each image in one notebook only."
        )

    def _read(self, session: Session) -> None:
        data = read_regular(self.path)
        if data is None:
            return
        self._found = (*_identity(self.path.lstat())[:2], len(data))
        self._known_bytes = len(data)
        found = restore_session(self.path, data, session, self._image)
        self._header, self._before, self._after = found.header, found.position, found.position
        self._is_copied, self._is_rewritten = found.is_copied, found.is_rewritten
        if found.notice:
            self._set_notice(found.notice)

    def _begin(self) -> None:
        """Acquire the lock and open the file for writing."""
        session = self._opened_session()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            found = _identity(self.path.lstat()) if check_regular(self.path) else None
            is_own = found is not None and self._installed is not None and read_regular(self.path) == self._installed
            if found is not None and not is_own and (self._found is None or found[2] != self._found[2]):
                raise self._changed_elsewhere()
            if found is None and self._found is not None:
                self._is_copied, self._is_rewritten = False, True  # It was deleted; the session holds all of it.
            if self._is_copied:
                copy_to_free_name(self.path, read_regular(self.path) or b"")
                self._is_copied = False
            if found is None or is_own or self._is_rewritten:
                self._rewrite(session, is_new=found is None)
            else:
                self._file = open_regular(self.path, os.O_RDWR)
        except FileExistsError:
            self.close()
            raise self._changed_elsewhere() from None
        except BaseException:
            self.close()
            raise

    def _changed_elsewhere(self) -> InUse:
        return InUse(
            f"{self._image_name} was changed in another notebook, so this change was not made. Run this cell again to load that version."
        )

    def _opened_session(self) -> Session:
        session = None if self._session is None else self._session()
        assert session is not None, "restore or resume comes first"
        return session

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(1)  # Another process may hold it for a moment to check whether it is locked.
        except Timeout:
            raise InUse(f"{self._image_name} is already open in another notebook, so this change was not made. {_HOW_TO_EDIT}") from None

    def _take_over(self) -> None:
        """Lock and replace the file, so that the process that has it open refuses further changes."""
        self._lock.path.unlink(missing_ok=True)
        self._take_lock()
        if check_regular(self.path):
            take_over(self.path)

    def _append_safely(self, change: Change, kind: Kind) -> bool:
        """Write a change if the open file is still the one of the journal; return False if another one had to be opened."""
        file = self._file
        assert file is not None
        with exclusive(file):
            self._check_file()
            if self._file is file:
                self._append(change, kind)
        return self._file is file

    def _rewrite(self, session: Session, is_new: bool = False) -> None:
        """Replace the file by a journal of the session as it is, and open it for writing."""
        if not self._header:
            self._header = header_line(*self._image, session.width, session.height, session._initial)
        self._install(session_lines(self._header, session._initial, session._version), is_new)
        self._is_rewritten = False

    def _install(self, lines: Sequence[bytes], is_new: bool = False) -> None:
        """Replace the file by other lines, and open it; after an interrupt, `_begin` recognizes the new file."""
        self._installed = b"".join(lines)
        replace_file(self.path, self._installed, is_new=is_new)
        file = open_regular(self.path, os.O_RDWR)
        self._before = self._after = Position.after(lines, len(lines))
        self._known_bytes = self._after.end
        self._file, older = file, self._file  # The places are right as soon as there is a file.
        self._installed = None
        if older is not None:
            older.close()

    def _compact(self, session: Session) -> None:
        """Replace a large file by a smaller one; leave it as it is if another process writes to it or the disk does not allow it."""
        with suppress(OSError, ValueError), self._mutex:  # Timeout is an OSError.
            lines = session_lines(self._header, session._initial, session._version)
            if sum(map(len, lines)) > self._after.end / 2:
                return
            try:
                self._lock.acquire(0)
                if _identity(self.path.lstat()) == self._found:
                    self._install(lines)
            finally:
                self.close()

    def _check_file(self) -> None:
        """Check that the open file is still the one with the name of the journal and has only its own lines.

        If it was deleted or replaced, its lines are written again.
        """
        assert self._file is not None
        if is_taken_over(self._file):
            raise InUse(
                f"{self._image_name} was taken over by another notebook, so this change was not made. Continue there, or take it back."
            )
        mine = _identity(os.fstat(self._file.fileno()))
        try:
            named = _identity(self.path.lstat())
        except FileNotFoundError:
            named = None
        if named is not None and named[:2] == mine[:2]:
            if mine[2] > self._known_bytes:
                raise self._changed_elsewhere()
            if mine[2] < self._after.end:
                self._rewrite(self._opened_session())  # Another program cut it off.
            return
        self._file.seek(0)
        data = self._file.read(self._after.end)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.release()  # The lock file may have been deleted too.
        self._take_lock()
        other = read_regular(self.path)
        if other is not None and other not in (data, self._installed):
            copy = copy_to_free_name(self.path, other)
            self._set_notice(f"Another program replaced the saved edits of {self._image_name}. Its version is in {copy}; yours is saved.")
        self._rewrite(self._opened_session())

    def _append(self, change: Change, kind: Kind) -> None:
        """Write the line of a change after the newest line that the session followed."""
        session = self._opened_session()
        old, new = (change.new_state, change.old_state) if kind == "undo" else (change.old_state, change.new_state)
        start = self._before if self._before.state is old else self._after
        distance = max(MIN_SNAPSHOT_DISTANCE_BYTES, SNAPSHOT_DISTANCE_RATIO * start.snapshot_bytes)
        data, position = b"", start
        if start.end - start.snapshot_end > distance:
            data = snapshot_line(start.number, session._document)
            position = Position(start.end + len(data), start.number + 1, start.end + len(data), len(data), old)
        line = step_line(position.number, kind, change)
        data += line
        after = Position(start.end + len(data), position.number + 1, position.snapshot_end, position.snapshot_bytes, new)
        file: Any = self._file
        self._known_bytes = max(self._known_bytes, after.end)
        try:
            if os.fstat(file.fileno()).st_size > start.end:
                file.truncate(start.end)  # A line that the session did not follow, or an incomplete one.
            file.seek(start.end)
            write_all(file, data)
        except BaseException:  # Also if the kernel is interrupted.
            with suppress(OSError):
                file.truncate(start.end)
            raise
        self._before, self._after = start._replace(state=old), after
        self._known_bytes = after.end


_OPEN_JOURNALS: WeakValueDictionary[str, FileJournal] = WeakValueDictionary()  # The journal of this process that may write to each file.
_OPEN_LOCK = RLock()
_HOW_TO_EDIT = "Close it there and open it here again, or use autosave=False to start over without saving."


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_size
