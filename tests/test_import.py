"""`import cdwidget` is fast, and its public names are imported on first use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cdwidget

HEAVY_PACKAGES = ("torch", "anywidget", "ipywidgets", "traitlets", "cv2", "skimage", "matplotlib", "PIL", "numpy")


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    assert run(f"import sys, cdwidget; print([name for name in {HEAVY_PACKAGES} if name in sys.modules])") == "[]"


@pytest.mark.parametrize("name", ["Session", "Click", "Item", "read_image"])
def test_the_headless_names_need_neither_torch_nor_anywidget(name: str) -> None:
    assert run(f"import sys, cdwidget; cdwidget.{name}; print([n for n in ('torch', 'anywidget') if n in sys.modules])") == "[]"


@pytest.mark.parametrize("module", ["session", "tools", "formats", "catalogue", "widget"])
def test_optional_dependencies_are_imported_on_first_use(module: str) -> None:
    lazy = ("torch", "scipy", "skimage", "pandas", "matplotlib", "pymatting", "fsspec")
    assert run(f"import sys, cdwidget.{module}; print([name for name in {lazy} if name in sys.modules])") == "[]"


def test_the_command_line_starts_without_torch() -> None:
    assert run("import sys, cdwidget.cli; print([n for n in ('torch', 'anywidget', 'cv2') if n in sys.modules])") == "[]"


@pytest.mark.parametrize("name", cdwidget.__all__)
def test_public_name(name: str) -> None:
    assert getattr(cdwidget, name) is not None
    assert name in dir(cdwidget)


@pytest.mark.parametrize(("given", "spins"), [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")])
def test_openmp_threads_sleep_early_unless_configured(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], spins: str) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert run("import os, cdwidget; print(os.environ.get('GOMP_SPINCOUNT'))") == spins


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Sesion'.*Session"):
        cdwidget.Sesion  # noqa: B018


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(cdwidget.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
    homes = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert homes == cdwidget._MODULE_OF_NAME
    assert sorted([*homes, "__version__"]) == sorted(cdwidget.__all__)
