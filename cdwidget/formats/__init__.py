"""Data set formats: `read`, `write`, `to_frame`, and one line of `FORMATS` per format."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

from cdwidget._deprecated import renamed_property
from cdwidget.formats import (
    cityscapes,
    coco,
    coco_results,
    coco_writer,
    cvat,
    datumaro,
    geojson,
    huggingface,
    itag,
    label_studio,
    labelme,
    mots,
    npz,
    panoptic,
    png,
    rgba,
    sa1b,
    via,
    voc,
    yolo,
)
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.frame import to_frame
from cdwidget.formats.io import refuse_archive
from cdwidget.formats.palettes import Palette
from cdwidget.formats.replacement import finish_interrupted
from cdwidget.items import Item
from cdwidget.limits import DEFAULT_LIMITS, Limits
from cdwidget.registry import lookup

if TYPE_CHECKING:
    StrPath = str | os.PathLike[str]

__all__ = ["FORMATS", "Format", "read", "to_frame", "write"]

COCO_FORMATS = {"coco", "coco_results", "panoptic"}  # They share the ids of categories.
AUTO = "auto"  # The format's name for one that is recognized.


@dataclass(frozen=True)
class Format:
    """A format: its functions and its properties.

    Attributes:
        read: `read(path, images, problems)` returns the data set and reports unusable entries to `problems`.
        matches: `matches(path)` returns whether a file or folder looks like this format.
        write: `write(items, path, **options)` returns the path of the written file or folder.
        copies_images: Whether it stores a copy of every image.
        has_class_ids: Whether it numbers the labels; `write` then has an option `labels`.
        file_name: Name of the file written into a folder by a format that has one file for all images; "" for other formats.
        join_parts: `join_parts(folder, names)` makes one data set of the parts of a split, in folders of these names; None if they stay
            separate data sets.
    """

    read: Callable[[Path, Path | None, Problems], Dataset]
    matches: Callable[[Path], bool]
    write: Callable[..., Path]
    copies_images: bool = False
    has_class_ids: bool = False
    file_name: str = ""
    join_parts: Callable[[Path, Sequence[str]], None] | None = None
    copies = renamed_property("copies", "copies_images")
    numbers = renamed_property("numbers", "has_class_ids")


FORMATS = {
    "cityscapes": Format(cityscapes.read, cityscapes.matches, cityscapes.write, copies_images=True, has_class_ids=True),
    "coco": Format(coco.read, coco.matches, coco_writer.write, has_class_ids=True, file_name=coco.FILE_NAME),
    "coco_results": Format(
        coco_results.read, coco_results.matches, coco_results.write, has_class_ids=True, file_name=coco_results.FILE_NAME
    ),
    "cvat": Format(cvat.read, cvat.matches, cvat.write, file_name=cvat.FILE_NAME),
    "datumaro": Format(datumaro.read, datumaro.matches, datumaro.write, copies_images=True, has_class_ids=True),
    "geojson": Format(geojson.read, geojson.matches, geojson.write),
    "huggingface": Format(huggingface.read, huggingface.matches, huggingface.write, copies_images=True),
    "itag": Format(itag.read, itag.matches, itag.write, file_name=itag.FILE_NAME),
    "label_studio": Format(label_studio.read, label_studio.matches, label_studio.write, file_name=label_studio.FILE_NAME),
    "labelme": Format(labelme.read, labelme.matches, labelme.write),
    "mots": Format(mots.read, mots.matches, mots.write, copies_images=True, has_class_ids=True),
    "npz": Format(npz.read, npz.matches, npz.write),
    "panoptic": Format(panoptic.read, panoptic.matches, panoptic.write, has_class_ids=True, file_name=panoptic.FILE_NAME),
    "png": Format(png.read, png.matches, png.write, copies_images=True),
    "rgba": Format(rgba.read, rgba.matches, rgba.write, copies_images=True),
    "sa1b": Format(sa1b.read, sa1b.matches, sa1b.write),
    "via": Format(via.read, via.matches, via.write, file_name=via.FILE_NAME),
    "voc": Format(voc.read, voc.matches, voc.write, copies_images=True, has_class_ids=True),
    "yolo": Format(yolo.read, yolo.matches, yolo.write, copies_images=True, has_class_ids=True, join_parts=yolo.join_parts),
}


def read(
    format: StrPath, path: StrPath | None = None, images: StrPath | None = None, *, strict: bool = False, limits: Limits = DEFAULT_LIMITS,
    stored_pixels: bool | None = None, palette: Palette | None = None,
) -> Dataset:  # fmt: skip
    """Read a data set.

    An entry that cannot be read is left out, shown in a warning and listed in the data set's `problems`.

    Args:
        format: A name in `FORMATS`; "auto" recognizes the format by the content, and `read(path)` is short for `read("auto", path)`.
        path: The file or folder of the data set.
        images: The folder of the images, if they are not in the format's usual place.
        strict: Raise an error at the first entry that cannot be read.
        limits: The sizes that are accepted; larger entries are not read, so that a damaged file cannot exhaust the memory.
        stored_pixels: Whether "coco" annotations count the pixels of photos as stored, before the EXIF orientation is applied. By default,
            the size in the file shows it for photos turned by 90 degrees. Those turned by 180 are taken as these are, or else as the masks
            fit the edges of the image.
        palette: The classes of "png" masks that are class maps: "cityscapes", "ade20k", or labels with their numbers or their colors
            (red, green, blue). Class maps in colors need no palette; without one, a label is the color, such as "#ff0000".

    Returns:
        One item per image, with the classes, the problems and the format's name. Images and masks are read when they are accessed.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If nothing can be read, or with `strict` an entry; the message names file and entry.

    Example:
        >>> dataset = cdwidget.read("annotations.json")  # doctest: +SKIP
        >>> dataset  # doctest: +SKIP
        <Dataset coco: 1200 items, 80 classes, 0 problems>
        >>> mask = dataset[0].instances[0].mask  # bool (H, W)  # doctest: +SKIP
    """
    if path is None:
        format, path = AUTO, format
    dataset = load(str(format), path, images, strict=strict, limits=limits, stored_pixels=stored_pixels, palette=palette)
    dataset.problems.warn(stacklevel=2)
    return dataset


def load(
    format: str, path: StrPath, images: StrPath | None = None, *, strict: bool = False, limits: Limits = DEFAULT_LIMITS,
    stored_pixels: bool | None = None, palette: Palette | None = None,
) -> Dataset:  # fmt: skip
    """Read a data set as `read` does, without a warning: the caller shows the problems."""
    problems = Problems(strict=strict, limits=limits, stored_pixels=stored_pixels, palette=palette)
    path = Path(path).expanduser()
    chosen = None if format == AUTO else lookup(FORMATS, format, "format")  # Before a wrong name changes files.
    refuse_archive(path)
    finish_interrupted(_folder_of(path))
    if chosen is None:
        format = recognize(path)
        chosen = FORMATS[format]
    dataset = chosen.read(path, None if images is None else Path(images).expanduser(), problems)
    if problems and not dataset:
        raise ValueError(f"nothing in {path} can be read: {problems}")
    dataset.problems, dataset.format, dataset.path = problems, format, os.path.abspath(path)
    return dataset


def recognize(path: StrPath) -> str:
    """Return the name of the format that a file or folder has, judged by its content.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If no format matches, or several do.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path} (looked in {Path.cwd()})")
    found = [name for name, format in FORMATS.items() if format.matches(path)]
    if len(found) != 1:
        finding = f"looks like {' and '.join(found)}" if found else "looks like no format that can be read"
        raise ValueError(f"{path} {finding}; name the format: {', '.join(FORMATS)}")
    return found[0]


