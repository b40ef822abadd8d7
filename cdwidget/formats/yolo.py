"""YOLO-seg: `data.yaml`, `images/`, and `labels/` with a line an instance: its class and one polygon in fractions of the image's sides.

One polygon must do for holes and parts too: each hole is joined to the border around it, and each further part to the first, by a
bridge, a line that is gone there and back again between their nearest corners. By the even-odd rule a bridge has no area, so that
`polygons.fill` gives the mask back pixel for pixel; readers that draw polygons with a thick border show it as a line one pixel wide.
A line of four numbers, the centre, width and height of a box, is read as a rectangle.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np
import yaml

from cdwidget.formats.io import (
    IMAGE_SUFFIXES,
    Classes,
    Labels,
    Lazy,
    by_stem,
    checked_instances,
    copy_image,
    image_size,
    read_text,
    unique_stems,
    write_files,
)
from cdwidget.items import Instance, Item
from cdwidget.polygons import fill, parts

DATA = "data.yaml"
SPLITS = ("train", "val", "test")


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read a YOLO folder or its data.yaml: an item for each image that data.yaml lists; one without a label file has no instances.

    images: the folder of the images, whatever data.yaml says; labels are then those of the same stem in `labels/`.
    Raises ValueError that names file and line when one is no polygon or of an unknown class.
    """
    path = _file(path)
    content = _content(path)
    labels = _labels(path, content)
    if images is not None:
        found = [(image, path.parent / "labels" / f"{image.stem}.txt") for image in _images(images)]
    else:
        base = path.parent / str(content.get("path") or ".")
        base = base if base.is_dir() else path.parent  # `path` is relative to where YOLO keeps its data sets: not to this file
        listed = [place for split in SPLITS for place in _listed(content.get(split))]
        places = [_place(base, name) for name in dict.fromkeys(listed)]
        found = [(image, _label_file(image)) for place in places for image in _images(place)]
    if not found:
        raise FileNotFoundError(f"{path} lists no image; it needs {', '.join(SPLITS)}: a folder of images or a text file of their paths")
    return [_item(image, file, labels) for image, file in dict(found).items()]


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a YOLO folder with a copy of each image; return it. Instances without a pixel are left out; alpha and ids are not kept.

    labels: the classes in order, from 0, or with their numbers; more are added as they come. Those of a folder that is replaced keep
    their numbers, unless numbers are given.
    All images are named for training and validation alike: split them as you see fit.
    """
    known = path / DATA
    classes = Classes(labels, read_labels(path) if known.is_file() else None, first=0)

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, unique_stems(items, path / "images")):
            height, width = image_size(copy_image(item, path / "images", stem))
            lines = []
            for instance in checked_instances(item, height, width):
                if instance.mask.any():
                    points = (bridged(instance.mask) / (width, height)).ravel()
                    lines.append(" ".join([str(classes.number(instance.label)), *map("{:.6f}".format, points.tolist())]) + "\n")
            yield path / "labels" / f"{stem}.txt", "".join(lines).encode()
        content = {"path": ".", "train": "images", "val": "images", "names": dict(classes.in_order())}
        yield known, yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()

    write_files(files())
    return path


def read_labels(path: Path) -> dict[str, int]:
    """Return the classes of a YOLO folder or data.yaml with their numbers."""
    path = _file(path)
    return {label: number for number, label in _labels(path, _content(path)).items()}


def bridged(mask: np.ndarray) -> np.ndarray:
    """Return all borders of a bool (H, W) mask that has pixels as one polygon (N, 2), bridges between them."""
    loops = [_joined(rings[0], rings[1:]) for rings in parts(mask)]
    return _joined(loops[0], loops[1:])


def _joined(loop: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """One loop that leaves `loop` at the corner nearest to each of the others, goes around it and comes back."""
    if not others:
        return loop
    from scipy.spatial import cKDTree  # half of the time that an import of all formats would take

    tree = cKDTree(loop)
    detours: dict[int, list[np.ndarray]] = {}
    for other in others:
        distances, corners = tree.query(other)
        nearest = int(distances.argmin())
        corner = int(corners[nearest])
        around = np.roll(other, -nearest, axis=0)
        detours.setdefault(corner, []).append(np.concatenate([around, around[:1], loop[corner : corner + 1]]))
    pieces, done = [], 0
    for corner, ways in sorted(detours.items()):
        pieces += [loop[done : corner + 1], *ways]
        done = corner + 1
    return np.concatenate([*pieces, loop[done:]])


def _file(path: Path) -> Path:
    return path if path.suffix.lower() in (".yaml", ".yml") else path / DATA


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("names"), (list, dict)):
        raise ValueError(f"{path} names no classes; it needs names: a list, or a map of numbers to labels")
    return content


def _labels(path: Path, content: Mapping[str, Any]) -> dict[int, str]:
    names = content["names"]
    labels = {number: str(label) for number, label in (enumerate(names) if isinstance(names, list) else names.items())}
    wrong = [number for number in labels if type(number) is not int or number < 0]
    if wrong or len(set(labels.values())) != len(labels):
        raise ValueError(f"{path} needs a different label for every class, numbered from 0; its names are {names}")
    return labels


def _listed(places: Any) -> list[str]:
    return [str(place) for place in (places if isinstance(places, list) else [places] if places else [])]


def _place(base: Path, name: str) -> Path:
    """Where a split is; some exporters (Roboflow) write `../train/images` for the `train/images` beside the file."""
    place = base / name
    beside = base / name.removeprefix("../")
    return beside if beside.exists() and not place.exists() else place


def _images(place: Path) -> list[Path]:
    """The images of a folder, with those of its subfolders, or those that a text file lists."""
    if place.is_dir():
        found = (path for path in place.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
        return sorted(found, key=by_stem)
    if place.suffix != ".txt":
        raise FileNotFoundError(f"there is no folder {place} of images")
    return [place.parent / line.strip() for line in read_text(place).splitlines() if line.strip()]


def _label_file(image: Path) -> Path:
    """Where YOLO looks for an image's labels: the last folder called `images` in its path becomes `labels`."""
    folders = list(image.parent.parts)
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return Path(*folders) / f"{image.stem}.txt"


