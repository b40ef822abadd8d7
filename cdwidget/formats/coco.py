"""COCO: one JSON file of images, categories and annotations, with run lengths or polygons.

Compressed and uncompressed run lengths, lists of polygons, and boxes without a segmentation (as rectangles) are read. `coco_writer` writes
the file; fields that cdwidget does not use are kept for it in `extra`.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence, TypeGuard

from cdwidget.formats.annotations import size_of
from cdwidget.formats.coco_annotations import (
    FORMAT,
    AnnotationLoader,
    Crowd,
    annotation_problem,
    by_whole_number,
    with_known_ids,
)
from cdwidget.formats.coco_segmentations import outside_problem, usable_segmentation
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_size
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances
from cdwidget.formats.io import peek, read_json
from cdwidget.formats.orientation import UPRIGHT, EdgeContrast, ImageHeader, read_header, size_of_annotations
from cdwidget.images import read_image
from cdwidget.images.remote import is_url
from cdwidget.items import Item
from cdwidget.limits import Limits

__all__ = ["FILE_NAME", "AnnotationLoader", "Crowd", "file_of", "read", "read_labels"]

FILE_NAME = "annotations.json"  # The file read or written when a folder is given.
OTHER_FILE_NAMES = ("_annotations.coco.json", "labels.json", "result.json")  # As Roboflow, FiftyOne and Label Studio write it.
NAME_KEYS = ("file_name", "coco_url", "flickr_url", "url")  # LVIS has URLs only.
APPLIED_ORIENTATION = {"exif_orientation": "applied"}  # Entry of `info`: masks count the pixels of images as they are shown.
LIST_KEYS = ("images", "annotations", "categories")
IMAGE_OBJECT = re.compile(r'"image"\s*:\s*\{')  # SA-1B has a file per image, COCO a list of images.
MAX_COMPARED_IMAGES, MAX_COMPARED_MASKS = 8, 20  # Turned images, and masks of each, that show how a file counts pixels.
MAX_NAMED_CLASSES = 3
MAX_ID = 2**53  # Larger whole numbers are not exact in all JSON readers.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read an annotation file, or the one in a folder.

    An instance keeps its annotation's id if that is a positive whole number and occurs once. Polygons of fewer than three points are
    skipped. Several records of one image become one item.

    Args:
        path: The annotation file or its folder.
        images: The folder of the images; by default the file's folder and the usual places near it.
        problems: Receives the images, annotations and categories that cannot be used.

    Returns:
        One item per image; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a COCO file.
    """
    path = _input_file(path)
    content = read_content(path, problems.limits)
    finder = ImageFinder(path, images)
    dataset = read_annotations(path, content["annotations"], content, finder, problems)
    finder.warn_missing()
    return dataset


def read_annotations(
    path: Path, annotations: Sequence[Any], content: Mapping[str, Any], finder: ImageFinder, problems: Problems
) -> Dataset:  # fmt: skip
    """Return the items of annotations whose images and categories may be in another file.

    Args:
        path: The file of the annotations.
        annotations: The annotations.
        content: The content of the file of the images and categories.
        finder: Finds the images by their names in that file.
        problems: Receives the images, annotations and categories that cannot be used.
    """
    labels, classes = _labels(finder.file, content, problems)
    if not labels:
        labels, classes = _unnamed_classes(path, annotations, problems)
    found = _images(finder.file, content, finder, problems)
    seen: set[int] = set()
    image_ids, category_ids = by_whole_number(found), by_whole_number(labels)
    for position, each in enumerate(annotations, 1):
        record = with_known_ids(each, image_ids, category_ids)
        segmentation = usable_segmentation(record)
        problem = annotation_problem(record, segmentation, found, labels)
        if not problem:
            image = found[record["image_id"]]
            problem = outside_problem(segmentation, image.height, image.width)
        if problem:
            name = record.get("id") if isinstance(record, dict) else None
            problems.add(problem, file=path, annotation=f"number {position}" if name is None else name)
            continue
        number = record.get("id")
        number = number if type(number) is int and 0 < number < MAX_ID and number not in seen else None
        seen.add(number or 0)
        image.add(record, segmentation, number)
    distinct = list({id(image): image for image in found.values()}.values())
    items = [
        image.item(str(path), labels, problems, stored)
        for image, stored in _with_stored_pixels(distinct, str(path), labels, problems, _stored_pixels(content, problems))
    ]
    extra = {key: value for key, value in content.items() if key not in LIST_KEYS}
    if any(image.orientation != UPRIGHT for image in distinct) and isinstance(extra.get("info", {}), Mapping):
        extra["info"] = {**extra.get("info", {}), **APPLIED_ORIENTATION}  # The masks are turned on access.
    return Dataset(items, classes, {FORMAT: {**extra, "categories": _category_fields(content)}})


