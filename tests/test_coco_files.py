"""COCO files of other tools: read as far as they can be, and written back with all that they had."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as reference

import cdwidget
from cdwidget.formats import load
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]  # 100 pixels
TRIANGLE = [3.25, 2.5, 30.75, 4.0, 12.5, 25.25]


def photo(path: Path, width: int = 40, height: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)
    return path


def save(path: Path, images: list[Any], annotations: list[Any] = (), **content: Any) -> Path:  # type: ignore[assignment]
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [image if isinstance(image, dict) else {"id": n, "file_name": image} for n, image in enumerate(images, 1)]
    annotations = [{"id": n, "image_id": 1, "category_id": 1, **own} for n, own in enumerate(annotations, 1)]
    categories = [{"id": 1, "name": "cat"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories, **content}))
    return path


# ---- nothing is lost -------------------------------------------------------------------------------------------------


def full_file(folder: Path) -> dict[str, Any]:
    photo(folder / "images" / "a.png")
    rle = reference.encode(np.asfortranarray(np.indices((30, 40)).sum(0) % 7 == 0, np.uint8))
    size = {"width": 40, "height": 30}
    return {
        "info": {"year": 2020, "description": "mine"},
        "licenses": [{"id": 3, "name": "CC BY"}],
        "tool": {"version": [1, 2]},
        "images": [
            {"id": 17, "file_name": "a.png", **size, "license": 3, "coco_url": "http://example.org/a.png", "date_captured": None},
            {"id": "second", "file_name": "gone/b.png", **size},
        ],
        "annotations": [
            {
                **{"id": 101, "image_id": 17, "category_id": 7, "segmentation": [TRIANGLE, SQUARE], "bbox": [3.25, 2.5, 27.5, 22.75]},
                **{"area": 300.125, "iscrowd": 0, "score": 0.93, "attributes": {"occluded": True}, "track_id": 9},
                **{"keypoints": [6, 6, 2], "num_keypoints": 1, "note": "ünï"},
            },
            {"id": "x", "image_id": 17, "category_id": 7, "bbox": [1.5, 2.5, 10.25, 8], "iscrowd": 0, "score": None, "attributes": {}},
            {"id": 0, "image_id": 17, "category_id": 7, "segmentation": [SQUARE], "area": 100, "bbox": [5, 5, 10, 10], "iscrowd": 1},
            {
                **{"id": 5, "image_id": "second", "category_id": 1, "area": int(reference.area(rle)), "bbox": [0, 0, 40, 30]},
                **{"segmentation": {"size": [30, 40], "counts": rle["counts"].decode()}, "iscrowd": 0, "ignore": 1},
            },
        ],
        "categories": [
            {"id": 1, "name": "person", "supercategory": "animal", "keypoints": ["nose"]},
            {"id": 3, "name": "unused"},
            {"id": 7, "name": "bus", "supercategory": "vehicle", "color": "#ff0000"},
        ],
    }


@pytest.mark.filterwarnings("ignore:.*1 image was not found")
def test_a_file_that_is_read_and_written_is_the_same(tmp_path: Path) -> None:
    content = full_file(tmp_path)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(content))
    cdwidget.write("coco", cdwidget.read("coco", path), path)
    assert json.loads(path.read_text()) == content
    dataset = cdwidget.read("coco", path)
    assert dataset.classes == {"person": 1, "unused": 3, "bus": 7}
    copy = cdwidget.write("coco", dataset, tmp_path / "out" / "copy.json")
    moved = json.loads(copy.read_text())
    assert [image.pop("file_name") for image in moved["images"]] == ["../images/a.png", "../gone/b.png"]
    assert moved["annotations"] == content["annotations"] and moved["categories"] == content["categories"]


def test_a_changed_mask_is_written_anew_and_keeps_the_other_fields(tmp_path: Path) -> None:
    content = full_file(tmp_path)
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({**content, "images": content["images"][:1], "annotations": content["annotations"][:1]}))
    (item,) = dataset = cdwidget.read("coco", path)
    (old,) = item.instances
    mask = np.zeros((30, 40), bool)
    mask[2:4, 1:9] = True
    new = Instance(mask, old.label, old.id, None, old.attributes, old.score, old.track_id, old.extra)
    dataset[0] = Item(item.path, [new], item.extra)
    cdwidget.write("coco", dataset, path)
    (written,) = json.loads(path.read_text())["annotations"]
    shape = {"segmentation": [[1, 2, 9, 2, 9, 4, 1, 4]], "area": 16, "bbox": [1, 2, 8, 2]}
    assert {key: written[key] for key in shape} == shape
    unchanged = content["annotations"][0].keys() - shape.keys()
    assert {key: written[key] for key in unchanged} == {key: content["annotations"][0][key] for key in unchanged}


def test_classes_keep_their_numbers_only_in_their_format(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    categories = [{"id": 9, "name": "b"}, {"id": 4, "name": "a"}]
    path = save(tmp_path / "annotations.json", ["a.png"], [{"category_id": 9, "segmentation": [SQUARE]}], categories=categories)
    dataset = cdwidget.read("coco", path)
    again = cdwidget.read("coco", cdwidget.write("coco", dataset, tmp_path / "b.json"))
    assert again.classes == {"b": 9, "a": 4}
    yolo = cdwidget.read("yolo", cdwidget.write("yolo", dataset, tmp_path / "yolo"))
    assert yolo.classes == {"a": 0, "b": 1}, "in their order, without gaps"
    listed = cdwidget.read("coco", cdwidget.write("coco", dataset, tmp_path / "c.json", labels=["b", "c"]))
    assert listed.classes == {"b": 1, "c": 2}


def test_attributes_may_hold_numpy_numbers(tmp_path: Path) -> None:
    item = Item(photo(tmp_path / "a.png"), [Instance(np.ones((30, 40), bool), "a", attributes={"n": np.int64(3), "xs": np.arange(2)})])
    path = cdwidget.write("coco", [item], tmp_path)
    assert json.loads(path.read_text())["annotations"][0]["attributes"] == {"n": 3, "xs": [0, 1]}
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        cdwidget.write("coco", [Item(item.path, [Instance(np.ones((30, 40), bool), attributes={"path": tmp_path})])], tmp_path / "b.json")


# ---- images and categories -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [{}, {"width": 0, "height": 0}, {"width": 40.0, "height": 30.0}, {"width": None, "height": 30}, {"width": "40"}]
)
def test_a_size_that_is_missing_or_odd_is_measured(tmp_path: Path, size: dict[str, Any]) -> None:
    photo(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", **size}
    (item,) = cdwidget.read("coco", save(tmp_path / "annotations.json", [image], [{"segmentation": [SQUARE]}]))
    assert item.instances[0].mask.shape == (30, 40) and item.instances[0].area == 100


def test_several_records_of_one_image_are_one_item(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    images = [{"id": n, "file_name": name, "width": 40, "height": 30} for n, name in ((1, "a.png"), (2, "./a.png"), (3, "a.png"))]
    images[2]["width"] = 80
    annotations = [{"image_id": n, "segmentation": [SQUARE]} for n in (1, 2, 3)]
    dataset = load("coco", save(tmp_path / "annotations.json", images, annotations))
    assert len(dataset) == 1 and len(dataset[0].instances) == 2
    assert [(problem.image, problem.annotation) for problem in dataset.problems] == [("a.png", ""), ("a.png", ""), ("", "3")]
    assert "it has 80x30 pixels, and it has 40x30" in dataset.problems[0].message
    assert "80x30 pixels here, and 40x30 in another record" in dataset.problems[1].message


def test_two_images_that_are_found_in_one_file_are_a_problem(tmp_path: Path) -> None:
    photo(tmp_path / "flat" / "a.png")
    dataset = load("coco", save(tmp_path / "annotations.json", ["x/a.png", "y/a.png"]), tmp_path / "flat")
    assert len(dataset) == 1
    (problem,) = dataset.problems
    assert problem.image == "y/a.png" and "flat/a.png, which is found for x/a.png too" in problem.message


def test_odd_categories_cost_only_themselves(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    categories = [
        None,
        {"id": 1},
        {"id": float("inf"), "name": "x"},
        {"id": 1.0, "name": "cat"},
        {"id": 1, "name": "dog"},
        {"id": "2", "name": 5},
    ]
    categories.append({"id": 3, "name": "cat"})
    annotations = [{"category_id": id, "segmentation": [SQUARE]} for id in (1, "2", 3, float("nan"), 2**70)]
    dataset = load("coco", save(tmp_path / "annotations.json", ["a.png"], annotations, categories=categories))
    assert [instance.label for instance in dataset[0].instances] == ["cat", "5", "cat"]
    assert dataset.classes == {"cat": 1}
    assert [problem.annotation for problem in dataset.problems] == [""] * 5 + ["4", "5"]


def test_a_file_without_categories_has_instances_without_label(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "segmentation": [SQUARE]}]}))
    (item,) = cdwidget.read("coco", path)
    assert item.instances[0].label == "" and item.instances[0].area == 100


def test_a_file_without_annotations_has_images_and_classes(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    path = tmp_path / "image_info.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 4, "name": "cat"}]}))
    dataset = cdwidget.read("coco", path)
    assert len(dataset) == 1 and len(dataset[0].instances) == 0 and dataset.classes == {"cat": 4}


# ---- limits ----------------------------------------------------------------------------------------------------------

HUGE = [{"width": w, "height": h} for w, h in ((48, 2**39), (10**9, 10**9), (2**70, 1), (64, 412316860417))]


@pytest.mark.parametrize("size", HUGE, ids=lambda size: f"{size['width']}x{size['height']}")
def test_an_image_of_an_impossible_size_is_left_out_before_it_costs_memory(tmp_path: Path, size: dict[str, int]) -> None:
    images = [{"id": 1, "file_name": "a.png", **size}, {"id": 2, "file_name": str(photo(tmp_path / "b.png"))}]
    dataset = load("coco", save(tmp_path / "annotations.json", images, [{"segmentation": [SQUARE]}]))
    assert len(dataset) == 1 and "the limit is 178,956,970" in next(p.message for p in dataset.problems if p.image == "a.png")


@pytest.mark.parametrize(
    ("size", "polygon", "message"),
    [
        ((10**7, 10), [0, 0, 10**7, 1] * 2, "pixels of edges"),
        ((64, 48), [-640, 0, 640, 1] * 40_000, "pixels of edges"),
        ((64, 48), [0, 0, 0, 1] * 500_001, "1,000,002 points"),
        ((64, 48), [0, 0, 10**400, 0, 1, 1], "far outside"),
        ((64, 48), [0, 0, float("inf"), 0, 1, 1], "far outside"),
        ((64, 48), [0, 0, None, 0, 1, 1], "TypeError"),
        ((64, 48), [0, 0, "1", 0, 1, [1]], ""),
    ],
)
def test_polygons_that_exhaust_memory_are_left_out(tmp_path: Path, size: tuple[int, int], polygon: list[Any], message: str) -> None:
    image = {"id": 1, "file_name": str(photo(tmp_path / "a.png")), "width": size[0], "height": size[1]}
    path = save(tmp_path / "annotations.json", [image], [{"segmentation": [polygon]}, {"segmentation": [SQUARE]}])
    catalogue = cdwidget.Catalogue(tmp_path / "labels.db")
    added = catalogue.import_("coco", path)
    assert added.instances == 1 and len(added.problems) == 2 and message in str(added.problems[1])  # The first is about the size.


def test_limits_are_raised_by_the_argument_that_the_message_names(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    path = save(tmp_path / "annotations.json", ["a.png"], [{"segmentation": [SQUARE]}])
    (item,) = cdwidget.read("coco", path, limits=Limits(max_points=3))
    with pytest.raises(ValueError, match=r"has 4 points; the limit is 3.*limits=cdwidget.Limits\(max_points=4\)"):
        item.instances[0]
    (item,) = cdwidget.read("coco", path, limits=Limits(max_points=4))
    assert item.instances[0].area == 100


def test_ten_thousand_bad_entries_are_listed(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    path = save(tmp_path / "annotations.json", ["a.png"], [{"segmentation": [SQUARE]}, *({"image_id": 2} for _ in range(12_000))])
    problems = load("coco", path).problems
    assert (len(problems), problems.total) == (10_000, 12_000)


# ---- finding images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_disk", "in_file"),
    [
        ("a b.png", "a%20b.png"),
        ("a%20b.png", "a%20b.png"),
        (unicodedata.normalize("NFD", "été.png"), unicodedata.normalize("NFC", "été.png")),
        (unicodedata.normalize("NFC", "été.png"), unicodedata.normalize("NFD", "été.png")),
        ("a.PNG", "a.png"),
        ("Photos/A.png", "Photos/a.PNG"),
        ("images/a.png", "a.png"),
        ("data/a.png", "a.png"),
        ("x/a.png", "x\\a.png"),
        ("images/x/a.png", "/home/somebody/set/images/x/a.png"),
        ("x/a.png", "C:\\set\\x\\a.png"),
        ("a.png", "file:///home/somebody/a.png"),
        ("val2017/a b.png", "http://images.example/val2017/a%20b.png"),
    ],
)
def test_names_of_other_systems_are_found(tmp_path: Path, on_disk: str, in_file: str) -> None:
    photo(tmp_path / on_disk)
    (item,) = dataset = cdwidget.read("coco", save(tmp_path / "annotations.json", [in_file]))
    assert os.path.samefile(item.path, tmp_path / on_disk) and not dataset.problems


@pytest.mark.parametrize(
    ("file", "images", "found"),
    [
        ("annotations/instances_default.json", ["images/a.png"], "images/a.png"),
        ("annotations/instances_default.json", ["images/default/a.png"], "images/default/a.png"),
        ("annotations/instances_val2017.json", ["train2017/a.png", "val2017/a.png"], "val2017/a.png"),
        ("annotations/instances_val.json", ["images/train/a.png", "images/val/a.png"], "images/val/a.png"),
        ("annotations/all.json", ["photos/a.png"], "photos/a.png"),
        ("annotations/all.json", ["one/a.png", "two/a.png"], None),
        ("_annotations.coco.json", ["a.png"], "a.png"),
        ("result.json", ["images/a.png"], "images/a.png"),
        ("labels.json", ["data/a.png"], "data/a.png"),
        ("any name.json", ["a.png"], "a.png"),
    ],
)
def test_images_are_found_in_the_layouts_of_other_tools(tmp_path: Path, file: str, images: list[str], found: str | None) -> None:
    for image in images:
        photo(tmp_path / image)
    save(tmp_path / file, [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}])
    for path in (tmp_path / file, tmp_path):
        if found is None:
            with pytest.warns(UserWarning, match=r"1 image was not found \(a.png\)"):
                load("coco", path)
        else:
            dataset = cdwidget.read("coco", path)
            assert os.path.samefile(dataset[0].path, tmp_path / found) and not dataset.problems


def test_a_folder_with_several_files_needs_the_name_of_one(tmp_path: Path) -> None:
    for name in ("train", "val"):
        save(tmp_path / "annotations" / f"{name}.json", [])
    with pytest.raises(ValueError, match=r"several JSON files: train.json, val.json; give the path of one"):
        cdwidget.read("coco", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing/annotations.json"):
        cdwidget.read("coco", tmp_path / "nothing")


def test_images_that_are_not_found_are_one_warning(tmp_path: Path) -> None:
    path = save(tmp_path / "annotations.json", [{"id": n, "file_name": f"{n}.png", "width": 4, "height": 3} for n in range(5)])
    for read in (cdwidget.read, cdwidget.Catalogue(tmp_path / "labels.db").import_):
        with pytest.warns(UserWarning) as caught:
            result = read("coco", path)
        (warning,) = caught
        assert "5 images were not found (0.png, 1.png, 2.png, ...)" in str(warning.message) and warning.filename == __file__
        assert not result.problems
    assert [Path(item.path).name for item in cdwidget.read("coco", path, strict=True)] == [f"{n}.png" for n in range(5)]


def test_images_in_subfolders_of_the_given_folder_are_found_by_their_only_name(tmp_path: Path) -> None:
    for name in ("x/a.png", "x/b.png", "y/b.png"):
        photo(tmp_path / "images" / name)
    finder = ImageFinder(tmp_path / "a.json", tmp_path / "images")
    assert finder.find("a.png") == tmp_path / "images" / "x" / "a.png"
    assert finder.find("y/b.png") == tmp_path / "images" / "y" / "b.png"
    assert not os.path.exists(finder.find("b.png")) and finder.missing == ["b.png"]


def test_a_url_without_a_file_stays_a_url(tmp_path: Path) -> None:
    image = {"id": 1, "coco_url": "http://images.example/val2017/a.png", "width": 40, "height": 30}
    path = save(tmp_path / "lvis.json", [image], [{"segmentation": [SQUARE]}])
    (item,) = dataset = cdwidget.read("coco", path)
    assert item.path == "http://images.example/val2017/a.png" and not dataset.problems
    written = json.loads(cdwidget.write("coco", dataset, tmp_path / "out.json").read_text())["images"]
    assert written == [{**image, "file_name": "http://images.example/val2017/a.png"}]


def test_a_file_of_lvis_keeps_its_fields(tmp_path: Path) -> None:
    photo(tmp_path / "val2017" / "000000397133.png")
    image = {
        **{"id": 397133, "coco_url": "http://images.example/val2017/000000397133.png", "flickr_url": "", "license": 4},
        **{"width": 40, "height": 30, "date_captured": "2013-11-14", "not_exhaustive_category_ids": [12], "neg_category_ids": [7, 9]},
    }
    annotation = {"image_id": 397133, "segmentation": [SQUARE], "bbox": [5, 5, 10, 10], "area": 100.0, "category_id": 12}
    category = {
        **{"id": 12, "name": "spoon", "synset": "spoon.n.01", "synonyms": ["spoon"], "def": "a utensil", "frequency": "r"},
        **{"image_count": 1, "instance_count": 1},
    }
    unused = {**category, "id": 1203, "name": "zucchini", "synset": "zucchini.n.02"}
    path = save(tmp_path / "annotations" / "lvis_v1_val2017.json", [image], [annotation], categories=[category, unused], info={"v": 1})
    (item,) = dataset = cdwidget.read(path)
    assert Path(item.path).samefile(tmp_path / "val2017" / "000000397133.png") and not dataset.problems
    assert dataset.classes == {"spoon": 12, "zucchini": 1203} and item.instances[0].area == 100
    before = json.loads(path.read_text())
    after = json.loads(cdwidget.write("coco", dataset, tmp_path / "annotations" / "new.json").read_text())
    assert after.pop("images") == [{**before.pop("images")[0], "file_name": "../val2017/000000397133.png"}]
    assert after.pop("annotations") == [{**before.pop("annotations")[0], "iscrowd": 0}]
    assert after == {**before, "licenses": []}
