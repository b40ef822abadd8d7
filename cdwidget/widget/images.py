"""Encode images and masks for the browser and for the saved notebook."""

from __future__ import annotations

import base64
import math
from typing import Iterable, Sequence

import cv2
import numpy as np
from PIL import ImageColor

from cdwidget.catalogue.thumbnails import Thumbnail
from cdwidget.masks import Bbox, Patch

MAX_OVERVIEW_PIXELS = 2_400_000  # As many as a screen shows; of a larger image, the page requests tiles when it zooms in.
MAX_TILE_PIXELS = 1_000_000
MAX_PNG_PIXELS = 300_000  # Small images are inspected pixel by pixel, so they are sent lossless.
JPEG_QUALITY, OVERVIEW_QUALITY, TILE_QUALITY = 92, 85, 90
SNAPSHOT_QUALITY = 75
THUMBNAIL_SIDE_PX = 400
OUTLINE_SIDE_PX = 384  # Longer side of the reduced mask whose outline is traced.
OUTLINE_TOLERANCE_PX = 1.5  # Largest distance of a simplified outline from the traced one.
SHEET_MASK_COLOR = "#3b82f6"
SHEET_GAP_PX = 2  # Width of the gap around each thumbnail of a contact sheet.


def encode_image(image: np.ndarray) -> tuple[bytes, str]:
    """Encode an image for the browser.

    Args:
        image: uint8 (H, W, 3) RGB.

    Returns:
        The file and its MIME type: PNG for a small image, else JPEG of at most 2.4 megapixels.
    """
    height, width = image.shape[:2]
    if height * width <= MAX_PNG_PIXELS:
        return _png(image)
    if height * width <= MAX_OVERVIEW_PIXELS:
        return _jpeg(image, JPEG_QUALITY)
    return _jpeg(_reduce(image, (MAX_OVERVIEW_PIXELS / (height * width)) ** 0.5), OVERVIEW_QUALITY)


def encode_tile(image: np.ndarray, box: Bbox, width: int, height: int, lossless: bool = False) -> tuple[bytes, str]:
    """Encode a part of an image for the browser.

    Args:
        image: uint8 (H, W, 3) RGB.
        box: (x0, y0, x1, y1), half-open, in pixels.
        width: Columns of the encoded tile.
        height: Rows of the encoded tile.
        lossless: Whether it must show every pixel as it is.

    Returns:
        The file and its MIME type: PNG if it is lossless, else JPEG.

    Raises:
        ValueError: If the box does not lie in the image, or the tile is empty or too large.
    """
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= image.shape[1] and 0 <= y0 < y1 <= image.shape[0]):
        raise ValueError(f"the box {tuple(box)} does not lie in the image of {image.shape[1]}x{image.shape[0]} pixels")
    if not (0 < width and 0 < height and width * height <= MAX_TILE_PIXELS):
        raise ValueError(f"a tile of {width}x{height} pixels was requested; allowed are 1 to {MAX_TILE_PIXELS} pixels")
    part = image[y0:y1, x0:x1]
    shrinks = width < x1 - x0
    tile = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return _png(tile) if lossless else _jpeg(tile, TILE_QUALITY)


def small_picture(image: np.ndarray, side: int) -> str:
    """Return a reduced image as the `data:` address of a JPEG.

    Args:
        image: uint8 (H, W, 3) RGB.
        side: Longer side of the picture in pixels.
    """
    return jpeg_address(_reduce(image, min(1.0, side / max(image.shape[:2]))))


def thumbnail(image: np.ndarray, masks: Iterable[tuple[Patch, str]]) -> np.ndarray:
    """Draw a small image with its masks for readers without a kernel, such as GitHub.

    Args:
        image: uint8 (H, W, 3) RGB.
        masks: Mask and CSS color of each object.

    Returns:
        The picture, uint8 (h, w, 3) RGB.
    """
    factor = min(1.0, THUMBNAIL_SIDE_PX / max(image.shape[:2]))
    small = _reduce(image, factor)
    height, width = small.shape[:2]
    for patch, color in masks:
        if not patch.any():
            continue
        left, top = (min(math.floor(start * factor), side - 1) for start, side in zip(patch.bbox[:2], (width, height)))
        right, bottom = (max(round(end * factor), start + 1) for end, start in zip(patch.bbox[2:], (left, top)))
        part = small[top:bottom, left:right]
        part[:] = _draw_mask(part, cv2.resize(patch.pixels().view(np.uint8), part.shape[1::-1], interpolation=cv2.INTER_NEAREST), color)
    return small


def contact_sheet(thumbnails: Sequence[Thumbnail], columns: int = 6) -> np.ndarray:
    """Draw thumbnails with their masks in rows; unreadable ones are gray.

    Args:
        thumbnails: The thumbnails.
        columns: Thumbnails in a row.

    Returns:
        The picture, uint8 (h, w, 3) RGB.
    """
    side = max((max(one.width, one.height) for one in thumbnails), default=1) + 2 * SHEET_GAP_PX
    sheet = np.full((max(1, -(-len(thumbnails) // columns)) * side, min(columns, max(1, len(thumbnails))) * side, 3), 255, np.uint8)
    for number, one in enumerate(thumbnails):
        top, left = side * (number // columns) + SHEET_GAP_PX, side * (number % columns) + SHEET_GAP_PX
        if one.error:
            sheet[top : top + side - 2 * SHEET_GAP_PX, left : left + side - 2 * SHEET_GAP_PX] = 225
            continue
        image = cv2.cvtColor(cv2.imdecode(np.frombuffer(one.picture, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        sheet[top : top + one.height, left : left + one.width] = _draw_mask(image, (one.mask > 127).view(np.uint8), SHEET_MASK_COLOR)
    return sheet


def jpeg_address(picture: np.ndarray) -> str:
    """Return a picture, uint8 (h, w, 3) RGB, as the `data:` address of a JPEG."""
    return f"data:image/jpeg;base64,{jpeg_base64(picture)}"


def jpeg_base64(picture: np.ndarray) -> str:
    """Return a picture, uint8 (h, w, 3) RGB, as a small JPEG, base64."""
    return base64.b64encode(_jpeg(picture, SNAPSHOT_QUALITY)[0]).decode()


def svg_path(mask: np.ndarray) -> str:
    """Return the outline of a mask as an SVG path in its pixels, for the even-odd rule.

    Args:
        mask: uint8 (H, W), the coverage of each pixel; 255 if it lies wholly in the mask.

    Returns:
        The `d` attribute; "" for an empty mask.
    """
    factor = max(1, round(OUTLINE_SIDE_PX / max(mask.shape)))
    fine = cv2.resize(mask, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    contours, _ = cv2.findContours((fine > 127).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    corners = [(cv2.approxPolyDP(contour, OUTLINE_TOLERANCE_PX, True)[:, 0] + 0.5) / factor for contour in contours]
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in loop.tolist()) + "Z" for loop in corners)


def _png(image: np.ndarray) -> tuple[bytes, str]:
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes(), "image/png"


def _jpeg(image: np.ndarray, quality: int) -> tuple[bytes, str]:
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(), "image/jpeg"


def _draw_mask(image: np.ndarray, mask: np.ndarray, color: str) -> np.ndarray:
    """Return a copy of an image with a mask, uint8 0 or 1, and its outline drawn on it."""
    tint = np.array(ImageColor.getrgb(color)[:3])
    drawn = image.copy()
    drawn[mask > 0] = (0.55 * drawn[mask > 0] + 0.45 * tint).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, tint.tolist(), 1)
    return drawn


def _reduce(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
