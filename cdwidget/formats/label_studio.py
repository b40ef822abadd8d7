"""Label Studio: one JSON file of tasks, as its export "JSON" is and as it imports pre-annotations.

New instances are brush regions. Brush regions, polygons, rectangles and ellipses are read; key points and lines are kept and written back.
Choices, numbers and ratings of a region are its attributes. If a task has no annotation, its first prediction is read.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import numpy as np

from cdwidget.formats import brush_rle
from cdwidget.formats.annotations import (
    MIN_MASK_ALPHA,
    Decode,
    FileAnnotation,
    box_ring,
    ellipse_ring,
    instance_id,
    item_of,
    kept_fields,
    kept_image,
    parts_decoder,
    ring_of,
    score_of,
    size_of,
    turned_ring,
)  # fmt: skip
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path, image_size, item_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import alpha_of, checked_instances
from cdwidget.formats.io import peek, read_json, relative_name, to_json_bytes, write_files
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

FORMAT = "label_studio"
FILE_NAME = "tasks.json"  # The file written when a folder is given.
SHAPES = ("brush", "polygon", "rectangle", "ellipse")  # Regions with an area; their type may end in "labels".
VALUES = ("choices", "number", "rating", "textarea")  # Values of a region, in results with the region's id.
SHAPE_FIELDS = ("type", "value")
SOURCES = {"annotations": -1, "completions": -1, "predictions": 0}  # Keys of a task in the order to look, and which of several is read.
META = "cdwidget"  # Key in `meta` of a region, for the id and the track.
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it in front of the name of an uploaded file.
MAX_STRETCH = 0.02  # Fraction that one side of an image may have grown more than the other.
UNTITLED = {"from_name": "tag", "to_name": "image"}  # Names of the tags in the labeling interface.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read an exported file, or the only `.json` file of a folder.

    Args:
        path: The file or its folder.
        images: The folder of the images; by default the tasks name them, or they are in the usual places.
        problems: Receives tasks and regions that cannot be read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a list of tasks.
    """
    file = _file_to_read(path)
    tasks = read_json(file, problems.limits)
    if isinstance(tasks, list) and any(map(_is_json_min, tasks)):
        tasks = [_from_json_min(task) if isinstance(task, Mapping) and "data" not in task else task for task in tasks]
    elif _has_data(tasks):
        tasks = [tasks]  # A file per task, as in the storage of a project.
    if not isinstance(tasks, list) or tasks and not any(map(_has_data, tasks)):
        raise ValueError(f'{file} is not a list of Label Studio tasks with data; export the project as "JSON"')
    finder = ImageFinder(file, images)
    items = []
    for number, task in enumerate(tasks, 1):
        name = task.get("id", number) if isinstance(task, Mapping) else number
        with problems.skipping(file, annotation=f"task {name}"):
            if not _has_data(task):
                raise ValueError("it has no data, so it names no image")
            items.append(_item(file, task, finder, problems))
    finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a file, or the only `.json` file of a folder, looks like a list of Label Studio's tasks."""
    file = _file_to_read(path)
    text = peek(file) if file.is_file() else ""
    is_json = '"data"' in text and any(f'"{key}"' in text for key in SOURCES)
    return text.lstrip().startswith("[") and (is_json or '"original_width"' in text)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a file of tasks, or `tasks.json` into a folder.

    Images are named relative to the file, not copied; tasks that were read keep their names. Instances without pixels are skipped.

    Args:
        items: The images with their instances.
        path: The JSON file or its folder.

    Returns:
        The path of the file.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    path = path if path.suffix.lower() == ".json" else path / FILE_NAME
    tasks = [_task(item, path.parent) for item in items]
    write_files([(path, to_json_bytes(tasks))])
    return path


def _file_to_read(path: Path) -> Path:
    found = sorted(path.glob("*.json")) if path.is_dir() else []
    return found[0] if len(found) == 1 else path / FILE_NAME if path.suffix.lower() != ".json" else path


# ---- reading ---------------------------------------------------------------------------------------------------------


def _has_data(task: Any) -> bool:
    return isinstance(task, Mapping) and isinstance(task.get("data"), Mapping)


def _is_json_min(task: Any) -> bool:
    """Return whether a task is of the export "JSON-MIN": its image and regions are fields of the task itself."""
    return isinstance(task, Mapping) and "data" not in task and any(map(_regions_in, task.values()))


def _regions_in(value: Any) -> list[Mapping[str, Any]]:
    """Return the regions of a control tag in "JSON-MIN"."""
    regions = value if isinstance(value, list) else []
    return [each for each in regions if isinstance(each, Mapping) and "original_width" in each and any(map(_is_labels, each))]


def _is_labels(key: str) -> bool:
    return key.removesuffix("labels") in SHAPES


