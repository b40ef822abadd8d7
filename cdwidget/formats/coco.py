"""COCO: one JSON file of images, categories and annotations, with run lengths or polygons.

Written are compressed run lengths for a mask with holes or several parts, a polygon along the pixels' edges for any other, both as the
reference implementation (pycocotools) reads them. Read are these, uncompressed run lengths, lists of polygons, and boxes alone, as
rectangles.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from pycocotools import mask as reference

from cdwidget.formats.io import Classes, Labels, Lazy, checked_instances, image_path, item_size, locate, read_text, relative, write_files
from cdwidget.items import Instance, Item
from cdwidget.masks import bbox, decode_rle
from cdwidget.polygons import parts

FILE_NAME = "annotations.json"  # when a folder is given


@dataclass(frozen=True, eq=False)
class Crowd(Instance):
    """A region of objects that are not told apart: what COCO calls `iscrowd`. A session makes an ordinary instance of it."""


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read an annotation file, or `annotations.json` of a folder: an item an image, masks decoded when they are asked for.

    images: the folder of the images; by default that of the file, or `images/` in it. An instance's id is its annotation's, where that
    is a whole number from 1 that no other has. Polygons of fewer than three points are left out.
    Raises ValueError that names the annotation when one has neither segmentation nor box, or belongs to no image or no category.
    """
    path = file_of(path)
    content = _content(path)
    labels = _labels(path, content)
    records: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in content["images"]}
    seen: set[int] = set()
    for record in content["annotations"]:
        wrong = _wrong(record, records, labels)
        if wrong:
            raise ValueError(f"{path}: annotation {record.get('id') if isinstance(record, Mapping) else record!r} {wrong}")
        number = record.get("id")
        number = number if type(number) is int and number > 0 and number not in seen else None
        seen.add(number or 0)
        records[record["image_id"]].append({**record, "id": number, "segmentation": _shape(record)})
    beside = path.parent / "images"
    if images is None and beside.is_dir() and not any(os.path.exists(path.parent / image["file_name"]) for image in content["images"][:1]):
        images = beside
    items = []
    for image in content["images"]:
        own = records[image["id"]]
        load = partial(_load, path, own, labels, image["height"], image["width"])
        items.append(Item(locate(image["file_name"], path.parent, images), Lazy(len(own), load)))
    return items


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write an annotation file, or `annotations.json` into a folder; return its path. Images are named relative to it, not copied.

    labels: the categories in order, or with their ids; more are added as they come. Those of a file that is replaced keep their ids,
    unless ids are given. An instance keeps its id as its annotation's, unless another has it. Alpha is not kept.
    """
    path = file_of(path)
    classes = Classes(labels, read_labels(path) if path.is_file() else None)
    content = to_json(items, classes, lambda item: relative(image_path(item), path.parent))
    write_files([(path, json.dumps(content, ensure_ascii=False).encode())])
    return path


def to_json(items: Iterable[Item], classes: Classes, name: Callable[[Item], str]) -> dict[str, Any]:
    """Return what a COCO file of the items holds; name: what it calls the image of one."""
    images, annotations, ids = [], [], Ids()
    for image_id, item in enumerate(items, 1):
        height, width = item_size(item)
        images.append({"id": image_id, "file_name": name(item), "height": height, "width": width})
        for instance in checked_instances(item, height, width):
            annotations.append({"id": ids.take(instance.id), "image_id": image_id, **_record(instance, classes)})
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories(classes)}


class Ids:
    """The ids of the annotations of a file, each of its own."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._highest = 0

    def take(self, wanted: int | None) -> int:
        """Return `wanted`, if it is a number from 1 that no other has, else the one above all others."""
        id = self._highest + 1 if wanted is None or wanted < 1 or wanted in self._taken else wanted
        self._taken.add(id)
        self._highest = max(self._highest, id)
        return id


def categories(classes: Classes) -> list[dict[str, Any]]:
    """Return what a COCO file says of classes."""
    return [{"id": number, "name": label, "supercategory": ""} for number, label in classes.in_order()]


def read_labels(path: Path) -> dict[str, int]:
    """Return the categories of an annotation file with their ids."""
    return {label: number for number, label in _labels(path, _content(path)).items()}


def file_of(path: Path) -> Path:
    """Return the annotation file that a path means: itself, or `annotations.json` in a folder."""
    return path if path.suffix.lower() == ".json" else path / FILE_NAME


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    lists = content if isinstance(content, dict) else {}
    absent = [key for key in ("images", "annotations", "categories") if not isinstance(lists.get(key), list)]
    if absent:
        raise ValueError(f"{path} is not a COCO file; it needs lists of images, annotations and categories, and lacks {', '.join(absent)}")
    seen: set[Any] = set()
    for image in content["images"]:
        sides = (image.get("height"), image.get("width")) if isinstance(image, dict) else ()
        if not sides or not all(type(side) is int and side > 0 for side in sides) or not isinstance(image.get("file_name"), str):
            raise ValueError(f"{path}: image {image!r} needs an id, a file_name, and a height and width in whole pixels")
        if not isinstance(image.get("id"), (int, str)) or image["id"] in seen:
            raise ValueError(f"{path}: image {image['file_name']!r} has the id {image.get('id')!r}; each needs one of its own")
        seen.add(image["id"])
    return content


