"""YOLO folders as other tools and scripts leave them."""

from pathlib import Path

import numpy as np
import pytest

import cdwidget
from cdwidget.formats.dataset import Dataset
from support.image_files import SQUARE, item

ROW = "0 0.166667 0.2 0.666667 0.2 0.666667 0.6 0.166667 0.6\n"
BOX = "0 0.416667 0.4 0.5 0.4\n"


def save(folder: Path, row: str = ROW, data: str = "train: images\nnames: [cat, dog]\n", label: str = "labels/a.txt") -> Path:
    item(folder / "images")
    for name, text in ((label, row), ("data.yaml", data)):
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder


def are_cats(dataset: Dataset) -> bool:
    (found,) = dataset
    return [instance.label for instance in found.instances] == ["cat"] and np.array_equal(found.instances[0].mask, SQUARE)


@pytest.mark.parametrize(
    "names", ["{cat: 0, dog: 1}", "{'0': cat, '1': dog}", "\"['cat', 'dog']\"", "classes.txt"], ids=["turned", "text", "text-list", "file"]
)
def test_names_in_other_forms_are_read(tmp_path: Path, names: str) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset = cdwidget.read("yolo", save(tmp_path, data=f"train: images\nnames: {names}\n"), strict=True)
    assert are_cats(dataset) and dataset.classes == {"cat": 0, "dog": 1}


def test_names_in_a_file_keep_their_lines(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n\ndog\n")
    assert cdwidget.read("yolo", save(tmp_path, data="train: images\nnames: classes.txt\n")).classes == {"cat": 0, "dog": 2}


@pytest.mark.parametrize(
    ("names", "message"),
    [("classes.txt", "no file .*classes.txt; add it, or list the names"), ("''", "names no classes"), ("'[cat'", "is not YAML")],
)
def test_names_that_are_none_are_refused(tmp_path: Path, names: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cdwidget.read("yolo", save(tmp_path, data=f"train: images\nnames: {names}\n"))


@pytest.mark.parametrize("row", [ROW, BOX])
def test_repeated_rows_are_one_instance(tmp_path: Path, row: str) -> None:
    with pytest.warns(UserWarning, match="annotation in line 2: it repeats line 1"):
        assert are_cats(cdwidget.read("yolo", save(tmp_path, row + row.replace(" 0.", " ."))))


def test_rows_of_two_classes_or_keypoints_are_no_repetition(tmp_path: Path) -> None:
    (found,) = cdwidget.read("yolo", save(tmp_path, BOX + BOX.replace("0", "1", 1)), strict=True)
    assert [instance.label for instance in found.instances] == ["cat", "dog"]
    pose = "train: images\nnames: [cat]\nkpt_shape: [1, 2]\n"
    (found,) = cdwidget.read("yolo", save(tmp_path, f"{BOX.strip()} 0.3 0.4\n{BOX.strip()} 0.5 0.4\n", pose))
    assert len(found.instances) == 2


@pytest.mark.parametrize("size", ["-0.5 0.4", "0.5 0"])
def test_boxes_without_an_area_are_problems(tmp_path: Path, size: str) -> None:
    with pytest.warns(UserWarning, match="annotation in line 2: its box is .* wide and .* high; both must be above 0"):
        assert are_cats(cdwidget.read("yolo", save(tmp_path, f"{BOX}1 0.4 0.4 {size}\n")))


@pytest.mark.parametrize("row", [ROW.replace(" ", ","), BOX.replace(" ", ", "), BOX.replace("0 ", "cat ", 1), f"\n{BOX}\n"])
def test_rows_of_scripts_are_read(tmp_path: Path, row: str) -> None:
    assert are_cats(cdwidget.read("yolo", save(tmp_path, row), strict=True))


def test_keypoints_without_a_shape_are_no_polygon(tmp_path: Path) -> None:
    save(tmp_path, f"{BOX.strip()} 0.3 0.4 2 0.5 0.5 0\n")
    with pytest.warns(UserWarning, match="it has keypoints, and data.yaml has no kpt_shape; only its box is read"):
        dataset = cdwidget.read("yolo", tmp_path)
    assert are_cats(dataset)
    cdwidget.write("yolo", dataset, tmp_path / "out")
    assert are_cats(cdwidget.read("yolo", tmp_path / "out", strict=True))


@pytest.mark.parametrize("label", ["labels/a.TXT", "Labels/a.txt"])
def test_names_in_upper_case_are_found(tmp_path: Path, label: str) -> None:
    assert are_cats(cdwidget.read("yolo", save(tmp_path, label=label), strict=True))


def test_label_files_beside_images_are_recognized(tmp_path: Path) -> None:
    item(tmp_path / "obj_train_data")
    (tmp_path / "obj_train_data/a.txt").write_text(BOX)
    (tmp_path / "obj.names").write_text("cat\n")
    dataset = cdwidget.read(tmp_path)
    assert dataset.format == "yolo" and are_cats(dataset)


def test_captions_beside_images_are_no_labels(tmp_path: Path) -> None:
    item(tmp_path)
    (tmp_path / "a.txt").write_text("a photo of one cat on a mat\n")
    with pytest.raises(ValueError, match="looks like no format"):
        cdwidget.read(tmp_path)


def test_label_files_without_an_image_are_one_problem(tmp_path: Path) -> None:
    save(tmp_path)
    for name in ("b", "c"):
        (tmp_path / f"labels/{name}.txt").write_text(ROW)
    (tmp_path / "labels/notes.txt").write_text("seen twice\n")
    with pytest.warns(UserWarning, match="labels: 2 of its label files have no image, such as b.txt"):
        assert are_cats(cdwidget.read("yolo", tmp_path))


def test_images_without_any_label_file_are_one_problem(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="none of its 1 images has a label file; the one of a.png would be .*labels.a.txt"):
        (found,) = cdwidget.read("yolo", save(tmp_path, label="annotations/a.txt"))
    assert not found.instances
