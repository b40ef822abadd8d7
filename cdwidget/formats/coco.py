"""COCO: one JSON file of images, categories and annotations, with run lengths or polygons.

A mask in one part without holes is written as a polygon along its pixels' edges, any other mask as compressed run lengths; pycocotools
decodes both to the same pixels. Compressed and uncompressed run lengths, lists of polygons, and boxes without a segmentation (as
rectangles) are read.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

from cdwidget import rle
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco_annotations import AnnotationLoader, Crowd, find_problem, segmentation_of
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import find_image, image_path, item_size
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import open_replacement, read_text, relative_name
from cdwidget.items import Instance, Item
from cdwidget.masks import Bbox
from cdwidget.polygons import parts

FILE_NAME = "annotations.json"  # The file read or written when a folder is given.


# ---- reading -----------------------------------------------------------------------------------------------------


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read an annotation file, or `annotations.json` of a folder.

    An instance keeps its annotation's id if that is a positive whole number and occurs once. Polygons of fewer than three points are
    skipped.

    Args:
        path: The annotation file or its folder.
        images: The folder of the images; by default the file's folder, or `images/` in it.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per image; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an annotation has neither a segmentation nor a box, or belongs to no image or no category.
    """
    path = file_of(path)
    content = _content(path)
    labels = _labels(path, content)
    records: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in content["images"]}
    seen: set[int] = set()
    for record in content["annotations"]:
        problem = find_problem(record, records, labels)
        if problem:
            raise ValueError(f"{path}: annotation {record.get('id') if isinstance(record, Mapping) else record!r} {problem}")
        number = record.get("id")
        number = number if type(number) is int and number > 0 and number not in seen else None
        seen.add(number or 0)
        records[record["image_id"]].append({**record, "id": number, "segmentation": segmentation_of(record)})
    folder = path.parent / "images"
    if images is None and folder.is_dir() and not any(os.path.exists(path.parent / image["file_name"]) for image in content["images"][:1]):
        images = folder
    items = []
    for image in content["images"]:
        own = records[image["id"]]
        load = AnnotationLoader(path, own, labels, image["height"], image["width"])
        items.append(Item(find_image(image["file_name"], path.parent, images), LazyInstances(len(own), load)))
    return Dataset(items, {label: number for number, label in labels.items()})


def read_labels(path: Path) -> dict[str, int]:
    """Return the category id of each label in an annotation file."""
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
            raise ValueError(f"{path}: image {image['file_name']!r} has the id {image.get('id')!r}; each image needs its own id")
        seen.add(image["id"])
    return content


