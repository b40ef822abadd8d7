"""LabelMe: a JSON file per image.

An instance is a polygon, or several with the same label and group id if it has several parts. An instance with holes is a mask.
"""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from functools import partial
from math import hypot
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import find_image, image_path, item_size, output_files
from cdwidget.formats.instances import LazyInstances, checked_instances
from cdwidget.formats.io import input_files, read_text, relative_name, to_png, write_files
from cdwidget.items import Instance, Item
from cdwidget.masks import bbox
from cdwidget.polygons import fill, parts

Points = Sequence[Sequence[float]]  # (x, y) each.
VERSION = "5.5.0"  # Version of LabelMe that reads the files.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a LabelMe file, or all of a folder.

    Polygons, rectangles, circles and masks are read; shapes with the same label and group id are one instance.

    Args:
        path: The file or folder.
        images: The folder of the images; by default the files name them.
        problems: Receives the entries that cannot be read.

    Returns:
        One item per file; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a shape has no area (points and lines) or is broken; the message names the file and the shape.
    """
    items = []
    for file in input_files(path, ".json"):
        with problems.skipping(file):
            items.append(_read_item(file, images))
    return Dataset(items)


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a file per item.

    Images are named relative to the file, not copied. Instances without pixels are skipped; alpha mattes and ids are not stored.

    Args:
        items: The images with their instances.
        path: A folder; or a `.json` file for one item.

    Returns:
        `path`.

    Raises:
        ValueError: If a mask does not fit its image, or a file is given for several items.
    """
    files = output_files(path, ".json", items)
    write_files((file, _encode(item, file.parent)) for item, file in zip(items, files))
    return path


def _encode(item: Item, folder: Path) -> bytes:
    height, width = item_size(item)
    content: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": [shape for number, each in enumerate(checked_instances(item, height, width), 1) for shape in _shapes(each, number)],
        "imagePath": relative_name(image_path(item), folder),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return json.dumps(content, ensure_ascii=False, indent=2).encode()


def _shapes(instance: Instance, number: int) -> list[dict[str, Any]]:
    """Return one polygon per part, or one mask if there are holes."""
    rings = parts(instance.mask)
    if all(len(part) == 1 for part in rings):
        group = number if len(rings) > 1 else None
        return [_shape(instance.label, "polygon", part[0].tolist(), group) for part in rings]
    x0, y0, x1, y1 = bbox(instance.mask)
    png = to_png(Image.fromarray(instance.mask[y0:y1, x0:x1]))
    corners = [[x0, y0], [x1 - 1, y1 - 1]]  # LabelMe's corners are pixels, the last one included.
    return [{**_shape(instance.label, "mask", corners, None), "mask": b64encode(png).decode("ascii")}]


def _shape(label: str, kind: str, points: Points, group: int | None) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": group, "description": "", "shape_type": kind, "flags": {}, "mask": None}


def _read_item(file: Path, images: Path | None) -> Item:
    try:
        content = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    sides: list[Any] = [content.get(side) for side in ("imageHeight", "imageWidth")] if isinstance(content, dict) else []
    if not sides or not isinstance(content.get("shapes"), list) or not isinstance(content.get("imagePath"), str):
        raise ValueError(f"{file} is not a LabelMe file; it needs shapes, imagePath, imageHeight and imageWidth")
    if not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"{file}: imageHeight and imageWidth are {sides}; they must be whole pixels")
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for number, shape in enumerate(content["shapes"], 1):
        if not isinstance(shape, Mapping) or not isinstance(shape.get("label"), str) or not isinstance(shape.get("points"), list):
            raise ValueError(f"{file}: shape {number} needs a label and points")
        if shape.get("shape_type", "polygon") not in DECODERS:
            problem = f"is a {shape['shape_type']}, which has no area; allowed are {', '.join(DECODERS)}"
            raise ValueError(f"{file}: shape {number} ({shape['label']!r}) {problem}")
        group = shape.get("group_id")
        groups.setdefault(number if group is None else ("group", group, shape["label"]), []).append(shape)
    shapes = list(groups.values())
    return Item(
        find_image(content["imagePath"], file.parent, images), LazyInstances(len(shapes), partial(_load, file, shapes, sides[0], sides[1]))
    )


def _load(file: Path, groups: Sequence[Sequence[Mapping[str, Any]]], height: int, width: int, indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        mask, label = np.zeros((height, width), bool), str(groups[index][0]["label"])
        for shape in groups[index]:
            try:
                mask |= DECODERS[shape.get("shape_type", "polygon")](shape, height, width)
            except Exception as error:  # base64, Pillow and NumPy raise errors of many types.
                raise ValueError(f"{file}: a shape called {label!r} cannot be read: {error}") from error
        yield Instance(mask, label)


def _decode_polygon(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    if len(shape["points"]) < 3:
        raise ValueError(f"a polygon of {len(shape['points'])} points; it needs at least three")
    return fill([shape["points"]], height, width)


def _decode_rectangle(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    (ax, ay), (bx, by) = shape["points"]
    return fill([[(ax, ay), (bx, ay), (bx, by), (ax, by)]], height, width)


def _decode_circle(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    (x, y), (bx, by) = shape["points"]
    rows, columns = np.ogrid[:height, :width]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= hypot(bx - x, by - y)


def _decode_mask(shape: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    with Image.open(io.BytesIO(b64decode(shape["mask"], validate=True))) as png:
        pixels = np.asarray(png) != 0
    (x, y), (last_x, last_y) = ((int(a), int(b)) for a, b in shape["points"])
    if pixels.shape != (last_y - y + 1, last_x - x + 1) or not (0 <= x <= last_x < width and 0 <= y <= last_y < height):
        raise ValueError(f"its mask is {pixels.shape} (rows, columns), its corners are {shape['points']} in an image of {width}x{height}")
    mask = np.zeros((height, width), bool)
    mask[y : last_y + 1, x : last_x + 1] = pixels
    return mask


DECODERS: dict[str, Callable[[Mapping[str, Any], int, int], np.ndarray]] = {
    "polygon": _decode_polygon,
    "rectangle": _decode_rectangle,
    "circle": _decode_circle,
    "mask": _decode_mask,
}
