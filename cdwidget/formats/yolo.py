"""YOLO-seg: `data.yaml`, `images/`, and `labels/` with one polygon per instance.

A line of a label file is the class id and the polygon in fractions of the image's sides. Predictions have a confidence at the end, and
perhaps a track id. A line of four numbers, a box's center, width and height, is read as a rectangle, and so is a line of a pose data set.

The one polygon must express holes and parts too. Each hole is joined to the boundary around it, and each further part to the first one,
by a bridge: a line back and forth between their nearest corners. By the even-odd rule a bridge has no area, so `polygons.fill`
gives the same mask; readers that draw polygons with an outline show it as a line one pixel wide.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
import yaml

from cdwidget.formats.annotations import DIGEST, kept_fields
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import copy_image, image_size, unique_stems
from cdwidget.formats.instances import LazyInstances, checked_instances, mask_digest
from cdwidget.formats.io import read_text, write_files
from cdwidget.formats.yolo_layout import (
    BOX_VALUES,
    DATA_FILE,
    Layout,
    data_file,
    has_labels_beside_images,
    ids_by_label,
    keypoint_values,
    read_labels,
    read_layout,
    read_pose,
    report_unpaired,
)
from cdwidget.items import Instance, Item
from cdwidget.polygons import fill, parts

FORMAT = "yolo"
VALUES, POSE_VALUES = "values", "pose_values"  # Keys of the kept values of a row, without and with keypoints.
MIN_COORDINATE, MAX_COORDINATE = -1, 2  # Fractions of the image's sides; objects may leave the image, but pixels are no fractions.
BOX_CORNERS = [(-1, -1), (1, -1), (1, 1), (-1, 1)]  # In units of half a box's sides, around its center.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a YOLO folder or its `data.yaml`.

    Without `data.yaml`, the classes are the lines of `classes.txt`, or are called "class_0" and so on.

    Args:
        path: The folder or the file.
        images: The folder of the images, overriding `data.yaml`; the labels are then in `labels/`, or in the folder that replaces
            `images` in its path.
        problems: Receives the lines and splits that cannot be read.

    Returns:
        One item per image; its masks are decoded on access. An image without a label file has no instances.

    Raises:
        FileNotFoundError: If there is no such file, or it lists no image.
        ValueError: If `data.yaml` is broken.
    """
    layout = read_layout(path, images, problems)
    if layout.keypoint_values:
        message = "it is a pose data set: its boxes are instances, and its keypoints are kept for writing while no mask is changed"
        problems.add(message, file=layout.file)
    report_unpaired(layout, problems)
    items = []
    for image, file in layout.pairs.items():
        rows: list[_Row] = []
        with problems.skipping(file, image.name):
            rows = _read_rows(file, image, layout, problems)
        items.append(Item(image, LazyInstances(len(rows), partial(_load, image, file, rows), problems)))
    return Dataset(items, ids_by_label(layout.labels), {FORMAT: layout.pose} if layout.pose else {})


def matches(path: Path) -> bool:
    """Return whether a path is a `data.yaml`, or a folder with one or with label files."""
    return data_file(path) is not None or any((path / "labels").rglob("*.txt")) or has_labels_beside_images(path)


def write(items: Sequence[Item], path: Path, labels: Labels = (), scores: bool = False) -> Path:
    """Write a YOLO folder with copies of the images, all listed as train and val.

    Unchanged polygons are written as they were read, and so are the rows of a pose data set if none of its masks is changed; else a warning
    tells that its keypoints are left out. Instances without pixels are skipped; alpha mattes, ids and attributes are not stored.

    Args:
        items: The images with their instances.
        path: The folder.
        labels: The classes in order, from 0, or with their ids; new labels are appended. The classes of a folder that is replaced keep
            their ids, unless ids are given.
        scores: End the line of an instance that has a score with it, as predictions of Ultralytics do. Trainers do not read such files.

    Returns:
        The folder.

    Raises:
        ValueError: If a mask does not fit its image.
    """
    classes = ClassIds(labels, read_labels(path) if data_file(path) is not None else None, first=0)
    pose = items.extra.get(FORMAT, {}) if isinstance(items, Dataset) else {}
    if pose and not all(_is_row_of(pose, each) for item in items for each in item.instances):
        pose = {}
        warnings.warn(
            f"{path}: masks of the pose data set are new or changed, so polygons are written without its keypoints; export the images "
            "with unchanged masks apart to keep those", UserWarning, stacklevel=3,
        )  # fmt: skip

    def files() -> Iterator[tuple[Path, bytes]]:
        for item, stem in zip(items, unique_stems(items, path / "images")):
            height, width = image_size(copy_image(item, path / "images", stem))
            instances = [each for each in checked_instances(item, height, width) if each.mask.any()]
            lines = [_encode_row(each, classes.id_of(each.label), bool(pose), scores) for each in instances]
            yield path / "labels" / f"{stem}.txt", "".join(lines).encode()
        yield path / DATA_FILE, _encode_data_file({"train": "images", "val": "images"}, classes, pose)

    write_files(files())
    return path


