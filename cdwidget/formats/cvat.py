"""CVAT XML 1.1: `annotations.xml` and the images it names.

"CVAT for images" is read and written. The tracks of "CVAT for video" are read as the images of a sequence, with a `track_id`.

A mask in one part without holes is written as a polygon along its pixels' edges, any other mask as CVAT's run lengths: pixels outside and
inside the object in turn, row by row within the mask's box. Polygons, masks, boxes and ellipses are read. Points, polylines, skeletons and
cuboids have no area: they are reported, kept with the image, and written back.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

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
    size_of,
    turned_ring,
    whole,
)
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path, item_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import peek, read_text, relative_name, write_files
from cdwidget.formats.mask_files import paste_mask
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from cdwidget.masks import bbox
from cdwidget.polygons import parts

FORMAT = "cvat"
FILE_NAME = "annotations.xml"  # The file read or written when a folder is given.
SHAPE_FIELDS = ("tag", "points", "rle", "left", "top", "width", "height", "xtl", "ytl", "xbr", "ybr", "cx", "cy", "rx", "ry", "rotation")
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
LOCATION = "path"  # Attribute of an image: its file relative to the XML file, where CVAT has only a name.
SCORE, TRACK, ID = "score", "track_id", "id"  # Attributes of an annotation that hold an instance's values.
FRAME_NAME = "frame_{:06d}"  # As CVAT names the images of a video.
FRAME_SUFFIXES = (".PNG", ".jpg")
MAX_FRAME_DIGITS = 6
MAX_EXAMINED_FILES = 5
MAX_OFFSET = 10**6  # px, of a mask that begins outside the image.
BUILT_IN = {"label", SCORE, TRACK, ID, *SHAPE_FIELDS}


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a CVAT file, or `annotations.xml` of a folder.

    Args:
        path: The XML file or its folder.
        images: The folder of the images; by default `images/` next to the file, or its folder.
        problems: Receives shapes without area and broken entries.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not CVAT XML for images.
    """
    path = _file_to_read(path)
    root = _parse(path)
    finder = ImageFinder(path, images)
    items = []
    for element in [*root.findall("image"), *_frames(path, root, finder, problems)]:
        with problems.skipping(path, element.get("name", "")):
            items.append(_item(path, element, finder, problems))
    finder.warn_missing()
    meta = root.find("meta")
    labels = [] if meta is None else [name.text or "" for name in meta.iterfind(".//labels/label/name")]
    classes = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    extra = {} if meta is None else {FORMAT: {"meta": ElementTree.tostring(meta, "unicode")}}
    return Dataset(items, classes=classes, extra=extra)


