"""Imports point down. These two tables are the architecture diagram."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "cdwidget"
LAYERS = [  # a module may import its own folder and anything in a lower row
    ("_version", "prompts", "masks", "lookup", "figure"),
    ("items", "predictor", "critic", "polygons"),
    ("clicks", "faults", "tools", "formats", "model"),
    ("session",),
    ("review", "inspection", "benchmark"),
    ("batch", "train"),
    ("widget",),
    ("cli",),
]
ONLY_IN = {  # what -> the only places that may import it; __init__ names its homes for type checkers only, see test_import.py
    "torch": ("model", "train"),
    "anywidget": ("widget",),
    "traitlets": ("widget",),
    "ipywidgets": ("widget",),
    "ipycanvas": ("widget",),
    "IPython": ("widget",),
    "ray": ("batch.on_ray",),
    "dask": ("batch.on_dask",),
    "distributed": ("batch.on_dask",),
    "cdwidget.model": ("model", "train", "batch", "cli", "__init__"),
    "cdwidget.widget": ("widget", "__init__"),
    "cdwidget.train": ("train", "cli"),
    "cdwidget.benchmark": ("benchmark", "cli"),
    "cdwidget.cli": ("cli",),
}
LEVEL = {module: row for row, modules in enumerate(LAYERS) for module in modules}
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    """Dotted name below cdwidget; the package's own file is `__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the full name instead of a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def faults(here: str, source: str) -> Iterator[str]:
    """What a module must not import, in words."""
    for name in imports(ast.parse(source)):
        for what, places in ONLY_IN.items():
            if inside(name, what) and not any(inside(here, place) for place in places):
                yield f"{here} imports {name}; only {places} may"
        mine, other = here.split(".")[0], (name + ".").split(".")[1]
        if name.startswith("cdwidget.") and mine in LEVEL and other in LEVEL and mine != other and LEVEL[other] >= LEVEL[mine]:
            yield f"{here} imports {name}, which is not below it"


def inside(name: str, place: str) -> bool:
    return name == place or name.startswith(place + ".")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path: Path) -> None:
    assert not list(faults(module_of(path), path.read_text()))


def test_every_module_has_a_layer() -> None:
    assert {module_of(path).split(".")[0] for path in FILES} - {"__init__"} <= LEVEL.keys()


@pytest.mark.parametrize(
    ("here", "source"),
    [
        ("session.history", "from cdwidget.benchmark import noc"),
        ("formats.folders", "import cdwidget.clicks"),  # sideways
        ("benchmark", "import torch.nn as nn"),
        ("session", "def late():\n    from anywidget import AnyWidget"),
        ("widget", "from cdwidget.model import load_predictor"),
    ],
)
def test_the_check_finds_a_wrong_import(here: str, source: str) -> None:
    assert list(faults(here, source))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 450, "split it: a file has one subject and about 400 lines at most"
