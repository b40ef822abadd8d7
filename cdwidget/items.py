"""What a dataset is made of: an Item is an image on disk and its instances. Every image enters through `read_image`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Sequence, Union

import numpy as np
from PIL import Image, ImageOps

ImageSource = Union[str, "os.PathLike[str]", Image.Image, np.ndarray]


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of an image.

    mask: bool (H, W). label: "" when it has none. id: inside a session. alpha: uint8 (H, W), 0 to 255, how much of each pixel is the
    object's, where that is known; None otherwise.
    """

    mask: np.ndarray
    label: str = ""
    id: int | None = None
    alpha: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Item:
    """One image file of a dataset with its instances; the pixels are read when they are asked for."""

    path: str | os.PathLike[str]
    instances: Sequence[Instance] = ()

    def read_image(self) -> np.ndarray:
        """Read the file, uint8 (H, W, 3) RGB; it is read again at every call, so that a long list of items stays small."""
        return read_image(self.path)


def read_image(source: ImageSource) -> np.ndarray:
    """Return an image as uint8 (H, W, 3) RGB, C-contiguous, never sharing memory with `source`.

    source: a path, a PIL image, or an array (H, W), (H, W, 1), (H, W, 2 grey + alpha), (H, W, 3) or (H, W, 4), RGB order, of
    uint8, bool, uint16 (0..65535 becomes 0..255) or float in [0, 1].
    The EXIF orientation of a file or PIL image is applied. Transparent pixels are shown on white. Of several frames the first is taken.
    16 bit files and arrays alike are read over their full range: stretch darker ones first, e.g. image / image.max().
    Raises FileNotFoundError; ValueError for a corrupt file, or pixels that are not as above; TypeError for anything else.
    """
    if isinstance(source, Image.Image):
        return _from_pil(source, "the PIL image")
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(source).expanduser())
    if hasattr(source, "__array__"):
        return _from_array(np.asarray(source), "the array")
    raise TypeError(
        f"an image is a path, a PIL image or a numpy array, not {type(source).__name__}; several are a list: sorted(folder.glob('*.jpg'))"
    )


def _from_file(path: Path) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r} (looked in {Path.cwd()}); give the path of an image file on this machine")
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is a folder; give the path of an image file, or a list: sorted(folder.glob('*.jpg'))")
    with path.open("rb") as file:
        try:
            image = Image.open(file)
        except Exception as error:  # Pillow raises what it pleases: OSError, SyntaxError, struct.error, DecompressionBombError, ...
            raise _unreadable(repr(str(path)), error) from error
        return _from_pil(image, repr(str(path)))


def _unreadable(what: str, error: Exception) -> ValueError:
    return ValueError(
        f"{what} cannot be read as an image ({type(error).__name__}: {error}); "
        "allowed are complete PNG, JPEG, TIFF, WebP, BMP and GIF files of less than 178 million pixels"
    )


def _from_pil(image: Image.Image, what: str) -> np.ndarray:
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode != "F" and not image.mode.startswith("I"):
            has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
            mode = "RGBA" if has_alpha else "RGB"
            image = image if image.mode == mode else image.convert(mode)
        pixels = np.asarray(image)  # a file is decoded no earlier than here
    except Exception as error:
        raise _unreadable(what, error) from error
    if pixels.dtype == np.int32:  # mode "I": Pillow's other home for 16 bit pixels
        if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 65535):
            raise ValueError(f"{what} has pixels from {pixels.min()} to {pixels.max()}; whole numbers must lie in 0..65535")
        pixels = pixels.astype(np.uint16)
    return _from_array(pixels, what)


def _from_array(pixels: np.ndarray, what: str) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        hint = "; move the channels to the end: image.transpose(1, 2, 0)" if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) else ""
        raise ValueError(f"{what} has shape {pixels.shape}; allowed are (H, W) and (H, W, 1..4){hint}")
    if pixels.size == 0:
        raise ValueError(f"{what} has no pixels, its shape is {pixels.shape}; both sides must be at least 1")
    pixels = _to_uint8(pixels, what)
    if pixels.shape[2] in (2, 4):
        pixels = _on_white(pixels)
    if pixels.shape[2] == 1:
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return np.array(pixels, order="C")


def _to_uint8(pixels: np.ndarray, what: str) -> np.ndarray:
    kind = pixels.dtype
    if kind.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if kind.kind == "u" and kind.itemsize <= 2:
        return pixels if kind.itemsize == 1 else (pixels >> 8).astype(np.uint8)
    if kind.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if not (isfinite(low) and isfinite(high)):
            raise ValueError(f"{what} holds NaN or infinite pixels; replace them first, e.g. with numpy.nan_to_num")
        if low < 0 or high > 1:
            raise ValueError(
                f"{what} has float pixels from {low:g} to {high:g}; floats must lie in [0, 1]: "
                "divide by the largest value, or use image.astype('uint8') for pixels in 0..255"
            )
        return (pixels * kind.type(255) + kind.type(0.5)).astype(np.uint8)
    raise ValueError(f"{what} has dtype {kind}; allowed are uint8, uint16, bool and floats in [0, 1]; convert with image.astype('uint8')")


def _on_white(pixels: np.ndarray) -> np.ndarray:
    colour, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if (alpha == 255).all():
        return colour
    weight = alpha.astype(np.uint16)
    return ((colour * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)  # at most 65152 on the way: fits in 16 bits
