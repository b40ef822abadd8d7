"""The lock file next to a journal: one process at a time writes to the journal."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)  # Errors of disks that cannot lock files.


class LockFile:
    """A lock that this process holds until it releases it.

    Args:
        path: The file; created by `acquire`, and never deleted by it.
        on_unsupported: Called when the disk cannot lock files; then the lock is granted.
    """

    def __init__(self, path: Path, on_unsupported: Callable[[], None]) -> None:
        self.path = path
        self._on_unsupported = on_unsupported
        self._lock = FileLock(path, timeout=0, thread_local=False)

    def acquire(self, timeout: float) -> bool:
        """Acquire the lock; return whether the disk can lock files.

        Args:
            timeout: Seconds to wait for another process.

        Raises:
            Timeout: If another process holds it.
            OSError: If the file cannot be created.
        """
        try:
            self._lock.acquire(timeout=timeout)
            return True
        except (OSError, NotImplementedError) as error:
            if isinstance(error, Timeout) or getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
                raise
        self._on_unsupported()
        return False

    def release(self) -> None:
        """Release the lock, however often it was acquired."""
        self._lock.release(force=True)

    def is_held_elsewhere(self) -> bool:
        """Return whether another process holds the lock."""
        if not self.path.exists() or not os.access(self.path, os.W_OK):
            return False
        try:
            if self.acquire(0):
                self._lock.release()
            return False
        except Timeout:
            return True
