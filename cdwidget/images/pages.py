"""The pages of files that hold several images: "stack.tif" is the first one, "stack.tif#1" the second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cdwidget.images.errors import unreadable
from cdwidget.images.raster import BAND_COUNTS, Raster, is_stack

PAGE_SIGN = "#"
MAX_NPY_BANDS, MIN_SIDE_RATIO = 32, 4  # Of an image in a file of NumPy, which does not say what its axes are.
NPY_SIGNATURE = b"\x93NUMPY"


def split_page(path: str | os.PathLike[str]) -> tuple[Path, int]:
    """Return the file of an image and the number of its page, from 0."""
    whole = Path(path).expanduser()
    name, sign, number = str(whole).rpartition(PAGE_SIGN)
    if sign and number.isdecimal() and not os.path.exists(whole) and os.path.isfile(name):
        return Path(name), int(number)
    return whole, 0


def page_path(path: str | os.PathLike[str], page: int) -> str | os.PathLike[str]:
    """Return the path of a page; of the first one it is the path of the file."""
    return type(path)(f"{os.fspath(path)}{PAGE_SIGN}{page}") if page else path  # type: ignore[call-arg]


def check_page(page: int, count: int, name: str) -> None:
    """Raise ValueError if a file has no such page."""
    if page >= count:
        raise ValueError(f"{name} has {count} page{'s' if count > 1 else ''}, numbered from 0; there is no page {page}")


def npy_page_count(file: BinaryIO) -> int:
    """Return the number of images in a file of NumPy."""
    array = _load_npy(file)
    return len(array) if is_stack(array) and not has_many_bands(array) else 1


def read_npy(file: BinaryIO, name: str, page: int) -> Raster:
    """Read an image, or one of a stack, from a file of NumPy."""
    try:
        array = _load_npy(file)
    except Exception as error:
        raise unreadable(name, error) from error
    many_bands = has_many_bands(array)
    pages = array if is_stack(array) and not many_bands else array[None]
    check_page(page, len(pages), name)
    return Raster.of(np.array(pages[page]), name, many_bands)


def has_many_bands(array: np.ndarray) -> bool:
    """Return whether an array is one image of more than four bands, (H, W, bands), rather than a stack of narrow images.

    Its last axis has at most 32 entries, and both others at least four times as many.
    """
    *sides, bands = array.shape
    return len(sides) == 2 and BAND_COUNTS[-1] < bands <= MAX_NPY_BANDS and min(sides) >= MIN_SIDE_RATIO * bands


def _load_npy(file: BinaryIO) -> np.ndarray:
    """Return the array of a file, which is not read yet if it lies on a disk."""
    name = getattr(file, "name", None)
    array: np.ndarray = np.load(name, mmap_mode="r") if isinstance(name, str) and os.path.isfile(name) else np.load(file)
    return array
