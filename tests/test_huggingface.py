"""Hugging Face data sets: folders with metadata.jsonl, Parquet files, objects and images of class numbers."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

import cdwidget
from cdwidget import rle
from cdwidget.items import Instance, Item

SQUARE = np.zeros((30, 40), bool)
SQUARE[5:15, 5:15] = True
POLYGON = [[5.0, 5.0, 15.0, 5.0, 15.0, 15.0, 5.0, 15.0]]
BOX = [5.0, 5.0, 10.0, 10.0]


def png(values: Any = None) -> bytes:
    values = np.zeros((30, 40, 3)) if values is None else values
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_folder(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        (folder / row["file_name"]).write_bytes(png())
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "objects",
    [
        {"bbox": [BOX], "category": ["cat"], "area": [100.5], "id": [7], "is_hard": [True]},
        {"bbox": [BOX], "categories": [3], "segmentation": [POLYGON], "score": [0.25], "id": [0]},
        [{"segmentation": {"size": [30, 40], "counts": rle.encode(SQUARE)}, "label": 3, "track_id": 4, "attributes": '{"wet": true}'}],
    ],
)
def test_objects_come_out_as_they_went_in(objects: Any, tmp_path: Path) -> None:
    row = {"file_name": "a.png", "camera": "left", "objects": objects}
    dataset = cdwidget.read(write_folder(tmp_path / "in", row))
    assert dataset.format == "huggingface" and np.array_equal(dataset[0].instances[0].mask, SQUARE)
    cdwidget.write("huggingface", dataset, tmp_path / "out")
    (written,) = rows_of(tmp_path / "out")
    if "segmentation" not in objects and isinstance(objects, dict):
        assert written["objects"].pop("segmentation") == [{"size": [30, 40], "counts": rle.encode(SQUARE)}]
        objects = {**objects, "area": [100], "bbox": [BOX]}
    assert written == {"file_name": "images/a.png", "camera": "left", "objects": objects}


def test_the_fields_of_objects(tmp_path: Path) -> None:
    objects = {"bbox": [BOX, BOX], "category": [0, 1], "id": [1, 2], "score": [None, 0.5], "attributes": ['{"wet": true}', None]}
    folder = write_folder(tmp_path / "train", {"file_name": "a.png", "objects": objects})
    (tmp_path / "id2label.json").write_text('{"0": "cat", "1": "dog"}')
    dataset = cdwidget.read("huggingface", tmp_path)
    found = [(each.label, each.id, each.score, each.attributes) for each in dataset[0].instances]
    assert found == [("cat", 1, None, {"wet": True}), ("dog", 2, 0.5, {})] and dataset.classes == {"cat": 0, "dog": 1}
    assert cdwidget.read(folder / "metadata.jsonl").classes == dataset.classes


def test_new_masks_among_polygons_are_polygons(tmp_path: Path) -> None:
    objects = {"bbox": [BOX], "category": ["cat"], "segmentation": [POLYGON]}
    (item,) = cdwidget.read(write_folder(tmp_path / "in", {"file_name": "a.png", "objects": objects}))
    moved = Instance(np.roll(SQUARE, 3, axis=1), "cat", extra=item.instances[0].extra)
    cdwidget.write("huggingface", [Item(item.path, [moved])], tmp_path / "out")
    (written,) = rows_of(tmp_path / "out")
    assert written["objects"]["bbox"] == [[8.0, 5.0, 10.0, 10.0]]
    assert sorted(written["objects"]["segmentation"][0][0]) == [5, 5, 8, 8, 15, 15, 18, 18]


def test_a_parquet_file_with_classes(tmp_path: Path) -> None:
    names = ["cat", "dog"]
    features = {"objects": {"feature": {"category": {"_type": "ClassLabel", "names": names}}, "_type": "Sequence"}}
    objects = [{"bbox": BOX, "category": 1}]
    rows = {"image": [{"bytes": png(), "path": "a.png"}, {"bytes": png(), "path": None}], "objects": [objects, []], "city": ["Ulm", "Bonn"]}
    table = pyarrow.table(rows).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    dataset = cdwidget.read(tmp_path)
    assert dataset.classes == {"cat": 0, "dog": 1} and [Path(item.path).name for item in dataset] == ["a.png", "000002.png"]
    assert dataset[0].instances[0].label == "dog" and np.array_equal(dataset[0].instances[0].mask, SQUARE)
    assert dataset[0].read_image().shape == (30, 40, 3) and dataset[1].extra["huggingface"]["city"] == "Bonn"
    cdwidget.write("huggingface", dataset, tmp_path / "out", parquet=True)
    again = cdwidget.read("huggingface", tmp_path / "out")
    assert [len(item.instances) for item in again] == [1, 0] and again[1].extra["huggingface"]["city"] == "Bonn"
    assert again[0].instances[0].label == "dog"
    assert not (tmp_path / "out" / "images").exists()


@pytest.mark.parametrize("kind", ["parquet", "folder"])
def test_an_image_of_class_numbers(kind: str, tmp_path: Path) -> None:
    mask = png(SQUARE * 2)
    if kind == "parquet":
        table = pyarrow.table({"pixel_values": [{"bytes": png(), "path": None}], "label": [{"bytes": mask, "path": None}]})
        pyarrow.parquet.write_table(table, tmp_path / "train.parquet")
    else:
        write_folder(tmp_path, {"file_name": "a.png", "mask_file_name": "m.png"})
        (tmp_path / "m.png").write_bytes(mask)
    (tmp_path / "id2label.json").write_text('{"1": "sky", "2": "road"}')
    (item,) = cdwidget.read(tmp_path)
    assert [(each.label, each.mask.tolist()) for each in item.instances] == [("road", SQUARE.tolist())]
    assert "mask_file_name" not in item.extra.get("huggingface", {})


def test_broken_rows_and_objects_are_left_out(tmp_path: Path) -> None:
    objects = [{"category": "cat"}, {"bbox": BOX}, {"segmentation": [[1.0, 2.0]]}, {"segmentation": {"size": [2, 2], "counts": "1"}}]
    write_folder(tmp_path, {"file_name": "a.png", "objects": objects}, {"file_name": "b.png", "objects": {"bbox": [BOX], "id": []}})
    with (tmp_path / "metadata.jsonl").open("a") as file:
        file.write('{"objects": []}\n[1]\n{\n')
    with pytest.warns(UserWarning, match="6 problems"):
        dataset = cdwidget.read(tmp_path)
    assert [len(list(item.instances)) for item in dataset] == [1] and dataset.problems.total == 7
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="nothing in .* can be read: 1 problem"):
        cdwidget.read(tmp_path)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "a.png").write_bytes(png())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'cdwidget\[parquet\]'"):
        cdwidget.read(tmp_path)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'cdwidget\[parquet\]'"):
        cdwidget.write("huggingface", [Item(tmp_path / "a.png")], tmp_path / "out", parquet=True)


def write_parquet(path: Path, rows: dict[str, Any], features: Any = None) -> Path:
    metadata = {"huggingface": json.dumps({"info": {"features": features or {}}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(rows).replace_schema_metadata(metadata), path)
    return path


def test_classes_of_the_image_name_no_objects(tmp_path: Path) -> None:
    scenes = {"scene": {"_type": "ClassLabel", "names": ["street", "beach", "kitchen"]}}
    objects = {"objects": {"feature": {"category": {"_type": "ClassLabel", "names": ["cat", "dog"]}}, "_type": "Sequence"}}
    image = {"bytes": png(), "path": None}
    rows = {"image": [image], "scene": [2], "objects": [[{"bbox": BOX, "category": 1}]]}
    (item,) = cdwidget.read(write_parquet(tmp_path / "objects.parquet", rows, {**scenes, **objects}))
    assert [each.label for each in item.instances] == ["dog"]
    rows = {"image": [image], "annotation": [{"bytes": png(SQUARE * 2), "path": None}], "scene": [2]}
    (item,) = cdwidget.read(write_parquet(tmp_path / "masks.parquet", rows, scenes))
    assert [each.label for each in item.instances] == ["2"]


@pytest.mark.parametrize("parquet", [False, True])
def test_new_labels_among_numbers_and_other_names_of_the_label(parquet: bool, tmp_path: Path) -> None:
    objects = {"bbox": [BOX, BOX], "label": [3, 4]}
    (item,) = cdwidget.read(write_folder(tmp_path / "in", {"file_name": "a.png", "image": "a note", "objects": objects}))
    new = Instance(np.roll(SQUARE, 9, axis=1), "dog")
    cdwidget.write("huggingface", [Item(item.path, [*item.instances, new], item.extra)], tmp_path / "out", parquet=parquet)
    (again,) = cdwidget.read("huggingface", tmp_path / "out")
    assert [each.label for each in again.instances] == ["3", "4", "dog"], "a column has one type and one name"
    assert again.read_image().shape == (30, 40, 3)


def test_saved_images_replace_no_other_file(tmp_path: Path) -> None:
    shades = [png(np.full((30, 40, 3), shade)) for shade in (1, 2, 3, 4)]
    names = ["000002.png", None, "mine.png", "000002.png"]
    mine = tmp_path / "a" / "mine.png"
    mine.parent.mkdir()
    mine.write_bytes(png())
    rows = {"image": [{"bytes": data, "path": name} for data, name in zip(shades, names)]}
    path = write_parquet(tmp_path / "a.parquet", rows)
    for _ in range(2):
        dataset = cdwidget.read(path)
        assert [int(item.read_image()[0, 0, 0]) for item in dataset] == [1, 2, 3, 4]
    assert mine.read_bytes() == png() and len(list(mine.parent.iterdir())) == 5


@pytest.mark.parametrize("column", ["../../out", "/absolute", "depth"])
def test_images_are_saved_in_the_folder_of_the_file_under_names_of_images(column: str, tmp_path: Path) -> None:
    column = str(tmp_path / "out") if column == "/absolute" else column
    rows = {"image": [{"bytes": png(), "path": "../metadata.jsonl"}], column: [{"bytes": b"x", "path": "evil.sh"}]}
    path = write_parquet(tmp_path / "data" / "train.parquet", rows)
    assert [Path(item.path).name for item in cdwidget.read(path)] == ["000001.png"]
    assert sorted(each.name for each in tmp_path.rglob("*") if each.is_file()) == ["000001.png", "train.parquet"]


def test_a_row_group_has_a_limit(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": png(), "path": "a.png"}]})
    with pytest.raises(ValueError, match=r"its row group 1 has .*limits=cdwidget.Limits\(max_file_bytes="):
        cdwidget.read(path, limits=cdwidget.Limits(max_file_bytes=20))
