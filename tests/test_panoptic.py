"""COCO panoptic: maps of segment ids, the fields of the file, and bad entries that cost only themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import cdwidget
from cdwidget.formats.coco import Crowd
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, TWO_PARTS_MASK, item

CAT, GRASS = 7 + 256 * 5 + 65536 * 3, 260  # Ids of segments.


def panoptic(folder: Path, *segments: dict[str, Any]) -> Path:
    item(folder / "val2017")
    pixels = np.zeros((5, 6, 3), np.uint8)
    pixels[~SQUARE] = 4, 1, 0  # Red, green and blue of GRASS.
    pixels[SQUARE] = 7, 5, 3
    (folder / "annotations/panoptic_val2017").mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "annotations/panoptic_val2017/a.png")
    own = [
        {"id": GRASS, "category_id": 193, "area": 24, "bbox": [0, 0, 6, 5], "iscrowd": 1},
        {"id": CAT, "category_id": 17, "area": 6, "bbox": [1, 1, 3, 2], "iscrowd": 0, "pose": "sitting"},
    ]
    content = {
        "info": {"year": 2017},
        "licenses": [{"id": 2}],
        "images": [{"id": 139, "file_name": "a.png", "height": 5, "width": 6, "license": 2}],
        "annotations": [{"image_id": 139, "file_name": "a.png", "segments_info": [*own, *segments]}],
        "categories": [
            {"id": 17, "name": "cat", "supercategory": "animal", "isthing": 1},
            {"id": 193, "name": "grass", "supercategory": "plant", "isthing": 0, "color": [1, 2, 3]},
        ],
    }
    (folder / "annotations/panoptic_val2017.json").write_text(json.dumps(content))
    return folder / "annotations/panoptic_val2017.json"


def test_segments_and_their_fields(tmp_path: Path) -> None:
    file = panoptic(tmp_path)
    dataset = cdwidget.read("panoptic", file)
    grass, cat = dataset[0].instances
    assert Path(dataset[0].path) == tmp_path / "val2017/a.png" and dataset.classes == {"cat": 17, "grass": 193}
    assert (cat.label, cat.id, grass.label, grass.id) == ("cat", CAT, "grass", GRASS) and isinstance(grass, Crowd)
    assert np.array_equal(cat.mask, SQUARE) and np.array_equal(grass.mask, ~SQUARE)
    before = json.loads(file.read_text())
    after = json.loads(cdwidget.write("panoptic", dataset, tmp_path / "annotations/new.json").read_text())
    after["images"][0]["file_name"] = "a.png"
    assert after == before
    assert (tmp_path / "annotations/new/a.png").is_file()


def test_pixels_that_the_file_does_not_list_are_a_problem(tmp_path: Path) -> None:
    file = panoptic(tmp_path)
    content = json.loads(file.read_text())
    del content["annotations"][0]["segments_info"][0]  # Grass.
    file.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=f"24 of its pixels have an id that the JSON file does not list, such as {GRASS}"):
        (found,) = cdwidget.read("panoptic", file)
    assert [instance.label for instance in found.instances] == ["cat"]


def test_new_segments_have_ids_and_boxes(tmp_path: Path) -> None:
    source = item(tmp_path, Instance(RING_MASK, "ring"), Instance(SQUARE, "cat"), Instance(TWO_PARTS_MASK, "cat", id=9))
    content = json.loads(cdwidget.write("panoptic", [source], tmp_path / "out").read_text())
    ring, cat, parts = content["annotations"][0]["segments_info"]
    pixels = np.asarray(Image.open(tmp_path / "out/panoptic/a.png"), np.int64)
    ids = pixels[:, :, 0] + 256 * pixels[:, :, 1] + 65536 * pixels[:, :, 2]
    assert np.array_equal(ids == parts["id"], TWO_PARTS_MASK) and parts["id"] == 9 and len(np.unique(ids)) == 3 + (ids == 0).any()
    assert cat["bbox"] == [1, 1, 3, 2] and cat["area"] == 6 and ring["area"] == (RING_MASK & ~SQUARE & ~TWO_PARTS_MASK).sum()


def test_a_bad_segment_and_a_missing_map(tmp_path: Path) -> None:
    file = panoptic(tmp_path, {"id": 3, "category_id": 4})
    with pytest.warns(UserWarning, match="annotation 3: it is of category 4, which the file does not have"):
        dataset = cdwidget.read("panoptic", file)
    assert len(dataset[0].instances) == 2
    (tmp_path / "annotations/panoptic_val2017/a.png").unlink()
    with pytest.warns(UserWarning, match="there is no image .*panoptic_val2017.a.png"):
        assert list(dataset[0].instances) == []


@pytest.mark.parametrize("record", [{"id": [139], "file_name": "b.png"}, {"file_name": "b.png"}, "b.png", None])
def test_a_bad_image_costs_only_itself(tmp_path: Path, record: object) -> None:
    file = panoptic(tmp_path)
    content = json.loads(file.read_text())
    content["images"].append(record)
    file.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"1 problem: .*panoptic_val2017\.json, image number 2: "):
        dataset = cdwidget.read("panoptic", file)
    assert len(dataset) == 1 and len(dataset[0].instances) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "is not a COCO panoptic file"),
        ('{"images": [], "annotations": [{"segmentation": []}], "categories": []}', "is not a COCO panoptic file"),
        ('{"images": [], "annotations": [], "categories": [{"id": "x"}]}', "every category needs a whole number as its id, and a name"),
    ],
)
def test_files_that_are_not_panoptic(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "panoptic.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        cdwidget.read("panoptic", tmp_path)
