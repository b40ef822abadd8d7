"""Modules import lower layers only, without cycles. The two tables below are the architecture diagram."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.import_graph import find_circle

ROOT = Path(__file__).parents[1] / "cdwidget"
LAYERS = [  # A module may import its own folder and anything in a lower row.
    ("_version", "_deprecated", "limits"),
    ("prompts", "masks", "registry", "plotting", "images", "tables"),
    ("items", "predictor", "polygons", "rle"),
    ("click_simulation", "mask_errors", "default_predictor", "detections", "tools", "formats", "model"),
    ("session", "compositing"),
    ("catalogue", "inspection", "examples"),
    ("scoring", "benchmark"),
    ("batch", "train"),
    ("widget",),
    ("cli",),
    ("review",),  # The deprecated name of catalogue.
]
ALLOWED_IMPORTERS = {  # import -> the only modules that may have it; __init__ imports for type checkers only, see test_import.py
    "torch": ("model", "train", "catalogue.torch_dataset"),
    "anywidget": ("widget",),
    "traitlets": ("widget",),
    "ipywidgets": ("widget",),
    "ipycanvas": (),  # For figures of notebooks; not every host has it.
    "IPython": ("widget",),
    "ray": ("batch.ray",),
    "cdwidget.model": ("model", "train", "batch", "cli", "__init__"),
    "cdwidget.widget": ("widget", "__init__"),
    "cdwidget.train": ("train", "cli"),
    "cdwidget.benchmark": ("benchmark", "cli"),
    "cdwidget.cli": ("cli",),
}
MAX_LINES = 400
LEVEL = {module: row for row, modules in enumerate(LAYERS) for module in modules}
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    """Return the dotted name below cdwidget; the package's own file is `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of everything imported, also inside functions and for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the full name instead of a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(here: str, source: str) -> Iterator[str]:
    """Yield a sentence for each import that module `here` must not have."""
    for name in imports(ast.parse(source)):
        for guarded, allowed in ALLOWED_IMPORTERS.items():
            if is_inside(name, guarded) and not any(is_inside(here, module) for module in allowed):
                yield f"{here} imports {name}; only {allowed} may"
        mine, other = here.split(".")[0], (name + ".").split(".")[1]
        if name.startswith("cdwidget.") and mine in LEVEL and other in LEVEL and mine != other and LEVEL[other] >= LEVEL[mine]:
            yield f"{here} imports {name}, which is not below it"


def is_inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def import_graph() -> dict[str, set[str]]:
    """Return which modules of cdwidget each module imports; a folder's `__init__` re-exports and counts as the modules it imports."""
    modules = {module_of(path) for path in FILES}
    graph: dict[str, set[str]] = {}
    for path in FILES:
        names = (name.removeprefix("cdwidget.") for name in imports(ast.parse(path.read_text())) if name.startswith("cdwidget."))
        found = (next((head for head in (name, name.rpartition(".")[0]) if head in modules), None) for name in names)
        graph[module_of(path)] = {module for module in found if module} - {module_of(path)}
    graph["__init__"] = set()  # Imports for type checkers only.
    return graph


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path: Path) -> None:
    assert not list(wrong_imports(module_of(path), path.read_text()))


def test_there_is_no_import_cycle() -> None:
    assert find_circle(import_graph()) is None


def test_an_import_cycle_is_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


def test_every_module_has_a_layer() -> None:
    assert {module_of(path).split(".")[0] for path in FILES} - {"__init__"} <= LEVEL.keys()


@pytest.mark.parametrize(
    ("here", "source"),
    [
        ("session.merge", "from cdwidget.benchmark import protocol"),
        ("formats.io", "import cdwidget.click_simulation"),  # sideways
        ("benchmark", "import torch.nn as nn"),
        ("session", "def late():\n    from anywidget import AnyWidget"),
        ("widget", "from cdwidget.model import load_predictor"),
        ("catalogue.reader", "from cdwidget.scoring import Population"),
    ],
)
def test_the_check_finds_a_wrong_import(here: str, source: str) -> None:
    assert list(wrong_imports(here, source))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES, "split it: a file has one subject"