def _labels(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    try:
        return {int(category["id"]): str(category["name"]) for category in content["categories"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: every category needs an id and a name ({type(error).__name__}: {error})") from error


# ---- writing -----------------------------------------------------------------------------------------------------


class Annotation(NamedTuple):
    """One instance to write.

    Attributes:
        id: The wanted annotation id; None for the next free one.
        label: Its category.
        segmentation: A list of polygons, or a dict of "size" and "counts".
        area: Number of pixels.
        bbox: (x0, y0, x1, y1) in pixels, half-open.
        is_crowd: Whether it is a region of objects that are not separated.
        attributes: `Instance.attributes`.
        score: `Instance.score`.
        track_id: `Instance.track_id`.
    """

    id: int | None
    label: str
    segmentation: Any
    area: int
    bbox: Bbox
    is_crowd: bool
    attributes: Mapping[str, Any] = {}
    score: float | None = None
    track_id: int | None = None


class ImageEntry(NamedTuple):
    """One image to write: its file name or URL, its size in pixels, and its annotations."""

    file_name: str
    height: int
    width: int
    annotations: Iterable[Annotation]


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write an annotation file, or `annotations.json` into a folder.

    Images are named relative to the file, not copied. Alpha mattes are not stored. An instance keeps its id as its annotation's unless
    another annotation has it.

    Args:
        items: The images with their instances.
        path: The annotation file or its folder.
        labels: The categories in order, or with their ids; new labels are appended. The categories of a file that is replaced keep their
            ids, unless ids are given.

    Returns:
        The path of the annotation file.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    path = file_of(path)
    return write_images((_entry(item, relative_name(image_path(item), path.parent)) for item in items), path, labels)


def write_images(images: Iterable[ImageEntry], path: Path, labels: Labels = ()) -> Path:
    """Write any number of images one by one; return the path of the annotation file.

    Args:
        images: The images; their annotations are iterated once.
        path: The annotation file or its folder. An existing file is replaced when all of the new one is written.
        labels: The categories as for `write`.
    """
    path = file_of(path)
    classes = ClassIds(labels, read_labels(path) if path.is_file() else None)
    with open_replacement(path) as file, TemporaryFile(dir=path.parent) as annotations:
        file.write(b'{"info": {}, "licenses": [],\n"images": [')
        first_image, first_annotation = True, True
        for image, own in _numbered(images, classes):
            _append(file, image, first_image)
            first_image = False
            for annotation in own:
                _append(annotations, annotation, first_annotation)
                first_annotation = False
        file.write(b'],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        file.write(f'],\n"categories": {json.dumps(_categories(classes), ensure_ascii=False)}}}'.encode())
    return path


def to_json(items: Iterable[Item], classes: ClassIds, name: Callable[[Item], str]) -> dict[str, Any]:
    """Return the content of a COCO file as plain JSON.

    Args:
        items: The images with their instances.
        classes: The numbers of the labels; new labels are added.
        name: Returns the file name of an item's image.

    Returns:
        A dict of "info", "licenses", "images", "annotations" and "categories".
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, own in _numbered((_entry(item, name(item)) for item in items), classes):
        images.append(image)
        annotations += own
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": _categories(classes)}


class AnnotationIds:
    """Unique annotation ids of one file."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._highest = 0

    def take(self, wanted: int | None) -> int:
        """Return `wanted` if it is positive and free, else the id above the highest one."""
        id = self._highest + 1 if wanted is None or wanted < 1 or wanted in self._taken else wanted
        self._taken.add(id)
        self._highest = max(self._highest, id)
        return id


def _numbered(images: Iterable[ImageEntry], classes: ClassIds) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
    """Yield each image and its annotations as they are written, with unique ids."""
    ids = AnnotationIds()
    for number, image in enumerate(images, 1):
        record = {"id": number, "file_name": image.file_name, "height": image.height, "width": image.width}
        yield record, (_record(annotation, ids.take(annotation.id), number, classes) for annotation in image.annotations)


def _record(annotation: Annotation, id: int, image_id: int, classes: ClassIds) -> dict[str, Any]:
    x0, y0, x1, y1 = annotation.bbox
    optional = {"attributes": dict(annotation.attributes) or None, "score": annotation.score, "track_id": annotation.track_id}
    return {
        "id": id,
        "image_id": image_id,
        "category_id": classes.id_of(annotation.label),
        "segmentation": annotation.segmentation,
        "area": annotation.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": int(annotation.is_crowd),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _categories(classes: ClassIds) -> list[dict[str, Any]]:
    return [{"id": number, "name": label, "supercategory": ""} for number, label in classes.in_order()]


def _append(file: BinaryIO, record: Mapping[str, Any], first: bool) -> None:
    """Write one element of a JSON array."""
    file.write(b"" if first else b",\n")
    file.write(json.dumps(record, ensure_ascii=False).encode())


def _entry(item: Item, file_name: str) -> ImageEntry:
    height, width = item_size(item)
    return ImageEntry(file_name, height, width, map(_annotation, checked_instances(item, height, width)))


def _annotation(instance: Instance) -> Annotation:
    mask = instance.mask
    is_crowd = isinstance(instance, Crowd)
    counts = rle.encode(mask)
    rings = parts(mask)
    segmentation: Any = {"size": list(mask.shape), "counts": counts}
    if len(rings) == 1 and len(rings[0]) == 1 and not is_crowd:
        polygon = rings[0][0].ravel().tolist()
        # A border that touches itself at a corner may be rasterized differently: then the run lengths stay.
        if rle.encode_polygons([polygon], *mask.shape) == counts:
            segmentation = [polygon]
    return Annotation(
        instance.id, instance.label, segmentation, instance.area, instance.bbox, is_crowd,
        instance.attributes, instance.score, instance.track_id,
    )  # fmt: skip
