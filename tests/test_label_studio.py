"""Label Studio: run lengths of its brush, regions of its export, every field kept, and bad regions that cost only themselves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

import cdwidget
from cdwidget.formats import brush_rle
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item

# `label_studio_sdk.converter.brush.mask2rle` of `SQUARE`, and of a ramp of 30 opacities, in steps of 8.
SQUARE_STREAM = [0, 0, 0, 120, 57, 27, 254, 27, 0, 183, 255, 108, 2, 223, 254, 55, 0, 0]
RAMP_STREAM = [
    *(0, 0, 0, 120, 57, 27, 252, 96, 17, 132, 70, 33, 24, 196, 100, 17, 148, 70, 97, 25, 196, 104, 17, 164, 70, 161, 26, 196, 108, 17, 180),
    *(70, 225, 27, 196, 112, 17, 196, 71, 33, 28, 196, 116, 17, 212, 71, 97, 29, 196, 120, 17, 228, 71, 161, 30, 196, 124, 17, 244, 0),
]  # fmt: skip
RAMP = np.arange(0, 240, 8, dtype=np.uint8).reshape(5, 6)


@pytest.mark.parametrize(("alpha", "stream"), [(SQUARE * np.uint8(255), SQUARE_STREAM), (RAMP, RAMP_STREAM)], ids=["mask", "ramp"])
def test_streams_of_label_studio(alpha: np.ndarray, stream: list[int]) -> None:
    assert np.array_equal(brush_rle.decode(stream, 5, 6), alpha)
    assert np.array_equal(brush_rle.decode(brush_rle.encode(alpha), 5, 6), alpha)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)))
def test_brush_streams_come_back(alpha: np.ndarray) -> None:
    assert np.array_equal(brush_rle.decode(brush_rle.encode(alpha), *alpha.shape), alpha)


def test_runs_longer_than_one_chunk_come_back() -> None:
    alpha = np.zeros((200, 200), np.uint8)
    alpha[60:190] = 255
    assert np.array_equal(brush_rle.decode(brush_rle.encode(alpha), 200, 200), alpha)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ("text", "not a list of bytes"),
        ([300], "not a list of bytes"),
        ([], "end before the last pixel"),
        (SQUARE_STREAM[:-6], "end before the last pixel"),
        ([0, 0, 1, 0, *SQUARE_STREAM[4:]], "hold 256 bytes, an image of 6x5 pixels needs 120"),
    ],
)
def test_damaged_streams(stream: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        brush_rle.decode(stream, 5, 6)


# --- tasks -------------------------------------------------------------------------------------------------------------------------

SIZE = {"original_width": 6, "original_height": 5, "image_rotation": 0, "from_name": "tag", "to_name": "image", "origin": "manual"}


def region(id: str, kind: str, labels: list[str], **value: object) -> dict[str, Any]:
    return {"id": id, "type": kind, "value": {**value, kind: labels}, **SIZE}


BRUSH = region("b1", "brushlabels", ["cat"], format="rle", rle=SQUARE_STREAM)
RECTANGLE = region("r1", "rectanglelabels", ["dog", "puppy"], x=100 / 6, y=20, width=50, height=40, rotation=0)
POLYGON = region("p1", "polygonlabels", ["cat"], points=[[100 / 6, 20], [400 / 6, 20], [400 / 6, 60], [100 / 6, 60]], closed=True)
ELLIPSE = region("e1", "ellipselabels", ["cat"], x=50, y=50, radiusX=100 / 3, radiusY=30, rotation=0)
BREED = {"id": "b1", "type": "choices", "value": {"choices": ["siamese"]}, "from_name": "breed", "to_name": "image"}
AGE = {"id": "b1", "type": "number", "value": {"number": 3}, "from_name": "age", "to_name": "image"}
POINT = region("k1", "keypointlabels", ["nose"], x=20, y=20, width=1)


def export(folder: Path, *results: object, **task: object) -> Path:
    item(folder)
    whole = {"id": 7, "data": {"image": "/data/upload/1/0a1b2c3d-a.png", "caption": "two"}, "meta": {"lot": 3}, "project": 1}
    annotation = {"id": 70, "completed_by": 2, "lead_time": 4.5, "result": results, "was_cancelled": False}
    (folder / "project-1.json").write_text(json.dumps([{**whole, "annotations": [annotation], "predictions": [], **task}]))
    return folder / "project-1.json"


def test_regions_with_their_values(tmp_path: Path) -> None:
    (found,) = cdwidget.read("label_studio", export(tmp_path, BRUSH, BREED, AGE, RECTANGLE, POLYGON, ELLIPSE))
    assert Path(found.path) == tmp_path / "a.png"
    brush, rectangle, polygon, ellipse = found.instances
    assert [each.label for each in found.instances] == ["cat", "dog", "cat", "cat"]
    assert all(np.array_equal(each.mask, SQUARE) for each in (brush, rectangle, polygon)) and ellipse.bbox == (1, 1, 5, 4)
    assert brush.attributes == {"breed": "siamese", "age": 3} and brush.alpha is None


def test_exports_keep_everything(tmp_path: Path) -> None:
    file = export(tmp_path, BRUSH, BREED, AGE, RECTANGLE, POLYGON, ELLIPSE, POINT)
    before = json.loads(file.read_text())
    with pytest.warns(UserWarning, match="annotation k1: a region of the type keypointlabels has no area, so it is no instance"):
        dataset = cdwidget.read("label_studio", tmp_path)
    assert json.loads(cdwidget.write("label_studio", dataset, file).read_text()) == before


def test_changed_instances_keep_their_region(tmp_path: Path) -> None:
    (found,) = cdwidget.read("label_studio", export(tmp_path, BRUSH, BREED, RECTANGLE, POLYGON))
    brush, rectangle, polygon = found.instances
    changed = [replace(brush, mask=RING_MASK, attributes={"breed": "manx", "wild": True}), replace(rectangle, label="wolf"), polygon]
    file = cdwidget.write("label_studio", [replace(found, instances=changed)], tmp_path / "b.json")
    (task,) = json.loads(file.read_text())
    results = task["annotations"][0]["result"]
    assert [result["id"] for result in results] == ["b1", "b1", "b1", "r1", "p1"] and task["meta"] == {"lot": 3}
    assert results[0]["origin"] == "manual" and results[3]["value"]["rectanglelabels"] == ["wolf"] and results[3]["value"]["width"] == 50
    again = list(cdwidget.read("label_studio", file)[0].instances)
    assert np.array_equal(again[0].mask, RING_MASK) and again[0].attributes == {"breed": "manx", "wild": True}


def test_predictions_have_scores(tmp_path: Path) -> None:
    prediction = {"model_version": "1", "score": 0.25, "result": [{**BRUSH, "score": 0.75}, RECTANGLE]}
    dataset = cdwidget.read("label_studio", export(tmp_path, annotations=[], predictions=[prediction]))
    assert [each.score for each in dataset[0].instances] == [0.75, 0.25]
    (task,) = json.loads(cdwidget.write("label_studio", dataset, tmp_path / "b.json").read_text())
    assert task["predictions"][0]["model_version"] == "1" and task["annotations"] == []


def test_the_last_annotation_that_was_not_canceled_is_read(tmp_path: Path) -> None:
    annotations = [{"id": 1, "result": [RECTANGLE]}, {"id": 2, "result": [BRUSH]}, {"id": 3, "result": [], "was_cancelled": True}]
    with pytest.warns(UserWarning, match="task 7 has 3 annotations; one is read, and the others are kept for writing"):
        dataset = cdwidget.read("label_studio", export(tmp_path, annotations=annotations))
    assert [each.label for each in dataset[0].instances] == ["cat"]
    (task,) = json.loads(cdwidget.write("label_studio", dataset, tmp_path / "b.json").read_text())
    assert sorted(each["id"] for each in task["annotations"]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["/data/local-files/?d=photos/a.png", "s3://bucket/x/a.png", "a.png", "/data/upload/3/a.png"])
def test_images_are_found_by_their_names_in_label_studio(tmp_path: Path, name: str) -> None:
    (found,) = cdwidget.read("label_studio", export(tmp_path, BRUSH, data={"picture": name}))
    assert Path(found.path) == tmp_path / "a.png" and len(found.instances) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({**RECTANGLE, "image_rotation": 90}, "its image is turned by 90 degrees"),
        (region("x", "polygonlabels", ["cat"], points=[[0, 0]]), "its polygon has 1 points"),
        (region("x", "brushlabels", ["cat"], format="png"), "its brush has the format 'png'"),
        (region("x", "rectanglelabels", ["cat"], x="left"), "could not convert"),
        (None, "it is None, not a region"),
    ],
)
def test_a_bad_region_costs_only_itself(tmp_path: Path, bad: object, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        dataset = cdwidget.read("label_studio", export(tmp_path, bad, POLYGON))
    assert [each.label for each in dataset[0].instances] == ["cat"]


def test_a_bad_stream_is_found_when_it_is_decoded(tmp_path: Path) -> None:
    dataset = cdwidget.read("label_studio", export(tmp_path, region("x", "brushlabels", ["cat"], format="rle", rle=[1]), POLYGON))
    with pytest.warns(UserWarning, match="annotation x: the brush run lengths end before the last pixel"):
        assert len(list(dataset[0].instances)) == 1


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"image": "a.png", "tag": []}]'])
def test_files_that_are_no_tasks(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r'a\.json is not a list of Label Studio tasks with data; export the project as "JSON"'):
        cdwidget.read("label_studio", tmp_path / "a.json")


def test_new_tasks_can_be_imported(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(TWO_PARTS_MASK, "cat", attributes={"occluded": True}))
    (task,) = json.loads(cdwidget.write("label_studio", [source], tmp_path / "out").read_text())
    brush, occluded = task["annotations"][0]["result"]
    assert task["data"] == {"image": "../a.png"} and brush["type"] == "brushlabels" and brush["value"]["brushlabels"] == ["cat"]
    assert (brush["from_name"], brush["to_name"], brush["original_width"], brush["original_height"]) == ("tag", "image", 6, 5)
    assert (occluded["id"], occluded["type"], occluded["value"]) == (brush["id"], "choices", {"choices": ["true"]})
