"""The images of a catalogue: files, or URLs that fsspec opens.

A catalogue stores paths below its folder relative to it, so that both can be moved together.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any, Iterable

from cdwidget.images.files import page_size
from cdwidget.images.pages import split_page
from cdwidget.images.reading import read_page
from cdwidget.images.remote import is_url, open_page
from cdwidget.images.sources import FOLDER_SUFFIXES, find_images, refuse_table
from cdwidget.items import Item

URL_SEPARATOR = "::"  # fsspec's separator of nested URLs: zip://photo.jpg::archive.zip


def relative_to_catalogue(path: str | os.PathLike[str], folder: Path) -> str:
    """Return the name under which a catalogue stores a path or URL.

    All spellings of a path have the same name.

    Args:
        path: The path or URL of an image.
        folder: The folder of the catalogue's file.

    Returns:
        A path relative to the folder for files below it, else an absolute path, or a URL.

    Raises:
        ValueError: If the path is empty or not valid Unicode.
    """
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the file name {text!r} is not valid Unicode and cannot be stored; rename the file") from error
    if "\0" in text or not text:
        raise ValueError(f"{text!r} is not a file path")
    inner, separator, outer = text.rpartition(URL_SEPARATOR)
    if separator and is_url(inner):
        return inner + separator + relative_to_catalogue(outer, folder)
    if is_url(text):
        return text
    absolute = Path(os.path.abspath(os.path.expanduser(text)))
    return (absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute).as_posix()


def expand_paths(source: Any) -> Iterable[Any]:
    """Return the items that one or several paths mean.

    Args:
        source: Items, paths and URLs; or one item, image, folder, glob pattern or URL. A folder means the images in it and below.

    Raises:
        FileNotFoundError: If a folder or pattern has no images.
        TypeError: If the source is a table.
    """
    if isinstance(source, Item):
        return [source]
    refuse_table(source)
    if isinstance(source, (str, os.PathLike)):
        found = find_images(source)
        if not found:
            raise FileNotFoundError(f"there are no images in {source}; allowed are {', '.join(sorted(FOLDER_SUFFIXES))}")
        return found
    return (found for one in source for found in (find_images(one) if isinstance(one, (str, os.PathLike)) else [one]))


def resolve_path(name: str, folder: Path) -> str:
    """Return the path or URL that a catalogue in `folder` stores under `name`."""
    inner, separator, outer = name.rpartition(URL_SEPARATOR)
    if separator and is_url(inner):
        return inner + separator + resolve_path(outer, folder)
    return name if is_url(name) else str(folder / name)


def file_name(path: str) -> str:
    """Return the last part of a path or URL."""
    inner, separator, _ = path.rpartition(URL_SEPARATOR)
    return (inner if separator and is_url(inner) else path).rstrip("/").rpartition("/")[2]


def file_identity(path: str) -> tuple[int, int, int] | None:
    """Return device, number and page of an image file, which all of its names and links share.

    None for a URL, a missing file, or a file system without numbers.
    """
    name, page = split_page(path)
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino, page) if status.st_ino else None


def current_user() -> str:
    """Return the login name of the current user; "unknown" in a container without users."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def image_problem(path: str, size: tuple[int, int] | None, decode: bool) -> str | None:
    """Check one image.

    Args:
        path: Its path or URL.
        size: (height, width) of its masks in pixels; None if it has no masks.
        decode: Read all pixels, not only the header.

    Returns:
        A description that begins with "missing", "blocked", "changed" or "corrupt"; None if the image is fine.
    """
    try:
        with open_page(path) as (file, page):
            found = page_size(file, page, path, size)
            if size is not None and size != found:
                return f"changed: it is {found[1]}x{found[0]} pixels, and its masks are {size[1]}x{size[0]}"
            if decode:
                read_page(file, page, path)
    except FileNotFoundError as error:
        return f"missing: {error}"
    except PermissionError as error:
        return f"blocked: {error}"
    except Exception as error:  # A remote store may raise its own error types while it is read.
        return f"corrupt: {error}"
    return None
