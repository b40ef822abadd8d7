"""YOLO-seg: `data.yaml`, `images/`, and `labels/` with one polygon per instance.

A line of a label file is the class id and the polygon in fractions of the image's sides.

The one polygon must express holes and parts too. Each hole is joined to the boundary around it, and each further part to the first one,
by a bridge: a line back and forth between their nearest corners. By the even-odd rule a bridge has no area, so `polygons.fill`
gives the same mask; readers that draw polygons with an outline show it as a line one pixel wide.

A line of four numbers, a box's center, width and height, is read as a rectangle.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np
import yaml

from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import IMAGE_SUFFIXES, copy_image, image_size, unique_stems
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import by_stem, read_text, write_files
from cdwidget.items import Instance, Item
from cdwidget.polygons import fill, parts

DATA_FILE = "data.yaml"
SPLITS = ("train", "val", "test")
MIN_COORDINATE, MAX_COORDINATE = -0.01, 1.01  # Fractions of the image's sides; some exporters round beyond the image.
BOX_CORNERS = [(-1, -1), (1, -1), (1, 1), (-1, 1)]  # In units of half a box's sides, around its center.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a YOLO folder or its `data.yaml`.

    Args:
        path: The folder or the file.
        images: The folder of the images, overriding `data.yaml`; the labels are then in `labels/`.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per image; its masks are decoded on access. An image without a label file has no instances.

    Raises:
        FileNotFoundError: If there is no such file, or it lists no image.
        ValueError: If a line is not a polygon or has an unknown class; the message names file and line.
    """
    path = _data_file(path)
    content = _read_content(path)
    labels = _labels(path, content)
    if images is not None:
        pairs = [(image, path.parent / "labels" / f"{image.stem}.txt") for image in _images_in(images)]
    else:
        root = path.parent / str(content.get("path") or ".")
        root = root if root.is_dir() else path.parent  # `path` may be relative to a user's folder of data sets instead of this file.
        names = [name for split in SPLITS for name in _split_entries(content.get(split))]
        entries = [_resolve_entry(root, name) for name in dict.fromkeys(names)]
        pairs = [(image, _label_file(image)) for entry in entries for image in _images_in(entry)]
    if not pairs:
        raise FileNotFoundError(f"{path} lists no image; it needs {', '.join(SPLITS)}: a folder of images or a text file of their paths")
    items = []
    for image, file in dict(pairs).items():
        with problems.skipping(file, image.name):
            items.append(_read_item(image, file, labels))
    return Dataset(items, {label: number for number, label in labels.items()})


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a YOLO folder with copies of the images, all listed as train and val.

    Instances without pixels are skipped; alpha mattes and ids are not stored.

    Args:
        items: The images with their instances.
        path: The folder.
        labels: The classes in order, from 0, or with their ids; new labels are appended. The classes of a folder that is replaced keep
            their ids, unless ids are given.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    data_file = path / DATA_FILE
    classes = ClassIds(labels, read_labels(path) if data_file.is_file() else None, first=0)

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, unique_stems(items, path / "images")):
            height, width = image_size(copy_image(item, path / "images", stem))
            lines = []
            for instance in checked_instances(item, height, width):
                if instance.mask.any():
                    points = (bridged_polygon(instance.mask) / (width, height)).ravel()
                    lines.append(" ".join([str(classes.id_of(instance.label)), *map("{:.6f}".format, points.tolist())]) + "\n")
            yield path / "labels" / f"{stem}.txt", "".join(lines).encode()
        content = {"path": ".", "train": "images", "val": "images", "names": dict(classes.in_order())}
        yield data_file, yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()

    write_files(files())
    return path


def read_labels(path: Path) -> dict[str, int]:
    """Return the class id of each label in a YOLO folder or `data.yaml`."""
    path = _data_file(path)
    return {label: number for number, label in _labels(path, _read_content(path)).items()}


# ---- polygons with bridges -------------------------------------------------------------------------------------------


def bridged_polygon(mask: np.ndarray) -> np.ndarray:
    """Return the boundaries of a non-empty mask as one polygon with bridges, (N, 2)."""
    loops = [_join_loops(rings[0], rings[1:]) for rings in parts(mask)]
    return _join_loops(loops[0], loops[1:])


