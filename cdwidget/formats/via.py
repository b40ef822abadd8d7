"""VGG Image Annotator (VIA) 2: one JSON file with the regions of every image.

A region is a polygon, a rectangle, a circle or an ellipse. VIA has one polygon per region, so holes and further parts are joined to it by
bridges, as in YOLO. Points and polylines have no area: they are reported, kept with the image, and written back. Both a project and an
exported list of annotations are read; a project is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

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
    ring_of,
    score_of,
)
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path, item_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import peek, read_json, relative_name, to_json_bytes, write_files
from cdwidget.formats.yolo import bridged_polygon
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

FORMAT = "via"
FILE_NAME = "via_project.json"  # The file read or written when a folder is given.
IMAGES = "_via_img_metadata"
MAX_EXAMINED_FILES = 5  # A folder with more JSON files has one per image, which VIA does not write.
LABEL_KEYS = ("label", "class", "name", "type", "category")  # Usual names of the attribute with the class, in this order.
SCORE, TRACK, ID = "score", "track_id", "id"


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a VIA project or an exported JSON file; of a folder `via_project.json`, or else its only file of VIA.

    The class is the attribute `label`, `class`, `name`, `type` or `category`, or the only one that there is; the others are attributes.

    Args:
        path: The file or its folder.
        images: The folder of the images; by default the project's own, or the file's.
        problems: Receives regions without area and broken entries.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not of VIA.
    """
    path = _file_to_read(path)
    content = read_json(path, problems.limits)
    metadata = content.get(IMAGES, content) if isinstance(content, dict) else None
    entries = list(metadata.values()) if isinstance(metadata, dict) else [None]
    if entries and not any(isinstance(entry, Mapping) and "regions" in entry for entry in entries):
        raise ValueError(f"{path} is not a VIA file; it needs images with a filename and regions")
    settings = content.get("_via_settings") if IMAGES in content else None
    core = settings.get("core") if isinstance(settings, Mapping) else None
    if images is None and isinstance(core, Mapping):
        folder = str(core.get("default_filepath") or "")
        images = path.parent / folder if folder and (path.parent / folder).is_dir() else None
    finder = ImageFinder(path, images)
    label_key = _label_key(entries)
    items = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("filename", "") if isinstance(entry, Mapping) else ""
        with problems.skipping(path, name, f"of image {number}"):
            if not isinstance(entry, Mapping) or not name:
                raise ValueError("it has no filename")
            items.append(_item(path, entry, label_key, finder, problems))
    finder.warn_missing()
    kept = {name: value for name, value in content.items() if name != IMAGES} if IMAGES in content else {}
    return Dataset(items, extra={FORMAT: {**kept, "label_key": label_key}})


