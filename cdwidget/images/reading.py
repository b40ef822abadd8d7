"""`read_image` reads all images: files, PIL images and arrays."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Sequence, Union

import numpy as np
from PIL import Image

from cdwidget.images.files import decode, from_pil
from cdwidget.images.pages import split_page
from cdwidget.images.raster import Raster
from cdwidget.images.sources import RowImage
from cdwidget.images.window import Window, WindowLike, to_window

ImageSource = Union[str, "os.PathLike[str]", Image.Image, np.ndarray, bytes, BinaryIO, RowImage]


def read_image(source: ImageSource, window: WindowLike = None, bands: int | Sequence[int] | None = None) -> np.ndarray:
    """Read an image.

    The EXIF orientation is applied. Transparent pixels become white. Only the first frame of an animation is read. Images of more than
    8 bits and of floats are read through a window: the range of values that becomes 0 to 255. "stack.tif#1" is the second page of a
    stack: of a TIFF, NumPy, DICOM or NIfTI file that holds several images.

    Args:
        source: A path, a PIL image, the bytes of a file, an open file, or an array of bool, whole numbers or floats: (H, W),
            (H, W, 1), (H, W, 2) gray and alpha, (H, W, 3) or (H, W, 4) in RGB order, or a tensor (1, H, W), (3, H, W) or (4, H, W).
            With `bands`, an array may have any number of bands.
        window: (low, high), (low, high, gamma) or a `Window`. None and "auto" choose it: 0 to the white of the image's depth (1, 255,
            1023, 4095, 16383 or 65535) if the image nearly reaches it, else its percentiles 0.1 and 99.9; None keeps 8-bit pixels as
            they are, and takes the window that a DICOM file names.
        bands: The bands to show, counted from 0: one for gray, or three for red, green and blue. None for the first three.

    Returns:
        uint8 (H, W, 3), RGB, C-contiguous, a copy. NaN is black.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or needs another package, an array has another shape or dtype, no pixel is finite, there is no
            such band, or the window is empty.
        TypeError: If `source` is of another type.

    Example:
        >>> read_image("photo.jpg").shape
        (480, 640, 3)
        >>> read_image("scan.tif", window=(200, 1800)).dtype
        dtype('uint8')
    """
    chosen = to_window(window)
    raster, name = read_raster(source, bands is not None)
    return raster.rgb(chosen, bands, name)


def read_raster(source: ImageSource, any_bands: bool = False) -> tuple[Raster, str]:
    """Read the pixels of an image as stored.

    Args:
        source: The image, as for `read_image`.
        any_bands: Whether the last axis of an array is bands, of any number.

    Returns:
        The pixels, and the image's name in error messages.

    Raises:
        FileNotFoundError, ValueError, TypeError: As `read_image`.
    """
    if isinstance(source, RowImage):
        return read_raster(source.load(), any_bands)
    if isinstance(source, Image.Image):
        return from_pil(source, "the PIL image"), "the PIL image"
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(BytesIO(source), "the file's content"), "the file's content"
    if hasattr(source, "__array__"):
        return Raster.of(np.asarray(source), "the array", any_bands), "the array"
    if hasattr(source, "read") and hasattr(source, "seek"):
        return decode(source, "the open file"), "the open file"
    raise TypeError(
        f"an image is a path, a PIL image or a numpy array, not {type(source).__name__}; an Annotator takes lists, folders and patterns"
    )


def _from_file(given: str | os.PathLike[str]) -> tuple[Raster, str]:
    path, page = split_page(given)
    name = repr(str(path))
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {name} (looked in {Path.cwd()}); give the path of an image file on this machine")
    if not path.is_file():
        raise ValueError(f"{name} is a folder; give the path of an image file (an Annotator takes folders)")
    with path.open("rb") as file:
        return decode(file, name, page), name


def read_page(file: BinaryIO, page: int, name: str, window: Window | None = None) -> np.ndarray:
    """Read one page of an open file as `read_image` does; `name` is the file's in error messages."""
    return decode(file, name, page).rgb(window, None, name)
