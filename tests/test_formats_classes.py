"""VOC and YOLO: the layout that trainers expect, and the errors for broken folders."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

import cdwidget
from cdwidget.formats.voc_files import palette
from cdwidget.formats.yolo import bridged_polygon
from cdwidget.items import Instance
from cdwidget.polygons import fill
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item, write_gray

# --- VOC -------------------------------------------------------------------------------------------------------------------------


def test_voc_files_match_the_devkit(tmp_path: Path) -> None:
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "dog"), Instance(TWO_PARTS_MASK, "cat"))], tmp_path / "v")
    with Image.open(tmp_path / "v/SegmentationClass/a.png") as file:
        assert file.mode == "P"
        assert file.getpalette()[:15] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]
        assert np.array_equal(np.asarray(file), SQUARE * 1 + TWO_PARTS_MASK * 2)
    assert (tmp_path / "v/JPEGImages/a.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    lines = (tmp_path / "v/labelmap.txt").read_text().splitlines()
    assert lines == ["# label:color_rgb:parts:actions", "background:0,0,0::", "dog:128,0,0::", "cat:0,128,0::"]
    assert (tmp_path / "v/ImageSets/Segmentation/default.txt").read_text() == "a\n"


def test_the_palette_matches_the_devkit() -> None:
    colors = palette()
    assert colors[[1, 8, 15, 20, 255]].tolist() == [[128, 0, 0], [64, 0, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192]]
    assert len(np.unique(colors, axis=0)) == 256


def test_a_void_border_belongs_to_no_object(tmp_path: Path) -> None:
    big = np.zeros((12, 12), bool)
    big[2:10, 2:10] = True
    cdwidget.write("voc", [item(tmp_path, Instance(big, "dog"), height=12, width=12)], tmp_path / "v", border=2)
    for folder in ("SegmentationClass", "SegmentationObject"):
        values = np.asarray(Image.open(tmp_path / "v" / folder / "a.png"))
        assert (values == 255).sum() == 64 - 16 and (values[4:8, 4:8] == 1).all() and (values[~big] == 0).all()
    (again,) = cdwidget.read("voc", tmp_path / "v")
    assert len(again.instances) == 1 and again.instances[0].mask.sum() == 16


def test_voc_without_label_map_and_objects(tmp_path: Path) -> None:
    item(tmp_path / "JPEGImages", height=2, width=3, name="x.jpg")
    write_gray(tmp_path / "SegmentationClass/x.png", [[0, 15, 255], [8, 15, 8]])
    first, second = cdwidget.read("voc", tmp_path)[0].instances
    assert [(first.label, first.id, first.mask.sum()), (second.label, second.id, second.mask.sum())] == [
        ("cat", None, 2),
        ("person", None, 2),
    ]
    write_gray(tmp_path / "SegmentationObject/x.png", [[0, 1, 255], [2, 1, 3]])
    assert [(each.label, each.id) for each in cdwidget.read("voc", tmp_path)[0].instances] == [("person", 1), ("cat", 2), ("cat", 3)]


def test_class_ids_are_stable(tmp_path: Path) -> None:
    for labels in (("dog", "cat"), ("cat", "bird")):
        instances = [Instance(mask, label) for mask, label in zip((SQUARE, TWO_PARTS_MASK), labels)]
        for format in ("voc", "yolo"):
            cdwidget.write(format, [item(tmp_path, *instances)], tmp_path / format)
    assert [line.split(":")[0] for line in (tmp_path / "voc/labelmap.txt").read_text().splitlines()[1:]] == [
        "background",
        "dog",
        "cat",
        "bird",
    ]
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == {0: "dog", 1: "cat", 2: "bird"}
    cdwidget.write("yolo", [item(tmp_path)], tmp_path / "yolo", labels=["bird", "cow"])
    assert yaml.safe_load((tmp_path / "yolo/data.yaml").read_text())["names"] == {0: "dog", 1: "cat", 2: "bird", 3: "cow"}
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "cat"))], tmp_path / "other", labels={"cat": 3})
    assert [each.label for each in cdwidget.read("voc", tmp_path / "other")[0].instances] == ["cat"]


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ([Instance(SQUARE, "a\nb")], r"a\.png: instance 1 is of class 1, 'a\\nb'.*no line break"),
        ([Instance(SQUARE, str(n)) for n in range(255)], "instance 255 is of class 255, '254'; VOC numbers"),
        ([Instance(SQUARE, "a")] * 255, "instance 255 is of class 1"),
    ],
)
def test_instances_that_voc_cannot_store(tmp_path: Path, instances: list[Instance], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cdwidget.write("voc", [item(tmp_path, *instances)], tmp_path / "v")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: write_gray(folder / "SegmentationObject/a.png", [[1]]), r"a\.png is 1x1 pixels and its image is 6x5"),
        (lambda folder: write_gray(folder / "SegmentationClass/a.png", SQUARE * 9), "annotation 1: it is of class 9; labelmap.txt has 1"),
        (lambda folder: write_gray(folder / "SegmentationClass/a.png", [[9]]), "of different sizes"),
        (lambda folder: (folder / "labelmap.txt").write_text("dog\n"), "the line 'dog' is not label:red,green,blue"),
        (lambda folder: (folder / "SegmentationClass/a.png").write_bytes(b"no"), "cannot be read as an image"),
        (lambda folder: (folder / "JPEGImages/a.png").rename(folder / "JPEGImages/b.png"), "a.png: .*holds no image for it"),
        (lambda folder: (folder / "labelmap.txt").write_text("# none\n"), "labelmap.txt lists no class"),
        (lambda folder: (folder / "labelmap.txt").write_text("dog:300,0,0::\n"), "the color '300,0,0' is not red,green,blue"),
        (lambda folder: (folder / "SegmentationClass/a.png").unlink(), "there is no PNG file in .*SegmentationClass"),
    ],
)
def test_broken_voc_folders(tmp_path: Path, damage, message: str) -> None:
    cdwidget.write("voc", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "v")
    damage(tmp_path / "v")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        list(cdwidget.read("voc", tmp_path / "v", strict=True)[0].instances)


# --- YOLO ------------------------------------------------------------------------------------------------------------------------


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14)).filter(np.any))
def test_bridges_have_no_area(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert np.array_equal(fill([bridged_polygon(mask)], height, width), mask)
    written = np.round(bridged_polygon(mask) / (width, height), 6) * (width, height)
    assert np.array_equal(fill([written], height, width), mask)


def test_readers_that_draw_outlines_see_holes_and_parts() -> None:
    ring = np.zeros((200, 300), np.uint8)
    cv2.circle(ring, (100, 100), 80, 1, -1)
    cv2.circle(ring, (100, 100), 30, 0, -1)
    cv2.circle(ring, (250, 100), 30, 1, -1)
    drawn = cv2.fillPoly(np.zeros_like(ring), [bridged_polygon(ring.astype(bool)).astype(np.int32)], 1)
    assert (drawn & ring).sum() / (drawn | ring).sum() > 0.95


def test_yolo_files_match_the_trainers_layout(tmp_path: Path) -> None:
    cdwidget.write("yolo", [item(tmp_path, Instance(SQUARE, "dog"), Instance(RING_MASK, "cat"), name="b.jpg")], tmp_path / "y")
    assert yaml.safe_load((tmp_path / "y/data.yaml").read_text()) == {
        "train": "images",
        "val": "images",
        "names": {0: "dog", 1: "cat"},
    }
    assert (tmp_path / "y/images/b.jpg").is_file()
    first, second = (tmp_path / "y/labels/b.txt").read_text().splitlines()
    assert first == "0 0.166667 0.200000 0.666667 0.200000 0.666667 0.600000 0.166667 0.600000"
    assert second.startswith("1 ") and len(second.split()) % 2 == 1


def test_a_yolo_data_set_with_splits_and_lists(tmp_path: Path) -> None:
    for name in ("images/train/a.png", "images/val/sub/b.png", "more/images/c.png", "images/train/empty.png"):
        item((tmp_path / name).parent, name=Path(name).name)
    for name in ("labels/train/a.txt", "labels/val/sub/b.txt", "more/labels/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n1 0 0 1 0 1 1 0 1\n")
    (tmp_path / "list.txt").write_text("more/images/c.png\n")
    (tmp_path / "data.yaml").write_text(
        "path: somewhere/else\ntrain: images/train\nval:\n - images/val\ntest: list.txt\nnc: 2\nnames: [dog, cat]\n"
    )
    found = cdwidget.read("yolo", tmp_path / "data.yaml")
    assert [Path(each.path).name for each in found] == ["a.png", "empty.png", "b.png", "c.png"]
    assert [len(each.instances) for each in found] == [1, 0, 1, 1]
    assert found[2].instances[0].label == "cat" and found[2].instances[0].mask.all()


def test_a_yolo_data_set_of_boxes_from_roboflow(tmp_path: Path) -> None:
    item(tmp_path / "train" / "images")
    (tmp_path / "train" / "labels").mkdir()
    (tmp_path / "train" / "labels" / "a.txt").write_text("0 0.5 0.5 0.333333 0.4\n")
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnc: 1\nnames: ['cup']\n")
    ((instance,),) = (each.instances for each in cdwidget.read("yolo", tmp_path))
    expected = np.zeros((5, 6), bool)
    expected[2:4, 2:4] = True  # Rows 1.5 to 3.5: pixel centers on an edge belong to the area below it.
    assert instance.label == "cup" and instance.mask[2].tolist() == expected[2].tolist() and instance.mask.sum() == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5", "3 numbers are no polygon"),
        ("0 0 0 1 0 1 1 1.5", "ends in 1.5, which is neither a coordinate nor a confidence"),
        ("7 0 0 1 0 1 1", r"there is no class 7, data\.yaml has 0"),
        ("-1 0 0 1 0 1 1", "there is no class -1"),
        ("0.5 0 0 1 0 1 1", "there is no class 0.5"),
        ("0 0 0 x 0 1 1", "could not convert"),
        ("0 0 0 nan 0 1 1", "fractions"),
        ("0 0 0 60 0 60 50", "coordinates from 0 to 60; they are fractions"),
    ],
)
def test_broken_yolo_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    cdwidget.write("yolo", [item(tmp_path, Instance(SQUARE, "dog"))], tmp_path / "y")
    file = tmp_path / "y/labels/a.txt"
    file.write_text(file.read_text() + line)
    with pytest.raises(ValueError, match=rf"a\.txt, image a\.png, annotation in line 2: .*{message}"):
        cdwidget.read("yolo", tmp_path / "y", strict=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a", "is not YAML"),
        ("- a", "names no classes"),
        ("train: images", "names no classes"),
        ("names: {a: b}\ntrain: images", "needs a number from 0 for every class"),
        ("names: [a]", "lists no image"),
        ("names: [a]\ntrain: nowhere", "there is no folder .*nowhere"),
    ],
)
def test_broken_yolo_folders(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        cdwidget.read("yolo", tmp_path)
