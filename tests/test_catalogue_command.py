"""The commands for catalogues: import, stats and export."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.cli.app import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two images and their masks in a COCO file."""
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:8] = True
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(name)
    cdwidget.write("coco", [Item("a.png", [Instance(mask, "cat")]), Item("b.png", [Instance(mask, "dog")])], "ann.json")
    return tmp_path


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_import_stats_and_export(folder: Path) -> None:
    code, output = invoke("import", "labels.db", "coco", "ann.json", "--tag", "night", "--status", "accepted")
    assert code == 0 and "2 items and 2 instances added" in output
    (folder / "b.png").unlink()
    code, output = invoke("stats", "labels.db", "--check")
    assert code == 0 and "accepted 2" in output and "item 2: missing" in output and "1 images have problems" in output
    code, output = invoke("export", "labels.db", "coco", "out.json", "--label", "cat", "--status", "accepted", "--tag", "night")
    assert code == 0, output
    assert [image["file_name"] for image in json.loads((folder / "out.json").read_text())["images"]] == ["a.png"]
    code, output = invoke("export", "labels.db", "yolo", "out")
    assert code == 0 and "1 items were not exported: item 2 is missing" in output and (folder / "out" / "images" / "a.png").exists()
    assert len(Catalogue("labels.db")) == 2


def test_a_wrong_path_leaves_no_empty_catalogue(folder: Path) -> None:
    code, output = invoke("import", "labels.db", "coco", "missing.json")
    assert code != 0 and "missing.json" in output and not (folder / "labels.db").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "nowhere.db"], "there is no catalogue nowhere.db"),
        (["export", "ann.json", "coco", "out.json"], "ann.json is not a catalogue"),
        (["import", "labels.db", "cocoo", "ann.json"], "did you mean 'coco'?"),
        (["import", "nowhere/labels.db", "coco", "ann.json"], "there is no folder"),
        (["import", "labels.db", "coco", "ann.json", "--status", "good"], "no status named 'good'"),
        (["import", "labels.db", "coco", "missing.json"], "missing.json"),
    ],
)
def test_wrong_options_are_explained(folder: Path, arguments: list[str], message: str) -> None:
    code, output = invoke(*arguments)
    assert code == 2 and message in output
    assert not list(folder.glob("*.db")), "a failed import leaves no empty catalogue"


def test_control_characters_are_printed_as_escapes(folder: Path) -> None:
    """A label could otherwise clear the terminal, or rewrite what was printed."""
    red, tag = "\x1b[31mcat\x1b]0;title\x07", "\x9b2Jnight"
    Catalogue("labels.db").add([Item("a.png", [Instance(np.ones((20, 30), bool), red)]), "\x1b[2J.png"], tags=[tag])
    commands = (["stats", "labels.db", "--check"], ["stats", "\x1b[2J.db"], ["export", "labels.db", "\x1b[2J", "out"])
    for arguments in commands:
        _, output = invoke(*arguments)
        assert "\\x1b[" in output and not set(output) & {"\x1b", "\x07", "\x9b"}, arguments


def test_images_outside_of_the_folder_need_consent(folder: Path) -> None:
    own, foreign = folder / "own", folder / "foreign"
    own.mkdir()
    foreign.mkdir()
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(own / "a.png")
    with Catalogue(foreign / "labels.db") as catalogue:
        catalogue.add([Item("nowhere.png", [Instance(np.ones((20, 30), bool), "cat")])])
        catalogue.database.write(lambda connection: connection.execute("UPDATE items SET path = ?", (str(own / "a.png"),)))
    assert "item 1: blocked: " in invoke("stats", str(foreign / "labels.db"), "--check")[1]
    assert "item 1" not in invoke("stats", str(foreign / "labels.db"), "--check", "--external")[1]


def test_import_recognizes_the_format_and_writes_problems(folder: Path) -> None:
    content = json.loads((folder / "ann.json").read_text())
    (folder / "b.png").unlink()
    content["annotations"].append({"id": 91, "image_id": 99})
    (folder / "ann.json").write_text(json.dumps(content))
    code, output = invoke("import", "labels.db", "auto", "ann.json", "--problems", "problems.csv")
    assert code == 0 and output.startswith("coco: 2 items and 2 instances added")
    assert "1 image was not found (b.png)" in output and "annotation 91: it belongs to image 99" in output
    header, row = (folder / "problems.csv").read_text().splitlines()
    assert header == "file,image,annotation,message,advice" and row.startswith("ann.json,,91,")
