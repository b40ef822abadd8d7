"""What a catalogue keeps besides masks: attributes, confidence, tracks, fields of files, classes and problems of data sets."""

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.formats.dataset import MAX_KEPT_PROBLEMS, Dataset, ReadProblem
from cdwidget.formats.instances import LazyInstances

FIELDS = {"attributes": {"occluded": True, "note": "Ä"}, "score": 0.25, "track_id": 7, "extra": {"coco": {"area_m2": 1.5}}}


def square(x: int, y: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + 8, x : x + 8] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """A cat with all fields, and a dog with none."""
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    found = Catalogue(tmp_path / "labels.db", user="ana")
    instances = [Instance(square(3, 4), "cat", **FIELDS), Instance(square(20, 10), "dog")]
    found.add([Item(tmp_path / "a.png", instances, extra={"coco": {"license": 3}}), "b.png"])
    return found


def fields_of(instance: Instance) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in FIELDS}


def test_fields_survive_edits_and_undo(catalogue: Catalogue) -> None:
    assert [fields_of(one) for one in catalogue.item(1).instances] == [FIELDS, fields_of(Instance(square(0, 0)))]
    assert catalogue.item(1).extra == {"coco": {"license": 3}}
    catalogue.set_status(1, "accepted")
    catalogue.update(1, [Instance(square(3, 4), "lion", 1, attributes={"occluded": False}), Instance(square(20, 10), "dog", 2)])
    assert catalogue.item(1).instances[0].attributes == {"occluded": False} and catalogue.item(1).instances[0].score is None
    assert catalogue.undo(1) and fields_of(catalogue.item(1).instances[0]) == FIELDS
    catalogue.update(1, [])
    assert catalogue.undo(1) and fields_of(catalogue.item(1).instances[0]) == FIELDS


def test_an_attribute_is_changed_without_deleting_scores(catalogue: Catalogue) -> None:
    catalogue.put_scores(1, [cdwidget.catalogue.ScoreValue(1, "edges", 0.5)])
    dog = catalogue.item(1).instances[1]
    catalogue.update(1, [Instance(square(3, 4), "cat", 1, attributes={"occluded": False}), dog])
    assert len(catalogue.scores(1)) == 1 and catalogue.history(1)[-1].action == "update"


def test_queries_filter_and_order_by_fields(catalogue: Catalogue) -> None:
    def found(*where: tuple[str, str, Any], order_by: str = "id") -> list[int]:
        return [row.id for row in catalogue.query(of="instances", where=where, order_by=order_by)]

    assert found(("confidence", "<", 0.5)) == found(("track_id", "=", 7)) == found(("attributes.occluded", "=", True)) == [1]
    assert found(("attributes.note", "contains", "Ä")) == [1] and found(('attributes.no "name', "=", None)) == [1, 2]
    assert found(("attributes.occluded", "=", False)) == [] and found(("confidence", "=", None)) == [2]
    assert found(order_by="-confidence") == [1], "instances without a confidence are left out"
    assert [row.id for row in catalogue.query(where=[("instances", "=", 0)])] == [2]
    (row, _) = catalogue.query(of="instances")
    assert (row.confidence, row.track_id, row.attributes) == (0.25, 7, FIELDS["attributes"])
    assert catalogue.attributes() == {"note": ["Ä"], "occluded": [True]}
    for name in ('6" pipe', "a\\b", "a.b", "a'b", "é", ""):
        catalogue.update(1, [Instance(square(3, 4), "cat", 1, attributes={name: 3})])
        assert found((f"attributes.{name}", "=", 3)) == [1]


