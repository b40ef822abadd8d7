"""Readers of other projects take the files that are written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import cdwidget
from cdwidget.items import Instance, Item

SQUARE = np.zeros((30, 40), bool)
SQUARE[5:15, 5:15] = True
RING = SQUARE.copy()
RING[8, 8] = False


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    for name in ("a", "b"):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{name}.png")
    first = [Instance(SQUARE, "cat", 3, None, {"occluded": True}, 0.5, 7), Instance(RING, "dog", 4)]
    return [Item(tmp_path / "a.png", first), Item(tmp_path / "b.png", [Instance(SQUARE, "dog", 5)])]


def test_pycocotools_decodes_the_same_pixels(items: list[Item], tmp_path: Path) -> None:
    found = COCO(str(cdwidget.write("coco", items, tmp_path / "annotations.json")))
    masks = [found.annToMask(annotation).astype(bool) for annotation in found.loadAnns([3, 4, 5])]
    assert all(np.array_equal(mask, right) for mask, right in zip(masks, (SQUARE, RING, SQUARE)))
    predictions = found.loadRes(str(cdwidget.write("coco_results", items, tmp_path / "predictions.json")))
    assert sorted(annotation["score"] for annotation in predictions.dataset["annotations"]) == [0.5, 1, 1]


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_supervision_reads_classes_and_masks(items: list[Item], tmp_path: Path, format: str) -> None:
    from supervision import DetectionDataset  # Importing it takes a second.

    if format == "coco":
        file = cdwidget.write("coco", items, tmp_path / "annotations.json")
        found = DetectionDataset.from_coco(str(tmp_path), str(file), force_masks=True)
    else:
        folder = cdwidget.write("yolo", items, tmp_path / "yolo")
        places = (str(folder / name) for name in ("images", "labels", "data.yaml"))
        found = DetectionDataset.from_yolo(*places, force_masks=True)
    assert found.classes == ["cat", "dog"]
    read = {Path(path).name: objects for path, _, objects in found}
    assert [read[name].class_id.tolist() for name in ("a.png", "b.png")] == [[0, 1], [1]]
    mask = read["b.png"].mask[0]
    # It draws polygons with their border: one pixel more at the right and at the bottom.
    assert (mask & SQUARE).sum() == SQUARE.sum() and mask.sum() <= 11 * 11
