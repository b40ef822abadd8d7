"""One look-up for every registry: a dict literal, and an error that lists the choices."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Mapping, TypeVar

Entry = TypeVar("Entry")


def lookup(registry: Mapping[str, Entry], name: str, what: str) -> Entry:
    """Return registry[name]; raise ValueError that names the choices when there is no such entry.

    >>> lookup({"coco": 1, "voc": 2}, "coco", "format")
    1
    """
    if name in registry:
        return registry[name]
    near = get_close_matches(str(name), registry, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise ValueError(f"no {what} named {name!r}{hint}; there are: {', '.join(sorted(registry))}")
