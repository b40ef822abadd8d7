"""Where the images of a catalogue are: files, kept relative to it where they lie below it, or URLs that fsspec opens."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from PIL import Image

from cdwidget.formats.io import upright_size
from cdwidget.items import ImageSource, read_image

LINK = "::"  # joins the URLs of what lies in one another: zip://photo.jpg::archive.zip


def is_url(path: str) -> bool:
    """Say whether a path is for fsspec to open."""
    return "://" in path


def stored(path: str | os.PathLike[str], home: Path) -> str:
    """Return what a catalogue in `home` calls a path or URL; one name for all spellings. ValueError when it cannot be kept as text."""
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the file name {text!r} is not valid Unicode, which a catalogue cannot keep; rename the file") from error
    if "\0" in text or not text:
        raise ValueError(f"{text!r} is no path of a file")
    inner, link, outer = text.rpartition(LINK)
    if link and is_url(inner):
        return inner + link + stored(outer, home)
    if is_url(text):
        return text
    whole = Path(os.path.abspath(os.path.expanduser(text)))
    return (whole.relative_to(home) if whole.is_relative_to(home) else whole).as_posix()


def place(name: str, home: Path) -> str:
    """Return the path or URL that a catalogue in `home` calls `name`."""
    inner, link, outer = name.rpartition(LINK)
    if link and is_url(inner):
        return inner + link + place(outer, home)
    return name if is_url(name) else str(home / name)


def file_name(path: str) -> str:
    """Return the last part of a path or URL."""
    inner, link, _ = path.rpartition(LINK)
    return (inner if link and is_url(inner) else path).rstrip("/").rpartition("/")[2]


def read(path: str) -> Any:
    """Return the image of a path or URL, uint8 (H, W, 3) RGB; raises what `read_image` does."""
    if not is_url(path):
        return read_image(path)
    with fetch(path) as file:
        return read_image(_opened(path, file))


def source(path: str) -> ImageSource:
    """Return what a Session opens: a path as it is, the pixels of a URL."""
    pixels: ImageSource = path if not is_url(path) else read(path)
    return pixels


@contextmanager
def fetch(url: str) -> Iterator[Any]:
    """Open a URL for reading bytes; FileNotFoundError when nothing is there, ValueError when it cannot be reached."""
    import fsspec

    try:
        opened = fsspec.open(url, "rb")
        file = opened.__enter__()  # what it is chained to stays open as long as itself
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no {url}") from error
    except ImportError as error:
        raise ValueError(f"{url} cannot be opened: {error} (pip install 'cdwidget[remote]' for s3:// and gs://)") from error
    except Exception as error:  # every kind of store has its own
        raise ValueError(f"{url} cannot be opened: {type(error).__name__}: {error}") from error
    try:
        yield file
    finally:
        opened.close()


def user() -> str:
    """Return who uses this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without users
        return "somebody"


def fault(path: str, size: tuple[int, int] | None, decode: bool) -> str | None:
    """Return what is wrong with an image, None when nothing is.

    size: (height, width) that its masks have, None when they tell nothing. decode: read all of it, not only its header.
    """
    try:
        if not is_url(path):
            if not os.path.exists(path):
                return f"missing: there is no file {path}"
            if not os.path.isfile(path):
                return f"missing: {path} is a folder"
        with fetch(path) if is_url(path) else open(path, "rb") as file:
            image = _opened(path, file)
            seen = image.size[::-1]
            if image.format != "PNG" or size != seen:  # to see more of a PNG, all of it would be read
                seen = upright_size(image)
            if size is not None and size != seen:
                return f"changed: it is {seen[1]}x{seen[0]} pixels, and its masks are {size[1]}x{size[0]}"
            if decode:
                read_image(image)
    except FileNotFoundError as error:
        return f"missing: {error}"
    except Exception as error:  # a store may fail in its own way while it is read
        return f"corrupt: {error}"
    return None


def _opened(path: str, file: Any) -> Image.Image:
    try:
        return Image.open(file)
    except Exception as error:  # Pillow raises what it pleases
        raise ValueError(f"{path} cannot be read as an image ({type(error).__name__}: {error})") from error
