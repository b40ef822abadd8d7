"""iTAG manifests: the last stage of a job, all fields of a line, and bad lines that cost only themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cdwidget
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, item

POINTS = [[1, 1], [4, 1], [4, 3], [1, 3]]


def result(*shapes: Any, rotation: int = 0) -> dict[str, Any]:
    return {"questionId": "1", "data": list(shapes), "rotation": rotation, "markTitle": "boxes", "width": 6, "type": "image", "height": 5}


def polygon(label: str, **fields: Any) -> dict[str, Any]:
    return {"id": "ecdb7552-2a4e", "type": "image/polygon", "value": POINTS, "labels": {"boundingbox": label}, **fields}


def manifest(folder: Path, *lines: Any) -> Path:
    item(folder)
    (folder / "job.manifest").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder / "job.manifest"


def test_the_last_stage_is_read_and_the_others_are_kept(tmp_path: Path) -> None:
    answer = {"questionId": "3", "data": "sharp", "markTitle": "Text content", "type": "survey/value"}
    point = {"id": "f", "type": "image/point", "value": [2, 2], "labels": {}}
    line = {
        "data": {"source": "oss://bucket.oss-cn-hangzhou/pics/a.png", "batch": 4},
        "label-14350": {"results": [result(polygon("dog"))]},
        "label-14350-check": {"results": [result(polygon("cat", color="red"), point), answer]},
        "label-14350-verify": {"results": [answer]},
    }
    file = manifest(tmp_path, line)
    with pytest.warns(UserWarning, match="annotation 2: its type is 'image/point', not 'image/polygon', so it is no instance"):
        (found,) = dataset = cdwidget.read(file)
    (cat,) = found.instances
    assert dataset.format == "itag" and found.path == tmp_path / "a.png"
    assert cat.label == "cat" and np.array_equal(cat.mask, SQUARE)
    written = cdwidget.write("itag", dataset, tmp_path / "new.manifest")
    assert json.loads(written.read_text()) == line


def test_answers_to_other_questions_are_attributes(tmp_path: Path) -> None:
    labels = {"occluded": "yes", "label": ["cat", "pet"], "score": 0.5, "track_id": 3}
    line = {"data": {"picture_url": "a.png"}, "label-1": {"results": [result({**polygon(""), "id": "7", "labels": labels})]}}
    (found,) = cdwidget.read("itag", manifest(tmp_path, line))
    (cat,) = found.instances
    assert (cat.id, cat.label, cat.attributes, cat.score, cat.track_id) == (7, "cat, pet", {"occluded": "yes"}, 0.5, 3)


def test_a_line_of_a_new_image(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(SQUARE, "cat", attributes={"occluded": True}), Instance(RING_MASK, "ring", id=9))
    written = cdwidget.write("itag", [source], tmp_path / "out")
    line = json.loads(written.read_text())
    (own,) = line["label-cdwidget"]["results"]
    cat, ring = own.pop("data")
    assert written == tmp_path / "out/labels.manifest" and line["data"] == {"source": "../a.png"}
    assert own == {"questionId": "1", "markTitle": "label", "type": "image", "rotation": 0, "width": 6, "height": 5}
    assert cat["labels"] == {"label": "cat", "occluded": True} and sorted(cat["value"]) == sorted(POINTS) and ring["id"] == "9"


def test_an_image_without_annotations_and_one_that_is_not_here(tmp_path: Path) -> None:
    away = {"data": {"source": "oss://bucket/b.png"}, "label-1": {"results": [result(polygon("cat"))]}}
    file = manifest(tmp_path, {"data": {"source": "a.png"}}, away)
    here, there = dataset = cdwidget.read(file)
    assert len(here.instances) == 0 and str(there.path) == "oss://bucket/b.png" and there.instances[0].area == 6
    lines = cdwidget.write("itag", dataset, tmp_path / "new.manifest").read_text().splitlines()
    assert json.loads(lines[1]) == away


def test_bad_lines_and_shapes_cost_only_themselves(tmp_path: Path) -> None:
    bad = [{"data": {}}, {"data": {"source": "a.png"}, "label-1": {"results": [result(polygon("cat"), rotation=90)]}}]
    good = {"data": {"source": "a.png"}, "label-1": {"results": [result(polygon("", value=[[1, 1]]), polygon("cat"), 5)]}}
    file = manifest(tmp_path, *bad, good)
    file.write_text(file.read_text() + "{\n")
    with pytest.warns(UserWarning, match="annotation line 1: it has no data.source, the image"):
        dataset = cdwidget.read("itag", file)
    messages = [problem.message for problem in dataset.problems]
    assert messages[1:3] == [
        "its shapes are turned by 90 degrees, so they are not read",
        "its polygon has 1 points; it needs at least 3",
    ]
    assert len(messages) == 5 and [len(each.instances) for each in dataset] == [0, 1]
    written = [json.loads(line) for line in cdwidget.write("itag", dataset, tmp_path / "new.manifest").read_text().splitlines()]
    assert written[0] == bad[1] and len(written[1]["label-1"]["results"][0]["data"]) == 3


def test_a_folder_of_several_manifests_needs_the_path_of_one(tmp_path: Path) -> None:
    manifest(tmp_path, {"data": {"source": "a.png"}})
    assert len(cdwidget.read(tmp_path)) == 1
    (tmp_path / "more.manifest").write_text("")
    with pytest.raises(ValueError, match="holds several manifests: job.manifest, more.manifest; give the path of one"):
        cdwidget.read("itag", tmp_path)
