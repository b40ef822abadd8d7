"""Hugging Face data sets: a folder of images with `metadata.jsonl`, or Parquet files with the images inside.

A row is an image. Its objects are a struct of lists or a list of structs, with boxes in the form of COCO and, if there are any,
segmentations (run lengths or polygons). Rows may have an image of class numbers instead, as sets for semantic segmentation do: each class
is one instance. `datasets.load_dataset` reads the result. Parquet needs pyarrow (`pip install 'cdwidget[parquet]'`).
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from cdwidget import rle
from cdwidget.formats.annotations import (
    Decode,
    FileAnnotation,
    box_ring,
    instance_id,
    item_of,
    kept_fields,
    kept_image,
    parts_decoder,
    ring_of,
    score_of,
)
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.huggingface_parquet import MASK_KEYS, OBJECT_KEYS, PARQUET_SUFFIX, Row, encode_rows, read_rows
from cdwidget.formats.image_files import copy_image, image_path, image_size, unique_stems
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import parse_json, peek, read_text, to_json_bytes, write_files
from cdwidget.formats.mask_files import object_ids, read_mask_values
from cdwidget.formats.yolo import bridged_polygon
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

FORMAT = "huggingface"
FILE_NAME = "metadata.jsonl"
SPLIT_FOLDERS = ("data", "train", "validation", "valid", "val", "dev", "test")
CLASS_FILE_NAME = "id2label.json"
FILE_KEY = "file_name"
LABEL_KEYS = ("category", "categories", "label", "labels", "class", "category_id", "category_name")
LAYOUT = "layout"  # Key of the kept fields: the name of the objects' column, and whether it is a list of structs.
SHAPE_KEYS = ("segmentation", "bbox", "area")
POLYGON_VALUES = 6  # Coordinates of the smallest polygon.


class Classes(NamedTuple):
    """The names of the class numbers."""

    names: Mapping[int, str]

    def label(self, value: Any) -> str:
        """Return the label of a number or a text."""
        return self.names.get(value, str(value)) if isinstance(value, int) else "" if value is None else str(value)


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a folder with all its splits, a `metadata.jsonl`, or a Parquet file.

    Images inside Parquet files are saved next to them, in a folder with the file's name.

    Args:
        path: The folder or file.
        images: The folder of the images; by default `metadata.jsonl` names them relative to itself.
        problems: Receives rows and objects that cannot be read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a Parquet file is read without pyarrow.
    """
    files = _files(path)
    if not files:
        raise FileNotFoundError(f"there is no file {path}, nor a folder of that name with {FILE_NAME} or Parquet files")
    items: list[Item] = []
    numbers: dict[str, int] = {}
    for file in files:
        with problems.skipping(file):
            names, rows = read_rows(file, problems) if file.suffix == PARQUET_SUFFIX else ({}, _json_rows(file, images, problems))
            names = {**_class_names(file), **names}
            numbers |= {name: number for number, name in names.items()}
            for row in rows:
                with problems.skipping(file, row.name):
                    items.append(_item(file, row, Classes(names), problems))
    return Dataset(items, numbers)


def matches(path: Path) -> bool:
    """Return whether a path is a `metadata.jsonl` or a Parquet file, or a folder with some."""
    return any(file.suffix == PARQUET_SUFFIX or f'"{FILE_KEY}"' in peek(file) for file in _files(path)[:1])


def write(items: Sequence[Item], path: Path, parquet: bool = False) -> Path:
    """Write a folder with `metadata.jsonl` and copies of the images.

    New masks are run lengths; they are polygons if all instances of the data set were read as polygons. Alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: The folder.
        parquet: Write `data/train.parquet` with the images inside instead.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image, or pyarrow is not installed.
    """
    style = _style_of(items)
    rows: list[tuple[Path, dict[str, Any]]] = []
    layouts: list[tuple[str, bool]] = []
    for item, stem in zip(items, unique_stems(items, path / "images")):
        image = image_path(item) if parquet else copy_image(item, path / "images", stem)
        fields = kept_image(item, FORMAT)
        key, is_list = fields.pop(LAYOUT, (OBJECT_KEYS[0], False))
        rows.append((image, {**fields, key: [_object(each, style) for each in checked_instances(item, *image_size(image))]}))
        layouts.append((key, is_list))
    names = list(dict.fromkeys(name for (_, row), (key, _) in zip(rows, layouts) for each in row[key] for name in each))
    for (_, row), (key, is_list) in zip(rows, layouts):
        row[key] = row[key] if is_list else {name: [each.get(name) for each in row[key]] for name in names}
    if parquet:
        content, file = encode_rows(rows), path / "data" / f"train{PARQUET_SUFFIX}"
    else:
        lines = (to_json_bytes({FILE_KEY: image.relative_to(path).as_posix(), **row}) + b"\n" for image, row in rows)
        content, file = b"".join(lines), path / FILE_NAME
    write_files([(file, content)])
    return path


