"""Datumaro: `annotations/` with a JSON file per subset, such as train.json, and `images/` with a folder per subset.

Masks, polygons, boxes and ellipses are instances. All other annotations (points, lines, captions, labels of images) have no area: they are
reported, kept with the image, and written back.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from cdwidget import rle
from cdwidget.formats.annotations import (
    Decode,
    FileAnnotation,
    box_ring,
    ellipse_ring,
    instance_id,
    item_of,
    kept_fields,
    kept_image,
    parts_decoder,
    score_of,
    size_of,
)
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco_annotations import check_polygons
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import copy_image, image_size, unique_stems
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import input_files, peek, read_json, to_json_bytes, write_files
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

FORMAT = "datumaro"
SUFFIX = ".json"
DEFAULT_SUBSET = "default"
VERSION = "1.0"
IMAGE_MEDIA = 2  # Number of images among the types of media.
SCORE, TRACK = "score", "track_id"  # Names of attributes.
SHAPE_KEYS = ("type", "rle", "points", "bbox")


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a Datumaro folder with all its subsets, or one JSON file.

    Args:
        path: The folder, its `annotations/`, or a file in it.
        images: The folder of the images; by default `images/` next to `annotations/`.
        problems: Receives annotations without area and broken entries.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    items: list[Item] = []
    classes: dict[str, int] = {}
    extra: dict[str, Any] = {}
    for file in _files(path):
        with problems.skipping(file):
            content = read_json(file, problems.limits)
            if not isinstance(content, dict) or not isinstance(content.get("items"), list):
                raise ValueError(f"{file} is not a Datumaro file; it needs a list of items")
            labels = _labels(content)
            for number, label in enumerate(labels):
                classes.setdefault(label, number if number not in classes.values() else len(classes))
            extra = {**{key: value for key, value in content.items() if key != "items"}, **extra}
            finder = ImageFinder(file, images)
            for entry in content["items"]:
                with problems.skipping(file, entry.get("id", "") if isinstance(entry, dict) else ""):
                    items.append(_item(file, entry, labels, finder, problems))
            finder.warn_missing()
    return Dataset(items, classes, {FORMAT: extra})


def matches(path: Path) -> bool:
    """Return whether a file, or one in `annotations/` of a folder, looks like Datumaro's."""
    try:
        text = peek(_files(path)[0])
    except FileNotFoundError:
        return False
    return '"items"' in text and '"categories"' in text


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a Datumaro folder with copies of the images.

    Alpha mattes are not stored. Images that were read from a subset stay in it; others are in "default".

    Args:
        items: The images with their instances.
        path: The folder.
        labels: The classes in order, from 0, or with their ids; new labels are appended. The classes of a folder that is replaced keep
            their ids, unless ids are given.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    extra = items.extra.get(FORMAT, {}) if isinstance(items, Dataset) else {}
    classes = ClassIds(labels, _previous_classes(path), first=0)
    subsets: dict[str, list[Item]] = {}
    for item in items:
        subsets.setdefault(str(kept_image(item, FORMAT).get("subset", DEFAULT_SUBSET)), []).append(item)

    def files() -> Iterator[tuple[Path, bytes]]:
        entries = {subset: list(_entries(own, path / "images" / subset, classes)) for subset, own in subsets.items()}
        for subset, own in (entries or {DEFAULT_SUBSET: []}).items():
            whole = {"dm_format_version": VERSION, "media_type": IMAGE_MEDIA, "infos": {}, **extra}
            content = {**whole, "categories": _categories(classes, extra.get("categories")), "items": own}
            yield path / "annotations" / f"{subset}{SUFFIX}", to_json_bytes(content)

    write_files(files())
    return path


def _files(path: Path) -> list[Path]:
    folder = path / "annotations"
    return input_files(folder if folder.is_dir() else path, SUFFIX)


def _previous_classes(path: Path) -> dict[str, int] | None:
    files = sorted((path / "annotations").glob(f"*{SUFFIX}"))
    return {label: number for number, label in enumerate(_labels(read_json(files[0])))} if files else None


# ---- reading ---------------------------------------------------------------------------------------------------------


