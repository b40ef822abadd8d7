"""MOTS: objects tracked through sequences, as PNG files of 16 bit (KITTI MOTS and MOTSChallenge).

A pixel has the value 1000 * class + number of the object in its class, which is the same in all images of a sequence; 0 is the background,
and 10000 is ignored. `instances/` and `images/` hold the files of one sequence, or a folder for each.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence, Union

import numpy as np
from PIL import Image

from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_path, image_size, open_image, unique_stems
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import files_by_stem, read_json, to_json_bytes, to_png, write_files
from cdwidget.formats.mask_files import read_mask_values
from cdwidget.items import Instance, Item

INSTANCES = "instances"
IMAGES = ("images", "image_02")  # The second is that of KITTI.
CLASS_FILE = "classes.json"  # Written by cdwidget: the class of each label.
USUAL_CLASSES = {"car": 1, "pedestrian": 2}
CLASS_FACTOR = 1000
IGNORED = 10_000
MAX_VALUE = 2**16 - 1
Key = tuple[int, Union[int, tuple[int, int]]]  # The class of an object, and its track_id or else its image and position.
LAYOUT_HINT = f"a MOTS folder holds {INSTANCES}/ and {IMAGES[0]}/, or a folder for each sequence in both"


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a MOTS folder.

    Args:
        path: The folder.
        images: The folder of the images; by default `images/` or `image_02/` in it.
        problems: Receives the files that cannot be read.

    Returns:
        One item per image, sequence by sequence; masks are decoded on access. The track_id is the value of the pixels.

    Raises:
        FileNotFoundError: If a folder is missing.
        ValueError: If the classes cannot be read.
    """
    root = path / INSTANCES
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}; {LAYOUT_HINT}")
    images = images or next((path / name for name in IMAGES if (path / name).is_dir()), path / IMAGES[0])
    classes = read_labels(path)
    labels = {number: label for label, number in classes.items()}
    items = []
    for folder in [root, *sorted(part for part in root.iterdir() if part.is_dir())]:
        if folder != root or any(folder.glob("*.png")):
            items += _read_sequence(folder, images / folder.relative_to(root), labels, problems)
    return Dataset(items, classes)


def _read_sequence(folder: Path, images: Path, labels: Mapping[int, str], problems: Problems) -> list[Item]:
    found = files_by_stem(images, IMAGE_SUFFIXES, LAYOUT_HINT, problems.add_file)
    files = files_by_stem(folder, {".png"}, LAYOUT_HINT, problems.add_file)
    for stem in files.keys() - found.keys():
        problems.add(f"{images} holds no image for it", file=files[stem], advice="add the image, or name the folder: images=...")
    items = []
    for stem, image in found.items():
        values: list[int] = []
        with problems.skipping(files.get(stem, image)):
            values = _object_values(files[stem], image, problems) if stem in files else []
        load = partial(_load, files.get(stem, image), values, labels)
        items.append(Item(image, LazyInstances(len(values), load, problems)))
    return items


def _object_values(file: Path, image: Path, problems: Problems) -> list[int]:
    """Return the values of the objects in a file; other values are reported."""
    pixels, size = read_mask_values(file), image_size(image)
    if pixels.shape != size:
        raise ValueError(f"it is {pixels.shape[1]}x{pixels.shape[0]} pixels and its image is {size[1]}x{size[0]}; they must agree")
    values: list[int] = np.unique(pixels[(pixels != 0) & (pixels != IGNORED)]).tolist()
    for value in (value for value in values if value < CLASS_FACTOR):
        problems.add(f"it has the value {value}; objects have values from {CLASS_FACTOR}", file=file, image=image.name)
    return [value for value in values if value >= CLASS_FACTOR]


def _load(file: Path, values: Sequence[int], labels: Mapping[int, str], indices: Iterable[int]) -> Iterator[Instance]:
    with naming(file):
        pixels = read_mask_values(file)
    for index in indices:
        number = values[index] // CLASS_FACTOR
        yield Instance(pixels == values[index], labels.get(number, f"class {number}"), track_id=values[index])