def test_a_coco_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    box = {"image_id": 31, "category_id": 8, "area": 25.5, "bbox": [1, 1, 5, 5], "iscrowd": 0}
    content = {
        "info": {"year": 2026},
        "licenses": [{"id": 3, "name": "CC"}],
        "images": [{"id": 31, "file_name": "a.png", "height": 30, "width": 40, "license": 3, "camera": "north"}],
        "categories": [{"id": 5, "name": "unused", "supercategory": "none"}, {"id": 8, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            {**box, "id": 7, "segmentation": [[1.5, 1.5, 6.5, 1, 6, 6, 1, 6]], "score": 0.5, "attributes": {"wet": True}, "keypoints": [1]},
            {**box, "id": 9, "segmentation": [[1, 1, 6, 1, 6, 6, 1, 6]], "track_id": 4},
        ],
    }
    path = tmp_path / "ann.json"
    path.write_text(json.dumps(content))
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.import_("coco", path)
    written = json.loads(catalogue.export("coco", tmp_path / "out.json").read_text())
    assert written == content
    catalogue.rename_label("cat", "lion")
    assert json.loads(catalogue.export("coco", tmp_path / "out.json").read_text())["categories"][1] == {
        "id": 8, "name": "lion", "supercategory": "animal",
    }  # fmt: skip


def test_a_second_file_of_the_same_images_adds_what_is_new(catalogue: Catalogue, tmp_path: Path) -> None:
    given = [Instance(square(3, 4), "cat"), Instance(square(3, 4), "lion"), Instance(square(30, 2), "dog", 2)]
    items = [Item(tmp_path / "a.png", given), Item("b.png", given[:1]), Item(tmp_path / "c.png")]
    assert str(catalogue.add(items[:1])) == "0 items and 0 instances added, 1 items known already"
    added = catalogue.add(items, known="add")
    assert (added.items, added.instances, added.known) == (1, 3, 0)
    found = catalogue.item(1).instances
    assert [(one.label, one.id, one.bbox) for one in found][2:] == [("lion", 3, (3, 4, 11, 12)), ("dog", 4, (30, 2, 38, 10))]
    assert fields_of(found[0]) == FIELDS and catalogue.item(2).instances[0].label == "cat"
    again = catalogue.add(items, known="add")
    assert (again.items, again.instances, again.known) == (0, 0, 3)
    assert catalogue.undo(1) and len(catalogue.item(1).instances) == 2
    wrong = catalogue.add([Item(tmp_path / "a.png", [Instance(np.ones((5, 5), bool))])], known="add")
    assert "40x30" in str(wrong.problems[0]) and len(catalogue.item(1).instances) == 2
    with pytest.raises(ValueError, match="'add'"):
        catalogue.add(items, known="ad")


def test_a_new_data_set_adds_to_known_images_and_an_imported_one_does_not(tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    catalogue = Catalogue(tmp_path / "labels.db")
    for name, label, x in (("cats", "cat", 3), ("dogs", "dog", 9)):
        cdwidget.write("npz", [Item(tmp_path / "a.png", [Instance(square(x, 4), label)])], tmp_path / f"{name}.npz")
    assert [catalogue.import_("npz", tmp_path / f"{name}.npz").instances for name in ("cats", "dogs")] == [1, 1]
    catalogue.update(1, [Instance(square(20, 4), "cat", 1), catalogue.item(1).instances[1]])
    added = catalogue.import_("npz", tmp_path / "cats.npz")
    assert (added.instances, added.known) == (0, 1), "the edited instance would return"
    assert catalogue.import_("npz", tmp_path / "cats.npz", known="add").instances == 1
    assert catalogue.import_("npz", tmp_path / "dogs.npz", known="skip").known == 1


def test_a_renamed_file_or_an_interrupted_import_brings_no_edited_instance_back(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    items = [Item(path, [Instance(square(x, 4), label) for x, label in ((3, "cat"), (12, "dog"), (22, "cow"))]) for path in paths]
    for path in paths:
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(path)
    cdwidget.write("npz", items, tmp_path / "all")
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add(items[:1])  # An import that was interrupted after the first image.
    cat, dog, _ = catalogue.item(1).instances
    catalogue.update(1, [Instance(square(5, 4), "cat", 1), dog])
    catalogue.rename_label("dog", "wolf")
    catalogue.add([Item(paths[1], [Instance(square(3, 20), "sheep")])])
    assert catalogue.import_("npz", tmp_path / "all").instances == 3
    assert [[one.label for one in catalogue.item(id).instances] for id in (1, 2)] == [["cat", "wolf"], ["sheep", "cat", "dog", "cow"]]
    catalogue.update(2, [])
    (tmp_path / "all").rename(tmp_path / "renamed")
    assert str(catalogue.import_("npz", tmp_path / "renamed")) == "0 items and 0 instances added, 2 items known already"
    assert catalogue.import_("npz", tmp_path / "renamed", known="add").instances == 6


@pytest.mark.parametrize("batch", [1, 500])
@pytest.mark.parametrize("known", ["skip", "add"])
def test_an_image_may_occur_twice_in_a_data_set(tmp_path: Path, known: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.catalogue.catalogue.ADD_BATCH_ITEMS", batch)
    path = tmp_path / "a.png"
    catalogue = Catalogue(tmp_path / "labels.db")
    items = [Item(path), Item(path, [Instance(square(3, 4), "cat")]), Item(path), Item(path, [Instance(square(9, 9), "dog")])]
    added = catalogue.add(items, known=known)
    assert (added.items, added.instances, added.known) == (1, 2, 1), "the item without instances is known"
    assert [one.label for one in catalogue.item(1).instances] == ["cat", "dog"]
    assert catalogue.add(items, known=known).instances == 0


def test_values_that_json_or_sqlite_lack_are_stored_as_near_as_possible(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    odd = {"count": np.int64(3), "box": np.arange(2), "depth": math.inf, "path": Path("a"), "name": "\ud800"}
    catalogue.add([Item("a.png", [Instance(square(1, 1), "cat", attributes=odd, score=math.nan, track_id=2**70)])])
    (instance,) = catalogue.item(1).instances
    assert instance.attributes == {"count": 3, "box": [0, 1], "depth": None, "path": "a", "name": "\ud800"}
    assert instance.score is None and instance.track_id is None


def test_problems_and_classes_of_data_sets_are_kept(catalogue: Catalogue, tmp_path: Path) -> None:
    def data_set(count: int, **classes: int) -> Dataset:
        dataset = Dataset([Item("a.png")], classes)
        dataset.format, dataset.path = "coco", str(tmp_path / "ann.json")
        for number in range(count):
            dataset.problems.add("it has no mask", file="ann.json", image="a.png", annotation=number, advice="draw it")
        return dataset

    added = catalogue.add(data_set(MAX_KEPT_PROBLEMS + 5, bird=4))
    assert added.problems.total == MAX_KEPT_PROBLEMS + 5 and "10,005 problems" in str(added)
    assert len(catalogue.problems()) == MAX_KEPT_PROBLEMS
    catalogue.add(data_set(1, bird=4, fish=9, bat=4))
    assert catalogue.problems() == [ReadProblem("ann.json", "a.png", "0", "it has no mask", "draw it")]
    assert catalogue.classes() == {"bird": 4, "fish": 9, "bat": 10} and catalogue.labels() == ["bat", "bird", "cat", "dog", "fish"]


def test_an_import_keeps_what_could_not_be_read(tmp_path: Path) -> None:
    annotation = {"image_id": 1, "category_id": 3, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 30, "width": 40}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "unused"}],
        "annotations": [
            {**annotation, "id": 1, "segmentation": [[1, 1, 6, 1, 6, 6, 1, 6]], "score": 0.5},
            {**annotation, "id": 2, "segmentation": {"size": [9, 9], "counts": "zzz"}},
            {**annotation, "id": 3, "segmentation": None, "category_id": 99},
        ],
    }
    (tmp_path / "ann.json").write_text(json.dumps(content))
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    catalogue = Catalogue(tmp_path / "labels.db")
    added = catalogue.import_("coco", tmp_path / "ann.json")
    assert added.instances == 1 and added.problems.total >= 2
    assert {problem.annotation for problem in catalogue.problems()} >= {"2", "3"}
    assert catalogue.item(1).instances[0].score == 0.5 and catalogue.classes() == {"cat": 3, "unused": 8}


def test_masks_are_encoded_one_by_one(catalogue: Catalogue) -> None:
    """300 masks of 1000 x 1000 pixels have 300 MB."""
    mask = np.zeros((1000, 1000), bool)
    mask[500:510, 20:30] = True
    many = LazyInstances(300, lambda indices: (Instance(mask.copy(), "cat") for _ in indices))
    tracemalloc.start()
    try:
        catalogue.update(2, many)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6 and len(catalogue.item(2).instances) == 300


def coco_content(**fields: Any) -> dict[str, Any]:
    """Return a COCO file of one image and one square, with further fields of the annotation."""
    box = [3, 4, 8, 8]
    square = {"id": 5, "image_id": 1, "category_id": 2, "iscrowd": 0, "segmentation": [[3.0, 4, 11, 4.00, 11, 12, 3, 12]]}
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{**square, "bbox": box, "area": 64.25, **fields}],
        "categories": [{"id": 2, "name": "cat", "supercategory": "animal"}],
    }


