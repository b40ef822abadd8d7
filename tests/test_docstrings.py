"""Every public name has a docstring. The navigation of the documentation says which modules are public."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NAVIGATION = Path(__file__).parents[1] / "mkdocs.yml"
PUBLIC_MODULES = re.findall(r"reference/(cdwidget[\w.]*)\.md", NAVIGATION.read_text())
MAX_FIRST_LINE = 88  # characters

SHAPES = '''
"""Shapes"""

from dataclasses import dataclass

__all__ = ["Square", "area", "documented"]


@dataclass
class Square:
    side: int

    @property
    def area(self): ...

    @classmethod
    def unit(cls): ...

    def _private(self): ...


def area(square): ...


def documented():
    """Return nothing
    at all.

    >>> documented()
    """
'''


def documented_objects(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the module, its public classes and functions, and the public methods and properties of these classes."""
    yield module.__name__, module
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value):
            yield f"{module.__name__}.{name}", value
            for member, defined in vars(value).items():
                function = getattr(defined, "__func__", defined)  # of a class method or a static method
                if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, (property, cached_property))):
                    yield f"{module.__name__}.{name}.{member}", getattr(value, member)
        elif inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value


def docstring(value: Any) -> str:
    """Return a docstring, without the signature that a dataclass writes when it has none."""
    text = inspect.getdoc(value) or ""
    return "" if inspect.isclass(value) and text.startswith(f"{value.__name__}(") else text


def missing_docstrings(module: ModuleType) -> list[str]:
    """Return the public names of a module that have no docstring."""
    return [name for name, value in documented_objects(module) if not docstring(value)]


def long_first_lines(module: ModuleType) -> list[str]:
    """Return the public names of a module whose docstring begins with a line that is too long or is no sentence."""
    first_lines = {name: docstring(value).partition("\n")[0] for name, value in documented_objects(module)}
    return [name for name, line in first_lines.items() if line and (len(line) > MAX_FIRST_LINE or not line.endswith("."))]


def untitled_examples(module: ModuleType) -> list[str]:
    """Return the public names of a module whose examples would be shown as text, for lack of the line "Example:"."""
    texts = {name: docstring(value) for name, value in documented_objects(module)}
    return [name for name, text in texts.items() if ">>> " in text and not re.search(r"^Examples?:$", text, re.MULTILINE)]


def test_the_navigation_lists_modules() -> None:
    assert {"cdwidget", "cdwidget.session"} <= set(PUBLIC_MODULES)


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_name_has_a_docstring(module: str) -> None:
    names = missing_docstrings(import_module(module))
    assert not names, "\n".join(names)


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_a_docstring_begins_with_one_short_sentence(module: str) -> None:
    names = long_first_lines(import_module(module))
    assert not names, "\n".join(names)


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_examples_have_a_title(module: str) -> None:
    names = untitled_examples(import_module(module))
    assert not names, "\n".join(names)


def test_a_missing_docstring_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shapes.py").write_text(SHAPES)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("shapes")
    assert missing_docstrings(module) == ["shapes.Square", "shapes.Square.area", "shapes.Square.unit", "shapes.area"]
    assert long_first_lines(module) == ["shapes", "shapes.documented"]
    assert untitled_examples(module) == ["shapes.documented"]


def test_the_tests_that_the_documentation_names_exist() -> None:
    root = Path(__file__).parents[1]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs" / "concepts" / "durability.md").read_text()))
    defined = {
        name for file in (root / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert len(named) > 20 and named <= defined, sorted(named - defined)