def _item(image: Path, file: Path, labels: Mapping[int, str]) -> Item:
    lines = [line.split() for line in read_text(file).splitlines()] if file.is_file() else []
    rows = [(number, words) for number, words in enumerate(lines, 1) if words]
    for number, words in rows:
        if len(words) < 5 or len(words) % 2 == 0:
            raise ValueError(
                f"{file}, line {number}: {len(words)} numbers are no polygon; it takes a class and at least three points x y, or a box"
            )
        if not words[0].isdecimal() or int(words[0]) not in labels:
            raise ValueError(f"{file}, line {number}: there is no class {words[0]}; {DATA} has {', '.join(map(str, sorted(labels)))}")
    return Item(image, Lazy(len(rows), partial(_load, image, file, rows, labels)))


def _load(
    image: Path, file: Path, rows: Sequence[tuple[int, list[str]]], labels: Mapping[int, str], indices: Iterable[int]
) -> Iterator[Instance]:
    height, width = image_size(image)
    for index in indices:
        number, words = rows[index]
        try:
            points = np.array(words[1:], np.float64).reshape(-1, 2)
            if len(points) == 2:  # a box: its centre, then its width and height
                points = points[0] + points[1] / 2 * [(-1, -1), (1, -1), (1, 1), (-1, 1)]
            if not (-0.01 <= points.min() and points.max() <= 1.01):
                raise ValueError(f"coordinates from {points.min():g} to {points.max():g}; they are fractions of the image's sides, 0 to 1")
            yield Instance(fill([points * (width, height)], height, width), labels[int(words[0])])
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: {error}") from error
