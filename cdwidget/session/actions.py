"""Everything a session can be asked to do, and the one JSON form of it (browser messages and logs).

A prompt is an action too: Click, Stroke and Box ask the predictor about the selected instance. So is what a tool of the hand does:
every key of `cdwidget.tools.TOOLS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Mapping, Union, get_args

from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.registry import lookup
from cdwidget.tools import TOOLS, ToolAction


@dataclass(frozen=True)
class Accept:
    """Finish the selected instance, give it `label` (None: keep the one it has), and begin a new empty one with the same label.

    An instance without pixels is not kept; on a new empty one only the label counts.
    """

    label: str | None = None


@dataclass(frozen=True)
class Select:
    """Edit an instance again, or (None) begin a new empty one. The one edited until now stays if it has pixels."""

    instance: int | None = None


@dataclass(frozen=True)
class Delete:
    """Remove an instance, by default the selected one; where that was selected, a new empty one begins."""

    instance: int | None = None


@dataclass(frozen=True)
class Relabel:
    """Give an instance, by default the selected one, another label; "" is no label."""

    label: str
    instance: int | None = None


@dataclass(frozen=True)
class Alternative:
    """Take another answer of the predictor to the newest prompt of the selected instance: 0 is the main one; numbers wrap round."""

    number: int


@dataclass(frozen=True)
class Lock:
    """Keep (on), or no longer keep, the pixels that a hand tool decided from being changed by prompts and alternatives."""

    on: bool


@dataclass(frozen=True)
class Duplicate:
    """Copy an instance, by default the selected one, to right in front of it, and select the copy."""

    instance: int | None = None


@dataclass(frozen=True)
class Merge:
    """Put another instance's pixels into the selected one, and remove that other instance."""

    instance: int


@dataclass(frozen=True)
class Split:
    """Make an instance of each connected part of one, by default of the selected one, which keeps its largest part."""

    instance: int | None = None


@dataclass(frozen=True)
class Reorder:
    """Move an instance to a position of the painting order: 0 is behind all the others."""

    instance: int
    position: int


@dataclass(frozen=True)
class Snap:
    """Fit the selected instance to its neighbours: give up what overlaps them, and close gaps of at most `distance` pixels."""

    distance: float


Command = Union[Accept, Select, Delete, Relabel, Lock, Duplicate, Merge, Split, Reorder, Snap]
Action = Union[Prompt, Alternative, Command, ToolAction]

KINDS = (Click, Stroke, Box, Alternative, *get_args(Command), *TOOLS)


def name_of(kind: type) -> str:
    """Return what JSON calls a kind of action: FillHoles is "fill_holes"."""
    return re.sub("(?<=.)([A-Z])", r"_\1", kind.__name__).lower()


ACTIONS: dict[str, type] = {name_of(kind): kind for kind in KINDS}


def action_to_json(action: Action) -> dict[str, Any]:
    """Return an action as plain JSON: `{"type": one of ACTIONS, ...its fields}`; TypeError when it is no action.

    >>> action_to_json(Click(120, 88, True))
    {'type': 'click', 'x': 120, 'y': 88, 'positive': True}
    """
    kind = type(action)
    if kind not in KINDS:
        raise TypeError(f"an action is one of {', '.join(kind.__name__ for kind in KINDS)}, not {kind.__name__}")
    return {"type": name_of(kind), **{field.name: _plain(getattr(action, field.name)) for field in fields(kind)}}


def action_from_json(data: Mapping[str, Any]) -> Action:
    """Return the action of `action_to_json`'s answer; ValueError says which field is missing, unknown or of the wrong type.

    >>> action_from_json({"type": "accept", "label": "cup"})
    Accept(label='cup')
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise ValueError(f'an action is an object with a "type", one of {", ".join(ACTIONS)}; this is {data!r}')
    kind = lookup(ACTIONS, data["type"], "action")
    given = {name: value for name, value in data.items() if name != "type"}
    checks = {field.name: _CHECKS[field.type] for field in fields(kind)}
    if unknown := given.keys() - checks.keys():
        raise ValueError(f"{data['type']} has no field {sorted(unknown)}; its fields are {', '.join(checks)}")
    try:
        action: Action = kind(**{name: checks[name](name, value) for name, value in given.items()})
    except TypeError as error:  # the dataclass names the missing fields
        raise ValueError(f"{data['type']} is not complete: {error}; its fields are {', '.join(checks)}") from error
    return action


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value  # numpy scalars and arrays


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} is too large a number") from error


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, not {value!r}")
    return value


def _points(name: str, value: Any) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(point, (list, tuple)) and len(point) == 2 for point in value):
        raise ValueError(f"{name} must be a list of [x, y] pairs, not {value!r}")
    return tuple((_number("x", x), _number("y", y)) for x, y in value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r}")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    return value


def _wholes(name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list of whole numbers, not {value!r}")
    return tuple(_whole(name, number) for number in value)


_CHECKS: dict[Any, Any] = {  # the annotation of a field -> what its value must be
    "float": _number,
    "bool": _flag,
    "str": _text,
    "int": _whole,
    "str | None": lambda name, value: value if value is None else _text(name, value),
    "int | None": lambda name, value: value if value is None else _whole(name, value),
    "tuple[int, ...]": _wholes,
    "tuple[tuple[float, float], ...]": _points,
}