def matches(path: Path) -> bool:
    """Return whether a folder holds `instances/` with PNG files of 16 bit."""
    first = next((path / INSTANCES).rglob("*.png"), None) if (path / INSTANCES).is_dir() else None
    if first is None:
        return False
    try:
        with open_image(first) as file:
            return file.mode.startswith("I")
    except ValueError:
        return False


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a MOTS folder with copies of the images; the images of one folder are one sequence.

    Where instances overlap, the last one is in front. An object is the same in all images where it has the same label and track_id; a
    track_id that is a value of its class stays, others become one.

    Args:
        items: The images with their instances.
        path: The folder.
        labels: The classes in order, from 1, or with their numbers; new labels are appended. By default, the classes of a folder that is
            replaced keep their numbers, and cars and pedestrians have those of KITTI.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image, or the objects need more numbers than there are.
    """
    used = {instance.label for item in items for instance in item.instances}
    previous = read_labels(path) if (path / CLASS_FILE).is_file() else USUAL_CLASSES if used <= USUAL_CLASSES.keys() else None
    classes = ClassIds(labels, previous)
    for label, number in classes.ids.items():
        if number < 1:
            raise ValueError(f"the class {label!r} has number {number}; MOTS numbers classes from 1, so give labels=[...] in their order")
    sequences = _by_sequence(items)

    def files() -> Iterator[tuple[Path, bytes]]:
        for name, own in sequences.items():
            images = path / IMAGES[0] / name
            for item, stem, values in zip(own, unique_stems(own, images), _values(own, classes)):
                pixels = np.zeros(image_size(copy_image(item, images, stem)), np.uint16)
                for instance, value in zip(checked_instances(item, *pixels.shape), values):
                    pixels[instance.mask] = value
                yield path / INSTANCES / name / f"{stem}.png", to_png(Image.fromarray(pixels))
        yield path / CLASS_FILE, to_json_bytes(classes.ids, indent=True)

    write_files(files())
    return path


def read_labels(path: Path) -> dict[str, int]:
    """Return the number of each class in a MOTS folder, by default those of KITTI; raise ValueError if its file is broken."""
    file = path / CLASS_FILE
    if not file.is_file():
        return dict(USUAL_CLASSES)
    classes = read_json(file)
    if not isinstance(classes, dict) or not all(type(number) is int and number > 0 for number in classes.values()):
        raise ValueError(f'{file} must give each class a whole number from 1, such as {{"car": 1}}')
    return classes


def _by_sequence(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Return the items of each sequence by the name of its folder, "" for a single one; names that would change the order are numbered."""
    sequences: dict[Path, list[Item]] = {}
    for item in items:
        sequences.setdefault(image_path(item).absolute().parent, []).append(item)
    names = [folder.name for folder in sequences] if len(sequences) > 1 else [""][: len(sequences)]
    if names != sorted(set(names)):
        names = [f"{number:04}" for number in range(len(sequences))]
    return dict(zip(names, sequences.values()))


def _values(items: Sequence[Item], classes: ClassIds) -> list[list[int]]:
    """Return the value of each object in each image of a sequence."""
    keys = [_keys(number, item, classes) for number, item in enumerate(items)]
    every = list(dict.fromkeys(key for own in keys for key in own))
    values = {key: key[1] for key in every if isinstance(key[1], int) and _is_value_of(key[0], key[1])}
    used = set(values.values())
    for key in every:
        if key not in values:
            values[key] = _free_value(key, classes, used)
            used.add(values[key])
    return [[values[key] for key in own] for own in keys]


def _is_value_of(class_id: int, track_id: int) -> bool:
    return track_id // CLASS_FACTOR == class_id and track_id <= MAX_VALUE and track_id != IGNORED


def _keys(number: int, item: Item, classes: ClassIds) -> list[Key]:
    """Return the class and track_id of each object; without a track_id, or with one that is taken in the image, its position."""
    keys: list[Key] = []
    for position, instance in enumerate(item.instances):
        key: Key = (classes.id_of(instance.label), (number, position) if instance.track_id is None else instance.track_id)
        keys.append((key[0], (number, position)) if key in keys else key)
    return keys


def _free_value(key: Key, classes: ClassIds, used: set[int]) -> int:
    """Return a value that no object has, if possible with the track_id as its number; raise ValueError if there is none."""
    class_id, track_id = key
    first, end = CLASS_FACTOR * class_id + 1, min(CLASS_FACTOR * (class_id + 1), MAX_VALUE + 1)
    wanted = first - 1 + track_id if isinstance(track_id, int) and 0 < track_id < CLASS_FACTOR else first
    for value in (*range(wanted, end), *range(first, min(wanted, end))):
        if value not in used:
            return value
    label = next(label for label, number in classes.ids.items() if number == class_id)
    if first > MAX_VALUE:
        raise ValueError(f"the class {label!r} has number {class_id}; MOTS has the numbers 1 to {MAX_VALUE // CLASS_FACTOR}")
    raise ValueError(
        f"the class {label!r} has more than {CLASS_FACTOR - 1} objects in one sequence; give an object the same track_id in all images"
    )