def _files(path: Path) -> list[Path]:
    """Return the files of all splits: in the folder, in `data/`, or in a folder per split."""
    if path.is_file():
        return [path] if path.suffix == PARQUET_SUFFIX or path.suffix == ".jsonl" else []
    folders = [folder for folder in (path, *(path / name for name in SPLIT_FOLDERS)) if folder.is_dir()]
    return [file for folder in folders for pattern in (FILE_NAME, f"*{PARQUET_SUFFIX}") for file in sorted(folder.glob(pattern))]


# ---- rows ------------------------------------------------------------------------------------------------------------


def _json_rows(file: Path, images: Path | None, problems: Problems) -> list[Row]:
    text = read_text(file)
    problems.limits.check("max_file_bytes", len(text), str(file))
    finder = ImageFinder(file, images)
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            with problems.skipping(file, annotation=f"line {number}"):
                values = parse_json(line)
                name = values.pop(FILE_KEY, None) if isinstance(values, dict) else None
                if not isinstance(name, str) or not name:
                    raise ValueError(f"it has no {FILE_KEY}, the image")
                rows.append(Row(name, finder.find(name), values))
    finder.warn_missing()
    return rows


def _class_names(file: Path) -> dict[int, str]:
    """Return the names in `id2label.json` next to the file or above it."""
    for folder in (file.parent, file.parent.parent):
        if (folder / CLASS_FILE_NAME).is_file():
            return {int(number): str(name) for number, name in parse_json(read_text(folder / CLASS_FILE_NAME)).items()}
    return {}


# ---- objects ---------------------------------------------------------------------------------------------------------


def _item(file: Path, row: Row, classes: Classes, problems: Problems) -> Item:
    key = next((key for key in OBJECT_KEYS if isinstance(row.values.get(key), (dict, list))), None)
    kept = {name: value for name, value in row.values.items() if name != key and not isinstance(value, Path)}
    records: list[FileAnnotation] = []
    taken: set[int] = set()
    if key is not None:
        kept[LAYOUT] = (key, isinstance(row.values[key], list))
        for number, fields in enumerate(_rows_of(row.values[key]), 1):
            with problems.skipping(file, row.name, number):
                records.append(_record(fields, number, classes, taken, problems.limits))
    elif (found := _mask_of(file, row)) is not None:
        mask_key, mask = found
        kept.pop(mask_key, None)
        for number in object_ids(read_mask_values(mask)):
            records.append(FileAnnotation(f"class {number}", partial(_decode_class, mask, number), classes.label(number)))
    return item_of(FORMAT, file, row.image, records, None, problems, kept)


def _mask_of(file: Path, row: Row) -> tuple[str, Path] | None:
    """Return the column and the file of the row's image of class numbers: in the folder, or saved from Parquet."""
    for key in MASK_KEYS:
        name = row.values.get(f"{key}_{FILE_KEY}")
        if isinstance(name, str):
            return f"{key}_{FILE_KEY}", file.parent / name
        if isinstance(row.values.get(key), Path):
            return key, row.values[key]
    return None


def _rows_of(objects: Any) -> Iterable[dict[str, Any]]:
    """Return the objects of a list, or of a dict of lists."""
    if isinstance(objects, list):
        return objects
    lists = {key: values for key, values in objects.items() if isinstance(values, list)}
    if len({len(values) for values in lists.values()}) > 1:
        raise ValueError(
            f"its objects have lists of different lengths: {', '.join(f'{key} {len(values)}' for key, values in lists.items())}"
        )
    return [dict(zip(lists, each)) for each in zip(*lists.values())]


