"""COCO panoptic: one JSON file, and a folder of PNG files with the id of a segment in every pixel.

The id of a pixel is red + 256 green + 65536 blue; 0 belongs to no segment. The folder has the name of the JSON file without its suffix.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.annotations import whole
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco import Crowd
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import image_path, item_size, read_pixels, unique_stems
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import peek, read_json, relative_name, to_json_bytes, to_png, write_files
from cdwidget.items import Instance, Item
from cdwidget.masks import bbox

FORMAT = "panoptic"
FILE_NAME = "panoptic.json"  # The file read or written when a folder is given.
LIST_KEYS = ("images", "annotations", "categories")
SEGMENT_FIELDS = ("id", "category_id", "area", "bbox", "iscrowd")  # Fields of a segment that `write` computes.
NO_SEGMENT = 0  # Id of the pixels of no segment.
FIRST_COLOR = 10_000  # Ids of new segments start here, so that their colors can be told apart.
ID_STEP = 104_729  # A prime: consecutive ids get different colors.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a panoptic file, or `panoptic.json` of a folder.

    Args:
        path: The JSON file or its folder.
        images: The folder of the images; by default the usual places near the file.
        problems: Receives the annotations and segments that cannot be read.

    Returns:
        One item per image; its masks are decoded on access. A segment's id is its instance's id.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a panoptic file.
    """
    path = _file_of(path)
    content = _content(path, problems)
    labels = {category["id"]: str(category["name"]) for category in content["categories"]}
    records: dict[Any, Mapping[str, Any]] = {}
    for number, record in enumerate(content["images"], 1):
        with problems.skipping(path, f"number {number}"):
            records[record["id"]] = record
    finder = ImageFinder(path, images)
    items = []
    for number, annotation in enumerate(content["annotations"], 1):
        with problems.skipping(path, annotation=number):
            record = records[annotation["image_id"]]
            image = finder.find(str(record["file_name"]))
            file = _map_file(path, str(annotation["file_name"]))
            segments: list[Mapping[str, Any]] = []
            listed = {NO_SEGMENT}
            for segment in annotation["segments_info"]:
                with problems.skipping(path, record["file_name"], segment.get("id", "")):
                    numbers = {key: whole(segment[key], key) for key in ("id", "category_id")}
                    listed.add(numbers["id"])
                    if numbers["category_id"] not in labels:
                        raise ValueError(f"it is of category {numbers['category_id']}, which the file does not have")
                    segments.append({**segment, **numbers})
            _report_unlisted(file, listed, record["file_name"], problems)
            load = partial(_load, file, segments, labels)
            items.append(Item(image, LazyInstances(len(segments), load, problems), {FORMAT: record}))
    finder.warn_missing()
    kept = {key: value for key, value in content.items() if key not in ("images", "annotations")}
    return Dataset(items, {label: number for number, label in labels.items()}, {FORMAT: kept})


def matches(path: Path) -> bool:
    """Return whether a file, or `panoptic.json` of a folder, has segments."""
    file = _file_of(path)
    return file.is_file() and '"segments_info"' in peek(file)


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a panoptic file and its PNG files, or `panoptic.json` into a folder.

    A pixel belongs to one segment; where instances overlap, the last one is in front, and covered instances are lost. Images are named
    relative to the file, not copied.

    Args:
        items: The images with their instances.
        path: The JSON file or its folder.
        labels: The categories in order, or with their ids; new labels are appended. The categories of a file that is replaced keep their
            ids, unless ids are given.

    Returns:
        The path of the JSON file.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    path = _file_of(path)
    classes = ClassIds(labels, read_labels(path) if path.is_file() else None)
    kept: dict[str, Any] = dict(items.extra.get(FORMAT, {})) if isinstance(items, Dataset) else {}
    fields = {category["id"]: category for category in kept.pop("categories", [])}

    def files() -> Iterator[tuple[Path, bytes]]:
        images, annotations = [], []
        for number, (item, stem) in enumerate(zip(items, unique_stems(items)), 1):
            height, width = item_size(item)
            own = dict(item.extra.get(FORMAT, {}))
            image = {**own, "id": own.get("id", number), "file_name": relative_name(image_path(item), path.parent)}
            images.append({**image, "height": height, "width": width})
            pixels, segments = _draw(item, height, width, classes)
            annotations.append({"image_id": image["id"], "file_name": f"{stem}.png", "segments_info": segments})
            yield path.with_suffix("") / f"{stem}.png", to_png(Image.fromarray(pixels))
        categories = [
            {"supercategory": "", "isthing": 1, **fields.get(id, {}), "id": id, "name": label} for id, label in classes.in_order()
        ]
        content = {"info": {}, "licenses": [], **kept, "images": images, "annotations": annotations, "categories": categories}
        yield path, to_json_bytes(content)

    write_files(files())
    return path