def _join_loops(loop: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Return `loop` with a detour around each other loop, from the corner nearest to it."""
    if not others:
        return loop
    from scipy.spatial import cKDTree  # Importing SciPy takes half of the time of importing all formats.

    tree = cKDTree(loop)
    detours: dict[int, list[np.ndarray]] = {}
    for other in others:
        distances, corners = tree.query(other)
        nearest = int(distances.argmin())
        corner = int(corners[nearest])
        around = np.roll(other, -nearest, axis=0)
        detours.setdefault(corner, []).append(np.concatenate([around, around[:1], loop[corner : corner + 1]]))
    pieces, done = [], 0
    for corner, paths in sorted(detours.items()):
        pieces += [loop[done : corner + 1], *paths]
        done = corner + 1
    return np.concatenate([*pieces, loop[done:]])


# ---- data.yaml -------------------------------------------------------------------------------------------------------


def _data_file(path: Path) -> Path:
    return path if path.suffix.lower() in (".yaml", ".yml") else path / DATA_FILE


def _read_content(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("names"), (list, dict)):
        raise ValueError(f"{path} names no classes; it needs names: a list, or a map of numbers to labels")
    return content


def _labels(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    """Return the label of each class id."""
    names = content["names"]
    labels = {number: str(label) for number, label in (enumerate(names) if isinstance(names, list) else names.items())}
    wrong = [number for number in labels if type(number) is not int or number < 0]
    if wrong or len(set(labels.values())) != len(labels):
        raise ValueError(f"{path} needs a different label for every class, numbered from 0; its names are {names}")
    return labels


def _split_entries(entries: Any) -> list[str]:
    """Return the entries of a split: one, a list of them, or none."""
    return [str(entry) for entry in (entries if isinstance(entries, list) else [entries] if entries else [])]


def _resolve_entry(root: Path, name: str) -> Path:
    """Return the path of a split's entry.

    Roboflow writes `../train/images` for the `train/images` in the same folder.
    """
    path = root / name
    same_folder = root / name.removeprefix("../")
    return same_folder if same_folder.exists() and not path.exists() else path


def _images_in(entry: Path) -> list[Path]:
    """Return the images in a folder and its subfolders, or the images listed in a text file."""
    if entry.is_dir():
        found = (path for path in entry.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
        return sorted(found, key=by_stem)
    if entry.suffix != ".txt":
        raise FileNotFoundError(f"there is no folder {entry} of images")
    return [entry.parent / line.strip() for line in read_text(entry).splitlines() if line.strip()]


# ---- label files -----------------------------------------------------------------------------------------------------


def _label_file(image: Path) -> Path:
    """Return an image's label file: the last folder `images` in its path becomes `labels`."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders) / f"{image.stem}.txt"


def _read_item(image: Path, file: Path, labels: Mapping[int, str]) -> Item:
    lines = [line.split() for line in read_text(file).splitlines()] if file.is_file() else []
    rows = [(number, words) for number, words in enumerate(lines, 1) if words]
    for number, words in rows:
        if len(words) < 5 or len(words) % 2 == 0:
            raise ValueError(
                f"{file}, line {number}: {len(words)} numbers are no polygon; it takes a class and at least three points x y, or a box"
            )
        if not words[0].isdecimal() or int(words[0]) not in labels:
            raise ValueError(f"{file}, line {number}: there is no class {words[0]}; {DATA_FILE} has {', '.join(map(str, sorted(labels)))}")
    return Item(image, LazyInstances(len(rows), partial(_load, image, file, rows, labels)))


def _load(
    image: Path, file: Path, rows: Sequence[tuple[int, list[str]]], labels: Mapping[int, str], indices: Iterable[int]
) -> Iterator[Instance]:
    height, width = image_size(image)
    for index in indices:
        number, words = rows[index]
        try:
            points = np.array(words[1:], np.float64).reshape(-1, 2)
            if len(points) == 2:  # A box: its center, then its width and height.
                points = points[0] + points[1] / 2 * BOX_CORNERS
            if not (MIN_COORDINATE <= points.min() and points.max() <= MAX_COORDINATE):
                raise ValueError(f"coordinates from {points.min():g} to {points.max():g}; they are fractions of the image's sides, 0 to 1")
            yield Instance(fill([points * (width, height)], height, width), labels[int(words[0])])
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: {error}") from error
