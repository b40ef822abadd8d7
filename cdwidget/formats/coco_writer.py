"""Writes COCO files.

A mask in one part without holes is written as a polygon along its pixels' edges, any other mask as compressed run lengths; pycocotools
decodes both to the same pixels. Shapes of unchanged masks, and all fields that cdwidget does not use, are written as they were
read.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

from cdwidget import rle
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco import APPLIED_ORIENTATION, file_of, read_labels
from cdwidget.formats.coco_annotations import Crowd, EncodedInstance, fields_of, kept_annotation
from cdwidget.formats.dataset import Dataset
from cdwidget.formats.image_files import image_path, item_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import open_replacement, relative_name, to_json_bytes
from cdwidget.formats.orientation import is_turned
from cdwidget.images.remote import is_url
from cdwidget.items import Instance, Item
from cdwidget.masks import Bbox
from cdwidget.polygons import parts

Fields = dict[str, Any]  # Of a JSON object.


class Annotation(NamedTuple):
    """One instance to write.

    Attributes:
        instance: The instance.
        shape: Its `segmentation`, `bbox` and `area`.
        others: The other fields that it was read with.
        text: Further fields as JSON text, as `kept_text` returns them.
    """

    instance: EncodedInstance
    shape: Mapping[str, Any]
    others: dict[str, Any]
    text: str = ""


class ImageEntry(NamedTuple):
    """One image to write: its file, its name or URL in the file, its size in pixels, its annotations, and its `Item.extra`."""

    image: Path
    file_name: str
    height: int
    width: int
    annotations: Iterable[Annotation]
    extra: Mapping[str, Any] = {}


def annotation_of(instance: EncodedInstance, height: int, width: int, area: int, box: Bbox) -> Annotation:
    """Choose the shape to write for a mask: the one it was read with while it is unchanged, a polygon if that is exact, or run lengths.

    Args:
        instance: The instance.
        height: Height of the mask in pixels.
        width: Width of the mask in pixels.
        area: Pixels of the mask.
        box: Bounding box of the mask, (x0, y0, x1, y1) in pixels, half-open.
    """
    shape, others = kept_annotation(instance.counts, height, width, instance.extra)
    if shape is not None:
        return Annotation(instance, shape, others)
    polygon = None if instance.is_crowd else _exact_polygon(instance.counts, height, width, box)
    segmentation = {"size": [height, width], "counts": instance.counts} if polygon is None else [polygon]
    x0, y0, x1, y1 = box
    return Annotation(instance, {"segmentation": segmentation, "area": area, "bbox": [x0, y0, x1 - x0, y1 - y0]}, others)


def _exact_polygon(counts: str, height: int, width: int, box: Bbox) -> list[float] | None:
    """Return the border of a mask in one part without holes, if pycocotools rasterizes it to the same pixels."""
    rings = parts(rle.decode_box(counts, height, width, box)) if box[2] > box[0] else []
    if len(rings) != 1 or len(rings[0]) != 1:
        return None
    polygon: list[float] = (rings[0][0] + box[:2]).ravel().tolist()
    # A border that touches itself at a corner may be rasterized differently.
    return polygon if rle.encode_polygons([polygon], height, width) == counts else None


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
    finder = ImageFinder(path)
    extra = items.extra if isinstance(items, Dataset) else {}
    return write_images((_entry(item, image_name(item, path, finder)) for item in items), path, labels, extra)


def write_images(images: Iterable[ImageEntry], path: Path, labels: Labels = (), extra: Mapping[str, Any] | None = None) -> Path:
    """Write any number of images one by one; return the path of the annotation file.

    Args:
        images: The images; their annotations are iterated once.
        path: The annotation file or its folder. An existing file is replaced when all of the new one is written.
        labels: The categories as for `write`.
        extra: `Dataset.extra`, with info, licenses, and fields of categories.
    """
    path = file_of(path)
    classes = ClassIds(labels, read_labels(path) if path.is_file() else None)
    whole = {"info": APPLIED_ORIENTATION, "licenses": [], **fields_of(extra or {})}
    categories, info = whole.pop("categories", {}), whole.pop("info")

    def checked_images() -> Iterator[ImageEntry]:
        nonlocal info
        for image in images:
            if isinstance(info, Mapping) and not APPLIED_ORIENTATION.items() <= info.items() and is_turned(image.image):
                info = {**info, **APPLIED_ORIENTATION}  # Readers guess it for a file that does not say it.
            yield image

    with open_replacement(path) as file, TemporaryFile(dir=path.parent) as annotations:
        file.write(to_json_bytes(whole)[:-1] + b',\n"images": [')
        first_image, first_annotation = True, True
        for image, own in _numbered(checked_images(), classes):
            _append(file, image, first_image)
            first_image = False
            for annotation, text in own:
                _append(annotations, annotation, first_annotation, text)
                first_annotation = False
        file.write(b'],\n"annotations": [')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
        end = {"categories": categories_of(classes, categories), "info": info}
        file.write(b"],\n" + to_json_bytes(end)[1:])
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
        annotations += (annotation for annotation, _ in own)
    whole = {"info": dict(APPLIED_ORIENTATION), "licenses": [], "images": images, "annotations": annotations}
    return {**whole, "categories": categories_of(classes, {})}


class UniqueIds:
    """Unique ids of the images or the annotations of one file."""

    def __init__(self) -> None:
        self._taken: set[int | str] = set()
        self._highest = 0

    def take(self, wanted: object) -> int | str:
        """Return `wanted` if it is free and a text or a number from 0, else the number above the highest one."""
        id: int | str = self._highest + 1
        if (isinstance(wanted, str) or (isinstance(wanted, int) and type(wanted) is int and wanted >= 0)) and wanted not in self._taken:
            id = wanted
        self._taken.add(id)
        if isinstance(id, int) and id > self._highest:
            self._highest = id
        return id


def _numbered(images: Iterable[ImageEntry], classes: ClassIds) -> Iterator[tuple[Fields, Iterator[tuple[Fields, str]]]]:
    """Yield the fields of each image and of its annotations, with their `Annotation.text`, as they are written, with unique ids."""
    ids, image_ids = UniqueIds(), UniqueIds()
    for image in images:
        own = fields_of(image.extra)
        number = image_ids.take(own.get("id"))
        record = {**own, "id": number, "file_name": image.file_name, "height": image.height, "width": image.width}
        yield record, ((_record(annotation, ids, number, classes), annotation.text) for annotation in image.annotations)


def _record(annotation: Annotation, ids: UniqueIds, image_id: int | str, classes: ClassIds) -> dict[str, Any]:
    instance, shape, others, _ = annotation
    record = {
        "id": ids.take(others.pop("id", instance.id)),
        "image_id": image_id,
        "category_id": classes.id_of(instance.label),
        **shape,
        "iscrowd": int(instance.is_crowd),
        **others,
    }
    if instance.attributes:
        record["attributes"] = dict(instance.attributes)
    if instance.score is not None:
        record["score"] = instance.score
    if instance.track_id is not None:
        record["track_id"] = instance.track_id
    return record


def categories_of(classes: ClassIds, fields: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the categories to write, with the fields that each label was read with."""
    return [{"id": number, "name": label, **fields.get(label, {"supercategory": ""})} for number, label in classes.in_order()]


