"""The lookup of all registries, with an error that lists the choices."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

Entry = TypeVar("Entry")


def lookup(registry: Mapping[str, Entry], name: str, kind: str) -> Entry:
    """Return an entry of a registry.

    Args:
        registry: Name -> entry.
        name: The name to look up.
        kind: A noun for the entries, for the error message.

    Raises:
        ValueError: If there is no such entry.

    Example:
        >>> lookup({"coco": 1, "voc": 2}, "coco", "format")
        1
    """
    if name in registry:
        return registry[name]
    raise unknown_name(registry, name, kind)


def unknown_name(registry: Mapping[str, object], name: str, kind: str) -> ValueError:
    """Return the error for an unknown name; it lists the choices and suggests a similar one."""
    similar = get_close_matches(str(name), registry, n=1)
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    return ValueError(f"no {kind} named {name!r}{hint}; there are: {', '.join(sorted(registry))}")
