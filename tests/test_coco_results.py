"""COCO results: predictions of a file of images, with scores, as pycocotools reads and writes them."""

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import cdwidget
from cdwidget import rle
from cdwidget.items import Instance
from support.image_files import RING_MASK, SQUARE, item

SQUARE_RLE = {"size": [5, 6], "counts": rle.encode(SQUARE)}


def predictions(folder: Path, *entries: Any, images_file: str = "annotations.json") -> Path:
    """Write the COCO file of one image, and a list of predictions for it."""
    item(folder)
    content = {
        "images": [{"id": 139, "file_name": "a.png", "height": 5, "width": 6}],
        "annotations": [],
        "categories": [{"id": 17, "name": "cat"}, {"id": 90, "name": "cup"}],
    }
    (folder / images_file).write_text(json.dumps(content))
    (folder / "predictions.json").write_text(json.dumps(entries))
    return folder / "predictions.json"


def test_predictions_of_run_lengths_polygons_and_boxes(tmp_path: Path) -> None:
    own = {"image_id": 139, "category_id": 17}
    polygon = [[1, 1, 4, 1, 4, 3, 1, 3]]
    file = predictions(
        tmp_path,
        {**own, "segmentation": SQUARE_RLE, "score": 0.75},
        {**own, "segmentation": polygon, "score": 0.5, "category_id": 90},
        {**own, "bbox": [1, 1, 3, 2], "score": 0.25},
    )
    (found,) = dataset = cdwidget.read("coco_results", file)
    assert [(each.label, each.score) for each in found.instances] == [("cat", 0.75), ("cup", 0.5), ("cat", 0.25)]
    assert all(np.array_equal(each.mask, SQUARE) for each in found.instances)
    assert found.path == tmp_path / "a.png" and dataset.classes == {"cat": 17, "cup": 90}


def test_bad_predictions_cost_only_themselves(tmp_path: Path) -> None:
    good = {"image_id": 139, "category_id": 17, "segmentation": SQUARE_RLE, "score": 0.75}
    file = predictions(tmp_path, {**good, "image_id": 4}, good, {**good, "category_id": 5}, 7)
    with pytest.warns(UserWarning, match=r"predictions.json, annotation number 1: it belongs to image 4, which is not in the file"):
        (found,) = dataset = cdwidget.read(file)
    assert dataset.problems.total == 3 and [each.score for each in found.instances] == [0.75]


def test_images_that_are_not_found_are_one_warning(tmp_path: Path) -> None:
    file = predictions(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.warns(UserWarning, match=r"annotations.json: 1 image was not found \(a.png\)") as caught:
        cdwidget.read("coco_results", file)
    assert [warning.filename for warning in caught] == [__file__]


def test_the_only_coco_file_in_the_folder_names_the_images(tmp_path: Path) -> None:
    file = predictions(tmp_path, images_file="instances_val2017.json")
    (tmp_path / "other.json").write_text("{}")
    assert [Path(each.path).name for each in cdwidget.read("coco_results", file)] == ["a.png"]
    (tmp_path / "instances_val2017.json").unlink()
    with pytest.raises(FileNotFoundError, match="put the COCO file that was predicted on next to it, as annotations.json"):
        cdwidget.read("coco_results", file)


def test_pycocotools_rates_written_predictions(tmp_path: Path) -> None:
    images = [item(tmp_path, Instance(SQUARE, "cat"), Instance(RING_MASK, "cup"))]
    cdwidget.write("coco", images, tmp_path, labels={"cat": 17, "cup": 90})
    truth = (tmp_path / "annotations.json").read_text()
    found = [item(tmp_path, Instance(RING_MASK, "cup", score=0.5), Instance(SQUARE, "cat", score=0.75))]
    written = cdwidget.write("coco_results", found, tmp_path)
    cup, cat = json.loads(written.read_text())
    assert cat == {"image_id": 1, "category_id": 17, "segmentation": SQUARE_RLE, "score": 0.75} and cup["category_id"] == 90
    assert (tmp_path / "annotations.json").read_text() == truth and not (tmp_path / "predictions.images.json").exists()
    with redirect_stdout(StringIO()):
        coco = COCO(str(tmp_path / "annotations.json"))
        rating = COCOeval(coco, coco.loadRes(str(written)), "segm")
        rating.evaluate()
        rating.accumulate()
        rating.summarize()
    assert rating.stats[0] == pytest.approx(1)


def test_predictions_of_a_read_file_keep_its_ids(tmp_path: Path) -> None:
    own = {"image_id": 139, "category_id": 90, "segmentation": SQUARE_RLE}
    predictions(tmp_path, {**own, "score": 0.5})
    content = json.loads((tmp_path / "annotations.json").read_text())
    (tmp_path / "annotations.json").write_text(json.dumps({**content, "annotations": [{**own, "id": 3}]}))
    written = cdwidget.write("coco_results", cdwidget.read("coco", tmp_path), tmp_path / "out" / "mine.json")
    (prediction,) = json.loads(written.read_text())
    assert prediction == {**own, "score": 1, "id": 3}  # pycocotools needs a score.
    images = json.loads((tmp_path / "out/mine.images.json").read_text())
    assert [each["id"] for each in images["images"]] == [139] and images["categories"] == content["categories"]


def test_an_image_or_category_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    file = predictions(tmp_path)
    before = file.read_text()
    for found, message in (
        (item(tmp_path, Instance(SQUARE, "dog")), "annotations.json has no category 'dog'; write to another folder"),
        (item(tmp_path, name="b.png"), "b.png is not in .*annotations.json, so it has no id"),
    ):
        with pytest.raises(ValueError, match=message):
            cdwidget.write("coco_results", [found], tmp_path)
    with pytest.raises(ValueError, match="annotations.json has 'cat' as 17, not 1"):
        cdwidget.write("coco_results", [item(tmp_path, Instance(SQUARE, "cat"))], tmp_path, labels={"cat": 1})
    assert file.read_text() == before


def test_files_that_are_no_predictions(tmp_path: Path) -> None:
    file = predictions(tmp_path)
    file.write_text("{}")
    with pytest.raises(ValueError, match="is not a list of COCO results"):
        cdwidget.read("coco_results", file)
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text('[{"image_id": 139, "category_id": 17}]')
    file.unlink()
    with pytest.raises(ValueError, match="holds several lists of predictions: one.json, two.json; give the path of one"):
        cdwidget.read("coco_results", tmp_path)
