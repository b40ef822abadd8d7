"""The layout of Cityscapes: `leftImg8bit/<split>/<city>/`, and `gtFine/` or `gtCoarse/` with the same folders.

Each image has a PNG file of class numbers (labelIds), one of instances (instanceIds: 1000 times the number of the class, plus a number; the
number of the class alone for areas and for groups of objects), one in colors, and a JSON file of polygons.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.annotations import ring_of, size_of
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco import Crowd
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_path, image_size, read_pixels, unique_stems
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import read_json, to_json_bytes, to_png, write_files
from cdwidget.formats.palettes import CITYSCAPES
from cdwidget.formats.yolo import bridged_polygon
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits
from cdwidget.polygons import fill

IMAGES, IMAGE_SUFFIX = "leftImg8bit", "_leftImg8bit"
KINDS = ("gtFine", "gtCoarse")
INSTANCES, CLASSES, POLYGONS, COLORS = "_instanceIds.png", "_labelIds.png", "_polygons.json", "_color.png"
CLASSES_FILE = "classes.json"  # Numbers of classes that Cityscapes does not have.
ID_FACTOR = 1000
OBJECT_CLASSES = range(24, 65)  # Numbers of classes with separate objects: those of Cityscapes, and further ones that 16 bits hold.
FURTHER_CLASSES = range(34, 65)  # Numbers that Cityscapes does not use.
SUFFIXES = (".png", *sorted(IMAGE_SUFFIXES - {".png"}))  # Of images; Cityscapes has PNG files.
IGNORED_CLASSES = (0, 1, 2, 3, 255)  # Unlabeled, ego vehicle, rectification border, out of the region, license plate.
NO_CLASS = 65535  # The number -1 of a license plate, in 16 bits.
IGNORED_LABELS = ("unlabeled", "ego vehicle", "rectification border", "out of roi", "license plate")
GROUP = "group"  # End of a label in a JSON file: "cargroup".
DEFAULT_SPLIT, DEFAULT_CITY = "train", "city"


class _Object(NamedTuple):
    """An instance of a file: its label, its number in the PNG file or its polygon, and whether it is a group."""

    label: str
    number: int
    polygon: Any = None
    is_group: bool = False


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a folder of Cityscapes: of each image the file of instances, or else that of classes or of polygons.

    Args:
        path: The folder with `gtFine/`, or any folder in it.
        images: The folder of the images; by default `leftImg8bit/` next to `gtFine/`.
        problems: Receives the files that cannot be read.

    Returns:
        One item per image; its masks are decoded on access. The number in the file of instances is the id.

    Raises:
        FileNotFoundError: If there are no such files.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path} (looked in {Path.cwd()})")
    files = _annotation_files(path)
    if not files:
        raise FileNotFoundError(f"{path} holds no files such as gtFine/train/city/name_gtFine{INSTANCES}")
    numbers = {**_numbers(), **_own_numbers(path, problems)}
    labels = {number: label for label, number in numbers.items()}
    finder = ImageFinder(path / KINDS[0], images)
    items = []
    for base, file in files.items():
        with problems.skipping(file):
            image = _image_of(base, images, finder)
            found = list(_objects(file, labels, problems))
            load = partial(_load, file, found, problems.limits)
            items.append(Item(image, LazyInstances(len(found), load, problems)))
    finder.warn_missing()
    return Dataset(items, numbers)


def matches(path: Path) -> bool:
    """Return whether a folder holds files of Cityscapes."""
    return path.is_dir() and any((path / kind).is_dir() for kind in KINDS) and bool(_annotation_files(path))


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a folder of Cityscapes, with a copy of each image.

    A pixel belongs to one instance, the last one; areas of one class, such as roads, become one. An image that is not in a folder of
    Cityscapes is put into `train/city/`. Classes that Cityscapes does not have get numbers from 34 to 64, which `classes.json` names.

    Args:
        items: The images with their instances.
        path: The folder.
        labels: Further classes in the order of their numbers, or with numbers; a number outside of 34 to 64 is replaced.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image, or there are more than 31 further classes.
    """
    known = _numbers()
    if isinstance(labels, Mapping):
        classes = ClassIds({**{label: number for label, number in labels.items() if number in FURTHER_CLASSES}, **known})
    else:
        classes = ClassIds([*known, *labels], known)

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, _stems(items)):
            place = _place_of(image_path(item))
            height, width = image_size(copy_image(item, path / IMAGES / place, f"{stem}{IMAGE_SUFFIX}"))
            base = path / KINDS[0] / place / f"{stem}_{KINDS[0]}"
            yield from _draw(item, base, height, width, classes)
        own = {label: number for label, number in classes.ids.items() if label not in known}
        if own:
            yield path / KINDS[0] / CLASSES_FILE, to_json_bytes(own)

    write_files(files())
    return path


