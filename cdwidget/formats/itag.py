"""iTAG manifest: a file of JSON lines, one per image, with the results of labeling, check and verification.

A line has the image in `data.source`, and one field per stage of a job: `label-<job>`, `label-<job>-check` and `label-<job>-verify`. The
polygons of the last stage are the instances; the earlier stages, answers about the whole image, points and lines are kept with the image
and written back. iTAG has one polygon per object, so holes and further parts are joined to it by bridges, as in YOLO.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from cdwidget.formats.annotations import (
    FileAnnotation,
    instance_id,
    item_of,
    kept_fields,
    kept_image,
    parts_decoder,
    ring_of,
    score_of,
    size_of,
)
from cdwidget.formats.coco_writer import UniqueIds
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path, item_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import parse_json, peek, read_text, relative_name, to_json_bytes, write_files
from cdwidget.formats.yolo import bridged_polygon
from cdwidget.images.remote import is_url
from cdwidget.items import Instance, Item

FORMAT = "itag"
FILE_NAME = "labels.manifest"  # The file written when a folder is given.
SUFFIXES = (".manifest", ".jsonl")
SOURCE_KEYS = ("source", "picture_url")  # Fields of `data` with the image.
STAGE_ENDS = ("-verify", "-check", "")  # The last stage first.
NEW_STAGE = "label-cdwidget"
POLYGON = "image/polygon"
LABEL_KEYS = ("label", "class", "boundingbox")  # Usual names of the question about an object's class.
SCORE, TRACK = "score", "track_id"


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a manifest, or the only one in a folder.

    The class of an object is its answer to `label`, `class` or `boundingbox`, or else to its first question; the others are attributes.

    Args:
        path: The manifest or its folder.
        images: The folder of the images; by default the file's, or the usual places near it.
        problems: Receives shapes without area and broken lines.

    Returns:
        One item per line; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If no line has an image.
    """
    path = _input_file(path)
    text = read_text(path)
    problems.limits.check("max_file_bytes", len(text), str(path))
    finder = ImageFinder(path, images)
    items = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            with problems.skipping(path, annotation=f"line {number}"):
                items.append(_item(path, parse_json(line), finder, problems))
    finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a file, or the only manifest in a folder, looks like iTAG's."""
    try:
        file = _input_file(path)
    except ValueError:  # Several manifests.
        return False
    text = peek(file) if file.is_file() and file.suffix.lower() in SUFFIXES else ""
    return '"data"' in text and any(f'"{key}"' in text for key in SOURCE_KEYS)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a manifest, or `labels.manifest` into a folder.

    Images keep the source that they were read with, or are named relative to the file, not copied. Instances without pixels are skipped;
    alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: The manifest or its folder.

    Returns:
        The path of the manifest.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    path = path if path.suffix.lower() in SUFFIXES else path / FILE_NAME
    finder = ImageFinder(path)
    write_files([(path, b"".join(to_json_bytes(_line(item, path, finder)) + b"\n" for item in items))])
    return path


def _input_file(path: Path) -> Path:
    """Return the manifest to read: in a folder, `labels.manifest` or the only one."""
    if path.suffix.lower() in SUFFIXES or not path.is_dir() or (path / FILE_NAME).is_file():
        return path / FILE_NAME if path.is_dir() else path
    found = sorted(path.glob("*.manifest"))
    if len(found) > 1:
        raise ValueError(f"{path} holds several manifests: {', '.join(each.name for each in found[:10])}; give the path of one")
    return found[0] if found else path / FILE_NAME


# ---- reading ---------------------------------------------------------------------------------------------------------


def _item(path: Path, line: Any, finder: ImageFinder, problems: Problems) -> Item:
    data = line.get("data") if isinstance(line, Mapping) else None
    source = next((data[key] for key in SOURCE_KEYS if data.get(key)), None) if isinstance(data, Mapping) else None
    if not isinstance(source, str):
        raise ValueError("it has no data.source, the image")
    stage = _last_stage(line)
    records: list[FileAnnotation] = []
    taken: set[int] = set()
    size = None
    for index, result in _image_results(line, stage):
        if result.get("rotation"):
            problems.add(f"its shapes are turned by {result['rotation']} degrees, so they are not read", file=path, image=source)
            continue
        size = size_of(result.get("height"), result.get("width"))
        problems.limits.check("max_pixels", size[0] * size[1], f"the image {source}")
        others: list[Any] = []
        for number, shape in enumerate(result["data"], 1):
            with problems.skipping(path, source, number):
                records.append(_record(shape, number, index, taken, problems))
                continue
            others.append(shape)
        result["data"] = others
    return item_of(FORMAT, path, finder.find(source), records, size, problems, {"line": line, "stage": stage})


