"""Pascal VOC: `JPEGImages/`, and indexed PNG files of classes (`SegmentationClass/`) and of objects (`SegmentationObject/`).

0 is background, 255 is void. `labelmap.txt` names the classes, one a line: `label:red,green,blue::`. A pixel belongs to one object only:
where instances overlap, the last is in front.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence

import cv2
import numpy as np
from PIL import Image

from cdwidget.formats.dataset_folders import VOID, read_values
from cdwidget.formats.io import (
    IMAGE_SUFFIXES,
    Classes,
    Labels,
    Lazy,
    checked_instances,
    copy_image,
    files_by_stem,
    image_size,
    read_text,
    to_png,
    unique_stems,
    write_files,
)
from cdwidget.items import Instance, Item

LABEL_MAP = "labelmap.txt"
IMAGES, CLASSES, OBJECTS = "JPEGImages", "SegmentationClass", "SegmentationObject"
BACKGROUND = "background"
VOC_LABELS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def palette() -> np.ndarray:
    """Return the colours of VOC, uint8 (256, 3): the bits of the number dealt out to red, green and blue, the highest first."""
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):  # bit 0, 3 and 6 are red's, 1, 4 and 7 green's, 2 and 5 blue's
        colours[:, bit % 3] |= ((np.arange(256) >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read a VOC folder: an item for each file in SegmentationClass/, an instance an object; without SegmentationObject/, one a class.

    images: the folder of the images; by default JPEGImages/ in it. Without a labelmap.txt the classes are the twenty of VOC.
    An object's class is the one that most of its pixels have. Its number becomes the instance's id.
    """
    labels = {number: label for label, number in read_labels(path).items()}
    classes = files_by_stem(path / CLASSES, {".png"}, f"a VOC folder holds {IMAGES}/, {CLASSES}/ and {OBJECTS}/")
    photographs = files_by_stem(images or path / IMAGES, IMAGE_SUFFIXES, f"it holds the images of {path}; name their folder: images=...")
    items = []
    for stem, file in classes.items():
        if stem not in photographs:
            raise FileNotFoundError(f"{images or path / IMAGES} holds no image for {file}")
        objects = path / OBJECTS / file.name
        pixels = objects if objects.is_file() else file
        found = [number for number in np.unique(_values(pixels, photographs[stem])).tolist() if number not in (0, VOID)]
        items.append(Item(photographs[stem], Lazy(len(found), partial(_load, pixels, file, found, labels))))
    return items


def write(items: Sequence[Item], path: Path, labels: Labels = (), border: int = 0) -> Path:
    """Write a VOC folder with a copy of each image; return the folder. Instances that are wholly covered leave nothing; alpha is not kept.

    labels: the classes in order, from 1, or with their numbers; more are added as they come. Those of a folder that is replaced keep
    their numbers, unless numbers are given.
    border: the width in pixels of the void (255) drawn along the inside of every object's border, as VOC's own files have it (5);
    those pixels are lost, so that it is 0 unless asked for.
    Raises ValueError for more than 254 objects in an image, more than 254 classes, or a label with a line break.
    """
    known = path / LABEL_MAP
    classes = Classes(labels, read_labels(path) if known.is_file() else None)
    stems = unique_stems(items, path / IMAGES)

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, stems):
            layers = _drawn(item, *image_size(copy_image(item, path / IMAGES, stem)), classes, border)
            for folder, pixels in zip((CLASSES, OBJECTS), layers):
                picture = Image.fromarray(pixels)
                picture.putpalette(palette().tobytes())
                yield path / folder / f"{stem}.png", to_png(picture)
        used = dict(classes.in_order())
        lines = ["# label:color_rgb:parts:actions"]
        for number, colour in enumerate(palette()[: max(used, default=0) + 1].tolist()):
            label = used.get(number, f"unused {number}" if number else BACKGROUND)
            lines.append(f"{label}:{','.join(map(str, colour))}::")
        yield known, "".join(f"{line}\n" for line in lines).encode()
        yield path / "ImageSets" / "Segmentation" / "default.txt", "".join(f"{stem}\n" for stem in stems).encode()

    write_files(files())
    return path


def _drawn(item: Item, height: int, width: int, classes: Classes, border: int) -> np.ndarray:
    """The numbers of classes and of objects, uint8 (2, height, width)."""
    layers = np.zeros((2, height, width), np.uint8)
    for number, instance in enumerate(checked_instances(item, height, width), 1):
        kind = classes.number(instance.label)
        if not 0 < kind < VOID or number >= VOID or "\n" in instance.label:
            raise ValueError(
                f"{item.path}: instance {number} is of class {kind}, {instance.label!r}; "
                f"VOC numbers objects and classes from 1 to {VOID - 1}, and a label may have no line break"
            )
        layers[0, instance.mask], layers[1, instance.mask] = kind, number
        if border:
            layers[:, instance.mask & ~_shrunk(instance.mask, border)] = VOID
    return layers


def read_labels(path: Path) -> dict[str, int]:
    """Return the classes of a VOC folder with their numbers, without the background; those of VOC where there is no labelmap.txt."""
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


def _values(file: Path, image: Path) -> np.ndarray:
    values, (height, width) = read_values(file), image_size(image)
    if values.shape != (height, width):
        raise ValueError(f"{file} is {values.shape[1]}x{values.shape[0]} pixels and its image is {width}x{height}; they must agree")
    return values


def _shrunk(mask: np.ndarray, pixels: int) -> np.ndarray:
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.erode(mask.view(np.uint8), kernel).view(bool)


def _load(objects: Path, classes: Path, found: Sequence[int], labels: Mapping[int, str], indices: Iterable[int]) -> Iterator[Instance]:
    numbers, kinds = read_values(objects), read_values(classes)
    if numbers.shape != kinds.shape:
        raise ValueError(f"{objects} and {classes} are of different sizes, {numbers.shape} and {kinds.shape}; they must agree")
    for index in indices:
        mask = numbers == found[index]
        votes = np.bincount(kinds[mask], minlength=VOID + 1)
        votes[[0, VOID]] = 0
        kind = int(votes.argmax())
        if kind not in labels:
            raise ValueError(f"{classes}: object {found[index]} is of class {kind}; {LABEL_MAP} has {', '.join(map(str, sorted(labels)))}")
        yield Instance(mask, labels[kind], found[index] if objects != classes else None)