def _from_json_min(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task of the export "JSON-MIN" as one of "JSON"."""
    results: list[dict[str, Any]] = []
    for name, value in task.items():
        for region in _regions_in(value):
            sizes = {key: region[key] for key in ("original_width", "original_height") if key in region}
            shape = {key: each for key, each in region.items() if key not in sizes}
            kind = next(filter(_is_labels, shape))
            results.append({"id": str(len(results) + 1), "from_name": name, "to_name": "image", "type": kind, **sizes, "value": shape})
    data = {name: value for name, value in task.items() if isinstance(value, str)}
    return {"id": task.get("id"), "data": data, "annotations": [{"result": results}]}


def _item(file: Path, task: Mapping[str, Any], finder: ImageFinder, problems: Problems) -> Item:
    source, chosen = _results(task)
    key, name = _image_name(task["data"])
    image = _find(name, finder)
    regions: dict[str, list[Mapping[str, Any]]] = {}
    for number, result in enumerate(chosen.get("result") or [], 1):
        if not isinstance(result, Mapping):
            problems.add(f"it is {result!r}, not a region", file=file, image=name, annotation=number)
            continue
        regions.setdefault(str(result.get("id", number)), []).append(result)
    records: list[FileAnnotation] = []
    others: list[Any] = []
    taken: set[int] = set()
    size = None
    for region_id, results in regions.items():
        with problems.skipping(file, name, region_id):
            shape = next((result for result in results if _kind(result) in SHAPES), None)
            if shape is None:
                others += results
                kind = results[0].get("type")
                if _kind(results[0]) not in VALUES:
                    raise ValueError(f"a region of the type {kind} has no area, so it is no instance; it is kept for writing")
                continue
            if shape.get("image_rotation"):
                raise ValueError(
                    f"its image is turned by {shape['image_rotation']} degrees, which is not supported; turn the image instead"
                )
            size = size or _size(shape, image, partial(problems.note, file=file, image=name))
            rest = [result for result in results if result is not shape]
            records.append(_record(region_id, shape, rest, _decoder(shape, size, problems.limits), chosen.get("score"), taken))
    kept = {"task": {name: value for name, value in task.items() if name != source}, "key": key, "source": source, "others": others}
    siblings = [each for each in task.get(source) or [] if each is not chosen]
    own = {name: value for name, value in chosen.items() if name != "result"}
    if siblings:
        message = f"task {task.get('id')} has {1 + len(siblings)} {source}; one is read, and the others are kept for writing"
        problems.add(message, file=file, image=name)
    return item_of(FORMAT, file, Path(image), records, size, problems, {**kept, "siblings": siblings, "own": own})


def _size(shape: Mapping[str, Any], image: str | Path, note: Callable[[str], None]) -> tuple[int, int]:
    """Return (height, width) of the image of a region; its points are fractions of the sides, so the image may have been resized."""
    if not os.path.isfile(image):
        return size_of(shape.get("original_height"), shape.get("original_width"))
    height, width = image_size(Path(image))
    with suppress(ValueError):  # Predictions of scripts may lack the size.
        own_height, own_width = size_of(shape.get("original_height"), shape.get("original_width"))
        if abs(own_width * height - own_height * width) > MAX_STRETCH * own_width * height:
            note(f"it was annotated with {own_width}x{own_height} pixels, and it has {width}x{height}; its masks were stretched")
    return height, width


def _results(task: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return "annotations" or "predictions", and the one of them to read: the last annotation that was not canceled."""
    for source, first in SOURCES.items():
        found = task.get(source)
        if isinstance(found, list):
            usable = [each for each in found if isinstance(each, Mapping) and not each.get("was_cancelled")]
            if usable:
                return source, usable[first]
    return "annotations", {}


def _image_name(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key and the name of a task's image."""
    keys = ["image", *(key for key, value in data.items() if isinstance(value, str) and "." in value)]
    key = next((key for key in keys if isinstance(data.get(key), str)), None)
    if key is None:
        raise ValueError(f"its data names no image: {list(data)}")
    return key, data[key]


def _find(name: str, finder: ImageFinder) -> str | Path:
    """Find an image by its name in Label Studio: a path of local files, or an uploaded file with a prefix."""
    query = parse_qs(urlsplit(name).query).get("d")
    found = finder.find(query[0] if query else name)
    short = UPLOAD_PREFIX.sub("", Path(found).name)
    if short != Path(found).name and not os.path.isfile(found):
        missing = len(finder.missing)
        other = finder.find(short)
        if os.path.isfile(other):
            del finder.missing[missing - 1 :]
            return other
        del finder.missing[missing:]
    return found


def _kind(result: Mapping[str, Any]) -> str:
    return str(result.get("type", "")).removesuffix("labels")


def _record(
    name: str, shape: Mapping[str, Any], rest: Sequence[Mapping[str, Any]], decode: Decode, score: Any, taken: set[int]
) -> FileAnnotation:  # fmt: skip
    meta = shape.get("meta")
    own = meta.get(META, {}) if isinstance(meta, Mapping) else {}
    own = own if isinstance(own, Mapping) else {}
    track_id = own.get("track_id")
    labels = [label for result in (shape, *rest) if (label := _label(result)) is not None]
    return FileAnnotation(
        name,
        decode,
        labels[0] if labels else "",
        instance_id(own.get("id"), taken),
        _attributes(rest),
        score_of(shape.get("score", score)),
        track_id if type(track_id) is int else None,
        {**shape, "rest": list(rest)},
    )


def _label(result: Mapping[str, Any]) -> str | None:
    value = result.get("value")
    labels = value.get(result.get("type", "")) if isinstance(value, Mapping) and str(result.get("type")).endswith("labels") else None
    return str(labels[0]) if isinstance(labels, list) and labels else None


def _attributes(rest: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = {}
    for result in rest:
        if _kind(result) in VALUES and isinstance(result.get("value"), Mapping):
            value = result["value"].get("text" if _kind(result) == "textarea" else _kind(result))
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            found[str(result.get("from_name"))] = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    return found


def _decoder(shape: Mapping[str, Any], size: tuple[int, int], limits: Limits) -> Decode:
    value, kind = shape["value"], _kind(shape)
    if kind == "brush":
        if value.get("format") != "rle":
            raise ValueError(f"its brush has the format {value.get('format')!r}; allowed is 'rle'")
        return partial(_decode_brush, value["rle"], shape.get("original_height"), shape.get("original_width"))
    height, width = size
    if kind == "polygon":
        return parts_decoder([[ring_of([(float(x) * width / 100, float(y) * height / 100) for x, y in value["points"]], limits)]])
    x, y = float(value["x"]) * width / 100, float(value["y"]) * height / 100
    degrees = float(value.get("rotation") or 0)
    if kind == "ellipse":
        radius_x, radius_y = float(value["radiusX"]) * width / 100, float(value["radiusY"]) * height / 100
        return parts_decoder([[ellipse_ring(x, y, radius_x, radius_y, degrees)]])
    corners = box_ring(x, y, x + float(value["width"]) * width / 100, y + float(value["height"]) * height / 100)
    return parts_decoder([[turned_ring(corners, degrees, (x, y))]])  # Label Studio turns a rectangle around its first corner.


def _decode_brush(stream: Sequence[int], own_height: Any, own_width: Any, height: int, width: int) -> np.ndarray:
    if None not in (own_height, own_width) and size_of(own_height, own_width) != (height, width):
        raise ValueError(f"its brush mask has {own_width}x{own_height} pixels, and the image has {width}x{height}; it cannot be scaled")
    return brush_rle.decode(stream, height, width)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _task(item: Item, folder: Path) -> dict[str, Any]:
    height, width = item_size(item)
    kept = kept_image(item, FORMAT)
    task = dict(kept.get("task", {}))
    data = {**task.get("data", {})}
    data.setdefault(kept.get("key", "image"), relative_name(image_path(item), folder))
    results = [result for each in checked_instances(item, height, width) if each.mask.any() for result in _regions(each, height, width)]
    own = {**kept.get("own", {}), "result": results + kept.get("others", [])}
    return {**task, "data": data, kept.get("source", "annotations"): [*kept.get("siblings", []), own]}


def _regions(instance: Instance, height: int, width: int) -> Iterator[dict[str, Any]]:
    """Yield the region of an instance, and the results with its values."""
    fields, shape = kept_fields(instance, FORMAT, SHAPE_FIELDS)
    rest = fields.pop("rest", [])
    old_label = next((label for result in ({**fields, **shape}, *rest) if (label := _label(result)) is not None), None)
    base = {"id": uuid4().hex[:10], **UNTITLED, "original_width": width, "original_height": height, "image_rotation": 0, **fields}
    if instance.alpha is not None or not shape or instance.label != (old_label or ""):
        is_matte = np.array_equal(alpha_of(instance) >= MIN_MASK_ALPHA, instance.mask)
        alpha = alpha_of(instance) if is_matte else instance.mask * np.uint8(255)
        brush = {"format": "rle", "rle": brush_rle.encode(alpha), "brushlabels": [instance.label]}
        shape = {"type": "brushlabels", "value": brush} if instance.alpha is not None or not shape else _relabeled(shape, instance.label)
        rest = [result for result in rest if _label(result) is None]
    own = {name: value for name, value in (("id", instance.id), ("track_id", instance.track_id)) if value is not None}
    meta = {name: value for name, value in (base.pop("meta", None) or {}).items() if name != META}
    score = {} if instance.score is None else {"score": instance.score}
    yield {**base, **({"meta": {**meta, **({META: own} if own else {})}} if meta or own else {}), **shape, **score}
    if _attributes(rest) == instance.attributes:
        yield from (dict(result) for result in rest)
        return
    yield from (dict(result) for result in rest if _kind(result) not in VALUES)
    for name, value in instance.attributes.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        choices = [str(each).lower() if isinstance(each, bool) else str(each) for each in (value if isinstance(value, list) else [value])]
        own_value = {"number": value} if is_number else {"choices": choices}
        yield {**{key: base[key] for key in ("id", "to_name")}, "from_name": name, "type": next(iter(own_value)), "value": own_value}


def _relabeled(shape: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return a shape with another label."""
    kind = f"{_kind(shape)}labels"
    value = {name: each for name, each in shape["value"].items() if name != shape["type"]}
    return {"type": kind, "value": {**value, kind: [label]}}
