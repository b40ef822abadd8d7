"""Circles in a graph of imports, for the architecture tests of both languages."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet


def find_circle(graph: Mapping[str, AbstractSet[str]]) -> list[str] | None:
    """Return one import cycle, the first module repeated at the end, or None if there is none."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str] | None:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return None
        for other in sorted(graph.get(module, ())):
            if cycle := visit(other, [*path, module]):
                return cycle
        finished.add(module)
        return None

    return next((cycle for module in sorted(graph) if (cycle := visit(module, []))), None)
