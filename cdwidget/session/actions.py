"""All actions of a session, and their JSON form in messages, logs and journals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cdwidget.prompts import Action, Box, Click, Stroke
from cdwidget.registry import unknown_name
from cdwidget.session.alternatives import Alternative
from cdwidget.session.instances import INSTANCE_ACTIONS
from cdwidget.session.semantic import SeparateClasses
from cdwidget.tools import TOOL_OF_ACTION

PREDICTOR_ACTIONS = (Click, Stroke, Box, Alternative, SeparateClasses)  # They need the predictor; logs record how its mask was merged.


def json_type(kind: type[Action]) -> str:
    """Return the type of an action in JSON: "fill_holes" for FillHoles."""
    return re.sub("(?<=.)([A-Z])", r"_\1", kind.__name__).lower()


ACTIONS: dict[str, type[Action]] = {json_type(kind): kind for kind in (*PREDICTOR_ACTIONS, *INSTANCE_ACTIONS, *TOOL_OF_ACTION)}


def action_to_json(action: Action) -> dict[str, Any]:
    """Return an action as JSON: {"type": a key of ACTIONS, field: value, ...}.

    Raises:
        TypeError: If it is not an action.

    Example:
        >>> action_to_json(Click(120, 88))
        {'type': 'click', 'x': 120.0, 'y': 88.0, 'positive': True}
    """
    kind = type(action)
    if kind not in ACTIONS.values():
        raise not_an_action(action)
    return {"type": json_type(kind), **{field.name: _listed(getattr(action, field.name)) for field in fields(kind)}}


def action_from_json(data: Mapping[str, Any]) -> Action:
    """Return the action that `action_to_json` wrote.

    Raises:
        ValueError: If the type is unknown, or a field is missing, unknown or of another type.

    Example:
        >>> action_from_json({"type": "accept", "label": "cup"})
        Accept(label='cup')
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise ValueError(f'an action is an object with a "type", one of {", ".join(ACTIONS)}; this is {data!r}')
    kind = ACTIONS.get(data["type"])
    if kind is None:
        raise unknown_name(ACTIONS, data["type"], "action")
    names = [field.name for field in fields(kind)]
    values = {name: value for name, value in data.items() if name != "type"}
    if unknown := sorted(values.keys() - set(names)):
        raise ValueError(f"{data['type']} has no field {unknown}; its fields are {', '.join(names)}")
    try:
        return kind(**values)
    except TypeError as error:  # The dataclass names the missing fields.
        raise ValueError(f"{data['type']} is not complete: {error}; its fields are {', '.join(names)}") from error


def not_an_action(value: object) -> TypeError:
    """Return the error for a value that is not an action."""
    return TypeError(f"an action is one of {', '.join(kind.__name__ for kind in ACTIONS.values())}, not {type(value).__name__}")


def _listed(value: Any) -> Any:
    """Convert tuples in a value to lists, as in JSON."""
    return [_listed(part) for part in value] if isinstance(value, tuple) else value