def join_parts(folder: Path, names: Sequence[str]) -> None:
    """Replace the `data.yaml` of each part of a split by one of the whole, which trainers need.

    Args:
        folder: The folder with a data set per part.
        names: The names of the parts and of their folders: "train", "val" and "test".

    Raises:
        ValueError: If only some of the parts are pose data sets.
    """
    classes = ClassIds(read_labels(folder / names[0]), first=0)
    for name in names[1:]:
        for label, number in read_labels(folder / name).items():
            classes.ids.setdefault(label, number)
    poses = [read_pose(folder / name / DATA_FILE) for name in names]
    if any(pose != poses[0] for pose in poses):
        raise ValueError("masks of the pose data set were changed in some parts, so only the others have keypoints; export without a split")
    content = _encode_data_file({name: f"{name}/images" for name in names}, classes, poses[0])
    write_files([(folder / DATA_FILE, content), *((folder / name / DATA_FILE, None) for name in names)])


def _encode_row(instance: Instance, class_id: int, is_pose: bool, scores: bool) -> str:
    """Return the line of an instance with pixels: the values that it was read with, or a polygon."""
    kept = _values_as_read(instance)
    values = kept.get(VALUES, []) or (kept.get(POSE_VALUES, []) if is_pose else [])
    if not values or (len(values) == BOX_VALUES and not is_pose):  # Boxes and polygons do not mix.
        height, width = instance.mask.shape
        values = list(map("{:.6f}".format, (bridged_polygon(instance.mask) / (width, height)).ravel().tolist()))
    score = [f"{instance.score:.6f}"] if scores and instance.score is not None else []
    return " ".join([str(class_id), *values, *score]) + "\n"


def _values_as_read(instance: Instance) -> dict[str, list[str]]:
    """Return the values of the row that an instance was read from, without class, confidence and track; none if its mask has changed."""
    return {key: str(values).split() for key, values in kept_fields(instance, FORMAT, (VALUES, POSE_VALUES))[1].items()}


def _is_row_of(pose: Mapping[str, Any], instance: Instance) -> bool:
    """Return whether the row of an instance is unchanged, and has no keypoints of another shape."""
    kept = _values_as_read(instance)
    return bool(kept) and len(kept.get(POSE_VALUES, [])) in (0, BOX_VALUES + keypoint_values(pose))


def _encode_data_file(splits: dict[str, str], classes: ClassIds, others: Mapping[str, Any] = {}) -> bytes:
    """Return a `data.yaml`; without the key `path`, trainers take the paths as relative to the file."""
    content: dict[str, Any] = {**splits, **others, "names": dict(classes.in_order())}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode()


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


# ---- label files -----------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A line of a label file: its number, label, polygon in fractions of the image's sides, confidence, track, and kept values."""

    line: int
    label: str
    points: np.ndarray
    score: float | None
    track_id: int | None
    kept: dict[str, str]


def _read_rows(file: Path, image: Path, layout: Layout, problems: Problems) -> list[_Row]:
    rows: dict[tuple[str, bytes, str], _Row] = {}
    numbers = {label: number for number, label in layout.labels.items() if not label.isdecimal()}  # Some scripts write the class's name.
    for line, text in enumerate(read_text(file).splitlines() if file.is_file() else [], 1):
        words = [word.rstrip(",") for word in text.split()]
        words = words[0].split(",") if len(words) == 1 else words
        if words:
            with problems.skipping(file, image.name, f"in line {line}"):
                number = numbers[words[0]] if words[0] in numbers else _class_number(words[0])
                report = partial(problems.add, file=file, image=image.name, annotation=f"in line {line}")
                row = _read_row(line, number, words[1:], layout, report)
                first = rows.setdefault((row.label, row.points.tobytes(), row.kept.get(POSE_VALUES, "")), row)
                if first is not row:
                    raise ValueError(f"it repeats line {first.line}")
    return list(rows.values())


