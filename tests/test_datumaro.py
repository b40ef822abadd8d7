"""Datumaro's JSON: subsets, all kinds of shapes, and fields that are written back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import rle
from cdwidget.items import Instance, Item

SQUARE = np.zeros((30, 40), bool)
SQUARE[5:15, 5:15] = True
SHAPES = [
    {"type": "polygon", "points": [5.0, 5.0, 15.0, 5.0, 15.0, 15.0, 5.0, 15.0]},
    {"type": "bbox", "bbox": [5.0, 5.0, 10.0, 10.0]},
    {"type": "mask", "rle": {"counts": rle.encode(SQUARE), "size": [30, 40]}},
]


def categories(*names: str) -> dict[str, Any]:
    labels = [{"name": name, "parent": "animal", "attributes": ["age"]} for name in names]
    return {
        "label": {"labels": labels, "label_groups": [], "attributes": []},
        "mask": {"colormap": [{"label_id": 0, "r": 1, "g": 2, "b": 3}]},
    }


def annotation(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "attributes": {"occluded": True, "score": 0.5, "track_id": 7}, "group": 2, "label_id": 1, "z_order": 3, **fields}


def write_file(folder: Path, subset: str, annotations: list[dict[str, Any]], names: tuple[str, ...] = ("cat", "dog")) -> dict[str, Any]:
    entry = {"id": "sub/a", "annotations": annotations, "attr": {"frame": 4}, "image": {"path": "a.png", "size": [30, 40]}}
    content = {"dm_format_version": "1.0", "media_type": 2, "infos": {"author": "ana"}, "categories": categories(*names), "items": [entry]}
    for part in ("annotations", f"images/{subset}"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / f"{subset}.json").write_text(json.dumps(content))
    Image.new("RGB", (40, 30), (len(subset), 0, 0)).save(folder / "images" / subset / "a.png")
    return content


def test_a_folder_comes_out_as_it_went_in(tmp_path: Path) -> None:
    shapes = [annotation(number, **shape) for number, shape in enumerate(SHAPES, 1)]
    others = [{"id": 9, "type": "caption", "caption": "a cat"}, {"id": 8, "type": "label", "label_id": 0}]
    contents = {subset: write_file(tmp_path / "in", subset, [*shapes, *others]) for subset in ("train", "val")}
    dataset = cdwidget.read(tmp_path / "in")
    assert dataset.format == "datumaro" and dataset.classes == {"cat": 0, "dog": 1} and not dataset.problems
    assert [item.read_image()[0, 0, 0] for item in dataset] == [len("train"), len("val")], "each image is in the folder of its subset"
    for instance in dataset[0].instances:
        assert np.array_equal(instance.mask, SQUARE)
        assert (instance.label, instance.attributes, instance.score, instance.track_id) == ("dog", {"occluded": True}, 0.5, 7)
    cdwidget.write("datumaro", dataset, tmp_path / "out")
    for subset, content in contents.items():
        assert json.loads((tmp_path / "out" / "annotations" / f"{subset}.json").read_text()) == content
    (tmp_path / "in").rename(tmp_path / "moved")
    (item,) = cdwidget.read("datumaro", tmp_path / "moved" / "annotations" / "val.json")
    assert item.read_image()[0, 0, 0] == len("val")


def test_an_ellipse_and_shapes_without_area(tmp_path: Path) -> None:
    write_file(tmp_path, "default", [annotation(1, type="ellipse", points=[5, 5, 15, 15]), annotation(2, type="points", points=[1.0, 2.0])])
    with pytest.warns(UserWarning, match="a points has no area, so it is no instance; it is kept for writing"):
        ((item,)) = cdwidget.read("datumaro", tmp_path)
    assert item.instances[0].area == pytest.approx(np.pi * 25, abs=4) and item.instances[0].bbox == (5, 5, 15, 15)


def test_broken_annotations_are_left_out(tmp_path: Path) -> None:
    wrong = [
        {"type": "mask", "rle": {"counts": "1", "size": [2, 2]}},
        {"type": "polygon", "points": [1, 2]},
        {"type": "bbox"},
        {"label_id": 9, **SHAPES[0]},
    ]
    write_file(tmp_path, "default", [annotation(number, **each) for number, each in enumerate([*wrong, SHAPES[0]], 1)])
    with pytest.warns(UserWarning, match="3 problems"):
        dataset = cdwidget.read("datumaro", tmp_path)
    assert [instance.id for instance in dataset[0].instances] == [5]
    assert dataset.problems.total == 4 and "its size is (2, 2)" in dataset.problems[3].message


def test_numbers_of_classes_without_a_name_get_one(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    cdwidget.write("datumaro", [Item(tmp_path / "a.png", [Instance(SQUARE, "cup")])], tmp_path / "out", labels={"cup": 2})
    assert cdwidget.read("datumaro", tmp_path / "out").classes == {"class_0": 0, "class_1": 1, "cup": 2}
    cdwidget.write("datumaro", [Item(tmp_path / "a.png", [Instance(SQUARE, "new")])], tmp_path / "out")
    assert cdwidget.read("datumaro", tmp_path / "out").classes == {"class_0": 0, "class_1": 1, "cup": 2, "new": 3}


def test_a_broken_entry_costs_no_other(tmp_path: Path) -> None:
    content = write_file(tmp_path, "default", ["text", {"id": 2}, annotation(3, **{**SHAPES[1], "attributes": [1]})])  # type: ignore[list-item]
    for more in (5, {"id": "b", "annotations": None, "image": ["b.png"]}):
        content["items"].append(more)
    content["categories"]["mask"] = None
    (tmp_path / "annotations" / "default.json").write_text(json.dumps(content))
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "default" / "b.jpg")
    with pytest.warns(UserWarning, match="3 problems"):
        dataset = cdwidget.read("datumaro", tmp_path)
    assert [[(each.id, each.label) for each in item.instances] for item in dataset] == [[(3, "dog")], []]
    assert "it is not an object of JSON with a type" in dataset.problems[0].message
    (tmp_path / "annotations" / "default.json").write_text(json.dumps({**content, "categories": {"label": None}}))
    with pytest.warns(UserWarning, match="it has class 1; the file has 0"):
        assert len(cdwidget.read("datumaro", tmp_path)) == 2


def test_labels_of_images_follow_the_numbers_of_the_classes(tmp_path: Path) -> None:
    write_file(tmp_path / "in", "default", [{"id": 1, "type": "label", "label_id": 0}])
    cdwidget.write("datumaro", cdwidget.read("datumaro", tmp_path / "in"), tmp_path / "out", labels=["dog", "cat"])
    content = json.loads((tmp_path / "out" / "annotations" / "default.json").read_text())
    (label,) = content["items"][0]["annotations"]
    assert content["categories"]["label"]["labels"][label["label_id"]]["name"] == "cat"