def _labels(content: Mapping[str, Any]) -> list[str]:
    labels = _mapping(_mapping(content.get("categories")).get("label")).get("labels") or []
    return [str(label["name"]) for label in labels]


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for another value."""
    return value if isinstance(value, Mapping) else {}


def _item(file: Path, entry: Mapping[str, Any], labels: Sequence[str], finder: ImageFinder, problems: Problems) -> Item:
    if not isinstance(entry, Mapping) or "id" not in entry:
        raise ValueError("it is not an object of JSON with an id")
    id, image = str(entry["id"]), _mapping(entry.get("image"))
    name = image.get("path") or f"{id}.jpg"
    found = finder.search(f"{file.stem}/{name}") or finder.find(name)
    size = size_of(*image["size"]) if image.get("size") else None
    records: list[FileAnnotation] = []
    others: list[Any] = []
    taken: set[int] = set()
    for number, annotation in enumerate(entry.get("annotations") or (), 1):
        annotation_name = _mapping(annotation).get("id") or f"number {number}"
        with problems.skipping(file, name, annotation_name):
            if not isinstance(annotation, Mapping) or "type" not in annotation:
                raise ValueError("it is not an object of JSON with a type")
            decode = _decoder(annotation, problems.limits)
            if decode is not None:
                records.append(_record(annotation, number, decode, labels, taken))
                continue
            label_id: Any = annotation.get("label_id")
            is_known = type(label_id) is int and 0 <= label_id < len(labels)
            others.append({**annotation, "label_id": labels[label_id]} if is_known else annotation)  # Written numbers may be others.
            kind = annotation["type"]
            if kind not in ("label", "caption"):
                message = f"a {kind} has no area, so it is no instance; it is kept for writing"
                problems.add(message, file=file, image=name, annotation=annotation_name)
    kept = {key: value for key, value in entry.items() if key not in ("annotations", "image")}
    return item_of(FORMAT, file, found, records, size, problems, {**kept, "subset": file.stem, **({"others": others} if others else {})})


def _record(annotation: Mapping[str, Any], number: int, decode: Decode, labels: Sequence[str], taken: set[int]) -> FileAnnotation:
    label_id = annotation.get("label_id")
    if label_id is not None and not (type(label_id) is int and 0 <= label_id < len(labels)):
        raise ValueError(f"it has class {label_id!r}; the file has {len(labels)}, numbered from 0")
    attributes = dict(_mapping(annotation.get("attributes")))
    score, track = score_of(attributes.get(SCORE)), attributes.get(TRACK)
    track = track if type(track) is int else None
    own = {key: value for key, value in attributes.items() if {SCORE: score, TRACK: track}.get(key) is None}
    kept = {key: value for key, value in annotation.items() if key not in ("id", "label_id", "attributes")}
    id = instance_id(annotation.get("id"), taken)
    return FileAnnotation(str(number), decode, "" if label_id is None else labels[label_id], id, own, score, track, kept)


def _decoder(annotation: Mapping[str, Any], limits: Limits) -> Decode | None:
    """Return the decoder of an annotation; None if it has no area."""
    kind = annotation["type"]
    if kind == "mask":
        counts, size = annotation["rle"]["counts"], tuple(annotation["rle"]["size"])
        return partial(_decode_counts, str(counts), size)
    if kind == "polygon":
        points = [float(value) for value in annotation["points"]]
        if len(points) < 6 or len(points) % 2:
            raise ValueError(f"its polygon has {len(points)} coordinates; it needs at least three points x, y")
        return partial(_decode_polygon, points, limits)
    if kind == "bbox":
        x, y, width, height = map(float, annotation["bbox"])
        return parts_decoder([[box_ring(x, y, x + width, y + height)]])
    if kind == "ellipse":
        x0, y0, x1, y1 = map(float, annotation["points"])
        return parts_decoder([[ellipse_ring((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2, abs(y1 - y0) / 2)]])
    return None


def _decode_counts(counts: str, size: tuple[int, ...], height: int, width: int) -> np.ndarray:
    if size != (height, width):
        raise ValueError(f"its size is {size}, the image is ({height}, {width}) (height, width)")
    return rle.decode(counts, height, width)


def _decode_polygon(points: list[float], limits: Limits, height: int, width: int) -> np.ndarray:
    check_polygons([points], height, width, limits)
    return rle.decode_polygons([points], height, width)  # Datumaro rasterizes with pycocotools too.


# ---- writing ---------------------------------------------------------------------------------------------------------


def _entries(items: Sequence[Item], folder: Path, classes: ClassIds) -> Iterator[dict[str, Any]]:
    for item, stem in zip(items, unique_stems(items, folder)):
        image = copy_image(item, folder, stem)
        height, width = image_size(image)
        kept = kept_image(item, FORMAT)
        others = [
            {**each, "label_id": classes.id_of(each["label_id"])} if isinstance(each.get("label_id"), str) else each
            for each in kept.pop("others", [])
        ]
        kept.pop("subset", None)
        annotations = [_annotation(each, classes) for each in checked_instances(item, height, width)]
        yield {"attr": {}, "id": stem, **kept, "annotations": annotations + others, "image": {"path": image.name, "size": [height, width]}}


def _annotation(instance: Instance, classes: ClassIds) -> dict[str, Any]:
    kept, shape = kept_fields(instance, FORMAT, SHAPE_KEYS)
    if not shape:
        shape = {"type": "mask", "rle": {"counts": rle.encode(instance.mask), "size": list(instance.mask.shape)}}
    values = {SCORE: instance.score, TRACK: instance.track_id}
    attributes = {**instance.attributes, **{key: value for key, value in values.items() if value is not None}}
    label = {"label_id": classes.id_of(instance.label)} if instance.label else {}
    return {"group": 0, "z_order": 0, **kept, "id": instance.id or 0, "attributes": attributes, **label, **shape}


def _categories(classes: ClassIds, kept: Any) -> dict[str, Any]:
    """Return the categories, with the fields that they were read with; the list has an entry for every number."""
    kept = kept if isinstance(kept, Mapping) else {}
    own = kept.get("label", {})
    fields = {str(label["name"]): label for label in own.get("labels", ())}
    names = dict(classes.in_order())
    labels = [names.get(number, f"class_{number}") for number in range(max(names, default=-1) + 1)]
    entries = [{"name": label, "parent": "", "attributes": [], **fields.get(label, {})} for label in labels]
    return {**kept, "label": {"attributes": [], **own, "labels": entries}}
