"""`cdwidget.serve` and its command: the messages for wrong arguments."""

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import cdwidget
from cdwidget.cli.app import app


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "1.png")
    return folder


def fails(*arguments: object) -> str:
    """Return the message of a command that must not start."""
    result = CliRunner().invoke(app, ["serve", *map(str, arguments), "--no-browser"], env={"COLUMNS": "400"})
    assert result.exit_code == 2 and "Open http" not in result.output
    return result.output


def test_a_port_in_use_is_reported(photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = fails(photos, "--port", port)
    assert f"cannot listen on 127.0.0.1, port {port}" in message and "choose another port, or 0 for any free one" in message


def test_a_source_without_images_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no image" in fails(tmp_path / "empty")
    assert "missing.jpg" in fails(tmp_path / "missing.jpg")
    assert "there is no catalogue" in fails(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()


def test_a_missing_extra_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shinywidgets", None)
    assert "pip install 'cdwidget[serve]'" in fails(photos)


def test_options_that_a_catalogue_would_not_use_are_refused(photos: Path, tmp_path: Path) -> None:
    with cdwidget.Catalogue(tmp_path / "labels.db") as catalogue:
        catalogue.add([cdwidget.Item(photos / "1.png")])
    (tmp_path / "classes.txt").write_text("cup")
    assert "a catalogue has its own classes" in fails(tmp_path / "labels.db", "--classes", tmp_path / "classes.txt")
    assert "a catalogue keeps its labels" in fails(tmp_path / "labels.db", "--out", tmp_path / "labels.json")


def test_a_notebook_is_told_to_show_the_widget(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.widget.server.get_ipython", object)
    with pytest.raises(RuntimeError, match="in a notebook, show the Annotator"):
        cdwidget.serve(photos)
