"""Save the objects of an Annotator in the formats of data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence
from warnings import warn

import numpy as np
from PIL import Image, ImageColor

from cdwidget.formats import FORMATS, coco_writer, read, write
from cdwidget.formats import to_frame as items_to_frame
from cdwidget.formats.class_ids import ClassIds
from cdwidget.formats.io import to_png, write_files
from cdwidget.items import Item
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget.annotator.image_list import ImageList
from cdwidget.widget.annotator.semantic import class_map

if TYPE_CHECKING:
    import pandas

FORMAT_OF_SUFFIX = {".json": "coco", ".npz": "npz", "": "coco"}


def save(images: ImageList, labels: list[str], path: Path, format: str | None, class_colors: Sequence[str] | None) -> Path:
    """Write the items of a list of images to a file or folder.

    Args:
        images: The list.
        labels: Classes to write first, in this order.
        path: The file or folder; without a format, a .png is one mask of all objects of the open image.
        format: A name in FORMATS; None to choose by the suffix.
        class_colors: Colors of the classes, for a .png with the class of each pixel; None for one of all objects.

    Returns:
        The path that was written.

    Raises:
        ValueError: If the suffix belongs to no format.
        FileExistsError: If labels or images of others would be overwritten.
    """
    _warn_of_unconfirmed(images)
    if format is None and path.suffix.lower() == ".png":
        image = _object_image(images.session) if class_colors is None else _class_image(images, labels, class_colors)
        write_files([(path, to_png(image))])
        return path
    if format is None:
        format = FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if format is None:
        raise ValueError(f"{path.name!r} names no format; end it in .json, .npz or .png, give a folder, or give format='coco'")
    items = images.items(include_arrays=True, images=(path.parent if path.suffix else path) / "images")
    chosen = lookup(FORMATS, format, "format")
    if chosen.file_name:
        is_file = path.suffix.lower() == Path(chosen.file_name).suffix
        _check_other_images(items, format, path if is_file else path / chosen.file_name)
    options = {"labels": list(labels)} if labels and chosen.has_class_ids else {}
    return write(format, items, path, **options)


def _object_image(session: Session) -> Image.Image:
    """Return an image with 255 in the confirmed objects and 0 elsewhere."""
    mask = np.zeros((session.height, session.width), bool)
    for entry in session.state.entries:
        if entry.confirmed:
            session.patch(entry.id).add_to(mask)
    return Image.fromarray(mask * np.uint8(255))


def _class_image(images: ImageList, labels: list[str], colors: Sequence[str]) -> Image.Image:
    """Return the class of each pixel as an image with a palette, or in 16 bit if there are more than 255 classes."""
    classes = class_map(images.session, labels)
    image = Image.fromarray(classes)
    if classes.dtype == np.uint8:
        palette = [ImageColor.getrgb(colors[number % len(colors)])[:3] for number in range(int(classes.max()))]
        image.putpalette([0, 0, 0, *(value for color in palette for value in color)])
    return image


def warn_of_missing_labels(images: ImageList) -> None:
    """Warn if objects that were saved have no label."""
    counts = images.count_unlabeled()
    if count := sum(counts.values()):
        names = list(counts)
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more images" if len(names) > 3 else "")
        objects = f"{count} object{'s have' if count > 1 else ' has'} no class"
        warn(f"{objects} and {'are' if count > 1 else 'is'} saved with the class '': {some}", stacklevel=3)


def _warn_of_unconfirmed(images: ImageList) -> None:
    """Warn if objects are left out because they are not confirmed."""
    if count := images.count_unconfirmed():
        objects = "1 followed object is" if count == 1 else f"{count} followed objects are"
        warn(f"{objects} not confirmed and left out; press Y on an image to confirm its objects, and Enter on a lost one", stacklevel=4)


def _check_other_images(items: Sequence[Item], format: str, path: Path) -> None:
    """Raise FileExistsError if the file to be replaced holds labels of other images."""
    try:
        existing = read(format, path)
    except FileNotFoundError:
        return
    saved = {os.path.realpath(item.path) for item in items}
    others = [item.path for item in existing if len(item.instances) and os.path.realpath(item.path) not in saved]
    if others:
        raise FileExistsError(
            f"{path} holds the labels of {len(others)} other images, such as {others[0]}, which would be lost; save to another file, or "
            f"open them too: Annotator(cdwidget.read({format!r}, {str(path)!r}))"
        )


def to_coco(images: ImageList, labels: Sequence[str]) -> dict[str, Any]:
    """Return the content of a COCO file of the items, with image paths as they were given."""
    _warn_of_unconfirmed(images)
    return coco_writer.to_json(images.items(include_arrays=True), ClassIds(labels), lambda item: str(item.path))


def to_frame(images: ImageList) -> pandas.DataFrame:
    """Return the objects of the items as a pandas frame, as `Annotator.to_frame`."""
    _warn_of_unconfirmed(images)
    return items_to_frame(images.items(include_arrays=True))
