"""Prompts: the clicks, strokes and boxes that show a model which object to segment.

Coordinates, in the whole package: a point is (x, y) in image pixels, x to the right, y down. Pixel (column, row) covers
[column, column + 1) x [row, row + 1), so a point belongs to the pixel of its floor. Boxes are (x0, y0, x1, y1), half-open.
Arrays are indexed [y, x].
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import floor, isfinite
from numbers import Integral, Real
from typing import Any, Union

from cdwidget.limits import check_line

MAX_REPR_VALUES = 4  # Longer tuples are abbreviated in reprs.


@dataclass(frozen=True)
class Action:
    """Base of all user actions: a frozen dataclass whose fields hold plain values.

    NumPy numbers, arrays and lists become plain numbers and tuples when an action is made. Fields are annotated with one of
    `float`, `int`, `bool`, `str`, `int | None`, `int | Sequence[int] | None`, `str | None`, `tuple[int, ...]`,
    `tuple[tuple[float, float], ...]`, `Mapping[str, Any]` (a JSON object, copied) and `tuple[Mapping[str, Any], ...]`, as text.

    Raises:
        ValueError: If a field has another type.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _CONVERTERS[field.type](field.name, getattr(self, field.name)))

    def __init_subclass__(cls) -> None:
        cls.__repr__ = Action.__repr__  # type: ignore[method-assign]  # `dataclass` keeps the `__repr__` that a class has.

    def __repr__(self) -> str:
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in values)})"


@dataclass(frozen=True)
class Click(Action):
    """A point inside the object (positive) or outside of it (negative).

    Args:
        x: Image pixels from the left edge.
        y: Image pixels from the top edge.
        positive: Whether the point is inside the object.

    Example:
        >>> Click(120, 88)
        Click(x=120.0, y=88.0, positive=True)
    """

    x: float
    y: float
    positive: bool = True

    @property
    def pixel(self) -> tuple[int, int]:
        """The (row, column) of the pixel that holds the click."""
        return floor(self.y), floor(self.x)


@dataclass(frozen=True)
class Stroke(Action):
    """A scribble inside the object (positive) or outside of it (negative).

    Args:
        points: The line, (x, y) in image pixels.
        positive: Whether the pixels are inside the object.
        radius: Distance in image pixels up to which pixels belong to the line.
    """

    points: tuple[tuple[float, float], ...]
    positive: bool = True
    radius: float = 3.0


@dataclass(frozen=True)
class Box(Action):
    """A half-open rectangle around the object, in image pixels.

    Args:
        x0: First column.
        y0: First row.
        x1: Column after the last one.
        y1: Row after the last one.
    """

    x0: float
    y0: float
    x1: float
    y1: float


Prompt = Union[Click, Stroke, Box]


def check_prompt(prompt: Prompt, width: int, height: int) -> None:
    """Check that a prompt lies inside an image of `width` x `height` pixels.

    Raises:
        ValueError: If it does not.
        TypeError: If it is not a prompt.
    """
    if isinstance(prompt, Click):
        points: tuple[tuple[float, float], ...] = ((prompt.x, prompt.y),)
    elif isinstance(prompt, Stroke):
        points = prompt.points
        if not points:
            raise ValueError("a Stroke has no points; give it at least one (x, y)")
        check_line("Stroke", len(points))
        if not (isfinite(prompt.radius) and prompt.radius > 0):
            raise ValueError(f"a Stroke's radius is {prompt.radius}; it must be a positive number of pixels")
    elif isinstance(prompt, Box):
        if not (0 <= prompt.x0 < prompt.x1 <= width and 0 <= prompt.y0 < prompt.y1 <= height):
            raise ValueError(
                f"{prompt} does not fit the image of {width}x{height} pixels; it needs 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"
            )
        return
    else:
        raise TypeError(f"a prompt is a Click, a Stroke or a Box, not {type(prompt).__name__}")
    for x, y in points:
        if not (isfinite(x) and isfinite(y) and 0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"{type(prompt).__name__} at x={x:g}, y={y:g} lies outside the image; allowed are 0 <= x < {width} and 0 <= y < {height}"
            )


def _short(value: Any) -> str:
    """Return the repr of a value, or the length of a long tuple: a stroke may have thousands of points."""
    return f"<{len(value):,} values>" if isinstance(value, tuple) and len(value) > MAX_REPR_VALUES else repr(value)


def _plain(value: Any) -> Any:
    """Convert a NumPy scalar or array to Python numbers or lists; return other values unchanged."""
    return value.tolist() if hasattr(value, "tolist") else value


def _number(name: str, value: Any) -> float:
    value = _plain(value)
    if type(value) not in (float, int) and (isinstance(value, bool) or not isinstance(value, Real)):
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is too large a number") from error


def _whole_number(name: str, value: Any) -> int:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    value = _plain(value)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")
    return value


def _text(name: str, value: Any) -> str:
    value = _plain(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r}")
    return value


def _points(name: str, value: Any) -> tuple[tuple[float, float], ...]:
    value = _plain(value)
    points: list[Any] = [_plain(point) for point in value] if isinstance(value, (list, tuple)) else [None]
    if not all(isinstance(point, (list, tuple)) and len(point) == 2 for point in points):
        raise ValueError(f"{name} must be a list of [x, y] pairs, not {value!r}")
    return tuple((_number("x", x), _number("y", y)) for x, y in points)


def _whole_numbers(name: str, value: Any) -> tuple[int, ...]:
    value = _plain(value)
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list of whole numbers, not {value!r}")
    return tuple(_whole_number(name, number) for number in value)


def json_object(name: str, value: Any, allow_nan: bool = False) -> dict[str, Any]:
    """Return a copy of an object that JSON can hold; raise ValueError for any other value.

    Args:
        name: Its name in errors.
        value: The object.
        allow_nan: Whether NaN and infinite numbers become None; by default they are refused.
    """
    try:
        copy = json.loads(json.dumps(dict(value), allow_nan=allow_nan), parse_constant=lambda _: None)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} must be an object that JSON can hold, not {value!r} ({error})") from error
    if copy.keys() != value.keys():
        raise ValueError(f"the keys of {name} must be text, not {list(value)!r}")
    return dict(copy)


def _json_objects(name: str, value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError(f"{name} must be a list of objects that JSON can hold, not {value!r:.80}")
    return tuple(json_object(name, one) for one in value)


def _id_or_ids(name: str, value: Any) -> int | tuple[int, ...]:
    value = _plain(value)
    return _whole_numbers(name, value) if isinstance(value, (list, tuple)) else _whole_number(name, value)


def _optional(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else convert(name, value)


_CONVERTERS: Mapping[Any, Callable[[str, Any], Any]] = {  # Converter of each annotation.
    "float": _number,
    "int": _whole_number,
    "bool": _flag,
    "str": _text,
    "int | None": _optional(_whole_number),
    "int | Sequence[int] | None": _optional(_id_or_ids),
    "str | None": _optional(_text),
    "tuple[int, ...]": _whole_numbers,
    "tuple[tuple[float, float], ...]": _points,
    "Mapping[str, Any]": json_object,
    "tuple[Mapping[str, Any], ...]": _json_objects,
}
