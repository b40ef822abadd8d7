"""TIFF files that Pillow reads incompletely: more than 8 bits in color, more than four bands, signed and 64-bit values."""

from __future__ import annotations

from typing import Any, BinaryIO, Sequence

import cv2
import numpy as np
from tifffile import COMPRESSION, TiffFile, TiffPage

from cdwidget.images.errors import missing_package, unreadable
from cdwidget.images.orientation import EXIF_ORIENTATION, upright
from cdwidget.images.pages import check_page
from cdwidget.images.raster import COLOR_BANDS, Raster, opacity
from cdwidget.limits import DEFAULT_LIMITS

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF, of both byte orders.
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2  # Values of the photometric tag.
ALPHA_KINDS = (1, 2)  # Values of the extra-samples tag for associated and unassociated alpha.
GDAL_NODATA = 42113  # TIFF tag.
MAX_OPENCV_BANDS = 4


def read_tiff(file: BinaryIO, name: str, number: int) -> Raster | int:
    """Read one page of a TIFF file, unless Pillow reads it as well or better.

    Args:
        file: The file.
        name: Its name in error messages.
        number: The page, from 0; pages of another size than the first, such as thumbnails, are not counted.

    Returns:
        The page; or its number for Pillow, which counts all pages.

    Raises:
        ValueError: If there is no such page, its compression needs another package, or it is too large.
    """
    pages = _pages(file)
    if not pages:
        return number
    check_page(number, len(pages), name)
    frame, page = pages[number], pages[0].keyframe
    if frame is None:
        raise ValueError(f"{name} lacks page {number}")
    try:
        is_for_pillow = _is_for_pillow(page, frame, len(pages))
        size = int(page.imagewidth) * int(page.imagelength)
    except Exception:  # Damaged tags may have any type.
        return number
    if is_for_pillow:
        return int(frame.index)
    if size > DEFAULT_LIMITS.max_pixels:
        raise ValueError(
            f"{name} has {size:,} pixels; at most {DEFAULT_LIMITS.max_pixels:,} are read. Save a smaller version or its parts."
        )
    try:
        pixels = frame.asarray()
    except Exception as error:
        if "imagecodecs" not in str(error):
            raise unreadable(name, error) from error
        if page.samplesperpixel == 1 or (page.bitspersample <= 8 and page.samplesperpixel <= MAX_OPENCV_BANDS):
            return int(frame.index)  # Pillow has more codecs.
        pixels = _decompress(page, file, name, int(frame.index))
    try:
        return _raster(page, pixels)
    except Exception as error:
        raise unreadable(name, error) from error


def page_count(file: BinaryIO) -> int:
    """Return the number of images in a TIFF file; 1 if it is damaged."""
    return len(_pages(file)) or 1


def _pages(file: BinaryIO) -> Sequence[Any]:
    """Return the pages of the first size and dtype; none if the file is damaged."""
    file.seek(0)
    try:
        series = TiffFile(file).series[0]
        return series.pages if isinstance(series.pages[0], TiffPage) else []
    except Exception:  # tifffile raises errors of many types for damaged files, which Pillow then reads or refuses.
        return []


def _is_for_pillow(page: TiffPage, frame: Any, count: int) -> bool:
    """Return whether Pillow reads a page completely, or converts its color space."""
    if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
        return True
    # Pillow does not find pages that only ImageJ's description counts.
    return _is_shallow(page) and (count == 1 or isinstance(frame, TiffPage))


def _is_shallow(page: TiffPage) -> bool:
    """Return whether a page has at most 8 bits, and no bands besides gray, color and alpha."""
    if page.bitspersample > 8 or (page.dtype is not None and page.dtype.kind == "i"):
        return False
    return page.samplesperpixel == (COLOR_BANDS if page.photometric == RGB else 1) or _has_alpha(page)


def _has_alpha(page: TiffPage) -> bool:
    return page.samplesperpixel in (2, 4) and tuple(page.extrasamples) in [(kind,) for kind in ALPHA_KINDS]


def _decompress(page: TiffPage, file: BinaryIO, name: str, number: int) -> np.ndarray:
    """Return the pixels of a color image with OpenCV's codecs, (H, W, bands)."""
    if page.photometric == RGB and page.samplesperpixel <= MAX_OPENCV_BANDS:
        file.seek(0)
        _, found = cv2.imdecodemulti(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED, range=(number, number + 1))
        if found and found[0].dtype == page.dtype and found[0].shape[2:] == (page.samplesperpixel,):
            pixels: np.ndarray = found[0][:, :, [2, 1, 0, 3][: page.samplesperpixel]]
            return pixels
    raise missing_package(
        name, f"a TIFF file of {page.samplesperpixel} bands with {COMPRESSION(page.compression).name} compression", "tiff"
    )


def _raster(page: TiffPage, pixels: np.ndarray) -> Raster:
    axes = page.axes if pixels.shape == page.shape else "YXS"  # OpenCV moves the bands to the end.
    if axes == "SYX" and pixels.ndim == len(axes):
        pixels = np.moveaxis(pixels, 0, -1)
    elif axes == "YX" and pixels.ndim == len(axes):
        pixels = pixels[:, :, None]
    elif axes != "YXS" or pixels.ndim != len(axes):
        raise ValueError(f"a page has the axes {axes} and the shape {pixels.shape}")
    pixels = upright(pixels, _tag(page, EXIF_ORIENTATION) or 1)
    nodata = _nodata(_tag(page, GDAL_NODATA))
    alpha = None
    if _has_alpha(page):
        pixels, alpha = pixels[:, :, :-1], opacity(pixels[:, :, -1])
    return Raster(pixels, alpha, nodata, is_inverted=page.photometric == MIN_IS_WHITE)


def _tag(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _nodata(text: Any) -> float | None:
    try:
        value = float(str(text).strip().strip("\0"))
    except ValueError:
        return None
    return None if np.isnan(value) else value
