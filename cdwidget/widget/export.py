"""What an annotator holds, written in the formats of data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Sequence

import numpy as np
from PIL import Image

from cdwidget.formats import FORMATS, coco, read, write
from cdwidget.formats.io import Classes, to_png, write_files
from cdwidget.items import Item
from cdwidget.registry import lookup
from cdwidget.widget.image_list import Album

BY_SUFFIX = {".json": "coco", ".npz": "npz", "": "coco"}


def save(album: Album, labels: Sequence[str], path: Path, format: str | None) -> Path:
    """Write the items to a file or folder; a .png without a format is one mask of the open image."""
    if format is None and path.suffix.lower() == ".png":
        write_files([(path, to_png(Image.fromarray((album.session.label_map() > 0) * np.uint8(255))))])
        return path
    if format is None:
        format = BY_SUFFIX.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"{path.name!r} names no format; end it in .json, .npz or .png, give a folder, or say which: format='coco'")
    items = album.items(named=True, pictures=(path.parent if path.suffix else path) / "images")
    if format == "coco":
        _check_others(items, path)
    options = {"labels": list(labels)} if labels and lookup(FORMATS, format, "format").numbers else {}
    return write(format, items, path, **options)


def _check_others(items: Sequence[Item], path: Path) -> None:
    """Raise FileExistsError where a COCO file would be replaced that holds labels of other images."""
    try:
        there = read("coco", path)
    except FileNotFoundError:
        return
    here = {os.path.realpath(item.path) for item in items}
    others = [item.path for item in there if len(item.instances) and os.path.realpath(item.path) not in here]
    if others:
        raise FileExistsError(
            f"{path} holds the labels of {len(others)} other images, such as {others[0]}, which would be lost; save to another file, or "
            f"open them too: Annotator(cdwidget.read('coco', {str(path)!r}))"
        )


def to_coco(album: Album, labels: Sequence[str]) -> dict[str, Any]:
    """Return what a COCO file of the items holds; images are named as they were given."""
    return coco.to_json(album.items(named=True), Classes(labels), lambda item: str(item.path))
