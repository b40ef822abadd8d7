"""Pascal VOC's `Annotations/`: an XML file per image, with the class and the box of each object.

`SegmentationObject/` may hold the masks: the first object of a file has the number 1 there. Other objects are rectangles.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Mapping
from xml.etree import ElementTree

import numpy as np

from cdwidget.formats.annotations import Decode, FileAnnotation, box_ring, item_of, parts_decoder, size_of
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.io import by_stem, peek, read_text
from cdwidget.formats.voc_files import read_object_numbers
from cdwidget.items import Item

FOLDER, IMAGES = "Annotations", "JPEGImages"
NO_SIDE = (None, "", "0")  # As labeling tools write an unknown height or width.


def box_files(path: Path) -> list[Path]:
    """Return the XML files of a VOC folder, sorted."""
    return sorted((path / FOLDER).glob("*.xml"), key=by_stem)


def matches(path: Path) -> bool:
    """Return whether a folder has XML files with boxes of VOC."""
    return any("<bndbox>" in peek(file) for file in box_files(path)[:1])


def read(path: Path, images: Path | None, objects: Mapping[str, Path], problems: Problems) -> Dataset:
    """Read the objects of all XML files.

    Args:
        path: The folder of the data set.
        images: The folder of the images; by default `JPEGImages/`, or else the usual places.
        objects: The maps of objects by the stem of their image.
        problems: Receives the files and objects that cannot be read.
    """
    files = box_files(path)
    finder = ImageFinder(files[0], images or (path / IMAGES if (path / IMAGES).is_dir() else None))
    items = []
    for file in files:
        with problems.skipping(file):
            items.append(_item(file, finder, objects.get(file.stem), problems))
    finder.warn_missing()
    return Dataset(items)


def _item(file: Path, finder: ImageFinder, objects: Path | None, problems: Problems) -> Item:
    text = read_text(file)
    if "<!ENTITY" in text:
        raise ValueError(f"{file} defines XML entities, which could grow to any size; remove them from the file")
    root = ElementTree.fromstring(text)
    name = root.findtext("filename") or f"{file.stem}.jpg"
    image = _find_image(file, name, finder, problems)
    width, height = root.findtext("size/width"), root.findtext("size/height")
    size = size_of(height, width) if height not in NO_SIDE and width not in NO_SIDE else None
    records = []
    for number, element in enumerate(root.findall("object"), 1):
        with problems.skipping(file, name, number):
            decode = _box(element) if objects is None else partial(_decode_object, objects, number)
            records.append(FileAnnotation(str(number), decode, element.findtext("name") or ""))
    return item_of("voc", file, image, records, size, problems)


def _find_image(file: Path, name: str, finder: ImageFinder, problems: Problems) -> str | Path:
    """Return the image with the stem of an XML file, or else with the name in it, which in a copied file is often that of another image."""
    named = finder.search(name)
    if named is not None and named.stem == file.stem:
        return named
    own = (finder.search(f"{file.stem}{suffix}") for suffix in sorted(IMAGE_SUFFIXES))
    image = next((found for found in own if found is not None), None)
    if image is not None and named is not None:
        problems.note(f"it names the image {name}; its objects are those of {image.name}, which has the name of the file", file=file)
    return image or named or finder.find(name)


def _box(element: ElementTree.Element) -> Decode:
    """Return the decoder of an object's box; VOC counts its first and last pixels from 1."""
    x0, y0, x1, y1 = (float(element.findtext(f"bndbox/{side}") or "nan") for side in ("xmin", "ymin", "xmax", "ymax"))
    if not (x0 <= x1 and y0 <= y1):
        raise ValueError(f"its box is {x0:g},{y0:g} to {x1:g},{y1:g}; it needs xmin, ymin, xmax and ymax in this order")
    return parts_decoder([[box_ring(x0 - 1, y0 - 1, x1, y1)]])


def _decode_object(file: Path, number: int, height: int, width: int) -> np.ndarray:
    mask = read_object_numbers(file) == number
    if mask.shape != (height, width) or not mask.any():
        raise ValueError(f"{file} of {mask.shape[1]}x{mask.shape[0]} pixels has no pixel {number} in an image of {width}x{height}")
    return mask
