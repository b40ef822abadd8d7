"""`read_image` reads all images: files, PIL images and arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image, ImageOps

from cdwidget.images.raster import Raster
from cdwidget.images.window import WindowLike, to_window

ImageSource = Union[str, "os.PathLike[str]", Image.Image, np.ndarray]


def read_image(source: ImageSource, window: WindowLike = None) -> np.ndarray:
    """Read an image.

    The EXIF orientation is applied. Transparent pixels become white. Only the first frame of an animation is read. Images of more than
    8 bits and of floats are read through a window: the range of values that becomes 0 to 255.

    Args:
        source: A path, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 2) gray and alpha, (H, W, 3) or (H, W, 4), RGB order, of
            bool, whole numbers or floats.
        window: (low, high), (low, high, gamma) or a `Window`. None and "auto" choose it: 0 to the white of the image's depth (1, 255,
            1023, 4095, 16383 or 65535) if the image nearly reaches it, else its percentiles 0.1 and 99.9; None keeps 8-bit pixels as
            they are.

    Returns:
        uint8 (H, W, 3), RGB, C-contiguous, a copy. NaN is black.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, an array has another shape or dtype, no pixel is finite, or the window is empty.
        TypeError: If `source` is of another type.

    Example:
        >>> read_image("photo.jpg").shape
        (480, 640, 3)
        >>> read_image("scan.tif", window=(200, 1800)).dtype
        dtype('uint8')
    """
    chosen = to_window(window)
    if isinstance(source, Image.Image):
        name = "the PIL image"
        return _from_pil(source, name).rgb(chosen, name)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        return _from_file(path).rgb(chosen, repr(str(path)))
    if hasattr(source, "__array__"):
        name = "the array"
        return Raster.of(np.asarray(source), name).rgb(chosen, name)
    raise TypeError(
        f"an image is a path, a PIL image or a numpy array, not {type(source).__name__}; several are a list: sorted(folder.glob('*.jpg'))"
    )


def _from_file(path: Path) -> Raster:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r} (looked in {Path.cwd()}); give the path of an image file on this machine")
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is a folder; give the path of an image file, or a list: sorted(folder.glob('*.jpg'))")
    with path.open("rb") as file:
        try:
            image = Image.open(file)
        except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others.
            raise _unreadable(repr(str(path)), error) from error
        return _from_pil(image, repr(str(path)))


def _unreadable(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"{name} cannot be read as an image ({type(error).__name__}: {error}); "
        "allowed are complete PNG, JPEG, TIFF, WebP, BMP and GIF files of less than 178 million pixels"
    )


def _from_pil(image: Image.Image, name: str) -> Raster:
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode != "F" and not image.mode.startswith("I"):
            has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
            mode = "RGBA" if has_alpha else "RGB"
            image = image if image.mode == mode else image.convert(mode)
        pixels = np.asarray(image)  # Pillow decodes a file only here.
    except Exception as error:
        raise _unreadable(name, error) from error
    return Raster.of(pixels, name)