def matches(path: Path) -> bool:
    """Return whether a file, or `annotations.xml` of a folder, looks like CVAT's."""
    return _is_cvat(_file_to_read(path))


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a CVAT file, or `annotations.xml` into a folder.

    Images are named relative to the file, not copied. Instances without pixels are skipped; alpha mattes are not stored. The values of
    attributes become text.

    Args:
        items: The images with their instances.
        path: The XML file or its folder.

    Returns:
        The path of the file.

    Raises:
        ValueError: If a mask does not fit its image, or a text has a character that XML cannot hold.
    """
    path = file_of(path)
    write_files([(path, _encode(items, path.parent))])
    return path


def file_of(path: Path) -> Path:
    """Return the file that a path means: itself, or `annotations.xml` in a folder."""
    return path if path.suffix.lower() == ".xml" else path / FILE_NAME


# ---- reading ---------------------------------------------------------------------------------------------------------


def _file_to_read(path: Path) -> Path:
    """Return the file to read: itself, or in a folder `annotations.xml`, or the only other file of CVAT."""
    file = file_of(path)
    others = sorted(path.glob("*.xml")) if path.is_dir() and not file.is_file() else []
    found = [each for each in others if _is_cvat(each)] if len(others) <= MAX_EXAMINED_FILES else []
    return found[0] if len(found) == 1 else file


def _is_cvat(file: Path) -> bool:
    return file.is_file() and "<annotations" in peek(file)


def _parse(path: Path) -> Element:
    text = read_text(path)
    if "<!ENTITY" in text:
        raise ValueError(f"{path} defines XML entities, which could grow to any size; remove them from the file")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{path} is not XML: {error}") from error
    if root.tag != "annotations":
        raise ValueError(f"{path} is not a CVAT file; its first element is <{root.tag}>, not <annotations>")
    return root


def _frames(path: Path, root: Element, finder: ImageFinder, problems: Problems) -> list[Element]:
    """Return the frames of a video as images: those in which a track has a shape, and all others whose image is there."""
    tracks = root.findall("track")
    if not tracks:
        return []
    texts = {key: root.findtext(f"meta//{key}") or "" for key in ("size", "original_size/width", "original_size/height")}
    length, width, height = texts.values()
    frames: dict[int, Element] = {}
    for number in range(int(length) if length.isdecimal() and len(length) <= MAX_FRAME_DIGITS else 0):
        if (name := _frame_name(number, finder)) is not None:
            frames[number] = Element("image", {"id": str(number), "name": name, "width": width, "height": height})
    for track in tracks:
        for shape in track:
            with problems.skipping(path, f"track {track.get('id')}", f"frame {shape.get('frame')}"):
                if shape.get("outside") == "1":
                    continue
                number = whole(shape.get("frame"), "frame")
                name = _frame_name(number, finder) or f"{FRAME_NAME.format(number)}{FRAME_SUFFIXES[0]}"
                own = {key: value for key, value in {**track.attrib, **shape.attrib}.items() if key not in ("id", "frame", "outside")}
                element = Element(shape.tag, {**own, TRACK: track.get("id", "0")})
                element.extend(shape)
                new = Element("image", {"id": str(number), "name": name, "width": width, "height": height})
                frames.setdefault(number, new).append(element)
    return [frames[number] for number in sorted(frames)]


def _frame_name(number: int, finder: ImageFinder) -> str | None:
    names = (f"{FRAME_NAME.format(number)}{suffix}" for suffix in FRAME_SUFFIXES)
    return next((name for name in names if finder.search(name) is not None), None)


def _item(path: Path, element: Element, finder: ImageFinder, problems: Problems) -> Item:
    name, location = element.get("name", ""), element.get(LOCATION, "")
    if not name:
        raise ValueError("an image has no name")
    image = finder.find(location if location and os.path.isfile(path.parent / location) else name)
    size = size_of(element.get("height"), element.get("width")) if element.get("height") or element.get("width") else None
    records: list[FileAnnotation] = []
    others: list[str] = []
    taken: set[int] = set()
    for number, shape in enumerate(element, 1):
        with problems.skipping(path, name, number):
            decode = _decoder(shape, problems.limits)
            if decode is not None:
                records.append(_record(shape, number, decode, taken))
                continue
            others.append(ElementTree.tostring(shape, "unicode").strip())
            if shape.tag != "tag":
                problems.add(
                    f"a <{shape.tag}> has no area, so it is no instance; it is kept for writing", file=path, image=name, annotation=number
                )
    kept = {key: value for key, value in element.attrib.items() if key not in ("name", LOCATION, "width", "height")}
    return item_of(FORMAT, path, image, records, size, problems, {**kept, **({"others": others} if others else {})})


def _record(shape: Element, number: int, decode: Decode, taken: set[int]) -> FileAnnotation:
    attributes = {str(each.get("name")): _parsed(each.text or "") for each in shape.findall("attribute")}
    own = shape.attrib
    score = own.get(SCORE)
    return FileAnnotation(
        str(number),
        decode,
        own.get("label", ""),
        instance_id(int(own[ID]), taken) if own.get(ID, "").isdecimal() else None,
        attributes,
        score_of(float(score)) if score else None,
        whole(own[TRACK], "track_id") if TRACK in own else None,
        {"tag": shape.tag, **{key: value for key, value in own.items() if key not in ("label", SCORE, TRACK, ID)}},
    )


def _decoder(shape: Element, limits: Limits) -> Decode | None:
    """Return the decoder of a shape; None if it has no area."""
    if shape.tag == "polygon":
        return parts_decoder([[ring_of([point.split(",") for point in shape.get("points", "").split(";")], limits)]])
    if shape.tag == "box":
        x0, y0, x1, y1 = (_number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        return parts_decoder([[turned_ring(box_ring(x0, y0, x1, y1), float(shape.get("rotation") or 0), ((x0 + x1) / 2, (y0 + y1) / 2))]])
    if shape.tag == "ellipse":
        x, y, radius_x, radius_y = (_number(shape, key) for key in ("cx", "cy", "rx", "ry"))
        return parts_decoder([[ellipse_ring(x, y, radius_x, radius_y, float(shape.get("rotation") or 0))]])
    if shape.tag == "mask":
        left, top = (whole(shape.get(key), key, -MAX_OFFSET) for key in ("left", "top"))
        width, height = (whole(shape.get(key), key) for key in ("width", "height"))
        return partial(_decode_mask, shape.get("rle", ""), left, top, width, height)
    return None


def _number(shape: Element, key: str) -> float:
    try:
        return float(shape.attrib[key])
    except (KeyError, ValueError):
        raise ValueError(f"<{shape.tag}> has {key}={shape.get(key)!r}; it needs a number") from None


def _decode_mask(text: str, left: int, top: int, width: int, height: int, rows: int, columns: int) -> np.ndarray:
    runs = np.array([int(run) for run in text.split(",") if run.strip()], np.int64)
    if (runs < 0).any() or runs.sum() != width * height:
        raise ValueError(f"its run lengths add up to {runs.sum()}, its box of {width}x{height} pixels needs {width * height}")
    return paste_mask(np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(height, width), left, top, rows, columns)


def _parsed(text: str) -> Any:
    """Return an attribute's value: CVAT's checkboxes are true and false, all else is text."""
    return {"true": True, "false": False}.get(text, text)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _encode(items: Sequence[Item], folder: Path) -> bytes:
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    kept_meta = items.extra.get(FORMAT, {}).get("meta") if isinstance(items, Dataset) else None
    meta = ElementTree.fromstring(kept_meta) if kept_meta else Element("meta")
    root.append(meta)
    known = dict.fromkeys(items.classes if isinstance(items, Dataset) else ())
    for number, (item, (name, location)) in enumerate(zip(items, _image_names(items, folder))):
        height, width = item_size(item)
        kept = kept_image(item, FORMAT)
        others = kept.pop("others", [])
        attributes = {"id": str(number), "name": name, **location, "width": str(width), "height": str(height)}
        image = SubElement(root, "image", {**attributes, **{key: str(value) for key, value in kept.items()}})
        for instance in checked_instances(item, height, width):
            if instance.mask.any():
                known.setdefault(instance.label)
                image.append(_shape(instance))
        image.extend(ElementTree.fromstring(text) for text in others)
    _name_labels(meta, known, items)
    _check_text(root)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _check_text(root: Element) -> None:
    for element in root.iter():
        for text in (element.text or "", *element.attrib.values()):
            if NOT_IN_XML.search(text):
                raise ValueError(f"{text!r} has a character that XML cannot hold; rename the file, the label or the attribute")


def _image_names(items: Sequence[Item], folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the name of each image, by which CVAT finds it in a task, and its location if that is not in the file's folder."""
    paths = [image_path(item).absolute() for item in items]
    for root in (folder.absolute() / "images", folder.absolute()):
        if all(path.is_relative_to(root) for path in paths):
            yield from ((path.relative_to(root).as_posix(), {}) for path in paths)
            return
    root = Path(os.path.commonpath([path.parent for path in paths]))
    yield from ((path.relative_to(root).as_posix(), {LOCATION: relative_name(path, folder)}) for path in paths)