def matches(path: Path) -> bool:
    """Return whether a file, or the file that `read` takes of a folder, looks like COCO's."""
    try:
        file = _input_file(path)
    except ValueError:  # Several files; LabelMe has one per image.
        return False
    text = peek(file) if file.is_file() else ""
    if '"segments_info"' in text or IMAGE_OBJECT.search(text) is not None:  # COCO panoptic; SA-1B.
        return False
    return any(f'"{key}"' in text for key in ("images", "image_id")) and any(f'"{key}"' in text for key in ("annotations", "categories"))


def read_labels(path: Path) -> dict[str, int]:
    """Return the category id of each label in an annotation file."""
    problems = Problems()
    return _labels(path, read_content(path, problems.limits), problems)[1]


def file_of(path: Path) -> Path:
    """Return the annotation file that a path means: itself, or `annotations.json` in a folder."""
    return path if path.suffix.lower() == ".json" else path / FILE_NAME


# ---- parts of the file -------------------------------------------------------------------------------------------


@dataclass
class ImageRecord:
    """One image of an annotation file, with its annotations."""

    name: str
    path: str | Path
    height: int
    width: int
    fields: Mapping[str, Any]
    header: ImageHeader | None = None  # Of the image's file.
    annotations: list[Mapping[str, Any]] = field(default_factory=list)
    segmentations: list[Any] = field(default_factory=list)
    ids: list[int | None] = field(default_factory=list)

    def add(self, annotation: Mapping[str, Any], segmentation: Any, id: int | None) -> None:
        """Add an annotation with its usable segmentation and the id that its instance gets."""
        self.annotations.append(annotation)
        self.segmentations.append(segmentation)
        self.ids.append(id)

    @property
    def orientation(self) -> int:
        """The EXIF orientation of the image's file."""
        return UPRIGHT if self.header is None else self.header.orientation

    @property
    def has_stored_size(self) -> bool | None:
        """Whether the size in the file is that of the pixels as stored; None if it does not show this."""
        if self.header is None or self.header.size == self.header.shown_size:
            return None
        return {self.header.size: True, self.header.shown_size: False}.get((self.height, self.width))

    def loader(self, file: str, labels: Mapping[Any, str], problems: Problems, stored: bool) -> AnnotationLoader:
        """Return the function that decodes the annotations.

        Args:
            file: The annotation file.
            labels: The label of each category id.
            problems: Has the limits on sizes.
            stored: Whether the annotations count the image's pixels as stored, before its EXIF orientation is applied.
        """
        orientation = self.orientation if stored else UPRIGHT
        return AnnotationLoader(
            file, self.name, self.annotations, self.segmentations, self.ids, labels, self.height, self.width, problems.limits, orientation
        )

    def item(self, file: str, labels: Mapping[Any, str], problems: Problems, stored: bool) -> Item:
        """Return the image as an item with instances that are decoded on access; arguments as for `loader`."""
        load = self.loader(file, labels, problems, stored)
        return Item(self.path, LazyInstances(len(self.annotations), load, problems), {FORMAT: self.fields})