def _stems(items: Sequence[Item]) -> list[str]:
    """Return a unique name for each item, without the ending of images."""
    images = map(image_path, items)
    return unique_stems([Item(image.with_name(f"{image.stem.removesuffix(IMAGE_SUFFIX)}{image.suffix or '.png'}")) for image in images])


def _numbers() -> dict[str, int]:
    return {label: number for number, label in CITYSCAPES.by_number.items()}


def _own_numbers(path: Path, problems: Problems) -> dict[str, int]:
    """Return the numbers of classes that Cityscapes does not have."""
    file = next((file for kind in KINDS if (file := path / kind / CLASSES_FILE).is_file()), None)
    if file is None:
        return {}
    with problems.skipping(file):
        return {str(label): int(number) for label, number in read_json(file, problems.limits).items()}
    return {}


def _annotation_files(path: Path) -> dict[Path, Path]:
    """Return the best file of each image, by its path without the ending: a fine one before a coarse one."""
    found: dict[tuple[Path, str], tuple[Path, Path]] = {}
    for kind in KINDS:
        for ending in (INSTANCES, CLASSES, POLYGONS):
            for file in sorted(path.rglob(f"*_{kind}{ending}")):
                base = file.with_name(file.name.removesuffix(ending))
                found.setdefault((_image_folder(base.parent, kind), base.name.removesuffix(f"_{kind}")), (base, file))
    return dict(found[key] for key in sorted(found))


def _image_folder(folder: Path, kind: str) -> Path:
    """Return the folder of the images whose annotations are in `folder`."""
    return Path(*(IMAGES if part == kind else part for part in folder.parts))


def _image_of(base: Path, images: Path | None, finder: ImageFinder) -> str | Path:
    """Return the image of annotations: in `leftImg8bit/` next to their folder, or in the folder that is given."""
    kind = next(kind for kind in KINDS if base.name.endswith(f"_{kind}"))
    stem = base.name.removesuffix(f"_{kind}")
    folder = images or _image_folder(base.parent, kind)
    names = [*(f"{stem}{IMAGE_SUFFIX}{suffix}" for suffix in SUFFIXES), *(f"{stem}{suffix}" for suffix in SUFFIXES)]
    return next((folder / name for name in names if (folder / name).is_file()), None) or finder.find(names[0])


def _objects(file: Path, labels: Mapping[int, str], problems: Problems) -> Iterator[_Object]:
    """Yield the instances of a file without decoding their masks."""
    if file.suffix == ".json":
        yield from _polygons(file, problems)
        return
    for number in np.unique(_values(file)).tolist():
        kind = number // ID_FACTOR if number >= ID_FACTOR else number
        if kind not in IGNORED_CLASSES and number != NO_CLASS:
            is_group = file.name.endswith(INSTANCES) and number < ID_FACTOR and kind in OBJECT_CLASSES
            yield _Object(labels.get(kind, f"class_{kind}"), number, is_group=is_group)