def read_labels(path: Path) -> dict[str, int]:
    """Return the category id of each label in a panoptic file."""
    return {str(category["name"]): category["id"] for category in _content(_file_of(path), Problems())["categories"]}


def _file_of(path: Path) -> Path:
    return path if path.suffix.lower() == ".json" else path / FILE_NAME


def _content(path: Path, problems: Problems) -> Mapping[str, Any]:
    content = read_json(path, problems.limits)
    lists = content if isinstance(content, Mapping) else {}
    annotations = lists.get("annotations")
    is_panoptic = isinstance(annotations, list) and all(isinstance(each, Mapping) and "segments_info" in each for each in annotations)
    if not is_panoptic or not all(isinstance(lists.get(key), list) for key in LIST_KEYS):
        raise ValueError(f"{path} is not a COCO panoptic file; it needs images, categories, and annotations with segments_info")
    if not all(isinstance(each, Mapping) and type(each.get("id")) is int and "name" in each for each in lists["categories"]):
        raise ValueError(f"{path}: every category needs a whole number as its id, and a name")
    return lists


def _map_file(path: Path, name: str) -> Path:
    """Return the file of an image's segments; some files have the name of the photo in its place."""
    file = path.with_suffix("") / name
    return file if file.is_file() else file.with_suffix(".png")


def _read_ids(file: Path) -> np.ndarray:
    """Return the id of the segment of every pixel, int32 (H, W)."""
    pixels = read_pixels(file)
    if pixels.ndim != 3 or pixels.shape[2] < 3:
        raise ValueError(f"it has shape {pixels.shape}; a panoptic map has red, green and blue")
    red, green, blue = (pixels[:, :, channel].astype(np.int32) for channel in range(3))
    return red + (green << 8) + (blue << 16)


def _report_unlisted(file: Path, listed: set[int], image: str, problems: Problems) -> None:
    """Report pixels with an id that no segment in the JSON file has."""
    try:
        ids = _read_ids(file)
    except (OSError, ValueError):  # It is reported when a mask is decoded.
        return
    is_start = np.pad(ids[:, 1:] != ids[:, :-1], ((0, 0), (1, 0)), constant_values=True)  # Of a run of one id in a row.
    unlisted = sorted(set(ids[is_start].tolist()) - listed)
    if unlisted:
        count = np.count_nonzero(np.isin(ids, unlisted))
        message = f"{count:,} of its pixels have an id that the JSON file does not list, such as {unlisted[0]}; they are no instance"
        problems.add(message, file=file, image=image)


def _load(
    file: Path, segments: Sequence[Mapping[str, Any]], labels: Mapping[int, str], indices: Iterable[int]
) -> Iterator[Instance]:  # fmt: skip
    with naming(file):
        ids = _read_ids(file)
    for index in indices:
        segment = segments[index]
        kind = Crowd if segment.get("iscrowd") else Instance
        extra = {name: value for name, value in segment.items() if name not in SEGMENT_FIELDS}
        mask = ids == segment["id"]
        with naming(file, annotation=segment["id"]):
            if not mask.any():
                raise ValueError("no pixel has its id")
        yield kind(mask, labels[segment["category_id"]], segment["id"], extra={FORMAT: extra} if extra else {})


def _draw(item: Item, height: int, width: int, classes: ClassIds) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return the map of an image, uint8 (height, width, 3), and its segments without those that are covered."""
    ids = np.zeros((height, width), np.int64)
    drawn: dict[int, Instance] = {}
    for number, instance in enumerate(checked_instances(item, height, width)):
        id = instance.id
        if id is None or not 0 < id < 1 << 24 or id in drawn:
            id = next(new for step in range(len(drawn) + 1) if (new := FIRST_COLOR + (number + step) * ID_STEP % (1 << 23)) not in drawn)
        ids[instance.mask] = id
        drawn[id] = instance
    segments = []
    for id, instance in drawn.items():
        visible = ids == id
        if visible.any():
            x0, y0, x1, y1 = bbox(visible)
            segment: dict[str, Any] = {"id": id, "category_id": classes.id_of(instance.label), "area": int(np.count_nonzero(visible))}
            segment |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "iscrowd": int(isinstance(instance, Crowd))}
            segments.append({**instance.extra.get(FORMAT, {}), **segment})
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8), segments
