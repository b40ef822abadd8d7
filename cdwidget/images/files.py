"""Image files, opened by the library that reads their kind completely."""

from __future__ import annotations

from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps

from cdwidget.images import medical, pages, tiff
from cdwidget.images.errors import missing_package, unreadable
from cdwidget.images.orientation import EXIF_ORIENTATION, SIDEWAYS_ORIENTATIONS, upright
from cdwidget.images.raster import Raster

IMAGE_WIDTH, IMAGE_LENGTH = 256, 257  # Tags of TIFF.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH_AND_COLOR = slice(24, 26)  # Bytes of the header: bit depth and color type.
DEEP_COLOR_PNG = [(16, 2), (16, 4), (16, 6)]  # RGB, gray and alpha, RGBA: Pillow reads 8 of their 16 bits.
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def decode(file: BinaryIO, name: str, page: int = 0) -> Raster:
    """Read an image file.

    Args:
        file: The file, opened for reading bytes.
        name: Its name in error messages.
        page: The page of a file that holds several, from 0.

    Raises:
        ValueError: If it is damaged, too large or of an unknown kind, has no such page, or another package is needed.
    """
    header = _header(file)
    if header.startswith(pages.NPY_SIGNATURE):
        return pages.read_npy(file, name, page)
    if medical.is_dicom(header):
        return medical.read_dicom(file, name, page)
    if medical.is_nifti(file, header):
        return medical.read_nifti(file, name, page)
    pillow_page = page
    if header[:4] in tiff.SIGNATURES:
        raster = tiff.read_tiff(file, name, page)
        if isinstance(raster, Raster):
            return raster
        pillow_page = raster
    file.seek(0)
    if header[4:8] == b"ftyp" and header[8:12] in HEIF_BRANDS:
        _register_heif(name)
    try:
        image = Image.open(file)
        if pillow_page:
            image.seek(pillow_page)
        if header.startswith(PNG_SIGNATURE) and tuple(header[PNG_DEPTH_AND_COLOR]) in DEEP_COLOR_PNG:
            return _deep_png(image, file, name)
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others.
        raise unreadable(name, error) from error
    return from_pil(image, name)


def page_size(file: BinaryIO, page: int, name: str, expected: tuple[int, int] | None = None) -> tuple[int, int]:
    """Return (height, width) of an image, upright, from its header if that says it.

    Args:
        file: The file, opened for reading bytes.
        page: The page of a file that holds several, from 0.
        name: Its name in error messages.
        expected: The size that it should have. The orientation of a PNG file stored in this size is not read, because it may follow the
            pixels.

    Raises:
        ValueError: If it is not an image, has no such page, or another package is needed.
    """
    _header(file)
    try:
        image = Image.open(file) if page == 0 else None
    except Exception:  # Pillow raises errors of many types; other libraries may read the file.
        image = None
    if image is None:
        height, width = decode(file, name, page).pixels.shape[:2]
        return height, width
    height, width = stored_size(image)
    if image.format == "PNG" and (height, width) == expected:
        return height, width
    try:
        is_sideways = image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS_ORIENTATIONS
    except Exception as error:
        raise unreadable(name, error) from error
    return (width, height) if is_sideways else (height, width)


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Return (height, width) of an opened image as stored, before its orientation is applied; Pillow turns the size of TIFF files."""
    tags = getattr(image, "tag_v2", None)
    return (tags[IMAGE_LENGTH], tags[IMAGE_WIDTH]) if tags else image.size[::-1]


def page_count(file: BinaryIO) -> int:
    """Return the number of images in a TIFF, NumPy, DICOM or NIfTI file; 1 for other kinds."""
    header = _header(file)
    if header.startswith(pages.NPY_SIGNATURE):
        return pages.npy_page_count(file)
    if medical.is_dicom(header):
        return medical.dicom_page_count(file)
    if medical.is_nifti(file, header):
        return medical.nifti_page_count(file)
    return tiff.page_count(file) if header[:4] in tiff.SIGNATURES else 1


def _header(file: BinaryIO) -> bytes:
    file.seek(0)
    header = file.read(medical.HEADER_BYTES)
    file.seek(0)
    return header


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
