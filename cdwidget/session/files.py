"""Files in folders that another person may have made: no link is followed, and nothing but regular files is opened.

A folder of images may bring a folder `.cdwidget` with it. A link there could otherwise make cdwidget overwrite any file of the user.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from time import time
from typing import IO

NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
DRAFT_SUFFIX = ".draft"
DRAFT_LIFETIME_S = 60.0  # An older one was left by a process that was killed.
MAX_NAME_BYTES = 255  # Limit of file systems.
FOLDER = ".cdwidget"
TAKEN_OVER = b'{"taken_over":true}\n'  # Ends a file that another process has replaced by a copy.


def journal_path(image: str | os.PathLike[str]) -> Path:
    """Return the path of an image file's journal: .cdwidget/<file name>.jsonl next to it.

    A link to an image has the journal of the image that it leads to, unless only the folder of the link has a journal or can be written to.
    """
    path = Path(image).expanduser()
    named = path.parent / FOLDER / f"{path.name}.jsonl"
    if not path.is_symlink():
        return named
    real = path.resolve()
    target = real.parent / FOLDER / f"{real.name}.jsonl"
    return named if not target.exists() and (named.exists() or not can_write(target)) else target


def can_write(path: Path) -> bool:
    """Return whether a file can be written, or created if there is none."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        return False
    found = path
    while not os.path.exists(found) and found != found.parent:
        found = found.parent
    return os.access(found, os.W_OK)


def check_regular(path: Path) -> bool:
    """Return whether a file exists.

    Raises:
        ValueError: If it is a link, a pipe, a device or a folder.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise ValueError(
            f"{path} is {kind}, not a file, so it was not opened. Delete it, or set autosave to another file, ending in .jsonl."
        )
    return True


def check_no_linked_folder(path: Path, below: str) -> None:
    """Check that no folder of a path, from the one named `below` on, is a link.

    Raises:
        ValueError: If one is.
    """
    for folder in path.parents:
        if below in folder.parts and folder.is_symlink():
            raise ValueError(f"{folder} is a symbolic link, so it was not used. Delete it, or set autosave to a file elsewhere.")


def read_regular(path: Path) -> bytes | None:
    """Return the bytes of a file; None if there is none.

    Raises:
        ValueError: If it is not a regular file.
        OSError: If it cannot be read.
    """
    if not check_regular(path):
        return None
    with open_regular(path, os.O_RDONLY) as file:
        return file.read()


def open_regular(path: Path, flags: int) -> IO[bytes]:
    """Open a file without following a link; unbuffered.

    Args:
        path: The file.
        flags: Of `os.open`; with O_CREAT the file must not exist.

    Raises:
        ValueError: If it is not a regular file.
        OSError: If it cannot be opened.
    """
    exclusive = os.O_EXCL if flags & os.O_CREAT else 0

    def open_descriptor(name: str, _: int) -> int:
        descriptor = os.open(name, flags | exclusive | NO_FOLLOW, 0o666)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError(f"{path} is not a regular file, so it was not opened")
        return descriptor

    # `open` closes the descriptor if it is interrupted. Closing it here as well could close the file of another thread.
    return open(path, "rb" if flags & 3 == os.O_RDONLY else "r+b", buffering=0, opener=open_descriptor)


def replace_file(path: Path, data: bytes, *, is_new: bool = False) -> None:
    """Replace a file atomically: by a draft with a random name, which is on the disk before it gets the name.

    Args:
        path: The file.
        data: Its new content.
        is_new: Whether the file must not exist yet.

    Raises:
        FileExistsError: If `is_new`, and another process has created the file.
        OSError: If the disk is full or not writable; then the file is unchanged.
    """
    for left in path.parent.glob(f"{_escaped(path.name)}.*{DRAFT_SUFFIX}"):
        with suppress(OSError):
            if time() - left.stat().st_mtime > DRAFT_LIFETIME_S:
                left.unlink()
    draft = path.with_name(f"{path.name}.{token_hex(4)}{DRAFT_SUFFIX}")
    try:
        with open_regular(draft, os.O_RDWR | os.O_CREAT) as file:
            write_all(file, data)
        if not (is_new and _link(draft, path)):
            os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink()
    sync_folder(path.parent)


def _link(draft: Path, path: Path) -> bool:
    """Give a file a second name, which must be free; return whether the disk has such names."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


@contextmanager
def exclusive(file: IO[bytes]) -> Iterator[None]:
    """Lock an open file, where the system can, so that `take_over` waits until a write has ended."""
    try:
        from fcntl import LOCK_EX, LOCK_UN, flock
    except ImportError:  # Windows, where an open file cannot be replaced.
        yield
        return
    with suppress(OSError):  # The disk has no locks.
        flock(file, LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # It may have been closed.
            flock(file, LOCK_UN)


def take_over(path: Path) -> None:
    """Replace a file by a copy of itself, and mark the old one, which another process may have open.

    A write of that process inside `exclusive` is either in the copy, or comes after the mark.

    Raises:
        OSError: If the file cannot be read or replaced.
    """
    while True:
        with open_regular(path, os.O_RDWR) as file, exclusive(file):
            if os.path.samestat(os.fstat(file.fileno()), path.lstat()):  # Otherwise it was replaced before it was locked.
                replace_file(path, file.read())
                write_all(file, TAKEN_OVER)
                return


def is_taken_over(file: IO[bytes]) -> bool:
    """Return whether another process has replaced an open file by `take_over`."""
    file.seek(max(os.fstat(file.fileno()).st_size - len(TAKEN_OVER), 0))
    return file.read(len(TAKEN_OVER)) == TAKEN_OVER


def copy_to_free_name(path: Path, data: bytes) -> Path:
    """Write a copy of a file under the first free name: a.1.jsonl for a.jsonl."""
    while True:
        try:
            with open_regular(copy := free_name(path), os.O_RDWR | os.O_CREAT) as file:
                write_all(file, data)
            sync_folder(path.parent)
            return copy
        except FileExistsError:  # Another process was faster.
            continue


def free_name(path: Path) -> Path:
    """Return the first free name for a copy of a file."""
    number = 1
    while os.path.lexists(copy := path.with_suffix(f".{number}{path.suffix}")):
        number += 1
    return copy


def write_all(file: IO[bytes], data: bytes) -> None:
    """Write all data and wait until it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Write the name of a new file to the disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
