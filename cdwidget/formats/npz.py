"""NumPy: a compressed `.npz` an image with `masks` bool (N, H, W), `labels`, `ids` (-1: none), `image` and, where known, `alpha` uint8."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import numpy as np

from cdwidget.formats.io import (
    Lazy,
    alpha_of,
    checked_instances,
    files_in,
    image_path,
    item_size,
    locate,
    one_file_each,
    relative,
    soft,
    write_files,
)
from cdwidget.items import Instance, Item

NO_ID = -1


def read(path: Path, images: Path | None = None) -> list[Item]:
    """Read a `.npz` file, or all of a folder: an item a file, masks decoded when they are asked for.

    images: the folder of the images; by default each is where its file says.
    """
    items = []
    for file in files_in(path, ".npz"):
        labels, image = _arrays(file, "labels", "image")
        items.append(Item(locate(str(image), file.parent, images), Lazy(len(labels), partial(_load, file))))
    return items


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a file an item into a folder, or one item to a `.npz` file; return `path`. Images are named relative to it, not copied."""
    files = one_file_each(path, ".npz", items)
    write_files((file, _packed(item, file.parent)) for item, file in zip(items, files))
    return path


def _packed(item: Item, home: Path) -> bytes:
    height, width = item_size(item)
    instances = list(checked_instances(item, height, width))
    arrays = {
        "masks": np.array([instance.mask for instance in instances], bool).reshape(-1, height, width),
        "labels": np.array([instance.label for instance in instances], np.str_),
        "ids": np.array([NO_ID if instance.id is None else instance.id for instance in instances], np.int64),
        "image": np.array(relative(image_path(item), home)),
    }
    if any(instance.alpha is not None for instance in instances):
        arrays["alpha"] = np.array([alpha_of(instance) for instance in instances])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _arrays(file: Path, *names: str) -> list[np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            present = list(arrays)
            found = [arrays[name] for name in names if name in arrays]
    except Exception as error:  # whatever numpy, zipfile or zlib find wrong
        raise ValueError(f"{file} cannot be read as .npz: {error}") from error
    if not {"masks", "labels", "ids", "image"} <= {*present}:
        raise ValueError(f"{file} holds {', '.join(present)}; it needs masks, labels, ids and image, as cdwidget.write leaves them")
    return found


def _load(file: Path, indices: Iterable[int]) -> Iterator[Instance]:
    masks, labels, ids, *alphas = _arrays(file, "masks", "labels", "ids", "alpha")
    if masks.dtype != bool or masks.ndim != 3 or not len(masks) == len(labels) == len(ids):
        raise ValueError(f"{file} holds masks {masks.dtype} {masks.shape}, {len(labels)} labels, {len(ids)} ids; masks are bool (N, H, W)")
    for index in indices:
        number = int(ids[index])
        alpha = soft(alphas[0][index]) if alphas else None
        yield Instance(masks[index], str(labels[index]), None if number == NO_ID else number, alpha)