def _input_file(path: Path) -> Path:
    """Return the annotation file to read: in a folder, `annotations.json`, one that another tool wrote, or the only JSON file.

    Raises:
        ValueError: If the folder or its subfolders hold several.
    """
    file = file_of(path)
    if file == path or file.is_file() or not path.is_dir():
        return file
    for folder in (path, path / "annotations"):
        named = [folder / name for name in OTHER_FILE_NAMES if (folder / name).is_file()]
        files = named or sorted(folder.glob("*.json"))
        if len(files) > 1:
            raise ValueError(f"{folder} holds several JSON files: {', '.join(each.name for each in files[:10])}; give the path of one")
        if files:
            return files[0]
    parts = sorted(found for name in OTHER_FILE_NAMES for found in path.glob(f"*/{name}"))  # A folder for each part of a split.
    if len(parts) > 1:
        raise ValueError(f"{path} holds several data sets: {', '.join(map(str, parts[:10]))}; give the path of one")
    return parts[0] if parts else file


def read_content(path: Path, limits: Limits) -> dict[str, Any]:
    """Return the content of a COCO file with lists of images, annotations and categories; raise ValueError for another file."""
    content = read_json(path, limits)
    lists = content if isinstance(content, dict) else {}
    if lists.get("images") and ("annotations" in lists or "categories" in lists):
        lists = {"annotations": [], "categories": [], **lists}  # Images to be annotated, or masks without classes.
    absent = [key for key in LIST_KEYS if not isinstance(lists.get(key), list)]
    if absent:
        raise ValueError(f"{path} is not a COCO file; it needs lists of images, annotations and categories, and lacks {', '.join(absent)}")
    return lists


def _labels(path: Path, content: Mapping[str, Any], problems: Problems) -> tuple[dict[Any, str], dict[str, int]]:
    """Return the label of each category id, and the number of each label."""
    labels: dict[Any, str] = {}
    classes: dict[str, int] = {}
    for position, category in enumerate(content["categories"], 1):
        number, name = (category.get("id"), category.get("name")) if isinstance(category, dict) else (None, None)
        if name is None or not (_is_whole(number) or isinstance(number, str)):
            problems.add(f"category number {position} needs a whole number as id, and a name", file=path)
            continue
        label = str(name)
        if labels.setdefault(number, label) != label:
            problems.add(f"the categories {labels[number]!r} and {label!r} have the same id {number}; the first one is used", file=path)
        elif _is_whole(number) and classes.setdefault(label, int(number)) != number:
            problems.add(f"two categories have the name {label!r}; they become one, with the id {classes[label]}", file=path)
    return labels, classes


def _unnamed_classes(path: Path, annotations: Sequence[Any], problems: Problems) -> tuple[dict[Any, str], dict[str, int]]:
    """Return labels for the category ids of a file without categories, and report them; none if the annotations have no such ids."""
    ids = [each.get("category_id") if isinstance(each, dict) else None for each in annotations]
    labels = {number: f"class_{number}" for number in sorted({int(id) for id in ids if _is_whole(id)})}
    if labels:
        named = ", ".join([*labels.values()][:MAX_NAMED_CLASSES]) + (", ..." if len(labels) > MAX_NAMED_CLASSES else "")
        problems.add(f"the file has no categories, so its classes are called {named}", file=path)
    return labels, {label: number for number, label in labels.items()}


