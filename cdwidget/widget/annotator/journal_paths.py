"""Where the edits of each image of a list are saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Union

from cdwidget.session.files import journal_path
from cdwidget.widget.annotator.closed_image import Version

Autosave = Union[bool, str, "os.PathLike[str]"]


class JournalPaths:
    """The journal file of each image of a list.

    Args:
        paths: The file of each image; None for one that is not a file.
        autosave: Whether image files have a journal next to them; or the folder of the journals of all images; or the journal of the
            only image.

    Raises:
        TypeError: If `autosave` is neither a bool nor a path.
        ValueError: If it is one file for several images.
    """

    def __init__(self, paths: Sequence[Path | None], autosave: Autosave) -> None:
        if not isinstance(autosave, (bool, str, os.PathLike)):
            raise TypeError(f"autosave is {autosave!r}; allowed are True, False, the path of a folder and, for one image, of a file")
        self._images, self._autosave = paths, autosave
        self._folder = None if isinstance(autosave, bool) else _as_folder(autosave)
        self._names = _different_names(paths) if self._folder else []
        if len(paths) > 1 and self.are_given and not self._folder:
            raise ValueError(
                f"autosave={str(autosave)!r} is one file, but there are {len(paths)} images; give a folder, such as autosave='labels/'"
            )

    @property
    def are_given(self) -> bool:
        """Whether the caller chose the folder or file."""
        return not isinstance(self._autosave, bool)

    def __getitem__(self, index: int) -> Path | None:
        """Return the path of an image's journal, existing or not; None if it is not saved."""
        if self._folder:
            return self._folder / f"{self._names[index]}.jsonl"
        if not isinstance(self._autosave, bool):
            return Path(self._autosave).expanduser()
        path = self._images[index]
        return journal_path(path) if self._autosave and path is not None else None

    def version(self, index: int) -> Version | None:
        """Return the version of an image's journal file; None if there is no such file."""
        path = self[index]
        try:
            status = path and path.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size) if status else None


def _as_folder(path: str | os.PathLike[str]) -> Path | None:
    """Return a path that means a folder: it exists, ends with a slash or has no suffix; None for a file."""
    text = os.path.expanduser(os.fspath(path))
    is_folder = os.path.isdir(text) or text.endswith(("/", os.sep)) or not (os.path.exists(text) or Path(text).suffix)
    return Path(text) if is_folder else None


def _different_names(paths: Sequence[Path | None]) -> list[str]:
    """Return a name for each image: of its file, or image-1 and so on; a name given twice is numbered."""
    names: dict[str, None] = {}
    for index, path in enumerate(paths):
        first = name = path.name if path else f"image-{index + 1}"
        number = 1
        while name in names:
            number += 1
            name = f"{first}-{number}"
        names[name] = None
    return list(names)
