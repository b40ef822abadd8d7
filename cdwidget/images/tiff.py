"""TIFF files that Pillow reads incompletely: more than 8 bits in color, more than four bands, signed and 64-bit values."""

from __future__ import annotations

from typing import Any, BinaryIO

import cv2
import numpy as np
from tifffile import COMPRESSION, TiffFile, TiffPage

from cdwidget.images.errors import missing_package, unreadable
from cdwidget.images.orientation import EXIF_ORIENTATION, upright
from cdwidget.images.raster import COLOR_BANDS, Raster, opacity
from cdwidget.limits import DEFAULT_LIMITS

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, of both byte orders.
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2  # Values of the photometric tag.
ALPHA_KINDS = (1, 2)  # Values of the extra-samples tag for associated and unassociated alpha.
GDAL_NODATA = 42113  # TIFF tag.
MAX_OPENCV_BANDS = 4


def read_tiff(file: BinaryIO, name: str) -> Raster | None:
    """Read the first page of a TIFF file; return None if Pillow reads it as well or better.

    Args:
        file: The file, at its start.
        name: Its name in error messages.

    Raises:
        ValueError: If its compression needs another package, or it is too large.
    """
    page = _first_page(file)
    if page is None or _is_for_pillow(page):
        return None
    DEFAULT_LIMITS.check("max_pixels", page.imagewidth * page.imagelength, name)
    try:
        pixels = page.asarray()
    except Exception as error:
        if "imagecodecs" not in str(error):
            raise unreadable(name, error) from error
        if page.samplesperpixel == 1 or (page.bitspersample <= 8 and page.samplesperpixel <= MAX_OPENCV_BANDS):
            return None  # Pillow has more codecs.
        pixels = _decompress(page, file, name)
    return _raster(page, pixels, name)


def _first_page(file: BinaryIO) -> TiffPage | None:
    try:
        page = TiffFile(file).series[0].pages[0]
    except Exception:  # tifffile raises errors of many types for damaged files, which Pillow then reads or refuses.
        return None
    return page if isinstance(page, TiffPage) else None


def _is_for_pillow(page: TiffPage) -> bool:
    """Return whether Pillow reads a page completely: 8 bits, no bands besides color and alpha, or a color space that it converts."""
    if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        return True
    if page.bitspersample > 8 or (page.dtype is not None and page.dtype.kind == "i"):
        return False
    color_bands = COLOR_BANDS if page.photometric == RGB else 1
    return page.samplesperpixel == color_bands or _has_alpha(page)


def _has_alpha(page: TiffPage) -> bool:
    return page.samplesperpixel in (2, 4) and tuple(page.extrasamples) in [(kind,) for kind in ALPHA_KINDS]


def _decompress(page: TiffPage, file: BinaryIO, name: str) -> np.ndarray:
    """Return the pixels of a color image with OpenCV's codecs, (H, W, bands)."""
    if page.photometric == RGB and page.samplesperpixel <= MAX_OPENCV_BANDS:
        file.seek(0)
        pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None and pixels.dtype == page.dtype and pixels.shape[2:] == (page.samplesperpixel,):
            return pixels[:, :, [2, 1, 0, 3][: page.samplesperpixel]]
    raise missing_package(
        name, f"a TIFF file of {page.samplesperpixel} bands with {COMPRESSION(page.compression).name} compression", "tiff"
    )


def _raster(page: TiffPage, pixels: np.ndarray, name: str) -> Raster:
    axes = page.axes if pixels.shape == page.shape else "YXS"  # OpenCV moves the bands to the end.
    if axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    elif axes == "YX":
        pixels = pixels[:, :, None]
    elif axes != "YXS":
        raise ValueError(f"{name} has the axes {axes}; allowed are rows, columns and bands")
    if page.photometric == MIN_IS_WHITE and pixels.dtype.kind in "ui":
        pixels = np.invert(pixels)
    pixels = upright(pixels, _tag(page, EXIF_ORIENTATION) or 1)
    nodata = _nodata(_tag(page, GDAL_NODATA))
    if _has_alpha(page):
        return Raster(pixels[:, :, :-1], opacity(pixels[:, :, -1]), nodata)
    return Raster(pixels, None, nodata)


def _tag(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _nodata(text: Any) -> float | None:
    try:
        value = float(str(text).strip().strip("\0"))
    except ValueError:
        return None
    return None if np.isnan(value) else value
