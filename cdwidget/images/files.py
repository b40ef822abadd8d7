"""Image files, opened by the library that reads their kind completely."""

from __future__ import annotations

from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps

from cdwidget.images import tiff
from cdwidget.images.errors import missing_package, unreadable
from cdwidget.images.orientation import EXIF_ORIENTATION, upright
from cdwidget.images.raster import Raster

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_AND_COLOR = slice(24, 26)  # Bytes of the header: bit depth and color type.
DEEP_COLOR_PNG = [(16, 2), (16, 4), (16, 6)]  # RGB, gray and alpha, RGBA: Pillow reads 8 of their 16 bits.
HEADER_BYTES = 32
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def decode(file: BinaryIO, name: str) -> Raster:
    """Read an image file.

    Args:
        file: The file, opened for reading bytes.
        name: Its name in error messages.

    Raises:
        ValueError: If it is damaged, too large or of an unknown kind, or another package is needed.
    """
    file.seek(0)
    header = file.read(HEADER_BYTES)
    file.seek(0)
    if header[:4] in tiff.SIGNATURES:
        raster = tiff.read_tiff(file, name)
        if raster is not None:
            return raster
        file.seek(0)
    if header[4:8] == b"ftyp" and header[8:12] in HEIF_BRANDS:
        _register_heif(name)
    try:
        image = Image.open(file)
        if header.startswith(PNG_SIGNATURE) and tuple(header[PNG_DEPTH_AND_COLOR]) in DEEP_COLOR_PNG:
            return _deep_png(image, file, name)
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others.
        raise unreadable(name, error) from error
    return from_pil(image, name)


def from_pil(image: Image.Image, name: str) -> Raster:
    """Decode a PIL image, upright; raise ValueError if it is damaged."""
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode != "F" and not image.mode.startswith("I"):
            has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa")
            mode = "RGBA" if has_alpha else "RGB"
            image = image if image.mode == mode else image.convert(mode)
        pixels = np.asarray(image)  # Pillow decodes a file only here.
    except Exception as error:
        raise unreadable(name, error) from error
    return Raster.of(pixels, name)


def _deep_png(image: Image.Image, file: BinaryIO, name: str) -> Raster:
    """Read a 16-bit PNG with OpenCV, after Pillow has found it complete."""
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    image.load()
    file.seek(0)
    pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("OpenCV cannot decode it")
    return Raster.of(upright(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]], orientation), name)


def _register_heif(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise missing_package(name, "a HEIC image", "heic") from error
    register_heif_opener()