def _last_stage(line: Mapping[str, Any]) -> str:
    """Return the name of the last stage with shapes; "" for none."""
    stages = [key for key in line if key.startswith("label-") and any(_image_results(line, key))]
    for end in STAGE_ENDS:
        found = [key for key in stages if key.endswith(end)]
        if found:
            return found[-1]
    return ""


def _image_results(line: Mapping[str, Any], stage: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the results of a stage that hold shapes, with their positions."""
    fields = line.get(stage)
    results = fields.get("results") if isinstance(fields, Mapping) else None
    for index, result in enumerate(results if isinstance(results, list) else []):
        if isinstance(result, dict) and isinstance(result.get("data"), list) and "width" in result:
            yield index, result


def _record(shape: Any, number: int, result: int, taken: set[int], problems: Problems) -> FileAnnotation:
    kind = shape.get("type") if isinstance(shape, Mapping) else None
    if kind != POLYGON:
        raise ValueError(f"its type is {kind!r}, not {POLYGON!r}, so it is no instance; it is kept for writing")
    decode = parts_decoder([[ring_of(shape["value"], problems.limits)]])
    answers = shape.get("labels")
    answers = dict(answers) if isinstance(answers, Mapping) else {}
    score, track = score_of(answers.get(SCORE)), answers.get(TRACK)
    track = track if type(track) is int else None
    attributes = {key: value for key, value in answers.items() if {SCORE: score, TRACK: track}.get(key) is None}
    label_key = next((key for key in LABEL_KEYS if key in attributes), next(iter(attributes), LABEL_KEYS[0]))
    label = attributes.pop(label_key, "")
    if isinstance(label, list):  # A question with several answers.
        label = ", ".join(map(str, label))
    text = str(shape.get("id"))
    id = instance_id(int(text), taken) if text.isdecimal() else None
    kept = {key: value for key, value in shape.items() if key != "labels"}
    return FileAnnotation(str(number), decode, str(label), id, attributes, score, track, {**kept, "result": result, "label_key": label_key})


# ---- writing ---------------------------------------------------------------------------------------------------------


def _line(item: Item, file: Path, finder: ImageFinder) -> dict[str, Any]:
    kept = kept_image(item, FORMAT)
    line: dict[str, Any] = copy.deepcopy(kept.get("line", {}))
    stage = kept.get("stage") or NEW_STAGE
    results = dict(_image_results(line, stage))
    height, width = _size(item, results)
    if not results:
        new = {"questionId": "1", "data": [], "markTitle": LABEL_KEYS[0], "type": "image", "rotation": 0, "width": width, "height": height}
        results = {0: new}
        line[stage] = {"results": [new]}
    shapes: dict[int, list[dict[str, Any]]] = {index: [] for index in results}
    ids = UniqueIds()
    for instance in checked_instances(item, height, width):
        if instance.mask.any():
            index = instance.extra.get(FORMAT, {}).get("result")
            shapes[index if index in shapes else next(iter(shapes))].append(_shape(instance, ids))
    for index, result in results.items():
        result["data"] = shapes[index] + result["data"]
    line["data"] = {**line.get("data", {}), **_source(item, line.get("data", {}), file, finder)}
    return line


def _shape(instance: Instance, ids: UniqueIds) -> dict[str, Any]:
    fields, shape = kept_fields(instance, FORMAT, ("value",))
    fields.pop("result", None)
    label_key = fields.pop("label_key", LABEL_KEYS[0])
    answers = {label_key: instance.label, SCORE: instance.score, TRACK: instance.track_id}
    own = {key: value for key, value in answers.items() if value is not None}
    id = fields.pop("id", None) if instance.id is None else str(instance.id)
    return {
        **fields,
        "id": str(ids.take(instance.id)) if id is None else id,
        "type": POLYGON,
        "value": shape.get("value") or bridged_polygon(instance.mask).tolist(),
        "labels": {label_key: instance.label, **instance.attributes, **own},
    }


def _size(item: Item, results: Mapping[int, Mapping[str, Any]]) -> tuple[int, int]:
    """Return (height, width) of an item, from its image, its first mask, or the line that it was read from."""
    try:
        return item_size(item)
    except FileNotFoundError:
        if not results:
            raise
        first = next(iter(results.values()))
        return size_of(first["height"], first["width"])


def _source(item: Item, data: Mapping[str, Any], file: Path, finder: ImageFinder) -> dict[str, str]:
    """Return the field of `data` with the image: as it was read if it leads there, else a path relative to the file."""
    key = next((key for key in SOURCE_KEYS if data.get(key)), SOURCE_KEYS[0])
    if key in data and os.path.abspath(finder.find(str(data[key]))) == os.path.abspath(item.path):
        return {key: data[key]}
    return {key: str(item.path) if is_url(str(item.path)) else relative_name(image_path(item), file.parent)}
