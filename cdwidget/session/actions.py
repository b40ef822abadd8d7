"""Everything a session can be asked to do, and the one JSON form of it (browser messages and logs).

A prompt is an action too: Click, Stroke and Box ask the predictor about the selected instance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Mapping, Union

from cdwidget.lookup import lookup
from cdwidget.prompts import Box, Click, Prompt, Stroke


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


Action = Union[Prompt, Accept, Select, Delete, Relabel]

ACTIONS: dict[str, type] = {
    "click": Click,
    "stroke": Stroke,
    "box": Box,
    "accept": Accept,
    "select": Select,
    "delete": Delete,
    "relabel": Relabel,
}


def action_to_json(action: Action) -> dict[str, Any]:
    """Return an action as plain JSON: `{"type": one of ACTIONS, ...its fields}`; TypeError when it is no action.

    >>> action_to_json(Click(120, 88, True))
    {'type': 'click', 'x': 120, 'y': 88, 'positive': True}
    """
    for name, kind in ACTIONS.items():
        if type(action) is kind:
            return {"type": name, **{field.name: _plain(getattr(action, field.name)) for field in fields(kind)}}
    raise TypeError(f"an action is one of {', '.join(kind.__name__ for kind in ACTIONS.values())}, not {type(action).__name__}")


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


def _id(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be the whole-number id of an instance, not {value!r}")
    return value


_CHECKS: dict[Any, Any] = {  # the annotation of a field -> what its value must be
    "float": _number,
    "bool": _flag,
    "str": _text,
    "str | None": lambda name, value: value if value is None else _text(name, value),
    "int | None": lambda name, value: value if value is None else _id(name, value),
    "tuple[tuple[float, float], ...]": _points,
}
