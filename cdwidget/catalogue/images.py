"""The images of a catalogue: files, or URLs that fsspec opens.

A catalogue stores paths below its folder relative to it, so that both can be moved together.
"""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterable, Iterator

import numpy as np

from cdwidget.images import ImageSource, read_image
from cdwidget.images.files import page_size
from cdwidget.images.pages import split_page
from cdwidget.images.reading import read_page
from cdwidget.images.sources import FOLDER_SUFFIXES, find_images, refuse_table
from cdwidget.items import Item

URL_SEPARATOR = "::"  # fsspec's separator of nested URLs: zip://photo.jpg::archive.zip


class BlockedPath(str):
    """The path or URL of an image that must not be opened, because the user has not consented; see `external`."""

    def __str__(self) -> BlockedPath:
        return self


def check_allowed(path: str) -> None:
    """Raise PermissionError if an image must not be opened."""
    if isinstance(path, BlockedPath):
        kind = "is not on this computer" if is_url(path) else "is outside of the catalogue's folder"
        raise PermissionError(
            f"{path:s} {kind} and was not opened, because a catalogue made by another person may name any file. "
            "If you trust this catalogue, open it with Catalogue(path, external=True)"
        )


def is_url(path: str) -> bool:
    """Return whether fsspec has to open a path."""
    return "://" in path


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


def load_image(path: str) -> np.ndarray:
    """Load the image of a path or URL, uint8 (H, W, 3) RGB.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If the user has not consented to open it.
        ValueError: If it cannot be opened or is not an image.
    """
    if not is_url(path):
        check_allowed(path)
        return read_image(path)
    with open_image(path) as (file, page):
        return read_page(file, page, path)


def image_source(path: str) -> ImageSource:
    """Return an image for a Session: a path unchanged, or the pixels of a URL."""
    check_allowed(path)
    return load_image(path) if is_url(path) else path


@contextmanager
def open_image(path: str) -> Iterator[tuple[Any, int]]:
    """Open the file of an image for reading bytes; yield it and the number of the image's page.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If the user has not consented to open it.
        ValueError: If the URL cannot be reached.
    """
    check_allowed(path)
    if is_url(path):
        with fetch(path) as file:
            yield file, 0
        return
    name, page = split_page(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f"{name} is a folder" if os.path.isdir(name) else f"there is no file {name}")
    with open(name, "rb") as file:
        yield file, page


@contextmanager
def fetch(url: str) -> Iterator[Any]:
    """Open a URL for reading bytes.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If the user has not consented to open it.
        ValueError: If the URL cannot be reached.
    """
    check_allowed(url)
    import fsspec

    try:
        opened = fsspec.open(url, "rb")
        file = opened.__enter__()  # The files that it is nested in stay open with it.
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no {url}") from error
    except ImportError as error:
        raise ValueError(f"{url} cannot be opened: {error} (pip install 'cdwidget[remote]' for https://, s3:// and gs://)") from error
    except Exception as error:  # Each kind of store has its own error types.
        raise ValueError(f"{url} cannot be opened: {type(error).__name__}: {error}") from error
    try:
        yield file
    finally:
        opened.close()


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


def find_problem(path: str, size: tuple[int, int] | None, decode: bool) -> str | None:
    """Check one image.

    Args:
        path: Its path or URL.
        size: (height, width) of its masks in pixels; None if it has no masks.
        decode: Read all pixels, not only the header.

    Returns:
        A description that begins with "missing", "blocked", "changed" or "corrupt"; None if the image is fine.
    """
    try:
        with open_image(path) as (file, page):
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
