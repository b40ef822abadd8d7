"""The ways to give several images: folders, patterns, iterables, columns of tables, rows of data sets, stacks."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdwidget.images.files import page_count
from cdwidget.images.pages import page_path
from cdwidget.images.raster import is_stack

FLAT_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".gif", ".avif", ".heic", ".heif")
FOLDER_SUFFIXES = (*FLAT_SUFFIXES, ".tif", ".tiff", ".dcm", ".nii", ".nii.gz")  # Of the images of a folder; .npy files are often features.
STACK_SUFFIXES = (".tif", ".tiff", ".npy", ".dcm", ".nii", ".nii.gz")  # Of files that may hold several images.
PATTERN_CHARACTERS = {"*", "?"}  # "[", which is common in file names, alone makes no pattern.
IMAGE_FIELDS = ("image", "img", "pixel_values", "path", "file_name")  # Usual names of the image in a row of a data set.
NO_IMAGE = "an image is a path, a PIL image, an array, bytes or a row with an 'image'"


@dataclass(frozen=True, eq=False)
class RowImage:
    """The image of one row of a data set, which is decoded when it is read.

    Args:
        rows: A data set of Hugging Face.
        index: The row.
    """

    rows: Any
    index: int

    def load(self) -> Any:
        """Return the image of the row: a PIL image, an array, bytes or a path."""
        return image_of_row(self.rows[self.index])


def list_images(source: Any, others: tuple[type, ...] = (), any_bands: bool = False) -> list[Any]:
    """Return the images that are given as one value.

    Args:
        source: One image; a folder, with its subfolders, or a pattern such as "photos/*.jpg", in natural order (2 before 10); a list,
            iterator or array of images, or a column of paths of a table; a set, or an iterator of `Path`s, in natural order; a data set
            of Hugging Face; an array (N, H, W), (N, H, W, 3) or (N, 3, H, W).
        others: Further types that stand for one image each.
        any_bands: Whether an array of three axes is one image, (H, W, bands), with any number of bands.

    Returns:
        The images, which are not read yet.

    Raises:
        FileNotFoundError: If a folder holds no image, or no file matches a pattern.
        TypeError: If something is not an image.
    """
    images = _split(source, others, any_bands)
    return [image for entry in images for image in _checked(entry, others)] if images is not None else _checked(source, others)


def image_of_row(row: Any) -> Any:
    """Return the image of a row of a data set; other values are returned unchanged.

    Raises:
        TypeError: If the row has no image.
    """
    while isinstance(row, Mapping):
        if row.get("bytes") is not None:
            return row["bytes"]
        name = next((name for name in IMAGE_FIELDS if row.get(name) is not None), None)
        if name is None:
            raise TypeError(f"the row has the fields {', '.join(map(repr, row))} and no image; {NO_IMAGE}")
        row = row[name]
    return row


def natural_order(path: Any) -> list[Any]:
    """Return a sort key that puts photo2.jpg before photo10.jpg."""
    return [(int(part), "") if part.isdecimal() else (-1, part.casefold()) for part in re.split(r"(\d+)", os.fspath(path))] + [
        (0, str(path))
    ]


def refuse_table(source: Any) -> None:
    """Raise TypeError for a table of pandas, which iterates over the names of its columns."""
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        raise TypeError(
            f"a table is no list of images; give the column of their paths, such as table[{next(iter(source.columns), 'path')!r}]"
        )


def _split(source: Any, others: tuple[type, ...], any_bands: bool) -> Iterable[Any] | None:
    """Return the parts of a source of several images; None for a single one."""
    if isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, Mapping, *others)) or hasattr(source, "read"):
        return None
    refuse_table(source)
    if hasattr(source, "column_names") and hasattr(source, "__getitem__"):
        return [RowImage(source, index) for index in range(len(source))]
    if hasattr(source, "__array__"):
        array = np.asarray(source)
        if array.dtype.kind in "OUST" and array.ndim == 1:
            return list(array.tolist())
        is_one_image = any_bands and array.ndim == 3
        return list(array) if is_stack(array) and not is_one_image else None
    if isinstance(source, Set):
        return _sorted_if_paths(source, (str, os.PathLike))
    if isinstance(source, Iterator):
        return _sorted_if_paths(source, (os.PathLike,))
    return source if isinstance(source, Sequence) else None


def _sorted_if_paths(source: Iterable[Any], kinds: tuple[type, ...]) -> list[Any]:
    images = list(source)
    return sorted(images, key=natural_order) if all(isinstance(image, kinds) for image in images) else images


def _checked(image: Any, others: tuple[type, ...]) -> list[Any]:
    """Return one entry of a list as images: several for a folder or a pattern."""
    if isinstance(image, (str, os.PathLike)):
        return _files(image)
    if isinstance(image, Mapping):
        return [image_of_row(image)]
    is_image = isinstance(image, (bytes, bytearray, memoryview, Image.Image, RowImage, *others))
    if is_image or hasattr(image, "__array__") or hasattr(image, "read"):
        return [image]
    raise TypeError(f"{image!r:.80} is no image; {NO_IMAGE}")


def find_images(path: str | os.PathLike[str]) -> list[Any]:
    """Return the image files that a path means, in natural order.

    Args:
        path: A folder, whose subfolders count too; a pattern such as "photos/*.jpg"; or a file or URL, which need not exist.
    """
    text = os.path.expanduser(os.fspath(path))
    if "://" in text:
        return [path]
    if os.path.isdir(text):
        found = [os.path.join(folder, name) for folder, folders, names in os.walk(text) if _show_visible(folders) for name in names]
    elif PATTERN_CHARACTERS & set(text) and not os.path.lexists(text):
        named_literally = glob.glob(text.replace("[", "[[]"), recursive=True)  # "photos [2024]/*.jpg" is in a folder of this name.
        found = [name for name in named_literally or glob.glob(text, recursive=True) if os.path.isfile(name)]
    else:
        return _pages(path)
    named = [name for name in found if name.lower().endswith(FOLDER_SUFFIXES) and not os.path.basename(name).startswith(".")]
    files = sorted(named if isinstance(path, str) else map(Path, named), key=natural_order)
    return [page for file in files for page in _pages(file)]


def _show_visible(folders: list[str]) -> bool:
    """Keep a walk out of hidden folders, such as .cdwidget; return True."""
    folders[:] = [folder for folder in folders if not folder.startswith(".")]
    return True


def _files(path: str | os.PathLike[str]) -> list[Any]:
    found = find_images(path)
    if not found:
        raise FileNotFoundError(
            f"there are no images in {os.fspath(path)!r} (looked in {Path.cwd()}); allowed are {', '.join(sorted(FOLDER_SUFFIXES))}"
        )
    return found


def _pages(path: Any) -> list[Any]:
    """Return the paths of all pages of a file."""
    return [page_path(path, page) for page in range(_page_count(os.path.expanduser(os.fspath(path))))]


def _page_count(path: str) -> int:
    """Return the number of images in a file; 1 if it cannot be read, which reading it will say."""
    if not path.lower().endswith(STACK_SUFFIXES):
        return 1
    try:
        with open(path, "rb") as file:
            return page_count(file)
    except Exception:  # The libraries raise errors of many types for damaged files.
        return 1
