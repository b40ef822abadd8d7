"""The catalogue that a gallery shows: given, opened from its file, or made of a data set or items."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Union
from warnings import warn

from cdwidget.catalogue import Catalogue
from cdwidget.items import Item
from cdwidget.widget.annotator.export import FORMAT_OF_SUFFIX

Reviewable = Union[Catalogue, str, "os.PathLike[str]", Iterable[Item]]
SQLITE_HEADER = b"SQLite format 3"
FOLDER_CATALOGUE = "catalogue.db"


def open_catalogue(source: Reviewable) -> Catalogue:
    """Return the catalogue to show.

    Args:
        source: A catalogue or its file; a COCO file, a folder of a COCO data set or a .npz file, whose catalogue is written next to it
            (labels.json -> labels.db) and keeps the decisions; or items, whose catalogue is temporary.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no data set.
        TypeError: If `source` is something else.
    """
    if isinstance(source, Catalogue):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source).expanduser())
    items = [source] if isinstance(source, Item) else list(source) if isinstance(source, Iterable) else [source]
    for item in items:
        if not isinstance(item, Item):
            raise TypeError(
                f"a gallery shows a Catalogue, the path of a catalogue or a COCO file, or Items, not {type(item).__name__}: "
                "Gallery('labels.json')"
            )
    catalogue = Catalogue(Path(mkdtemp(prefix="cdwidget-")) / FOLDER_CATALOGUE)
    catalogue.add(items, progress=False)
    warn(f"The decisions are in a temporary catalogue, {catalogue.path}. To keep them, use Catalogue('labels.db').", stacklevel=3)
    return catalogue


def _open_path(path: Path) -> Catalogue:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r} (looked in {Path.cwd()}); a new catalogue is Catalogue({str(path)!r})")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(SQLITE_HEADER)) == SQLITE_HEADER:
                return Catalogue(path)
    format = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"{path.name!r} names no format; import it: Catalogue('labels.db').import_('yolo', {str(path)!r})")
    catalogue = Catalogue(path / FOLDER_CATALOGUE if path.is_dir() else path.with_suffix(".db"))
    added = catalogue.import_(format, path)
    if added.problems:
        warn(f"{len(added.problems)} entries of {path} cannot be shown, such as: {added.problems[0]}", stacklevel=4)
    return catalogue
