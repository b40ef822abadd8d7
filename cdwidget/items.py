"""Items of data sets: an image file and its instances. `read_image` reads all images."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

import numpy as np
from PIL import Image, ImageOps

from cdwidget.masks import Bbox, bbox

ImageSource = Union[str, "os.PathLike[str]", Image.Image, np.ndarray]


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of an image.

    Args:
        mask: bool (H, W).
        label: Its class; "" for none.
        id: Its id in a session; None for none.
        alpha: Opacity of each pixel, uint8 (H, W), 0 to 255; None if only the mask is known.
        attributes: The user's own values, as a JSON object: {"occluded": True}.
        score: Confidence of the model that predicted it, 0 to 1; None for none.
        track_id: Number of the same object in the images of a sequence; None for none.
        extra: Fields of its file that cdwidget does not use, as one JSON object per format; `write` of that format writes them back.

    Example:
        >>> instance = Instance(mask, "cat", attributes={"occluded": True})
        >>> instance.area, instance.bbox
        (1200, (10, 20, 50, 50))
    """

    mask: np.ndarray
    label: str = ""
    id: int | None = None
    alpha: np.ndarray | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    score: float | None = None
    track_id: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def bbox(self) -> Bbox:
        """Bounding box of the mask, (x0, y0, x1, y1) in pixels, half-open."""
        return bbox(self.mask)

    def __repr__(self) -> str:
        size = "x".join(map(str, reversed(np.shape(self.mask))))
        optional = {"id": self.id, "score": self.score, "track_id": self.track_id, "attributes": self.attributes or None}
        given = "".join(f", {name}={value!r}" for name, value in optional.items() if value is not None)
        return f"{type(self).__name__}({self.label!r}, {self.area} of {size} pixels{given})"


@dataclass(frozen=True, eq=False)
class Item:
    """One image file of a data set with its instances.

    Args:
        path: The image file; `read_image()` reads it.
        instances: Its objects, in painting order.
        extra: Fields of the image in its file that cdwidget does not use, as one JSON object per format; `write` of that format writes
            them back.
    """

    path: str | os.PathLike[str]
    instances: Sequence[Instance] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.path)!r}, {len(self.instances)} instances)"

    def read_image(self) -> np.ndarray:
        """Return the image, uint8 (H, W, 3), RGB.

        Each call reads the file, so that a long list of items needs little memory.
        """
        return read_image(self.path)


def read_image(source: ImageSource) -> np.ndarray:
    """Read an image.

    The EXIF orientation is applied. Transparent pixels become white. Only the first frame of an animation is read. 16-bit images are
    read over their full range, so darker ones should be stretched first: image / image.max().

    Args:
        source: A path, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 2) gray and alpha, (H, W, 3) or (H, W, 4), RGB order, of
            uint8, bool, uint16 (0..65535 becomes 0..255) or float in [0, 1].

    Returns:
        uint8 (H, W, 3), RGB, C-contiguous, a copy.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or an array has another shape, dtype or range.
        TypeError: If `source` is of another type.

    Example:
        >>> read_image("photo.jpg").shape
        (480, 640, 3)
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
        except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others.
            raise _unreadable(repr(str(path)), error) from error
        return _from_pil(image, repr(str(path)))


def _unreadable(name: str, error: Exception) -> ValueError:
    return ValueError(
        f"{name} cannot be read as an image ({type(error).__name__}: {error}); "
        "allowed are complete PNG, JPEG, TIFF, WebP, BMP and GIF files of less than 178 million pixels"
    )


def _from_pil(image: Image.Image, name: str) -> np.ndarray:
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode != "F" and not image.mode.startswith("I"):
            has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
            mode = "RGBA" if has_alpha else "RGB"
            image = image if image.mode == mode else image.convert(mode)
        pixels = np.asarray(image)  # Pillow decodes a file only here.
    except Exception as error:
        raise _unreadable(name, error) from error
    if pixels.dtype == np.int32:  # Pillow may store 16-bit pixels in mode "I".
        if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 65535):
            raise ValueError(f"{name} has pixels from {pixels.min()} to {pixels.max()}; whole numbers must lie in 0..65535")
        pixels = pixels.astype(np.uint16)
    return _from_array(pixels, name)


def _from_array(pixels: np.ndarray, name: str) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        hint = "; move the channels to the end: image.transpose(1, 2, 0)" if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) else ""
        raise ValueError(f"{name} has shape {pixels.shape}; allowed are (H, W) and (H, W, 1..4){hint}")
    if pixels.size == 0:
        raise ValueError(f"{name} has no pixels, its shape is {pixels.shape}; both sides must be at least 1")
    pixels = _to_uint8(pixels, name)
    if pixels.shape[2] in (2, 4):
        pixels = _on_white(pixels)
    if pixels.shape[2] == 1:
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return np.array(pixels, order="C")


def _to_uint8(pixels: np.ndarray, name: str) -> np.ndarray:
    dtype = pixels.dtype
    if dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return pixels if dtype.itemsize == 1 else (pixels >> 8).astype(np.uint8)
    if dtype.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
        if not (isfinite(low) and isfinite(high)):
            raise ValueError(f"{name} holds NaN or infinite pixels; replace them first, e.g. with numpy.nan_to_num")
        if low < 0 or high > 1:
            raise ValueError(
                f"{name} has float pixels from {low:g} to {high:g}; floats must lie in [0, 1]: "
                "divide by the largest value, or use image.astype('uint8') for pixels in 0..255"
            )
        return (pixels * dtype.type(255) + dtype.type(0.5)).astype(np.uint8)
    raise ValueError(f"{name} has dtype {dtype}; allowed are uint8, uint16, bool and floats in [0, 1]; convert with image.astype('uint8')")


def _on_white(pixels: np.ndarray) -> np.ndarray:
    color, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if (alpha == 255).all():
        return color
    weight = alpha.astype(np.uint16)
    return ((color * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)  # At most 65152, so 16 bits suffice.
