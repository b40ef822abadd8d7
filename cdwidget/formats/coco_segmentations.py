"""Segmentations of COCO annotations, also as scripts write them."""

from __future__ import annotations

import sys
from ast import literal_eval
from contextlib import suppress
from typing import Any, Iterator, TypeGuard

MIN_COORDINATES = 6  # Of a polygon of three points.
MAX_DEPTH = 3  # Of lists of polygons of points.


def usable_segmentation(record: Any) -> Any:
    """Return the segmentation of an annotation as flat polygons of at least three points or as run lengths, or else its box as a polygon.

    The usual deviations of scripts are put right: points as pairs or as objects, numbers as text, run lengths in a list, and the text of a
    list or of Python's bytes in the place of run lengths.
    """
    segmentation = record.get("segmentation") if isinstance(record, dict) else None
    if isinstance(segmentation, list):
        for polygon in segmentation:
            if type(polygon) is not list or len(polygon) < MIN_COORDINATES or type(polygon[0]) not in (float, int):
                segmentation = _repaired(segmentation)
                break
    elif isinstance(segmentation, dict):
        segmentation = _usable_runs(segmentation)
    return segmentation or (_box_polygon(record.get("bbox")) if isinstance(record, dict) else None)


def outside_problem(segmentation: Any, height: int, width: int) -> str:
    """Return the problem of polygons that all lie outside an image of this size; "" for others and for run lengths."""
    with suppress(TypeError):  # A coordinate that is no number is reported when it is decoded.
        if not isinstance(segmentation, list) or any(0 <= each[0] < width and 0 <= each[1] < height for each in segmentation):
            return ""
        bounds = [(min(each[::2]), min(each[1::2]), max(each[::2]), max(each[1::2])) for each in segmentation]
        if all(right <= 0 or bottom <= 0 or left >= width or top >= height for left, top, right, bottom in bounds):
            left, top, right, bottom = bounds[0]
            return f"it has no pixel in the image of {width}x{height} pixels; its points lie from {left:g},{top:g} to {right:g},{bottom:g}"
    return ""


def _repaired(segmentation: list[Any]) -> Any:
    """Return a list of flat polygons, without those of fewer than three points, or the run lengths in the list."""
    if len(segmentation) == 1 and isinstance(segmentation[0], dict) and "counts" in segmentation[0]:
        return _usable_runs(segmentation[0])
    if not isinstance(segmentation[0], (list, dict)):  # One polygon in the place of a list of them is reported, as other readers refuse it.
        return segmentation
    polygons = list(_flat_polygons(segmentation))
    return [polygon for polygon in polygons if not isinstance(polygon, list) or len(polygon) not in (0, 2, 4)]


def _flat_polygons(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the polygons in nested lists, each as a list of its coordinates."""
    if not isinstance(value, list) or not value or depth > MAX_DEPTH:
        yield value  # The caller reports values that are not polygons.
    elif not isinstance(value[0], (list, dict)):
        yield [_number(each) for each in value]
    elif all(map(_is_point, value)):
        yield [_number(each) for point in value for each in (point if isinstance(point, list) else (point["x"], point["y"]))]
    else:
        for part in value:
            yield from _flat_polygons(part, depth + 1)


def _is_point(value: Any) -> bool:
    if isinstance(value, dict):
        return {"x", "y"} <= value.keys()
    return isinstance(value, list) and len(value) == 2 and not any(isinstance(each, (list, dict)) for each in value)


def _number(value: Any) -> Any:
    """Return a number in a text; any other value as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def _usable_runs(segmentation: dict[str, Any]) -> dict[str, Any]:
    """Return run lengths as compressed text or as whole numbers."""
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if isinstance(counts, str) and counts.startswith(("b'", 'b"', "[")):  # The text of Python's bytes, or of a list.
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            counts = literal_eval(counts)
    if isinstance(counts, bytes):
        return {**segmentation, "counts": counts.decode("latin-1")}
    if isinstance(counts, list) and isinstance(size, list):
        return {**segmentation, "counts": list(map(_as_whole, counts)), "size": list(map(_as_whole, size))}
    return segmentation


def _as_whole(value: Any) -> Any:
    """Return a float without a fraction as a whole number; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _box_polygon(box: Any) -> list[list[float]] | None:
    """Return a box [x, y, width, height] with pixels in it as a polygon; None for another value."""
    box = [_number(value) for value in box] if isinstance(box, list) else []
    if not (len(box) == 4 and all(map(is_finite, box)) and min(box[2:]) > 0):
        return None
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a float can hold, not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
