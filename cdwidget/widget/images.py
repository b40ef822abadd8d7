"""Images and masks as the browser and the notebook file get them: encoded, and no larger than they need to be."""

from __future__ import annotations

import base64
import io
from typing import Iterable, Sequence

import cv2
import numpy as np
from PIL import Image, ImageColor

from cdwidget.catalogue.thumbnails import Thumbnail
from cdwidget.masks import Bbox

MOST_PIXELS = 16_000_000  # what a browser decodes and zooms without effort; a larger image is shown reduced
LOSSLESS_PIXELS = 300_000  # up to here a PNG is sent: small images are looked at pixel by pixel
THUMBNAIL_SIDE = 400
OUTLINED, BENT = 384, 1.5  # pixels of the larger side that an outline is walked at, and by how many of them a line of it may be off
SHEET_COLOR, GAP = "#3b82f6", 2  # of a contact sheet: the masks, and the pixels round each thumbnail


def encode_image(image: np.ndarray) -> tuple[bytes, str]:
    """Return an image, uint8 (H, W, 3) RGB, as (file, MIME type) for the browser: PNG when small, else JPEG of at most 16 megapixels."""
    height, width = image.shape[:2]
    if height * width > MOST_PIXELS:
        image = _reduced(image, (MOST_PIXELS / (height * width)) ** 0.5)
    return _file(image)


def encode_tile(image: np.ndarray, box: Bbox, width: int, height: int) -> tuple[bytes, str]:
    """Return the part of an image inside `box`, resized to `width` x `height`, as (file, MIME type); ValueError for a box outside."""
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= image.shape[1] and 0 <= y0 < y1 <= image.shape[0]):
        raise ValueError(f"the box {tuple(box)} does not lie in the image of {image.shape[1]}x{image.shape[0]} pixels")
    part = image[y0:y1, x0:x1]
    shrinks = width < x1 - x0
    return _file(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def _file(image: np.ndarray) -> tuple[bytes, str]:
    height, width = image.shape[:2]
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if height * width <= LOSSLESS_PIXELS:
        return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes(), "image/png"
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes(), "image/jpeg"


def thumbnail(image: np.ndarray, masks: Iterable[tuple[np.ndarray, str]]) -> str:
    """Return a small PNG, base64, of an image with its (mask, colour) pairs drawn on it: what GitHub shows instead of the widget."""
    factor = min(1.0, THUMBNAIL_SIDE / max(image.shape[:2]))
    small = _reduced(image, factor)
    height, width = small.shape[:2]
    for mask, color in masks:
        small = _tinted(small, cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST), color)
    return _palette(small)


def contact_sheet(thumbnails: Sequence[Thumbnail], columns: int = 6) -> str:
    """Return a small PNG, base64, of thumbnails in rows, their masks drawn on them; grey where there is none."""
    side = max((max(one.width, one.height) for one in thumbnails), default=1) + 2 * GAP
    sheet = np.full((max(1, -(-len(thumbnails) // columns)) * side, min(columns, max(1, len(thumbnails))) * side, 3), 255, np.uint8)
    for number, one in enumerate(thumbnails):
        top, left = side * (number // columns) + GAP, side * (number % columns) + GAP
        if one.error:
            sheet[top : top + side - 2 * GAP, left : left + side - 2 * GAP] = 225
            continue
        picture = cv2.cvtColor(cv2.imdecode(np.frombuffer(one.picture, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        sheet[top : top + one.height, left : left + one.width] = _tinted(picture, (one.mask > 127).view(np.uint8), SHEET_COLOR)
    return _palette(sheet)


def svg_path(mask: np.ndarray) -> str:
    """Return the outline of a mask, uint8 (H, W), 255 for all of a pixel, as an SVG path in its pixels, for the even-odd rule."""
    factor = max(1, round(OUTLINED / max(mask.shape)))
    fine = cv2.resize(mask, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    contours, _ = cv2.findContours((fine > 127).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    corners = [(cv2.approxPolyDP(contour, BENT, True)[:, 0] + 0.5) / factor for contour in contours]
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in loop.tolist()) + "Z" for loop in corners)


def _tinted(picture: np.ndarray, mask: np.ndarray, color: str) -> np.ndarray:
    """The picture with a mask, uint8 0 or 1, and its outline drawn on it."""
    tint = np.array(ImageColor.getrgb(color)[:3])
    drawn = picture.copy()
    drawn[mask > 0] = (0.55 * drawn[mask > 0] + 0.45 * tint).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, contours, -1, tint.tolist(), 1)
    return drawn


def _palette(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).quantize(128).save(file, "PNG", optimize=True)  # a palette: a third of the bytes
    return base64.b64encode(file.getvalue()).decode()


def _reduced(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = image.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
