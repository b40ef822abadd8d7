"""NumPy: a compressed `.npz` file per image.

Its arrays are `masks` bool (N, H, W), `labels`, `ids` (-1 for none), `image` (the image's name) and, if any instance has one, `alpha`
uint8 (N, H, W), `attributes` (JSON), `scores` (NaN for none) and `track_ids` (-1 for none).
"""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Sequence
from zipfile import ZipFile

import numpy as np

from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import image_path, item_size, output_files
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances, alpha_of, checked_instances, soft_alpha
from cdwidget.formats.io import input_files, relative_name, write_files
from cdwidget.items import Instance, Item
from cdwidget.limits import Limits

NO_ID = -1
OPTIONAL_ARRAYS = ("alpha", "attributes", "scores", "track_ids")
REQUIRED_ARRAYS = {"masks", "labels", "ids", "image"}


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a `.npz` file, or all of a folder.

    Args:
        path: The file or folder.
        images: The folder of the images; by default the files' folder, or the usual places near it.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per file; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is broken or lacks an array.
    """
    files = input_files(path, ".npz")
    finder = ImageFinder(files[0], images)
    items = []
    for file in files:
        with problems.skipping(file):
            labels, image = _read_arrays(file, problems.limits, "labels", "image")
            if labels.ndim != 1 or image.ndim != 0:
                raise ValueError(f"its labels have shape {labels.shape} and its image {image.shape}; they are (N,) and ()")
            load = partial(_load, file, problems.limits)
            items.append(Item(finder.find(str(image)), LazyInstances(len(labels), load, problems)))
    finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a path is an `.npz` file with masks, or a folder with some."""
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))[:1]
    return any(file.suffix.lower() == ".npz" and b"masks" in file.read_bytes() for file in files)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a file per item.

    Images are named relative to the file, not copied.

    Args:
        items: The images with their instances.
        path: A folder; or a `.npz` file for one item.

    Returns:
        `path`.

    Raises:
        ValueError: If a mask does not fit its image, or a file is given for several items.
    """
    files = output_files(path, ".npz", items)
    write_files((file, _encode(item, file.parent)) for item, file in zip(items, files))
    return path


def _encode(item: Item, folder: Path) -> bytes:
    height, width = item_size(item)
    instances = list(checked_instances(item, height, width))
    arrays = {
        "masks": np.array([instance.mask for instance in instances], bool).reshape(-1, height, width),
        "labels": np.array([instance.label for instance in instances], np.str_),
        "ids": np.array([NO_ID if instance.id is None else instance.id for instance in instances], np.int64),
        "image": np.array(relative_name(image_path(item), folder)),
    }
    for name, values in _values(instances).items():
        arrays[name] = values
    if any(instance.alpha is not None for instance in instances):
        arrays["alpha"] = np.array([alpha_of(instance) for instance in instances])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _values(instances: Sequence[Instance]) -> dict[str, np.ndarray]:
    """Return arrays of the values that any instance has."""
    found = {}
    if any(instance.attributes for instance in instances):
        found["attributes"] = np.array([json.dumps(dict(instance.attributes)) for instance in instances], np.str_)
    if any(instance.score is not None for instance in instances):
        found["scores"] = np.array([np.nan if instance.score is None else instance.score for instance in instances])
    if any(instance.track_id is not None for instance in instances):
        found["track_ids"] = np.array([NO_ID if instance.track_id is None else instance.track_id for instance in instances], np.int64)
    return found


def _read_arrays(file: Path, limits: Limits, *names: str) -> list[np.ndarray]:
    """Return the arrays of these names, after checking their sizes; an optional one that is missing is empty."""
    try:
        with ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist())
        limits.check("max_file_bytes", size, str(file))
        with np.load(file, allow_pickle=False) as arrays:
            present = list(arrays)
            found = [arrays[name] if name in arrays else np.empty(0) for name in names]
    except Exception as error:  # NumPy, zipfile and zlib raise errors of many types.
        raise ValueError(f"{file} cannot be read as .npz: {error}") from error
    if not REQUIRED_ARRAYS <= {*present}:
        raise ValueError(f"{file} holds {', '.join(present)}; it needs masks, labels, ids and image, as cdwidget.write leaves them")
    return found


def _load(file: Path, limits: Limits, indices: Iterable[int]) -> Iterator[Instance]:
    with naming(file):
        masks, labels, ids, *optional = _read_arrays(file, limits, "masks", "labels", "ids", *OPTIONAL_ARRAYS)
        if masks.dtype != bool or masks.ndim != 3 or not len(masks) == labels.size == ids.size or ids.dtype.kind not in "iu":
            raise ValueError(f"it holds masks {masks.dtype} {masks.shape}, {labels.size} labels, {ids.size} ids; masks are bool (N, H, W)")
        for name, values in zip(OPTIONAL_ARRAYS, optional):
            if len(values) not in (0, len(masks)) or (
                name == "alpha" and values.size and (values.shape, values.dtype) != (masks.shape, np.uint8)
            ):
                raise ValueError(f"its {name} is {values.dtype} {values.shape}; it needs a value for each of the {len(masks)} masks")
    alpha, attributes, scores, track_ids = optional
    for index in indices:
        with naming(file, annotation=index):
            instance = Instance(
                masks[index],
                str(labels[index]),
                _number(ids, index),
                soft_alpha(alpha[index]) if len(alpha) else None,
                json.loads(str(attributes[index])) if len(attributes) else {},
                None if not len(scores) or np.isnan(scores[index]) else float(scores[index]),
                _number(track_ids, index),
            )
        yield instance


def _number(numbers: np.ndarray, index: int) -> int | None:
    return None if not len(numbers) or numbers[index] == NO_ID else int(numbers[index])
