"""The attributes that the objects of an Annotator can have: the user's own values, each with a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

KINDS: dict[Any, str] = {bool: "flag", str: "text", int: "integer", float: "number"}


class AttributeKinds(t.Dict):
    """A dict of kinds by the name of an attribute; the page receives it as the fields of a form."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.tag(sync=True, to_json=_form_fields)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the dict; raise TraitError for another value, name or kind."""
        if not isinstance(value, Mapping):
            raise t.TraitError(f"{self.name} is {value!r}; give a dict such as {{'occluded': bool, 'color': ['red', 'blue']}}")
        for name, kind in value.items():
            if not isinstance(name, str) or not name.strip():
                raise t.TraitError(f"{self.name} has the name {name!r}; names are text")
            if kind not in KINDS if isinstance(kind, type) else not _is_choice(kind):
                raise t.TraitError(
                    f"the attribute {name!r} is {kind!r}; allowed are bool, str, int, float and a list of texts to choose from"
                )
        return super().validate(obj, dict(value))


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, (list, tuple)) and bool(kind) and all(isinstance(choice, str) and choice for choice in kind)


def _form_fields(kinds: Mapping[str, Any], _: Any) -> list[dict[str, Any]]:
    """Return the fields of the form: {name, kind, choices}."""
    return [
        {"name": name, "kind": KINDS[kind], "choices": []}
        if isinstance(kind, type)
        else {"name": name, "kind": "choice", "choices": list(dict.fromkeys(kind))}
        for name, kind in kinds.items()
    ]
