"""The layers of the TypeScript front end: no import cycle, no import of a higher layer, no long file."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.typescript_imports import find_cycle, find_upward_imports, read_imports

ROOT = Path(__file__).parents[1] / "js" / "src"
MAX_LINES = 400

LAYERS: list[set[str]] = [
    {"actions", "bitmap", "buffers", "class_matches", "colors", "dom", "edit_queue", "kernel", "keys", "outline", "pointers", "traits"},
    {"camera", "cover", "superpixels", "pyramid", "instance", "stage_height"},
    {"tools/"},
    {"layers", "previews", "tags"},
    {"document"},
    {"object_selection", "similar", "suggestions", "image_window"},
    {"viewer", "viewer_host"},
    {"ui/"},
    {"view"},
    {"gallery/", "inspector/", "map/", "offline/"},
    {"annotator", "gallery", "embedding_map", "inspector", "offline"},
]


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return read_imports(ROOT)


def test_no_import_cycle(graph: dict[str, set[str]]) -> None:
    assert find_cycle(graph) == []


def test_no_import_of_a_higher_layer(graph: dict[str, set[str]]) -> None:
    assert find_upward_imports(graph, LAYERS) == []


def test_gallery_and_map_do_not_import_each_other(graph: dict[str, set[str]]) -> None:
    for name, imports in graph.items():
        folder = name.partition("/")[0]
        other = {"gallery": "map/", "map": "gallery/"}.get(folder, "")
        assert not other or "/" not in name or not any(one.startswith(other) for one in imports), name


def test_no_file_has_more_than_400_lines() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in ROOT.rglob("*.*s")}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_the_parser_sees_the_imports(graph: dict[str, set[str]]) -> None:
    assert graph["annotator"] == {"document", "kernel", "traits", "view"}
    assert {"ui/host", "ui/icons"} <= graph["ui/commands"]  # also imports of types
    assert "tools/index" in graph["viewer"]


def test_a_cycle_of_type_imports_is_found(tmp_path: Path) -> None:
    (tmp_path / "ui").mkdir()
    (tmp_path / "view.ts").write_text('import { toolbar } from "./ui/toolbar";\nexport interface View {}\n')
    (tmp_path / "ui" / "toolbar.ts").write_text('import type {\n  View,\n} from "../view";\nexport function toolbar(view: View) {}\n')
    (tmp_path / "ui" / "toolbar.test.ts").write_text('import "./toolbar";\n')
    graph = read_imports(tmp_path)
    assert graph == {"view": {"ui/toolbar"}, "ui/toolbar": {"view"}}
    assert find_cycle(graph) == ["ui/toolbar", "view", "ui/toolbar"]
    assert find_upward_imports(graph, [{"ui/"}, {"view"}]) == ["ui/toolbar (layer 0) imports view (layer 1)"]
    assert find_upward_imports(graph, [{"ui/"}]) == ["view is in no layer"]