def _record(fields: Mapping[str, Any], number: int, classes: Classes, taken: set[int], limits: Limits) -> FileAnnotation:
    label_key = next((key for key in LABEL_KEYS if fields.get(key) is not None), LABEL_KEYS[0])
    id, score = instance_id(fields.get("id"), taken), score_of(fields.get("score"))
    attributes, track = fields.get("attributes"), fields.get("track_id")
    attributes = json.loads(attributes) if isinstance(attributes, str) else attributes
    attributes = attributes if isinstance(attributes, dict) else {}
    track = track if type(track) is int else None
    used = {"id": id, "score": score, "track_id": track, "attributes": attributes or None}
    others = {key: value for key, value in fields.items() if key not in SHAPE_KEYS and used.get(key) is None}
    shape = {key: fields[key] for key in SHAPE_KEYS if key in fields}
    label = classes.label(fields.get(label_key))
    kept = {**shape, "fields": others, "label_key": label_key}
    return FileAnnotation(str(number), _decoder(fields, limits), label, id, attributes, score, track, kept)


def _decoder(fields: Mapping[str, Any], limits: Limits) -> Decode:
    shape = fields.get("segmentation")
    if isinstance(shape, Mapping):
        return partial(_decode_counts, shape)
    if isinstance(shape, list) and shape:
        rings = shape if isinstance(shape[0], list) else [shape]
        if any(len(ring) < POLYGON_VALUES or len(ring) % 2 for ring in rings):
            raise ValueError("it has a polygon that is not a list of at least three points: [x0, y0, x1, y1, x2, y2, ...]")
        return parts_decoder([[ring_of(list(zip(ring[::2], ring[1::2])), limits)] for ring in rings])
    box = fields.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("it has neither a segmentation nor a bbox [x, y, width, height]")
    x, y, width, height = map(float, box)
    return parts_decoder([[box_ring(x, y, x + width, y + height)]])


def _decode_counts(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    if list(shape["size"]) != [height, width]:
        raise ValueError(f"its size is {shape['size']}, the image is [{height}, {width}] (height, width)")
    counts = shape["counts"]
    return rle.decode(counts, height, width) if isinstance(counts, str) else rle.decode_uncompressed(shape)


def _decode_class(mask: Path, number: int, height: int, width: int) -> np.ndarray:
    values = read_mask_values(mask)
    if values.shape != (height, width):
        raise ValueError(f"{mask} is {values.shape[1]}x{values.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return values == number


# ---- writing ---------------------------------------------------------------------------------------------------------


class Style(NamedTuple):
    """The form of the objects of a data set, which must be the same for all of them.

    Attributes:
        as_polygons: Segmentations are polygons, else run lengths.
        as_numbers: Labels are the numbers that were read, which have no names; else texts.
        label_key: Name of the label.
    """

    as_polygons: bool
    as_numbers: bool
    label_key: str


def _style_of(items: Sequence[Item]) -> Style:
    as_polygons, as_numbers, label_key = [], [], ""
    for item in items:
        for instance in item.instances:
            kept = instance.extra.get(FORMAT, {})
            as_polygons.append(isinstance(kept.get("segmentation"), list))
            as_numbers.append(not instance.label or _label_as_read(instance) is not None)
            label_key = label_key or kept.get("label_key", "")
    return Style(bool(as_polygons) and all(as_polygons), all(as_numbers), label_key or LABEL_KEYS[0])


def _label_as_read(instance: Instance) -> int | None:
    """Return the class number that an instance was read with, if it has no other name and is unchanged."""
    kept = instance.extra.get(FORMAT, {})
    number = kept.get("fields", {}).get(kept.get("label_key"))
    return number if isinstance(number, int) and str(number) == instance.label else None


def _object(instance: Instance, style: Style) -> dict[str, Any]:
    kept, shape = kept_fields(instance, FORMAT, SHAPE_KEYS)
    if "segmentation" not in shape or isinstance(shape["segmentation"], list) != style.as_polygons:
        x0, y0, x1, y1 = instance.bbox
        segmentation: Any = {"size": list(instance.mask.shape), "counts": rle.encode(instance.mask)}
        if style.as_polygons:
            segmentation = [bridged_polygon(instance.mask).ravel().astype(float).tolist()] if instance.mask.any() else []
        shape = {"bbox": [float(value) for value in (x0, y0, x1 - x0, y1 - y0)], "area": instance.area, "segmentation": segmentation}
    fields = {key: value for key, value in kept.get("fields", {}).items() if key != kept.get("label_key")}
    label = _label_as_read(instance) if style.as_numbers else instance.label
    if label not in (None, ""):
        fields[style.label_key] = label
    values: dict[str, Any] = {"id": instance.id, "score": instance.score, "track_id": instance.track_id}
    # The types of attributes may differ from object to object, which Arrow does not allow.
    values["attributes"] = json.dumps(dict(instance.attributes)) if instance.attributes else None
    return {**fields, **shape, **{key: value for key, value in values.items() if value is not None}}
