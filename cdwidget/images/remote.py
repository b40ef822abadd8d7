"""Images by path or URL: URLs are opened with fsspec, and images that the user has not consented to are refused."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Iterator

import numpy as np

from cdwidget.images.pages import split_page
from cdwidget.images.reading import read_image, read_page
from cdwidget.images.window import Window


class BlockedPath(str):
    """The path or URL of an image that must not be opened, because the user has not consented."""

    def __str__(self) -> BlockedPath:
        return self


def check_allowed(path: str) -> None:
    """Raise PermissionError if an image must not be opened."""
    if isinstance(path, BlockedPath):
        location = "is not on this computer" if is_url(path) else "is, or links to, a file outside of the catalogue's folder"
        raise PermissionError(
            f"{path:s} {location} and was not opened, because a catalogue made by another person may name any file. "
            "If you trust this catalogue, open it with Catalogue(path, external=True)"
        )


def is_url(path: str) -> bool:
    """Return whether fsspec has to open a path."""
    return "://" in path


def load_image(path: str, window: Window | None = None) -> np.ndarray:
    """Load the image of a path or URL through a window, by default the one of `read_image`; uint8 (H, W, 3) RGB.

    Raises:
        FileNotFoundError: If there is no such file.
        PermissionError: If the user has not consented to open it.
        ValueError: If it cannot be opened or is not an image.
    """
    if not is_url(path):
        check_allowed(path)
        return read_image(path, window)
    with open_page(path) as (file, page):
        return read_page(file, page, path, window)


def image_source(path: str) -> str | bytes:
    """Return an image for `read_image`: a path unchanged, or the bytes of a URL's file."""
    check_allowed(path)
    if not is_url(path):
        return path
    with fetch(path) as file:
        content: bytes = file.read()
        return content


@contextmanager
def open_page(path: str) -> Iterator[tuple[Any, int]]:
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
