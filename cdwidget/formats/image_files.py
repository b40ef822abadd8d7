"""Image files of data sets: open, measure, find, name and copy them."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from typing import Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.replacement import replacing
from cdwidget.images.files import page_size
from cdwidget.images.pages import split_page
from cdwidget.images.sources import FLAT_SUFFIXES
from cdwidget.items import Item

IMAGE_SUFFIXES = {*FLAT_SUFFIXES, ".tif", ".tiff"}
MAX_STEM_BYTES = 200  # File systems allow 255 bytes per name; the rest is for suffixes and numbers.


def open_image(path: Path) -> Image.Image:
    """Open an image file and read its header; raise ValueError if it is not an image."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no image {path} (looked in {Path.cwd()})")
    try:
        return Image.open(path)
    except Exception as error:  # Pillow raises errors of many types.
        raise ValueError(f"{path} cannot be read as an image: {error}") from error


def read_pixels(path: Path) -> np.ndarray:
    """Return the pixels of an image file as stored, (H, W) or (H, W, channels)."""
    with open_image(path) as file:
        try:
            return np.asarray(file)
        except Exception as error:
            raise ValueError(f"{path} cannot be read as an image: {error}") from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (height, width) of an image file or of a page of it, upright according to its EXIF orientation."""
    file, page = split_page(path)
    if not os.path.isfile(file):
        raise FileNotFoundError(f"there is no image {path} (looked in {Path.cwd()})")
    with file.open("rb") as opened:
        return page_size(opened, page, str(path))


def image_path(item: Item) -> Path:
    """Return the path of an item's image, with `~` expanded."""
    return Path(item.path).expanduser()


def item_size(item: Item) -> tuple[int, int]:
    """Return (height, width) of an item, from its image or else its first mask."""
    path = image_path(item)
    if os.path.isfile(split_page(path)[0]):
        return image_size(path)
    for instance in item.instances:
        height, width = np.shape(instance.mask)
        return height, width
    raise FileNotFoundError(f"there is no image {path}, and no mask that gives its size; every item needs one of them")


def unique_stems(items: Sequence[Item], folder: Path | None = None) -> list[str]:
    """Return a unique stem per item: its image's, shortened or numbered (`a-2`).

    Images that are in `folder` already keep their names. Stems differ also if upper and lower case are the same.
    """
    in_folder = [folder is not None and image_path(item).absolute().parent == folder.absolute() for item in items]
    stems, taken = [""] * len(items), set()
    for index in sorted(range(len(items)), key=lambda index: not in_folder[index]):
        full = image_path(items[index]).stem.lstrip(".") or "image"
        short = stem = full.encode(errors="surrogateescape")[:MAX_STEM_BYTES].decode(errors="ignore")
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{short}-{number}"
        taken.add(stem.casefold())
        stems[index] = stem
    return stems


def output_files(path: Path, suffix: str, items: Sequence[Item]) -> list[Path]:
    """Return the file to write for each item: `path`, or a file in the folder `path`.

    Raises:
        ValueError: If `path` is a file and there are several items.
    """
    if path.suffix.lower() != suffix:
        return [path / f"{stem}{suffix}" for stem in unique_stems(items)]
    if len(items) != 1:
        raise ValueError(f"{path} holds one image, and there are {len(items)} items; give a folder")
    return [path]


def copy_image(item: Item, folder: Path, stem: str) -> Path:
    """Copy an item's image to a folder unless it is there already, and return the copy's path.

    Raises:
        FileNotFoundError: If there is no image.
        FileExistsError: If another image has that name; nothing is overwritten.
        ValueError: If the image is a page of a stack, or its suffix is not one of `IMAGE_SUFFIXES`.
    """
    source = image_path(item)
    if split_page(source)[1]:
        raise ValueError(
            f"{source} is one page of a file, and this format keeps a copy of every image; write COCO, or save the page as a file"
        )
    if not os.path.isfile(source):
        raise FileNotFoundError(f"there is no image {source} (looked in {Path.cwd()}); this format keeps a copy of every image")
    if source.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(f"{source} ends in {source.suffix!r}; this format keeps images ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    target = folder / f"{stem}{source.suffix}"
    if not target.exists():
        with replacing(is_durable=False) as replacement:
            shutil.copy2(source, replacement.draft(target))
    elif not (target.samefile(source) or filecmp.cmp(source, target)):
        raise FileExistsError(f"{target} is another image than {source}; write to another folder, or remove the old image")
    return target