def matches(path: Path) -> bool:
    """Return whether a file, or the file that `read` takes of a folder, looks like VIA's."""
    return _is_via(_file_to_read(path))


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a VIA project, or `via_project.json` into a folder.

    Images are named relative to the file, not copied. Instances without pixels are skipped; alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: The JSON file or its folder.

    Returns:
        The path of the file.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    path = file_of(path)
    kept = dict(items.extra.get(FORMAT, {})) if isinstance(items, Dataset) else {}
    label_key = kept.pop("label_key", LABEL_KEYS[0])
    metadata = {}
    for item in items:
        entry = _entry(item, path.parent, label_key)
        metadata[f"{entry['filename']}{entry['size']}"] = entry
    content = {
        "_via_settings": {"ui": {}, "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""}, "project": {"name": path.stem}},
        IMAGES: metadata,
        "_via_attributes": {"region": {label_key: {"type": "text", "description": "", "default_value": ""}}, "file": {}},
        "_via_data_format_version": "2.0.10",
        **kept,
        "_via_image_id_list": list(metadata),
    }
    write_files([(path, to_json_bytes(content))])
    return path


def file_of(path: Path) -> Path:
    """Return the file that a path means: itself, or `via_project.json` in a folder."""
    return path if path.suffix.lower() == ".json" else path / FILE_NAME


def _file_to_read(path: Path) -> Path:
    """Return the file to read: itself, or in a folder `via_project.json`, or the only other file of VIA."""
    file = file_of(path)
    others = sorted(path.glob("*.json")) if path.is_dir() and not file.is_file() else []
    found = [each for each in others if _is_via(each)] if len(others) <= MAX_EXAMINED_FILES else []
    return found[0] if len(found) == 1 else file


def _is_via(file: Path) -> bool:
    text = peek(file) if file.is_file() else ""
    return f'"{IMAGES}"' in text or '"region_attributes"' in text


def _label_key(entries: Any) -> str:
    """Return the region attribute with the class: a usual name, or else the most frequent one."""
    counts: dict[str, int] = {}
    for entry in entries:
        for region in _regions(entry) if isinstance(entry, Mapping) else ():
            attributes = region.get("region_attributes") if isinstance(region, Mapping) else None
            for name in attributes if isinstance(attributes, Mapping) else ():
                counts[name] = counts.get(name, 0) + 1
    for name in counts:
        if name.lower() in LABEL_KEYS:
            return name
    return max(counts, key=lambda name: counts[name], default=LABEL_KEYS[0])


def _regions(entry: Mapping[str, Any]) -> list[Any]:
    """Return the regions of an image, a dict in files of VIA 1; none for an image without annotations."""
    regions = entry.get("regions")
    return list(regions.values()) if isinstance(regions, Mapping) else regions if isinstance(regions, list) else []


def _item(path: Path, entry: Mapping[str, Any], label_key: str, finder: ImageFinder, problems: Problems) -> Item:
    name = str(entry["filename"])
    records: list[FileAnnotation] = []
    others: list[Any] = []
    taken: set[int] = set()
    for number, region in enumerate(_regions(entry), 1):
        with problems.skipping(path, name, number):
            shape = region["shape_attributes"]
            decode = _decoder(shape, problems.limits)
            if decode is not None:
                records.append(_record(region, number, decode, label_key, taken))
                continue
            others.append(region)
            problems.add(
                f"a {shape.get('name')} has no area, so it is no instance; it is kept for writing", file=path, image=name, annotation=number
            )
    kept = {key: value for key, value in entry.items() if key not in ("filename", "regions")}
    return item_of(FORMAT, path, finder.find(name), records, None, problems, {**kept, **({"others": others} if others else {})})


def _record(region: Mapping[str, Any], number: int, decode: Decode, label_key: str, taken: set[int]) -> FileAnnotation:
    attributes = dict(region.get("region_attributes") or {})
    label = attributes.pop(label_key, "")
    if isinstance(label, Mapping):  # A checkbox holds {"cat": true}.
        label = ", ".join(name for name, chosen in label.items() if chosen)
    own_id = instance_id(attributes.get(ID), taken)
    score = score_of(attributes.get(SCORE))
    track = attributes.get(TRACK)
    track = track if isinstance(track, int) and not isinstance(track, bool) else None
    used = {ID: own_id, SCORE: score, TRACK: track}
    own = {key: value for key, value in attributes.items() if used.get(key) is None}
    return FileAnnotation(str(number), decode, str(label), own_id, own, score, track, dict(region["shape_attributes"]))


def _decoder(shape: Mapping[str, Any], limits: Limits) -> Decode | None:
    """Return the decoder of a region; None if it has no area."""
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):
        xs, ys = shape["all_points_x"], shape["all_points_y"]
        if kind == "polyline" and (xs[:1], ys[:1]) != (xs[-1:], ys[-1:]):
            return None
        return parts_decoder([[ring_of(list(zip(xs, ys, strict=True)), limits)]])
    if kind == "rect":
        x, y = float(shape["x"]), float(shape["y"])
        return parts_decoder([[box_ring(x, y, x + float(shape["width"]), y + float(shape["height"]))]])
    if kind == "circle":
        return parts_decoder([[ellipse_ring(float(shape["cx"]), float(shape["cy"]), float(shape["r"]), float(shape["r"]))]])
    if kind == "ellipse":
        turn = np.degrees(float(shape.get("theta") or 0))  # Radians in the file.
        x, y, radius_x, radius_y = (float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
        return parts_decoder([[ellipse_ring(x, y, radius_x, radius_y, float(turn))]])
    return None


def _entry(item: Item, folder: Path, label_key: str) -> dict[str, Any]:
    height, width = item_size(item)
    kept = kept_image(item, FORMAT)
    others = kept.pop("others", [])
    image = image_path(item)
    regions = [_region(each, label_key) for each in checked_instances(item, height, width) if each.mask.any()]
    size = image.stat().st_size if image.is_file() else -1
    return {"file_attributes": {}, "size": size, **kept, "filename": relative_name(image, folder), "regions": regions + others}


def _region(instance: Instance, label_key: str) -> dict[str, Any]:
    fields = dict(instance.extra.get(FORMAT, {}))
    _, shape = kept_fields(instance, FORMAT, list(fields))
    if not shape:
        points = bridged_polygon(instance.mask)
        shape = {"name": "polygon", "all_points_x": points[:, 0].tolist(), "all_points_y": points[:, 1].tolist()}
    values = {label_key: instance.label, ID: instance.id, SCORE: instance.score, TRACK: instance.track_id}
    own = {key: value for key, value in values.items() if value is not None}
    return {"shape_attributes": shape, "region_attributes": {**instance.attributes, **own}}