@pytest.mark.parametrize("fields", [{}, {"note": 'a "]}},'}, {"caption": "Ä"}, {"nested": {"id": 3, "score": [None, 1e-7]}}, {"id": 0}])
def test_export_writes_coco_annotations_as_they_were_read(tmp_path: Path, fields: dict[str, Any]) -> None:
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    content = coco_content(**fields)
    (tmp_path / "in.json").write_text(json.dumps(content))
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.import_("coco", tmp_path / "in.json")
    exported = catalogue.export("coco", tmp_path / "out.json")
    assert json.loads(exported.read_text())["annotations"] == content["annotations"]
    catalogue.update(1, [Instance(square(20, 10), "cat", 1)])
    (annotation,) = json.loads(catalogue.export("coco", exported).read_text())["annotations"]
    assert annotation["area"] == 64 and annotation["bbox"] == [20, 10, 8, 8], "the shape of an edited mask is new"


@pytest.mark.parametrize(("old", "new"), [("[[3.0,", "[[3..,"), ('"area":64.25', '"area":64.25},"other":{"x":1')])
def test_export_writes_the_mask_if_its_fields_are_damaged_in_the_catalogue(tmp_path: Path, old: str, new: str) -> None:
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "in.json").write_text(json.dumps(coco_content()))
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.import_("coco", tmp_path / "in.json")
    catalogue.database.write(lambda connection: connection.execute("UPDATE masks SET extra = replace(extra, ?, ?)", (old, new)))
    (annotation,) = json.loads(catalogue.export("coco", tmp_path / "out.json").read_text())["annotations"]
    assert annotation["area"] == 64 and annotation["bbox"] == [3, 4, 8, 8]
