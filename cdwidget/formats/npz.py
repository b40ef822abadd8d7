"""NumPy: a compressed `.npz` file per image.

Its arrays are `masks` bool (N, H, W), `labels`, `ids` (-1 for none), `image` (the image's name) and, if any instance has one, `alpha`
uint8 (N, H, W).
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np

from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import find_image, image_path, item_size, output_files
from cdwidget.formats.instances import LazyInstances, alpha_of, checked_instances, soft_alpha
from cdwidget.formats.io import input_files, relative_name, write_files
from cdwidget.items import Instance, Item

NO_ID = -1
REQUIRED_ARRAYS = {"masks", "labels", "ids", "image"}


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a `.npz` file, or all of a folder.

    Args:
        path: The file or folder.
        images: The folder of the images; by default the files name them.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per file; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a file is broken or lacks an array.
    """
    items = []
    for file in input_files(path, ".npz"):
        with problems.skipping(file):
            labels, image = _read_arrays(file, "labels", "image")
            items.append(Item(find_image(str(image), file.parent, images), LazyInstances(len(labels), partial(_load, file))))
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
    if any(instance.alpha is not None for instance in instances):
        arrays["alpha"] = np.array([alpha_of(instance) for instance in instances])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _read_arrays(file: Path, *names: str) -> list[np.ndarray]:
    """Return the arrays of these names that the file has."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            present = list(arrays)
            found = [arrays[name] for name in names if name in arrays]
    except Exception as error:  # NumPy, zipfile and zlib raise errors of many types.
        raise ValueError(f"{file} cannot be read as .npz: {error}") from error
    if not REQUIRED_ARRAYS <= {*present}:
        raise ValueError(f"{file} holds {', '.join(present)}; it needs masks, labels, ids and image, as cdwidget.write leaves them")
    return found


def _load(file: Path, indices: Iterable[int]) -> Iterator[Instance]:
    masks, labels, ids, *alphas = _read_arrays(file, "masks", "labels", "ids", "alpha")
    if masks.dtype != bool or masks.ndim != 3 or not len(masks) == len(labels) == len(ids):
        raise ValueError(f"{file} holds masks {masks.dtype} {masks.shape}, {len(labels)} labels, {len(ids)} ids; masks are bool (N, H, W)")
    for index in indices:
        number = int(ids[index])
        alpha = soft_alpha(alphas[0][index]) if alphas else None
        yield Instance(masks[index], str(labels[index]), None if number == NO_ID else number, alpha)