def _polygons(file: Path, problems: Problems) -> Iterator[_Object]:
    known = _numbers()
    for number, entry in enumerate(read_json(file, problems.limits)["objects"], 1):
        with problems.skipping(file, annotation=number):
            label, is_group = str(entry["label"]), False
            if label.endswith(GROUP) and label not in known and label.removesuffix(GROUP) in known:
                label, is_group = label.removesuffix(GROUP), True
            if label not in IGNORED_LABELS and not entry.get("deleted"):
                yield _Object(label, number, ring_of(entry["polygon"], problems.limits), is_group)


def _values(file: Path) -> np.ndarray:
    values = read_pixels(file)
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise ValueError(f"it has shape {values.shape} of {values.dtype}; a file of Cityscapes has one whole number per pixel")
    return values


def _load(file: Path, objects: Sequence[_Object], limits: Limits, indices: Iterable[int]) -> Iterator[Instance]:
    is_json = file.suffix == ".json"
    with naming(file):
        content = read_json(file, limits) if is_json else _values(file)
        height, width = size_of(content["imgHeight"], content["imgWidth"]) if is_json else content.shape
        limits.check("max_pixels", height * width, "the image")
    for index in indices:
        label, number, polygon, is_group = objects[index]
        mask = fill([polygon], height, width, limits) if is_json else content == number
        yield (Crowd if is_group else Instance)(mask, label, number)


def _place_of(image: Path) -> Path:
    """Return <split>/<city> of an image in a folder of Cityscapes, else train/city."""
    folders = image.absolute().parent.parts
    is_inside = len(folders) > 2 and folders[-3] == IMAGES
    return Path(*folders[-2:]) if is_inside else Path(DEFAULT_SPLIT, DEFAULT_CITY)


def _draw(item: Item, base: Path, height: int, width: int, classes: ClassIds) -> Iterator[tuple[Path, bytes]]:
    """Yield the four files of an image."""
    numbers, colors = np.zeros((height, width), np.uint16), np.zeros((height, width, 3), np.uint8)
    by_label = {label: color for color, label in CITYSCAPES.by_color.items()}
    drawn: set[int] = set()
    polygons = []
    for instance in checked_instances(item, height, width):
        kind, is_group = classes.id_of(instance.label), isinstance(instance, Crowd)
        if kind > OBJECT_CLASSES[-1]:
            raise ValueError(
                f"{instance.label!r} is class {kind}, and Cityscapes has 16 bits for instances, so its numbers end at 64; "
                "give the classes in use: labels=[...]"
            )
        number = kind if is_group or kind not in OBJECT_CLASSES else _number_of(instance, kind, drawn)
        drawn.add(number)
        numbers[instance.mask] = number
        colors[instance.mask] = by_label.get(instance.label, (0, 0, 0))
        if instance.mask.any():
            name = instance.label + GROUP if is_group else instance.label
            polygons.append({"label": name, "polygon": bridged_polygon(instance.mask).tolist()})
    kinds = np.where(numbers >= ID_FACTOR, numbers // ID_FACTOR, numbers).astype(np.uint8)
    pictures: dict[str, np.ndarray] = {INSTANCES: numbers, CLASSES: kinds, COLORS: colors}
    for ending, pixels in pictures.items():
        yield base.with_name(base.name + ending), to_png(Image.fromarray(pixels))
    content = {"imgHeight": height, "imgWidth": width, "objects": polygons}
    yield base.with_name(base.name + POLYGONS), to_json_bytes(content)


def _number_of(instance: Instance, kind: int, drawn: set[int]) -> int:
    """Return the number of an object: its id if that is one of its class and free, else the next free one."""
    if instance.id is not None and instance.id // ID_FACTOR == kind and instance.id not in drawn:
        return instance.id
    number = next((number for number in range(kind * ID_FACTOR, (kind + 1) * ID_FACTOR) if number not in drawn), None)
    if number is None:
        raise ValueError(f"there are more than {ID_FACTOR} objects of class {instance.label!r}, which Cityscapes cannot number")
    return number