def _read_row(line: int, number: int, values: Sequence[str], layout: Layout, report: Callable[[str], None]) -> _Row:
    """Return the row of a class number and the values after it; report an unusual row and its interpretation."""
    keypoints = layout.keypoint_values or _unnamed_keypoints(values)
    points, score, track_id, count = _parse_values(values, keypoints)
    label = layout.labels.get(number, f"class_{number}")
    if layout.labels and number not in layout.labels:
        known = ", ".join(map(str, sorted(layout.labels)))
        report(f"there is no class {number}, {layout.file.name} has {known}; it is called {label!r}")
    has_keypoints = keypoints and count == BOX_VALUES + keypoints
    if has_keypoints and not layout.keypoint_values:
        report(f"it has keypoints, and {layout.file.name} has no kpt_shape; only its box is read")
    kept = {POSE_VALUES if has_keypoints else VALUES: " ".join(values[:count])}
    return _Row(line, label, points, score, track_id, kept)


def _class_number(word: str) -> int:
    number = float(word)
    if not (number >= 0 and number.is_integer()):
        raise ValueError(f"there is no class {word}; classes are numbered from 0")
    return int(number)


def _unnamed_keypoints(words: Sequence[str]) -> int:
    """Return how many numbers follow a box if they are keypoints x, y, visibility; a visibility of 2 shows this, else 0."""
    keypoints = words[BOX_VALUES:]
    visibilities = {float(word) for word in keypoints[2::3]}
    return len(keypoints) if len(keypoints) % 3 == 0 and 2 in visibilities <= {0, 1, 2} else 0


def _parse_values(words: Sequence[str], keypoints: int) -> tuple[np.ndarray, float | None, int | None, int]:
    """Return the polygon (N, 2), the confidence and the track id of a line without its class, and the number of its other values."""
    if keypoints and len(words) >= BOX_VALUES + keypoints:
        end, tail = BOX_VALUES, words[BOX_VALUES + keypoints :]
    else:
        ends_in_number = len(words) > BOX_VALUES and words[-1].isdecimal() and int(words[-1]) > MAX_COORDINATE
        has_track = ends_in_number and max(map(float, words[:-1])) <= MAX_COORDINATE
        values = len(words) - has_track
        # An odd number of values ends in a confidence, and so does a box with a track.
        end = values - values % 2
        tail = words[end:]
    if len(tail) > 2 or end < BOX_VALUES:
        raise ValueError(f"{1 + len(words)} numbers are no polygon; it takes a class and at least three points x y, or a box")
    points = np.array(words[:end], np.float64).reshape(-1, 2)
    if end == BOX_VALUES:
        if points[1].min() <= 0:
            raise ValueError(f"its box is {points[1, 0]:g} wide and {points[1, 1]:g} high; both must be above 0")
        points = points[0] + points[1] / 2 * BOX_CORNERS
    if not (MIN_COORDINATE <= points.min() and points.max() <= MAX_COORDINATE):
        raise ValueError(f"coordinates from {points.min():g} to {points.max():g}; they are fractions of the image's sides, 0 to 1")
    track_id = int(tail[-1]) if tail and tail[-1].isdecimal() and int(tail[-1]) > 1 else None
    score = float(tail[0]) if len(tail) > (track_id is not None) else None
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"it ends in {tail[0]}, which is neither a coordinate nor a confidence from 0 to 1")
    return points, score, track_id, len(words) - len(tail)


def _load(image: Path, file: Path, rows: Sequence[_Row], indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        row = rows[index]
        with naming(file, image.name, f"in line {row.line}"):
            height, width = image_size(image)
            mask = fill([row.points * (width, height)], height, width)
            if not mask.any():
                raise ValueError(f"it has no pixel in the image of {width}x{height} pixels")
        extra = {FORMAT: {**row.kept, DIGEST: mask_digest(mask)}}
        yield Instance(mask, row.label, score=row.score, track_id=row.track_id, extra=extra)
