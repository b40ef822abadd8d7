"""Fields that cdwidget does not use survive reading and writing, at every level of the files of all formats with JSON."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import cdwidget
from cdwidget import Catalogue, Instance, Item
from cdwidget.formats import FORMATS

NAMES = st.sampled_from(["reviewer", "größe", "x-note", "flags2", "group", "source_id"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | TEXTS
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=3)

# The objects of a file that may have further fields.
OBJECTS: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "coco": lambda file: [file, *file["images"], *file["annotations"], *file["categories"]],
    "coco_results": lambda file: list(file),
    "datumaro": lambda file: [file, *file["items"], *(one for item in file["items"] for one in item["annotations"])],
    "geojson": lambda file: [file, *file["features"], *(one["properties"] for one in file["features"])],
    "huggingface": lambda file: [file],
    "itag": lambda file: [file, file["data"]],
    "label_studio": lambda file: [*file, *(one for task in file for one in task["annotations"][0]["result"])],
    "labelme": lambda file: [file, *file["shapes"]],
    "panoptic": lambda file: [file, *file["images"], *file["categories"], *file["annotations"][0]["segments_info"]],
    "sa1b": lambda file: [file, file["image"], *file["annotations"]],
    "via": lambda file: [file, *file["_via_img_metadata"].values()],
}
SINGLE_LINE = ("huggingface", "itag")  # JSON lines.


def file_of(written: Path, format: str) -> Path:
    """Return the annotation file of a data set with one image."""
    names = {"datumaro": "annotations/default.json", "huggingface": "metadata.jsonl"}
    if written.is_file():
        return written
    return written / names[format] if format in names else next(iter(sorted(written.rglob("*.*json"))))


def with_fields(format: str, file: Path, fields: dict[str, Any]) -> Any:
    """Add fields to all objects of a file, and return its content."""
    content = json.loads(file.read_text())
    for one in OBJECTS[format](content):
        one.update(fields)
    file.write_text(json.dumps(content) + ("\n" if format in SINGLE_LINE else ""))
    return content


def some_item(folder: Path) -> Item:
    Image.new("RGB", (9, 8)).save(folder / "a.png")
    mask = np.zeros((8, 9), bool)
    mask[2:6, 2:6] = True
    return Item(folder / "a.png", [Instance(mask, "cat", 1, score=0.5), Instance(np.roll(mask, 1, 1) & ~mask, "dog", 2)])


def differences(before: Any, after: Any, fields: dict[str, Any], format: str) -> Iterator[str]:
    """Yield the objects that lack fields."""
    pairs = zip(OBJECTS[format](before), OBJECTS[format](after), strict=True)
    for index, (_, found) in enumerate(pairs):
        lost = {name: value for name, value in fields.items() if name not in found or found[name] != value}
        if lost:
            yield f"object {index} has lost {lost}"


@pytest.mark.parametrize("format", OBJECTS)
@settings(max_examples=12)
@given(fields=FIELDS)
def test_further_fields_are_written_back(format: str, fields: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = file_of(cdwidget.write(format, [some_item(folder)], folder / "one"), format)
        before = with_fields(format, file, fields)
        dataset = cdwidget.read(format, folder / "one")
        cdwidget.write(format, dataset, folder / "one")
        assert not list(differences(before, json.loads(file.read_text()), fields, format))
        again = cdwidget.read(format, folder / "one")
        assert [item.extra for item in again] == [item.extra for item in dataset] and again.extra == dataset.extra
        assert [one.extra for one in again[0].instances] == [one.extra for one in dataset[0].instances]


@pytest.mark.parametrize("format", OBJECTS)
def test_further_fields_pass_through_a_catalogue(format: str, tmp_path: Path) -> None:
    fields = {"reviewer": "Ä", "group": {"size": [1, None, 2.5]}}
    file = file_of(cdwidget.write(format, [some_item(tmp_path)], tmp_path / "one"), format)
    before = with_fields(format, file, fields)
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.import_(format, tmp_path / "one")
    after = file_of(catalogue.export(format, tmp_path / "one"), format)
    assert not list(differences(before, json.loads(after.read_text()), fields, format))


def test_all_formats_with_json_are_tested() -> None:
    assert {"cityscapes", "cvat", "mots", "npz", "png", "rgba", "voc", "yolo"} == FORMATS.keys() - OBJECTS.keys()