def _category_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of each category that cdwidget does not use, such as its supercategory, by label."""
    fields: dict[str, Any] = {}
    for category in content["categories"]:
        if isinstance(category, dict):
            own = {key: value for key, value in category.items() if key not in ("id", "name")}
            fields.setdefault(str(category.get("name")), own)
    return fields


def _images(path: Path, content: Mapping[str, Any], finder: ImageFinder, problems: Problems) -> dict[Any, ImageRecord]:
    """Return the image of each id; the ids of several records of one image have the same one."""
    found: dict[Any, ImageRecord] = {}
    by_path: dict[str, ImageRecord] = {}
    for position, record in enumerate(content["images"], 1):
        name = name_in_file(record)
        with problems.skipping(path, name or f"number {position}"):
            image_id = record.get("id") if isinstance(record, dict) else None
            if not name or not (_is_whole(image_id) or isinstance(image_id, str)):
                raise ValueError("an image needs an id and a file_name")
            if image_id in found and found[image_id].name != name:
                raise ValueError(f"the image {found[image_id].name} has the same id {image_id!r}; each image needs its own")
            file = finder.find(name)
            header = read_header(file)
            height, width = size_of_annotations(_size(record, file), header, partial(problems.note, file=path, image=name))
            problems.limits.check("max_pixels", height * width, "the image")
            image = by_path.setdefault(str(file), ImageRecord(name, file, height, width, record, header))
            if os.path.normpath(image.name) != os.path.normpath(name):
                raise ValueError(f"the only file that is found for it is {file}, which is found for {image.name} too")
            if (image.height, image.width) != (height, width):
                raise ValueError(
                    f"it has {width}x{height} pixels here, and {image.width}x{image.height} in another record of the same image"
                )
            found[image_id] = image
    return found


def _stored_pixels(content: Mapping[str, Any], problems: Problems) -> bool | None:
    """Return whether annotations count the pixels as stored, if the reader or the file itself says so; a page without a kernel does."""
    info = content.get("info")
    is_upright = isinstance(info, Mapping) and APPLIED_ORIENTATION.items() <= info.items()
    return False if problems.stored_pixels is None and is_upright else problems.stored_pixels


def _with_stored_pixels(
    images: Sequence[ImageRecord], file: str, labels: Mapping[Any, str], problems: Problems, default: bool | None
) -> Iterator[tuple[ImageRecord, bool]]:  # fmt: skip
    """Yield each image, and whether its annotations count the pixels as stored.

    The size in the file shows it for images turned by 90 degrees. The others, such as those turned by 180, are taken as these are, or else
    as their masks fit the edges of the image; `default` decides it if given.
    """
    sizes = [image.has_stored_size for image in images]
    if default is None:
        is_shown = any(size is not None for size in sizes)
        default = any(sizes) if is_shown else _fit_stored_pixels(images, file, labels, problems)
    for image, size in zip(images, sizes):
        yield image, default if size is None else size


def _fit_stored_pixels(images: Sequence[ImageRecord], file: str, labels: Mapping[Any, str], problems: Problems) -> bool:
    """Return whether the masks of the first turned images fit the edges of these better if they count the pixels as stored."""
    turned = (image for image in images if image.orientation != UPRIGHT and image.annotations)
    contrasts = {False: EdgeContrast(), True: EdgeContrast()}
    for image in islice(turned, MAX_COMPARED_IMAGES):
        with suppress(OSError, ValueError):  # The image, or an annotation, is reported when it is read.
            pixels = read_image(image.path)
            for stored, contrast in contrasts.items():
                load = image.loader(file, labels, problems, stored)
                for instance in load(range(min(len(image.annotations), MAX_COMPARED_MASKS))):
                    if instance.mask.shape == pixels.shape[:2]:
                        contrast.add(pixels, instance.mask)
    return contrasts[True].exceeds(contrasts[False])


def name_in_file(record: Any) -> str:
    """Return the file name or URL of an image; "" for none."""
    names = (record.get(key) for key in NAME_KEYS) if isinstance(record, dict) else ()
    return next((name for name in names if isinstance(name, str) and name), "")


def _size(record: Mapping[str, Any], file: str | Path) -> tuple[int, int]:
    """Return (height, width) of an image, from its file if the record does not have them."""
    height, width = record.get("height"), record.get("width")
    with suppress(ValueError):
        return size_of(height, width)
    if is_url(str(file)) or not os.path.isfile(file):
        raise ValueError(f"its width and height are {width!r} and {height!r}, which are not whole pixels, and there is no file to measure")
    return image_size(Path(file))


def _is_whole(value: object) -> TypeGuard[float]:
    return type(value) is int or (isinstance(value, float) and value.is_integer())