def image_name(item: Item, file: Path, finder: ImageFinder) -> str:
    """Return the name of an item's image in a file: the one it was read with if it leads there, a URL, or a path relative to the file."""
    if is_url(str(item.path)):
        return str(item.path)
    name, image = fields_of(item.extra).get("file_name"), image_path(item)
    if isinstance(name, str) and name and finder.leads_to(name, image):
        return name
    return relative_name(image, file.parent)


def _append(file: BinaryIO, record: Mapping[str, Any], first: bool, text: str = "") -> None:
    """Write one element of a JSON array: an object, and further fields of it as JSON text."""
    content = to_json_bytes(record)
    file.write((b"" if first else b",\n") + (content[:-1] + b"," + text.encode() + b"}" if text else content))


def _entry(item: Item, file_name: str) -> ImageEntry:
    height, width = size_in_file(item)
    instances = checked_instances(item, height, width)
    annotations = (_annotation(instance, height, width) for instance in instances)
    return ImageEntry(image_path(item), file_name, height, width, annotations, item.extra)


def size_in_file(item: Item) -> tuple[int, int]:
    """Return (height, width) of an item, from its image, its first mask, or the file that it was read from."""
    try:
        return item_size(item)
    except FileNotFoundError:
        fields = fields_of(item.extra)
        if not all(type(fields.get(side)) is int for side in ("height", "width")):
            raise
        return fields["height"], fields["width"]


def _annotation(instance: Instance, height: int, width: int) -> Annotation:
    encoded = EncodedInstance(
        instance.id, instance.label, isinstance(instance, Crowd), rle.encode(instance.mask),
        instance.attributes, instance.score, instance.track_id, instance.extra,
    )  # fmt: skip
    return annotation_of(encoded, height, width, instance.area, instance.bbox)