def _name_labels(meta: Element, labels: Mapping[str, None], items: Sequence[Item]) -> None:
    """Add the labels that the meta element does not have yet."""
    parent = meta.find(".//labels")
    if parent is None:
        task = meta.find("task")
        task = SubElement(meta, "task") if task is None else task
        if task.find("size") is None:
            SubElement(task, "size").text = str(len(items))
            SubElement(task, "mode").text = "annotation"
        parent = SubElement(task, "labels")
    present = {name.text or "" for name in parent.iterfind("label/name")}
    for label in labels:
        if label not in present:
            SubElement(SubElement(parent, "label"), "name").text = label


def _shape(instance: Instance) -> Element:
    fields, shape = kept_fields(instance, FORMAT, SHAPE_FIELDS)
    shape = shape or _new_shape(instance.mask)
    tag = shape.pop("tag")
    own = {"label": instance.label, "source": "manual", "occluded": "0", "z_order": "0"}
    values = {SCORE: instance.score, TRACK: instance.track_id, ID: instance.id}
    element = Element(tag, {**own, **fields, **shape, **{key: str(value) for key, value in values.items() if value is not None}})
    for name, value in _attribute_texts(instance.attributes):
        SubElement(element, "attribute", {"name": name}).text = value
    return element


def _attribute_texts(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _new_shape(mask: np.ndarray) -> dict[str, str]:
    rings = parts(mask)
    if len(rings) == 1 and len(rings[0]) == 1:
        return {"tag": "polygon", "points": ";".join(f"{x:.2f},{y:.2f}" for x, y in rings[0][0].tolist())}
    x0, y0, x1, y1 = bbox(mask)
    flat = mask[y0:y1, x0:x1].ravel()
    starts = np.r_[0, np.flatnonzero(flat[1:] != flat[:-1]) + 1]
    runs = np.diff(starts, append=flat.size).tolist()
    text = ", ".join(map(str, [0, *runs] if flat[0] else runs))
    return {"tag": "mask", "rle": text, "left": str(x0), "top": str(y0), "width": str(x1 - x0), "height": str(y1 - y0)}
