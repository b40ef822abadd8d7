"""SA-1B: masks of a file per image, the fields about their quality, and bad entries that cost only themselves."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cdwidget
from cdwidget import rle
from cdwidget.items import Instance, Item
from support.image_files import RING_MASK, SQUARE, item

ANNOTATION = {
    "bbox": [1.0, 1.0, 3.0, 2.0],
    "area": 6,
    "segmentation": {"size": [5, 6], "counts": rle.encode(SQUARE)},
    "predicted_iou": 0.9375,
    "point_coords": [[2.0, 1.5]],
    "crop_box": [0.0, 0.0, 6.0, 5.0],
    "id": 532_000_001,
    "stability_score": 0.96,
}


def sa1b(folder: Path, *annotations: Any) -> Path:
    """Write one image and its file, with fields as in the published data set."""
    item(folder, name="sa_223750.png")
    image = {"image_id": 223_750, "width": 6, "height": 5, "file_name": "sa_223750.png"}
    (folder / "sa_223750.json").write_text(json.dumps({"image": image, "annotations": annotations}))
    return folder / "sa_223750.json"


def test_masks_scores_and_all_fields_of_a_file(tmp_path: Path) -> None:
    file = sa1b(tmp_path, ANNOTATION, {**ANNOTATION, "id": 532_000_002, "predicted_iou": 1.0078})
    (found,) = dataset = cdwidget.read(file)
    first, second = found.instances
    assert dataset.format == "sa1b" and found.path == tmp_path / "sa_223750.png"
    assert np.array_equal(first.mask, SQUARE) and (first.id, first.score, first.label) == (532_000_001, 0.9375, "")
    assert second.score is None  # A predicted IoU may exceed 1, a score cannot; it is written back all the same.
    before = json.loads(file.read_text())
    cdwidget.write("sa1b", dataset, tmp_path)
    assert json.loads(file.read_text()) == before


def test_fields_about_the_quality_of_a_mask_go_with_it(tmp_path: Path) -> None:
    (found,) = cdwidget.read("sa1b", sa1b(tmp_path, {**ANNOTATION, "note": "kept"}))
    edited = replace(found.instances[0], mask=RING_MASK, label="cup")
    written = cdwidget.write("sa1b", [Item(found.path, [edited], found.extra)], tmp_path / "new.json")
    (annotation,) = json.loads(written.read_text())["annotations"]
    assert annotation == {
        "id": 532_000_001,
        "segmentation": {"size": [5, 6], "counts": rle.encode(RING_MASK)},
        "bbox": [0, 0, 6, 5],
        "area": 29,
        "predicted_iou": 0.9375,
        "label": "cup",
        "note": "kept",
    }


def test_uncompressed_run_lengths(tmp_path: Path) -> None:
    (found,) = cdwidget.read("sa1b", sa1b(tmp_path, {**ANNOTATION, "segmentation": rle.encode_uncompressed(RING_MASK)}))
    assert np.array_equal(found.instances[0].mask, RING_MASK)


def test_bad_annotations_and_files_cost_only_themselves(tmp_path: Path) -> None:
    other_size = {"size": [6, 5], "counts": "0"}
    sa1b(tmp_path, {"id": 4}, ANNOTATION, {**ANNOTATION, "id": 5, "segmentation": other_size})
    (tmp_path / "notes.json").write_text("{}")
    with pytest.warns(UserWarning, match="notes.json: .* is not a SA-1B file.* annotation 4: it has no segmentation of run lengths"):
        (found,) = dataset = cdwidget.read("sa1b", tmp_path)
    with pytest.warns(UserWarning, match=r"annotation 5: its size is \[6, 5\], the image is \[5, 6\]"):
        assert len(list(found.instances)) == 1
    assert dataset.problems.total == 3


def test_new_ids_are_unique_in_the_data_set(tmp_path: Path) -> None:
    images = [item(tmp_path, Instance(SQUARE), Instance(SQUARE, id=7), name=name) for name in ("a.png", "b.png")]
    cdwidget.write("sa1b", images, tmp_path)
    files = [json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json")]
    assert [[each["id"] for each in file["annotations"]] for file in files] == [[1, 7], [8, 9]]
    assert [file["image"]["image_id"] for file in files] == [1, 2]
