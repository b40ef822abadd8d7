"""The shapes of LabelMe files: their checks and their masks, and images inside of such files."""

from __future__ import annotations

import io
import re
from base64 import b64decode, b64encode
from math import hypot
from pathlib import Path, PureWindowsPath
from types import NoneType
from typing import Any, Callable, Mapping

import numpy as np
from PIL import Image

from cdwidget.formats.io import to_png, write_files
from cdwidget.formats.mask_files import paste_mask
from cdwidget.formats.orientation import turn_upright
from cdwidget.polygons import fill

POINT_SHAPES = ("point", "points", "line", "linestrip")
DATA_URL = re.compile(r"^data:[^,]*,")
MIN_POLYGON_POINTS = 3
CORNERS = 2  # Points of a rectangle, a circle (center and border) or a mask.


def check_shape(shape: Any) -> None:
    """Raise ValueError if a shape cannot be used, as far as this shows without decoding it."""
    has_label = isinstance(shape, Mapping) and isinstance(shape.get("label", ()), (str, int, float, NoneType))  # Scripts write numbers.
    if not has_label or not isinstance(shape.get("points"), list):
        raise ValueError("it needs a label and points")
    kind = kind_of_shape(shape)
    if kind not in (*AREA_SHAPES, *POINT_SHAPES):
        raise ValueError(f"its shape_type is {kind!r}; allowed are {', '.join((*AREA_SHAPES, *POINT_SHAPES))}")
    if kind in POINT_SHAPES:
        return
    points = np.array(shape["points"], np.float64)
    count = len(points)
    if points.shape != (count, 2) or not np.isfinite(points).all():
        raise ValueError("its points must be finite numbers [x, y]")
    if kind in ("circle", "mask") and count != CORNERS or kind == "rectangle" and count not in (CORNERS, 4):
        raise ValueError(f"a {kind} of {count} points; it needs {CORNERS}")
    if kind in POLYGONS and count < MIN_POLYGON_POINTS:
        raise ValueError(f"a {kind} of {count} points; it needs at least three")


def kind_of_shape(shape: Mapping[str, Any]) -> Any:
    """Return the `shape_type` of a shape, which is a polygon by default."""
    kind = shape.get("shape_type")
    return "polygon" if kind is None else kind.lower() if isinstance(kind, str) else kind


def decode_shape(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    """Return the mask of a shape with an area, bool (height, width)."""
    return AREA_SHAPES[kind_of_shape(shape)](shape, height, width)


def turn_shape(shape: Mapping[str, Any], orientation: int, height: int, width: int) -> Mapping[str, Any]:
    """Return a shape on an image's pixels as stored as one on the upright image.

    Args:
        shape: The shape, which is checked.
        orientation: EXIF orientation of the image, 5 to 8: turned by 90 degrees.
        height: Height of the image as stored, in pixels.
        width: Width of the image as stored, in pixels.
    """
    is_mask = kind_of_shape(shape) == "mask"
    center = 0.5 if is_mask else 0.0  # px; the corners of a mask are pixels, the points of other shapes lie between these.
    points = np.array(shape["points"], np.float64).reshape(-1, 2)[:, ::-1] + center
    if orientation in (6, 7):
        points[:, 0] = height - points[:, 0]
    if orientation in (7, 8):
        points[:, 1] = width - points[:, 1]
    points -= center
    if not is_mask:
        return {**shape, "points": points.tolist()}
    png = to_png(Image.fromarray(turn_upright(_decode_png(shape), orientation)))
    return {**shape, "points": np.sort(points, axis=0).tolist(), "mask": b64encode(png).decode("ascii")}


def save_embedded_image(data: str, file: Path, name: str) -> Path:
    """Save the image inside of a LabelMe file next to it, and return its path.

    Args:
        data: The image file in base64.
        file: The LabelMe file.
        name: File name to save it under; the suffix may be missing.

    Raises:
        ValueError: If it is not an image.
        OSError: If it cannot be saved.
    """
    try:
        content = b64decode(DATA_URL.sub("", data))
        with Image.open(io.BytesIO(content)) as image:
            suffix = f".{(image.format or 'png').lower()}"
    except Exception as error:  # base64 and Pillow raise errors of many types.
        raise ValueError(f"its imageData is not an image: {error}") from error
    path = file.parent / PureWindowsPath(name).with_suffix(PureWindowsPath(name).suffix or suffix).name
    write_files([(path, content)])
    return path


def _decode_polygon(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    return fill([shape["points"]], height, width)


def _decode_rectangle(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    if len(shape["points"]) > CORNERS:
        return _decode_polygon(shape, height, width)
    (ax, ay), (bx, by) = shape["points"]
    return fill([[(ax, ay), (bx, ay), (bx, by), (ax, by)]], height, width)


def _decode_circle(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    (x, y), (bx, by) = shape["points"]
    rows, columns = np.ogrid[:height, :width]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= hypot(bx - x, by - y)


def _decode_png(shape: Mapping[str, Any]) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(b64decode(shape["mask"], validate=True))) as png:
            return np.asarray(png) != 0
    except Exception as error:  # base64 and Pillow raise errors of many types.
        raise ValueError(f"its mask is not a PNG file in base64 ({error})") from error


def _decode_mask(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    pixels = _decode_png(shape)
    (x, y), (last_x, last_y) = ((int(a), int(b)) for a, b in shape["points"])
    if pixels.shape != (last_y - y + 1, last_x - x + 1):
        raise ValueError(f"its mask is {pixels.shape} (rows, columns), and its corners are {shape['points']}; they must agree")
    return paste_mask(pixels, x, y, height, width)


POLYGONS = ("polygon", "rotation", "oriented_rectangle", "quadrilateral")
AREA_SHAPES: dict[str, Callable[[Mapping[str, Any], int, int], np.ndarray]] = {
    **dict.fromkeys(POLYGONS, _decode_polygon),
    "rectangle": _decode_rectangle,
    "circle": _decode_circle,
    "mask": _decode_mask,
}
