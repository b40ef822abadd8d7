"""YOLO data sets as other programs leave them: predictions, poses, folders of other machines, missing splits and class lists."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import cdwidget
from cdwidget.catalogue import Catalogue
from cdwidget.formats.dataset import Dataset
from cdwidget.formats.yolo import join_parts
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, item

ROW = "0 0.166667 0.2 0.666667 0.2 0.666667 0.6 0.166667 0.6"  # `SQUARE`.


def data_set(folder: Path, rows: str, data: str | None = "train: images\nnames: [cat, dog]\n", images: str = "images") -> Path:
    """Write a data set of one image, 6 x 5 pixels, and return its folder."""
    item(folder / images)
    labels = folder / images.replace("images", "labels") / "a.txt"
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text(rows + "\n")
    if data is not None:
        (folder / "data.yaml").write_text(data)
    return folder


def only(dataset: Dataset) -> Instance:
    ((instance,),) = (each.instances for each in dataset)
    return instance


@pytest.mark.parametrize(
    ("row", "score", "track_id"),
    [
        (ROW, None, None),
        (f"{ROW} 0.93", 0.93, None),
        (f"{ROW} 1", 1.0, None),
        (f"{ROW} 7", None, 7),
        (f"{ROW} 0.93 7", 0.93, 7),
        ("0 0.416667 0.4 0.5 0.4", None, None),
        ("0 0.416667 0.4 0.5 0.4 0.25", 0.25, None),
        ("0 0.416667 0.4 0.5 0.4 0.25 12", 0.25, 12),
        (f"0.0{ROW[1:]}", None, None),
    ],
)
def test_confidences_and_tracks_of_predictions(tmp_path: Path, row: str, score: float | None, track_id: int | None) -> None:
    instance = only(cdwidget.read("yolo", data_set(tmp_path, row)))
    assert np.array_equal(instance.mask, SQUARE) and (instance.label, instance.score, instance.track_id) == ("cat", score, track_id)


def test_scores_are_written_when_wanted(tmp_path: Path) -> None:
    source = [item(tmp_path, Instance(SQUARE, "cat", score=0.5), Instance(RING_MASK, "dog"))]
    again = cdwidget.read("yolo", cdwidget.write("yolo", source, tmp_path / "out", scores=True))
    assert [each.score for each in again[0].instances] == [0.5, None]
    again = cdwidget.read("yolo", cdwidget.write("yolo", source, tmp_path / "out"))
    assert [each.score for each in again[0].instances] == [None, None]


@pytest.mark.parametrize("keypoints", ["0.3 0.3 0.6 0.3 0.6 0.6 0.3 0.6", "0.3 0.3 2 0.6 0.3 0"])
def test_a_pose_is_read_as_its_box(tmp_path: Path, keypoints: str) -> None:
    shape = "[4, 2]" if len(keypoints.split()) == 8 else "[2, 3]"
    folder = data_set(tmp_path, f"0 0.416667 0.4 0.5 0.4 {keypoints}", f"train: images\nkpt_shape: {shape}\nnames: [cat]\n")
    with pytest.warns(UserWarning, match="it is a pose data set: its boxes are instances, and its keypoints are kept for writing"):
        assert np.array_equal(only(cdwidget.read("yolo", folder)).mask, SQUARE)


POSE = "0 0.416667 0.4 0.5 0.4 0.31 0.3 2 0.6 0.3 0"
POSE_DATA = "train: images\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\nnames: [cat]\n"


@pytest.mark.filterwarnings("ignore:.*it is a pose data set")
def test_keypoints_are_kept_until_a_mask_is_changed(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.import_("yolo", data_set(tmp_path / "in", POSE, POSE_DATA))
    out = catalogue.export("yolo", tmp_path / "out")
    assert (out / "labels" / "a.txt").read_text() == POSE + "\n"
    data = yaml.safe_load((out / "data.yaml").read_text())
    assert (data["kpt_shape"], data["flip_idx"]) == ([2, 3], [1, 0]) and len(cdwidget.read("yolo", out)) == 1
    catalogue.update(1, [Instance(RING_MASK, "cat", 1)])
    with pytest.warns(UserWarning, match="polygons are written without its keypoints"):
        catalogue.export("yolo", tmp_path / "changed")
    changed = cdwidget.read("yolo", tmp_path / "changed")
    assert np.array_equal(only(changed).mask, RING_MASK) and not changed.problems


@pytest.mark.filterwarnings("ignore:.*it is a pose data set", "ignore:.*without its keypoints")
@pytest.mark.parametrize("other", ["changed", "no data set", "another shape"])
def test_rows_of_a_pose_data_set_are_no_polygons(other: str, tmp_path: Path) -> None:
    pose = "0 0.416667 0.4 0.5 0.4 0.31 0.3 0.6 0.3"
    rows = f"{pose}\n{pose.replace('0.5', '0.3', 1)}"
    dataset = cdwidget.read("yolo", data_set(tmp_path / "in", rows, POSE_DATA.replace("[2, 3]", "[2, 2]")))
    first, second = dataset[0].instances
    if other == "changed":
        dataset[0] = replace(dataset[0], instances=[replace(first, mask=RING_MASK), second])
    elif other == "another shape":
        dataset.extra["yolo"]["kpt_shape"] = [2, 3]
    out = cdwidget.write("yolo", list(dataset) if other == "no data set" else dataset, tmp_path / "out")
    again = cdwidget.read("yolo", out)
    assert [each.mask.tolist() for each in again[0].instances] == [each.mask.tolist() for each in dataset[0].instances]


@pytest.mark.filterwarnings("ignore:.*it is a pose data set")
def test_the_parts_of_a_pose_data_set_are_joined(tmp_path: Path) -> None:
    for name in ("train", "val"):
        cdwidget.write("yolo", cdwidget.read("yolo", data_set(tmp_path / name / "in", POSE, POSE_DATA)), tmp_path / "split" / name)
    join_parts(tmp_path / "split", ["train", "val"])
    assert yaml.safe_load((tmp_path / "split" / "data.yaml").read_text())["kpt_shape"] == [2, 3]
    cdwidget.write("yolo", cdwidget.read("yolo", tmp_path / "train" / "in"), tmp_path / "mixed" / "train")
    cdwidget.write("yolo", [item(tmp_path / "other", Instance(SQUARE, "cat"))], tmp_path / "mixed" / "val")
    with pytest.raises(ValueError, match="only the others have keypoints; export without a split"):
        join_parts(tmp_path / "mixed", ["train", "val"])


def test_unchanged_polygons_are_written_as_they_were(tmp_path: Path) -> None:
    rows = ["1 0.17 0.21 0.66 0.22 0.665 0.59 0.1600001 0.61", "0 0.416667 0.4 0.5 0.4"]
    dataset = cdwidget.read("yolo", data_set(tmp_path / "in", "\n".join(rows)))
    out = cdwidget.write("yolo", dataset, tmp_path / "out")
    first, second = (out / "labels" / "a.txt").read_text().splitlines()
    assert first == rows[0] and second.split()[0] == "0" and len(second.split()) == 9, "a box among polygons is a polygon"
    dog, cat = dataset[0].instances
    cdwidget.write("yolo", [replace(dataset[0], instances=[replace(dog, mask=RING_MASK), replace(cat, label="dog")])], out)
    assert [each.mask.tolist() for each in cdwidget.read("yolo", out)[0].instances] == [RING_MASK.tolist(), SQUARE.tolist()]


@pytest.mark.parametrize(
    ("names", "classes"),
    [("{'0': cat, '1': dog}", {"cat": 0, "dog": 1}), ("[cat, cat, dog]", {"cat": 0, "dog": 2})],
)
def test_class_names_that_ultralytics_accepts(tmp_path: Path, names: str, classes: dict[str, int]) -> None:
    dataset = cdwidget.read("yolo", data_set(tmp_path, ROW, f"train: images\nnames: {names}\n"))
    assert only(dataset).label == "cat" and dataset.classes == classes


def test_an_object_that_leaves_the_image_is_cut(tmp_path: Path) -> None:
    assert only(cdwidget.read("yolo", data_set(tmp_path, "0 -0.1 -0.1 1.0371 -0.1 1.0371 1.2 -0.1 1.2"))).mask.all()


def test_bad_lines_cost_only_themselves(tmp_path: Path) -> None:
    folder = data_set(tmp_path, f"{ROW}\n0 0.5\n9{ROW[1:]}\n0 0 0 60 0 60 50\n1{ROW[1:]}")
    with pytest.warns(UserWarning, match=r"a\.txt, image a\.png, annotation in line 2: 2 numbers are no polygon"):
        dataset = cdwidget.read("yolo", folder)
    assert [each.label for each in dataset[0].instances] == ["cat", "class_9", "dog"]
    assert [problem.annotation for problem in dataset.problems] == ["in line 2", "in line 3", "in line 4"]
    assert "there is no class 9, data.yaml has 0, 1; it is called 'class_9'" in str(dataset.problems[1])


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    data = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat]\n"
    with pytest.warns(UserWarning, match=r"annotation val: there is no folder .*valid.images of images; add it, or remove val"):
        dataset = cdwidget.read("yolo", data_set(tmp_path, ROW, data, "train/images"))
    assert len(dataset) == 1 and dataset.problems.total == 2


def test_paths_of_another_machine(tmp_path: Path) -> None:
    data = "path: /home/me/set\ntrain: /content/set/train/images\nval: C:\\set\\train\\images\nnames: [cat]\n"
    folder = data_set(tmp_path, ROW, data, "train/images")
    assert only(cdwidget.read("yolo", folder)).label == "cat"
    assert only(cdwidget.read("yolo", folder, folder / "train/images")).label == "cat"


@pytest.mark.parametrize(("name", "label"), [("classes.txt", "cat"), ("obj.names", "cat"), ("notes.txt", "class_0")])
def test_a_folder_without_data_yaml(tmp_path: Path, name: str, label: str) -> None:
    data_set(tmp_path, ROW, data=None)
    (tmp_path / name).write_text("cat\ndog\n")
    assert only(cdwidget.read("yolo", tmp_path)).label == label


def test_label_files_next_to_the_images_of_another_folder(tmp_path: Path) -> None:
    item(tmp_path / "photos")
    (tmp_path / "predict/labels").mkdir(parents=True)
    (tmp_path / "predict/labels/a.txt").write_text(f"{ROW} 0.5")
    assert only(cdwidget.read("yolo", tmp_path / "predict", tmp_path / "photos")).score == 0.5


def test_trainers_find_the_images_from_any_folder(tmp_path: Path) -> None:
    cdwidget.write("yolo", [item(tmp_path, Instance(SQUARE, "cat"))], tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert content == {"train": "images", "val": "images", "names": {0: "cat"}}, "Ultralytics takes `path` as relative to its own folder"


def test_a_split_has_one_data_yaml(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add([item(tmp_path, Instance(SQUARE, label), name=f"{n}.png") for n, label in enumerate(["cat", "dog", "cat", "dog"])])
    paths = catalogue.subset().split(val=0.5, bits=None).export("yolo", tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert content == {"train": "train/images", "val": "val/images", "names": {0: "cat", 1: "dog"}}
    assert [file.parent for file in (tmp_path / "out").rglob("*.yaml")] == [tmp_path / "out"]
    assert len(cdwidget.read("yolo", tmp_path / "out")) == 4
    part = cdwidget.read("yolo", paths["val"])
    assert len(part) == 2 and {each.label for found in part for each in found.instances} == {"cat", "dog"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [x]\nb: [*a]\nnames: [cat]", "has aliases"),
        ("names: " + "[" * 5000, "has more than 50 levels of nesting"),
    ],
    ids=["aliases", "nesting"],
)
def test_yaml_that_grows_in_memory_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.yaml {message}"):
        cdwidget.read("yolo", data_set(tmp_path, ROW, text))
