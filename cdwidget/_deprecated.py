"""Old public names, kept for one release: each use warns and names the new one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn the caller that `old` is deprecated and `new` replaces it."""
    warnings.warn(f"{old} is deprecated and will be removed in the next release; use {new}", DeprecationWarning, stacklevel=stacklevel)


def renamed_module(old: str, new: str) -> Callable[[str], Any]:
    """Return a module-level `__getattr__` that resolves all names of module `old` in `new`."""

    def getattribute(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        warn_renamed(f"{old}.{name}", f"{new}.{name}")
        return getattr(import_module(new), name)

    return getattribute


def renamed_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module-level `__getattr__` for renamed names of `module`: {old: new}."""

    def getattribute(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", f"{module}.{names[name]}")
        return getattr(import_module(module), names[name])

    return getattribute


def renamed_property(old: str, new: str) -> property:
    """Return a property that reads and writes attribute `new` under its old name."""

    def read(self: Any) -> Any:
        warn_renamed(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        return getattr(self, new)

    def write(self: Any, value: Any) -> None:
        warn_renamed(f"{type(self).__name__}.{old}", f"{type(self).__name__}.{new}")
        setattr(self, new, value)

    return property(read, write, doc=f"Deprecated name of `{new}`.")