def _labels(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    try:
        return {int(category["id"]): str(category["name"]) for category in content["categories"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: every category needs an id and a name ({type(error).__name__}: {error})") from error


def _wrong(record: Any, images: Mapping[Any, Any], labels: Mapping[int, str]) -> str:
    """What is wrong with an annotation as far as can be seen without decoding it; "" when nothing is."""
    if not isinstance(record, Mapping):
        return "is not an object of JSON"
    image, category, shape = record.get("image_id"), record.get("category_id"), _shape(record)
    if not isinstance(image, (int, str)) or image not in images:
        return f"belongs to image {image!r}, which is not in the file"
    if not isinstance(category, int) or category not in labels:
        return f"has category {category!r}, which is not in the file"
    if not shape:
        return "has neither a segmentation nor a bbox [x, y, width, height]; give it one, or take it out"
    if isinstance(shape, Mapping):
        return "" if {"size", "counts"} <= shape.keys() else "has run lengths without size or counts"
    if not isinstance(shape, list):
        return f"has {type(shape).__name__} for a segmentation; allowed are run lengths and a list of polygons"
    for polygon in shape:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return "has a polygon that is not a list of at least three points: [x0, y0, x1, y1, x2, y2, ...]"
    return ""


def _shape(record: Mapping[str, Any]) -> Any:
    """The segmentation of an annotation without the polygons that are a point or a line; where nothing is left its box, as a polygon."""
    shape = record.get("segmentation")
    if isinstance(shape, list):
        shape = [part for part in shape if not isinstance(part, list) or len(part) not in (0, 2, 4)]
    box = record.get("bbox")
    if shape or not (isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box) and min(box[2:]) > 0):
        return shape
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def _load(
    path: Path, records: Sequence[Mapping[str, Any]], labels: Mapping[int, str], height: int, width: int, indices: Iterable[int]
) -> Iterator[Instance]:
    for index in indices:
        record = records[index]
        try:
            mask = _mask(record["segmentation"], height, width)
        except Exception as error:  # pycocotools raises what it pleases
            which = f"{index + 1} of its image" if record["id"] is None else record["id"]
            raise ValueError(f"{path}: the segmentation of annotation {which} cannot be decoded: {error}") from error
        kind = Crowd if record.get("iscrowd") else Instance
        yield kind(mask, labels[record["category_id"]], record["id"])


def _mask(shape: Mapping[str, Any] | list[list[float]], height: int, width: int) -> np.ndarray:
    if isinstance(shape, list):
        far = 10 * max(height, width)  # the reference implementation walks along every edge, wherever it leads
        if not all(abs(coordinate) <= far for polygon in shape for coordinate in polygon):
            raise ValueError(f"a polygon leaves the image of {width}x{height} pixels by far")
        return np.ascontiguousarray(reference.decode(reference.merge(reference.frPyObjects(shape, height, width))).view(bool))
    if list(shape["size"]) != [height, width]:
        raise ValueError(f"its size is {shape['size']}, the image is [{height}, {width}] (height, width)")
    return decode_rle({**shape, "counts": _runs(shape["counts"])} if isinstance(shape["counts"], str) else shape)


def _runs(text: str) -> list[int]:
    """Unpack compressed run lengths: numbers of 5 bits a character, the lowest first, each from the third on relative to the last but one.

    (pycocotools would read past the end of a broken text.)
    """
    digits = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(digits & 32 == 0) + 1
    if ends.size == 0 or ends[-1] != digits.size or digits.min() < 0 or digits.max() > 63:
        raise ValueError("its run lengths are not compressed as COCO does it")
    starts = np.concatenate([[0], ends[:-1]])
    place = 5 * (np.arange(digits.size) - np.repeat(starts, ends - starts))
    if place.max() > 55:
        raise ValueError("its run lengths hold a number that is too long")
    runs = np.add.reduceat((digits & 31) << place, starts)
    negative = digits[ends - 1] & 16 != 0
    runs[negative] -= 1 << (place[ends - 1] + 5)[negative]
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs.tolist()


def _record(instance: Instance, classes: Classes) -> dict[str, Any]:
    mask = instance.mask
    encoded = reference.encode(np.asfortranarray(mask.view(np.uint8)))
    rings = parts(mask)
    shape: Any = {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")}
    if len(rings) == 1 and len(rings[0]) == 1 and not isinstance(instance, Crowd):
        polygon = rings[0][0].ravel().tolist()
        drawn = reference.merge(reference.frPyObjects([polygon], *mask.shape))
        if drawn["counts"] == encoded["counts"]:  # a border that touches itself at a corner may be drawn otherwise
            shape = [polygon]
    x0, y0, x1, y1 = bbox(mask)
    return {
        "category_id": classes.number(instance.label),
        "segmentation": shape,
        "area": int(np.count_nonzero(mask)),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": int(isinstance(instance, Crowd)),
    }
