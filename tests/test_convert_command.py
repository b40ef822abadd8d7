"""`cdwidget convert`: masks and class numbers of the written data set, and the messages for wrong arguments."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

import cdwidget
from cdwidget.cli.app import app
from cdwidget.cli.options import FORMAT_NAMES
from cdwidget.formats import FORMATS
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, item


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)], env={"COLUMNS": "300"})


def data_set(folder: Path) -> Path:
    """Write a COCO file with a ring and a square next to their image."""
    return cdwidget.write("coco", [item(folder, Instance(RING_MASK, "ring"), Instance(SQUARE, "dog"))], folder / "a.json")


def test_the_help_lists_every_format() -> None:
    assert FORMAT_NAMES.replace(" or", ",").split(", ") == sorted(FORMATS)


@pytest.mark.parametrize("to", ["labelme", "npz", "png", "rgba", "yolo"])
def test_masks_and_labels_are_the_same_in_the_other_format(tmp_path: Path, to: str) -> None:
    result = run(data_set(tmp_path / "in"), tmp_path / "out", "--from", "coco", "--to", to)
    assert result.exit_code == 0 and "1 images, 2 instances" in result.output
    (found,) = cdwidget.read(to, tmp_path / "out")
    assert [each.label for each in found.instances] == ["ring", "dog"]
    assert all(np.array_equal(each.mask, mask) for each, mask in zip(found.instances, (RING_MASK, SQUARE)))


def test_a_class_file_fixes_numbers_and_keeps_unused_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n\nring\n")
    result = run(data_set(tmp_path / "in"), tmp_path / "out", "--from", "coco", "--to", "yolo", "--classes", tmp_path / "classes.txt")
    assert result.exit_code == 0
    assert yaml.safe_load((tmp_path / "out/data.yaml").read_text())["names"] == {0: "cat", 1: "dog", 2: "ring"}


def test_images_in_another_folder(tmp_path: Path) -> None:
    file = data_set(tmp_path / "in")
    (tmp_path / "moved").mkdir()
    (tmp_path / "in/a.png").rename(tmp_path / "moved/a.png")
    assert run(file, tmp_path / "out", "--from", "coco", "--to", "voc", "--images", tmp_path / "moved").exit_code == 0
    assert (tmp_path / "out/JPEGImages/a.png").is_file()


@pytest.mark.parametrize(
    ("to", "classes", "message"),
    [
        ("voc2", None, "no format named 'voc2' (did you mean 'voc'?)"),
        ("labelme", "dog\n", "labelme does not number its classes, so --classes has no effect; it is for cityscapes, coco, "),
        ("yolo", "dog\ndog\n", "needs a different class on every line; it has 2 names, 1 of them different"),
        ("yolo", "", "needs a different class on every line; it has 0 names"),
    ],
)
def test_wrong_arguments_are_explained_and_nothing_is_written(tmp_path: Path, to: str, classes: str | None, message: str) -> None:
    options: list[object] = []
    if classes is not None:
        (tmp_path / "classes.txt").write_text(classes)
        options = ["--classes", tmp_path / "classes.txt"]
    result = run(data_set(tmp_path / "in"), tmp_path / "out", "--from", "coco", "--to", to, *options)
    assert result.exit_code == 2 and message in result.output
    assert not (tmp_path / "out").exists()


def test_a_broken_data_set_is_named(tmp_path: Path) -> None:
    file = data_set(tmp_path)
    file.write_text(json.dumps([{"images": []}]))
    result = run(file, tmp_path / "out", "--from", "coco", "--to", "yolo")
    assert result.exit_code == 2 and "is not a COCO file" in result.output


def test_entries_that_cannot_be_read_are_listed_and_written_to_a_file(tmp_path: Path) -> None:
    file = data_set(tmp_path / "in")
    content = json.loads(file.read_text())
    bad = [{"id": 91, "image_id": 99}, {**content["annotations"][0], "id": 92, "segmentation": {"size": [1, 1], "counts": "x"}}]
    file.write_text(json.dumps({**content, "annotations": [*content["annotations"], *bad]}))
    result = run(file, tmp_path / "out", "--to", "png", "--problems", tmp_path / "problems.csv")
    assert result.exit_code == 0, result.output
    summary, *problems = result.output.splitlines()
    assert summary.startswith("coco: wrote ") and summary.endswith("1 images, 3 instances")
    assert ["annotation 91: " in problems[0], "image a.png, annotation 92: its size is [1, 1]" in problems[1]] == [True, True] and len(
        problems
    ) == 2
    rows = [line.split(",")[:3] for line in (tmp_path / "problems.csv").read_text().splitlines()]
    assert rows == [["file", "image", "annotation"], [str(file), "", "91"], [str(file), "a.png", "92"]]
    (found,) = cdwidget.read("png", tmp_path / "out")
    assert len(found.instances) == 2