def write(format: str, items: Iterable[Item], path: StrPath, **options: Any) -> Path:
    """Write a data set.

    A `Dataset` keeps its classes, and what it was read with: the numbers of the classes and the fields that cdwidget does not use, if its
    format is the same; the COCO formats share the numbers. Either all files are written or none, except copies of images. Other files in
    the folder stay.

    Args:
        format: A name in `FORMATS`.
        items: The images with their instances.
        path: A folder; or a file, except for "cityscapes", "datumaro", "huggingface", "mots", "png", "rgba", "voc" and "yolo".
        **options: Options of the format: `labels` ("cityscapes", "coco", "coco_results", "datumaro", "mots", "panoptic", "voc", "yolo"),
            `scores` ("yolo"), `border` ("voc"), `file_per` and `palette` ("png"), `parquet` ("huggingface").

    Returns:
        The path of the written file or folder.

    Raises:
        ValueError: If a mask does not fit its image; the message names the item.
        TypeError: If `items` are not items.

    Example:
        >>> cdwidget.write("coco", items, "out/")  # doctest: +SKIP
    """
    chosen = lookup(FORMATS, format, "format")
    if isinstance(items, Item):
        raise TypeError("items is one Item; give a list of them: [item]")
    listed = items if isinstance(items, Dataset) else list(items)
    for item in listed:
        if not isinstance(item, Item):
            raise TypeError(f"items are Item(path, instances), not {type(item).__name__}")
    if isinstance(listed, Dataset) and chosen.has_class_ids and listed.classes:
        keeps_ids = listed.format == format or {listed.format, format} <= COCO_FORMATS
        classes = listed.classes if keeps_ids else sorted(listed.classes, key=listed.classes.__getitem__)
        options = {"labels": classes, **options}
    path = Path(path).expanduser()
    if path.is_dir():
        finish_interrupted(path)
    return chosen.write(listed, path, **options)


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent
