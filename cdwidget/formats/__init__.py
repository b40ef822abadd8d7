"""Reading and writing data sets: one line a format. A file for each, with `read` and `write`, and the read-only benchmark folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable

from cdwidget.formats import coco, labelme, npz, png, rgba, voc, yolo
from cdwidget.formats.frame import to_frame
from cdwidget.items import Item
from cdwidget.registry import lookup

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]

__all__ = ["FORMATS", "Format", "read", "to_frame", "write"]


@dataclass(frozen=True)
class Format:
    """The two functions of a format: `read(path, images)`, and `write(items, path, **options)`, which returns what it wrote.

    copies: whether it keeps a copy of every image. numbers: whether it numbers labels, and `write` takes labels=.
    """

    read: Callable[[Path, Path | None], list[Item]]
    write: Callable[..., Path]
    copies: bool = False
    numbers: bool = False


FORMATS = {
    "coco": Format(coco.read, coco.write, numbers=True),
    "labelme": Format(labelme.read, labelme.write),
    "npz": Format(npz.read, npz.write),
    "png": Format(png.read, png.write, copies=True),
    "rgba": Format(rgba.read, rgba.write, copies=True),
    "voc": Format(voc.read, voc.write, copies=True, numbers=True),
    "yolo": Format(yolo.read, yolo.write, copies=True, numbers=True),
}


def read(format: str, path: StrPath, images: StrPath | None = None) -> list[Item]:
    """Read a data set as a list of items, images and masks decoded when they are asked for.

    format: a name in FORMATS. path: its file or folder. images: where the images are, if not where the format has them.
    Raises FileNotFoundError, and ValueError that says what in which file is wrong, at once or when the broken mask is asked for.

    >>> items = cdwidget.read("coco", "annotations.json")  # doctest: +SKIP
    """
    return lookup(FORMATS, format, "format").read(Path(path).expanduser(), None if images is None else Path(images).expanduser())


def write(format: str, items: Iterable[Item], path: StrPath, **options: Any) -> Path:
    """Write items as a data set and return the path of the file or folder written.

    format: a name in FORMATS. path: a folder, or for coco, labelme and npz a file. All files are written or none (copies of images
    apart); what else lies in a folder stays. options: those of the format's own `write`: labels= (coco, voc, yolo), border= (voc),
    one= (png). Raises ValueError that names the item when a mask does not fit its image.

    >>> cdwidget.write("coco", items, "out/")  # doctest: +SKIP
    """
    chosen = lookup(FORMATS, format, "format")
    if isinstance(items, Item):
        raise TypeError("items is one Item; give a list of them: [item]")
    found = list(items)
    for item in found:
        if not isinstance(item, Item):
            raise TypeError(f"items are Item(path, instances), not {type(item).__name__}")
    return chosen.write(found, Path(path).expanduser(), **options)
