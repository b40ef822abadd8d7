"""Pascal VOC: `JPEGImages/`, and indexed PNG files of classes and of objects.

Class ids are in `SegmentationClass/`, object numbers in `SegmentationObject/`.

0 is background, 255 is void. `labelmap.txt` names the classes, one per line: `label:red,green,blue::`. A pixel belongs to one object;
where instances overlap, the last one is in front.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
from PIL import Image

from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_size, unique_stems
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import files_by_stem, read_text, to_png, write_files
from cdwidget.formats.mask_files import VOID_VALUE, read_mask_values
from cdwidget.items import Instance, Item

LABEL_MAP = "labelmap.txt"
IMAGES, CLASSES, OBJECTS = "JPEGImages", "SegmentationClass", "SegmentationObject"
IMAGE_SET = Path("ImageSets") / "Segmentation" / "default.txt"
BACKGROUND = "background"
VOC_LABELS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a VOC folder.

    An object has the class of most of its pixels. Without `SegmentationObject/`, all pixels of a class are one instance. Without
    `labelmap.txt`, the classes are the 20 of VOC.

    Args:
        path: The folder.
        images: The folder of the images; by default `JPEGImages/` in it.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per file in `SegmentationClass/`; its masks are decoded on access. An object's value is its instance's id.

    Raises:
        FileNotFoundError: If a folder or an image is missing.
        ValueError: If a file is broken.
    """
    labels = {number: label for label, number in read_labels(path).items()}
    classes = files_by_stem(path / CLASSES, {".png"}, f"a VOC folder holds {IMAGES}/, {CLASSES}/ and {OBJECTS}/")
    found_images = files_by_stem(images or path / IMAGES, IMAGE_SUFFIXES, f"it holds the images of {path}; name their folder: images=...")
    items = []
    for stem, file in classes.items():
        with problems.skipping(file):
            if stem not in found_images:
                raise FileNotFoundError(f"{images or path / IMAGES} holds no image for {file}")
            objects = path / OBJECTS / file.name
            values = objects if objects.is_file() else file
            numbers = [number for number in np.unique(_read_values(values, found_images[stem])).tolist() if number not in (0, VOID_VALUE)]
            items.append(Item(found_images[stem], LazyInstances(len(numbers), partial(_load, values, file, numbers, labels))))
    return Dataset(items, {label: number for number, label in labels.items()})


def write(items: Sequence[Item], path: Path, labels: Labels = (), border: int = 0) -> Path:
    """Write a VOC folder with copies of the images.

    Instances that are completely covered are lost; alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: The folder.
        labels: The classes in order, from 1, or with their ids; new labels are appended. The classes of a folder that is replaced keep
            their ids, unless ids are given.
        border: Width in pixels of the void band along the inside of every object's boundary; VOC's own files have 5. These pixels are
            lost, so the default is 0.

    Returns:
        The folder.

    Raises:
        ValueError: If an image has more than 254 objects, there are more than 254 classes, a label has a line break, or a mask does
            not fit its image.
    """
    label_map = path / LABEL_MAP
    classes = ClassIds(labels, read_labels(path) if label_map.is_file() else None)
    stems = unique_stems(items, path / IMAGES)

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, stems):
            layers = _draw_layers(item, *image_size(copy_image(item, path / IMAGES, stem)), classes, border)
            for folder, pixels in zip((CLASSES, OBJECTS), layers):
                image = Image.fromarray(pixels)
                image.putpalette(palette().tobytes())
                yield path / folder / f"{stem}.png", to_png(image)
        used = dict(classes.in_order())
        lines = ["# label:color_rgb:parts:actions"]
        for number, color in enumerate(palette()[: max(used, default=0) + 1].tolist()):
            label = used.get(number, f"unused {number}" if number else BACKGROUND)
            lines.append(f"{label}:{','.join(map(str, color))}::")
        yield label_map, "".join(f"{line}\n" for line in lines).encode()
        yield path / IMAGE_SET, "".join(f"{stem}\n" for stem in stems).encode()

    write_files(files())
    return path


def read_labels(path: Path) -> dict[str, int]:
    """Return the class id of each label except the background; by default the VOC ids."""
    file = path / LABEL_MAP
    if not file.is_file():
        return {label: number for number, label in enumerate(VOC_LABELS, 1)}
    lines = read_text(file).split("\n")
    if lines[0].startswith("#"):
        lines = lines[1:]
    labels = [line.rstrip("\r").rsplit(":", 3) for line in lines if line.strip()]
    for fields in labels:
        if len(fields) != 4:
            raise ValueError(f"{file}: the line {':'.join(fields)!r} is not label:red,green,blue:parts:actions")
    return {fields[0]: number for number, fields in enumerate(labels) if number or fields[0] != BACKGROUND}


def palette() -> np.ndarray:
    """Return the colors of VOC by class id, uint8 (256, 3).

    The bits of the id alternate between red, green and blue, which fill from their highest bit.
    """
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(8):  # Bits 0, 3 and 6 belong to red, 1, 4 and 7 to green, 2 and 5 to blue.
        colors[:, bit % 3] |= ((np.arange(256) >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


def _draw_layers(item: Item, height: int, width: int, classes: ClassIds, border: int) -> np.ndarray:
    """Return the class ids and the object numbers of an image, uint8 (2, height, width)."""
    layers = np.zeros((2, height, width), np.uint8)
    for number, instance in enumerate(checked_instances(item, height, width), 1):
        class_id = classes.id_of(instance.label)
        if not 0 < class_id < VOID_VALUE or number >= VOID_VALUE or "\n" in instance.label:
            raise ValueError(
                f"{item.path}: instance {number} is of class {class_id}, {instance.label!r}; "
                f"VOC numbers objects and classes from 1 to {VOID_VALUE - 1}, and a label may have no line break"
            )
        layers[0, instance.mask], layers[1, instance.mask] = class_id, number
        if border:
            layers[:, instance.mask & ~_erode(instance.mask, border)] = VOID_VALUE
    return layers


def _erode(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.erode(mask.view(np.uint8), kernel).view(bool)


def _read_values(file: Path, image: Path) -> np.ndarray:
    """Read an indexed PNG file and check its size against the image."""
    values, (height, width) = read_mask_values(file), image_size(image)
    if values.shape != (height, width):
        raise ValueError(f"{file} is {values.shape[1]}x{values.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return values


def _load(objects: Path, classes: Path, numbers: Sequence[int], labels: Mapping[int, str], indices: Iterable[int]) -> Iterator[Instance]:
    object_numbers, class_ids = read_mask_values(objects), read_mask_values(classes)
    if object_numbers.shape != class_ids.shape:
        raise ValueError(f"{objects} and {classes} are of different sizes, {object_numbers.shape} and {class_ids.shape}; they must agree")
    for index in indices:
        mask = object_numbers == numbers[index]
        votes = np.bincount(class_ids[mask], minlength=VOID_VALUE + 1)
        votes[[0, VOID_VALUE]] = 0
        class_id = int(votes.argmax())
        if class_id not in labels:
            known = ", ".join(map(str, sorted(labels)))
            raise ValueError(f"{classes}: object {numbers[index]} is of class {class_id}; {LABEL_MAP} has {known}")
        yield Instance(mask, labels[class_id], numbers[index] if objects != classes else None)
