"""Pascal VOC: `JPEGImages/`, and indexed PNG files of classes and of objects.

Class ids are in `SegmentationClass/`, object numbers in `SegmentationObject/`.

0 is background, 255 is void. `labelmap.txt` names the classes, one per line: `label:red,green,blue::`. A pixel belongs to one object;
where instances overlap, the last one is in front.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import cv2
import numpy as np
from PIL import Image

from cdwidget.formats import voc_boxes
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_size, unique_stems
from cdwidget.formats.image_finder import match_stems
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import to_png, write_files
from cdwidget.formats.mask_files import VOID_VALUE
from cdwidget.formats.orientation import fit_to_image
from cdwidget.formats.voc_files import (
    BACKGROUND,
    LABEL_MAP,
    Classes,
    find_files,
    palette,
    read_class_ids,
    read_classes,
    read_object_numbers,
)
from cdwidget.items import Instance, Item

IMAGES, CLASSES, OBJECTS = voc_boxes.IMAGES, "SegmentationClass", "SegmentationObject"
IMAGE_SET = Path("ImageSets") / "Segmentation" / "default.txt"


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a VOC folder, also as CVAT ("Segmentation mask"), Datumaro and labelme2voc write it.

    Without `SegmentationClass/`, the objects of `Annotations/` are read, with their masks in `SegmentationObject/` or as rectangles.
    Files may have the class ids or the colors of `labelmap.txt`. Without it, the classes are the lines of `class_names.txt`, or the 20 of
    VOC. An object has the class of most of its pixels. Without `SegmentationObject/`, all pixels of a class are one instance.

    Args:
        path: The folder.
        images: The folder of the images; by default `JPEGImages/` in it.
        problems: Receives the files that cannot be read.

    Returns:
        One item per file in `SegmentationClass/`; its masks are decoded on access. An object's value is its instance's id.

    Raises:
        FileNotFoundError: If there is no file of classes.
        ValueError: If the list of classes is broken.
    """
    classes = read_classes(path)
    class_files = _first_files(path, CLASSES)
    if not class_files and voc_boxes.box_files(path):
        return voc_boxes.read(path, images, _first_files(path, OBJECTS), problems)
    if not class_files:
        raise FileNotFoundError(f"there is no PNG file in {path / CLASSES}; a VOC folder holds {IMAGES}/, {CLASSES}/ and {OBJECTS}/")
    object_files = _first_files(path, OBJECTS)
    folder = images or path / IMAGES
    found_images = _images_by_name(folder, problems)
    partners = match_stems(class_files, found_images)
    items = []
    for name, file in class_files.items():
        with problems.skipping(file):
            image = found_images[partners[name]] if name in partners else None
            values = object_files.get(name, file)
            numbers = read_object_numbers(values) if values != file else read_class_ids(file, classes)
            if image is not None:
                _check_size(fit_to_image(numbers, image), values, image)
            else:
                problems.add(f"{folder} holds no image for it", file=file, advice="add the image, or name the folder: images=...")
            ids = np.unique(numbers[numbers != 0]).tolist()
            load = partial(_load, values, file, image, ids, classes)
            items.append(Item(image or folder / f"{name}.jpg", LazyInstances(len(ids), load, problems)))
    return Dataset(items, classes.by_label)


def _images_by_name(folder: Path, problems: Problems) -> dict[str, Path]:
    """Return the images of a folder and its subfolders by their names in it, without suffixes."""
    found: dict[str, Path] = {}
    for name, image in find_files(folder, IMAGE_SUFFIXES):
        if found.setdefault(name, image) != image:
            problems.add(f"{found[name].name} has the same stem, so this image is not used", file=image)
    return found


def _first_files(path: Path, name: str) -> dict[str, Path]:
    """Return the PNG files by name; old versions of labelme2voc put them into folders called `...PNG`."""
    return dict(find_files(path / name, {".png"})) or dict(find_files(path / f"{name}PNG", {".png"}))


def matches(path: Path) -> bool:
    """Return whether a folder holds class masks in VOC's layout, or its boxes."""
    return (path / CLASSES).is_dir() or voc_boxes.matches(path)


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
    return read_classes(path).by_label


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


def _check_size(values: np.ndarray, file: Path, image: Path) -> None:
    height, width = image_size(image)
    if values.shape != (height, width):
        raise ValueError(f"{file} is {values.shape[1]}x{values.shape[0]} pixels and its image is {width}x{height}; they must agree")


def _load(
    objects: Path, file: Path, image: Path | None, numbers: Sequence[int], classes: Classes, indices: Iterable[int]
) -> Iterator[Instance]:  # fmt: skip
    with naming(file):
        class_ids = read_class_ids(file, classes)
        object_numbers = read_object_numbers(objects) if objects != file else class_ids
        if object_numbers.shape != class_ids.shape:
            raise ValueError(f"{objects} and {file} are of different sizes, {object_numbers.shape} and {class_ids.shape}; they must agree")
    for index in indices:
        mask = object_numbers == numbers[index]
        votes = np.bincount(class_ids[mask], minlength=1)
        votes[0] = 0
        class_id = int(votes.argmax())
        with naming(file, annotation=numbers[index]):
            if class_id not in classes.labels:
                known = ", ".join(map(str, sorted(classes.labels)))
                raise ValueError(f"it is of class {class_id}; {classes.file.name} has {known}")
        if image is not None:
            mask = fit_to_image(mask, image)
        yield Instance(mask, classes.labels[class_id], numbers[index] if objects != file else None)
