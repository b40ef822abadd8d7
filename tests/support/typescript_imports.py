"""The import graph of the TypeScript front end."""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r"""\b(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']""")


def read_imports(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports, types included.

    Args:
        root: Folder of the TypeScript sources. Tests (`*.test.ts`) are left out.

    Returns:
        The imports of each module; modules are paths below `root` without `.ts`, such as "ui/toolbar".
    """
    modules = {_name(path, root): path for path in sorted(root.rglob("*.ts")) if not path.name.endswith(".test.ts")}
    return {name: _resolve(path, root, set(modules)) for name, path in modules.items()}


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import cycle, the first one repeated at the end; empty if there is none."""
    finished: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in finished:
            return []
        for other in sorted(graph.get(name, ())):
            if cycle := visit(other, [*path, name]):
                return cycle
        finished.add(name)
        return []

    for name in sorted(graph):
        if cycle := visit(name, []):
            return cycle
    return []


def find_upward_imports(graph: dict[str, set[str]], layers: list[set[str]]) -> list[str]:
    """Return the imports from a layer to a higher one, and the modules without a layer.

    Args:
        graph: Imports of each module.
        layers: Modules or folders (with a trailing slash) of each layer, the lowest first. Modules of one layer may import each other.

    Returns:
        One sentence for each violation.
    """

    def layer(name: str) -> int | None:
        exact = [i for i, members in enumerate(layers) if name in members]
        by_folder = [i for i, members in enumerate(layers) if f"{name.rpartition('/')[0]}/" in members]
        return next(iter([*exact, *by_folder]), None)

    problems = [f"{name} is in no layer" for name in sorted(graph) if layer(name) is None]
    for name in sorted(graph):
        for other in sorted(graph[name]):
            below, above = layer(name), layer(other)
            if below is not None and above is not None and above > below:
                problems.append(f"{name} (layer {below}) imports {other} (layer {above})")
    return problems


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _resolve(path: Path, root: Path, modules: set[str]) -> set[str]:
    found = set()
    for match in IMPORT.finditer(path.read_text()):
        target = match[1] or match[2]
        if target.startswith("."):
            name = (path.parent / target).resolve().relative_to(root.resolve()).as_posix()
            found.update({name, f"{name}/index"} & modules)
    return found
