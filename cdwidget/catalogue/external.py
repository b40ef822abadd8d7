"""Images outside of a catalogue's folder, which are opened only with the user's consent.

A catalogue made by another person may name any file and any server. Looking at it must neither connect to a
server nor read files elsewhere.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Iterable

from cdwidget.catalogue.images import URL_SEPARATOR
from cdwidget.images.pages import split_page
from cdwidget.images.remote import BlockedPath, is_url

STATE_VARIABLE = "XDG_STATE_HOME"
STATE_FILE = "cdwidget/image-folders.json"  # Folders of images that the user has added to catalogues on this computer.
LOCAL_URLS = ("file", "memory", "zip", "tar", "local")  # fsspec's names of stores that are no servers
MAX_REMEMBERED_FOLDERS = 10_000


class ImageAccess:
    """Decides which images of a catalogue may be opened.

    These are images in the catalogue's folder; images that this object has added; local images in folders from which the user has added
    images before, on this computer; and all images, if the user says so. A link must lead to a file that may be opened, too.
    """

    def __init__(self, folder: Path, everywhere: bool = False) -> None:
        """Start without consent.

        Args:
            folder: The folder of the catalogue's file.
            everywhere: Whether the user trusts all paths of the catalogue.
        """
        self.everywhere = everywhere
        self._folder = os.path.realpath(folder)
        self._roots: set[str] = set()
        self._remembered: set[str] | None = None
        self._answers: dict[str, bool] = {}  # Whether a folder or server may be opened.

    def allow(self, paths: Iterable[str | os.PathLike[str]]) -> None:
        """Trust the stores and folders of images that the user adds."""
        names = [os.fspath(path) for path in paths]
        # No file has a name with a null character: adding it reports an error.
        roots = {root for name in names if "\0" not in name for root in _roots(name)} - self._roots
        self._roots |= roots
        self._answers.clear()
        folders = {root for root in roots if not is_url(root) and not self._is_inside(root)}
        if folders - (self._remembered or set()):
            self._remembered = _remember(folders)

    def marked(self, path: str) -> str:
        """Return the path or URL of an image, as a `BlockedPath` if the user has not consented to open it."""
        if self.everywhere:
            return path
        if "\0" in path:  # No file has such a name.
            return BlockedPath(path)
        # Only a new folder is normalized: a page of a gallery has more than a hundred paths.
        roots = _roots(path) if is_url(path) else _folders(path)
        return path if all(map(self._is_allowed, roots)) else BlockedPath(path)

    def _is_allowed(self, root: str) -> bool:
        answer = self._answers.get(root)
        if answer is None:
            answer = self._answers[root] = self._decide(root)
        return answer

    def _decide(self, root: str) -> bool:
        if is_url(root):
            return root in self._roots
        if self._remembered is None:
            self._remembered = _read_folders()
        folder = os.path.abspath(os.path.expanduser(root))
        return folder in self._roots or folder in self._remembered or self._is_inside(folder)

    def _is_inside(self, folder: str) -> bool:
        real = os.path.realpath(folder)
        return real == self._folder or real.startswith(self._folder.rstrip("/") + "/")


def _roots(path: str) -> list[str]:
    """Return the servers and local folders that opening a path reads from."""
    roots: list[str] = []
    for part in path.split(URL_SEPARATOR):
        scheme, separator, rest = part.partition("://")
        if not separator or scheme in ("file", "local"):
            file = os.path.expanduser(rest if separator else part)  # As fsspec does, also in URLs.
            roots += map(os.path.abspath, _folders(file))
        elif scheme not in LOCAL_URLS:
            roots.append(f"{scheme}://{rest.partition('/')[0]}")
    return roots


def _folders(path: str) -> list[str]:
    """Return the folder of a local image and, if a link may lead to another folder, that of the real file.

    The system follows `link/..` to the parent of the linked folder, which normalizing the path would miss.
    """
    file, _ = split_page(path)
    may_lead_elsewhere = os.path.islink(file) or os.pardir in file.parts
    targets = [os.path.realpath(file)] if may_lead_elsewhere else []
    return [os.path.dirname(one) for one in (path, *targets)]


def _state_file() -> Path:
    return Path(os.environ.get(STATE_VARIABLE) or Path.home() / ".local" / "state") / STATE_FILE


def _read_folders() -> set[str]:
    with suppress(OSError, ValueError, RuntimeError):
        found = json.loads(_state_file().read_text(encoding="utf-8"))
        return {folder for folder in found if isinstance(folder, str)}
    return set()


def _remember(folders: set[str]) -> set[str]:
    """Add folders to the file of this user; without it they are trusted until the process ends."""
    every = _read_folders() | folders
    with suppress(OSError, ValueError, RuntimeError):
        path = _state_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(sorted(every)[-MAX_REMEMBERED_FOLDERS:]), encoding="utf-8")
        os.replace(draft, path)
    return every
