"""LabelMe: a JSON file per image.

An instance is a shape with an area, or several with the same label and group id if it has several parts. New instances are polygons, or
masks if they have holes. All other content of a file is kept in `extra` and written back, and so are the shapes of an instance while its
mask is the same. Attributes and scores are stored as X-AnyLabeling stores them; LabelMe keeps these fields.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from cdwidget.formats.annotations import size_of
from cdwidget.formats.dataset import Dataset, Problems, naming
from cdwidget.formats.image_files import IMAGE_SUFFIXES, image_path, image_size, item_size, output_files
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import LazyInstances, checked_instances, mask_digest
from cdwidget.formats.io import input_files, peek, read_json, relative_name, to_json_bytes, to_png, write_files
from cdwidget.formats.labelme_shapes import POINT_SHAPES, check_shape, decode_shape, kind_of_shape, save_embedded_image, turn_shape
from cdwidget.formats.orientation import UPRIGHT, read_header, size_of_annotations, stored_orientation
from cdwidget.items import Instance, Item
from cdwidget.masks import bbox
from cdwidget.polygons import parts

FORMAT = "labelme"  # Key in `Instance.extra` and `Item.extra`.
VERSION = "5.5.0"  # Version of LabelMe that reads the files.
NEW_SHAPE: dict[str, Any] = {
    "label": "",
    "points": [],
    "group_id": None,
    "description": "",
    "shape_type": "polygon",
    "flags": {},
    "mask": None,
}
MAX_EXAMINED_FILES = 5
INSTANCE_FIELDS = ("attributes", "score", "track_id")  # Fields of a shape that are fields of an instance.
ITEM_FIELDS = ("shapes", "imagePath", "imageData", "imageHeight", "imageWidth")  # Fields of a file that `write` computes.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a LabelMe file, or all of a folder.

    Polygons, rectangles, rotated rectangles, circles and masks are read; shapes with the same label and group id are one instance. Points
    and lines have no area: they are no instances, but `write` keeps them. An image that is only in the JSON file is saved next to it.

    Args:
        path: The file or folder.
        images: The folder of the images; by default the files name them, or they lie next to the files.
        problems: Receives the files and shapes that cannot be read.

    Returns:
        One item per file; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    finders: dict[Path, ImageFinder] = {}
    items = []
    for file in input_files(path, ".json"):
        if file.parent not in finders:
            finders[file.parent] = ImageFinder(file, images)
        with problems.skipping(file, advice="remove the file from the folder if it is no LabelMe file"):
            items.append(_read_item(file, finders[file.parent], problems))
    for finder in finders.values():
        finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a file, or a file of a folder, looks like LabelMe's."""
    with suppress(FileNotFoundError):
        files = input_files(path, ".json")[:MAX_EXAMINED_FILES]
        return any(file.suffix.lower() == ".json" and '"shapes"' in peek(file) for file in files)
    return False


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


# ---- writing ---------------------------------------------------------------------------------------------------------


def _encode(item: Item, folder: Path) -> bytes:
    height, width = item_size(item)
    extra = dict(item.extra.get(FORMAT, {}))
    others = extra.pop("shapes", [])
    instances = list(checked_instances(item, height, width))
    taken = {shape.get("group_id") for each in instances for shape in _own_shapes(each)} | {shape.get("group_id") for shape in others}
    free_groups = (number for number in range(1, len(taken) + len(instances) + 1) if number not in taken)
    shapes = [shape for each in instances for shape in _encode_shapes(each, free_groups)]
    content = {
        **{"version": VERSION, "flags": {}, **extra},
        "shapes": [*shapes, *others],
        "imagePath": relative_name(image_path(item), folder),
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    return to_json_bytes(content, indent=True)


def _own_shapes(instance: Instance) -> Sequence[Mapping[str, Any]]:
    """Return the shapes that the instance was read from, if any."""
    shapes: Sequence[Mapping[str, Any]] = instance.extra.get(FORMAT, {}).get("shapes", ())
    return shapes


def _encode_shapes(instance: Instance, free_groups: Iterator[int]) -> list[dict[str, Any]]:
    """Return the instance's own shapes if its mask is as it was, else one polygon per part, or one mask if there are holes."""
    own = _own_shapes(instance)
    fields = {name: value for name in INSTANCE_FIELDS if (value := getattr(instance, name)) not in (None, {})}
    if own and instance.extra[FORMAT].get("digest") == mask_digest(instance.mask):
        return [{**shape, "label": instance.label, **fields} for shape in own]
    template = {**NEW_SHAPE, **(own[0] if own else {}), "label": instance.label, "mask": None, **fields}
    rings = parts(instance.mask)
    if all(len(part) == 1 for part in rings):
        group = template["group_id"]
        if len(rings) > 1 and group is None:
            group = next(free_groups)
        return [{**template, "shape_type": "polygon", "points": part[0].tolist(), "group_id": group} for part in rings]
    x0, y0, x1, y1 = bbox(instance.mask)
    png = to_png(Image.fromarray(instance.mask[y0:y1, x0:x1]))
    corners = [[x0, y0], [x1 - 1, y1 - 1]]  # LabelMe's corners are pixels, the last one included.
    return [{**template, "shape_type": "mask", "points": corners, "mask": b64encode(png).decode("ascii")}]


# ---- reading ---------------------------------------------------------------------------------------------------------


def _read_item(file: Path, finder: ImageFinder, problems: Problems) -> Item:
    content = read_json(file, problems.limits)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise ValueError(f"{file} is not a LabelMe file; it needs a list of shapes")
    image = _find_image(file, content, finder)
    height, width = size_of_annotations(
        _size(file, content, image), read_header(image), partial(problems.note, file=file, image=image.name)
    )
    problems.limits.check("max_pixels", height * width, "its image")
    orientation = stored_orientation((height, width), image)
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    others = []
    for number, shape in enumerate(content["shapes"], 1):
        name = f"{number} ({shape['label']!r})" if isinstance(shape, Mapping) and "label" in shape else number
        with problems.skipping(file, image.name, name):
            check_shape(shape)
            if orientation != UPRIGHT:
                shape = turn_shape(shape, orientation, height, width)
            if (kind := kind_of_shape(shape)) in POINT_SHAPES:
                others.append(shape)
                raise ValueError(f"a {kind} has no area, so it is no instance; `write` keeps it")
            group = shape.get("group_id")
            has_group = group is not None and group != ""  # Other tools write "" for no group.
            groups.setdefault(("group", str(group), shape["label"]) if has_group else number, []).append(shape)
    extra = {name: value for name, value in content.items() if name not in ITEM_FIELDS}
    shapes = list(groups.values())
    if orientation != UPRIGHT:
        height, width = width, height
    instances = LazyInstances(len(shapes), partial(_load, file, shapes, height, width), problems)
    return Item(image, instances, {FORMAT: {**extra, **({"shapes": others} if others else {})}})


def _find_image(file: Path, content: Mapping[str, Any], finder: ImageFinder) -> Path:
    """Return the image that a file names, the one next to it with its stem, or the one that it holds, saved next to it."""
    named = content.get("imagePath")
    name = named if isinstance(named, str) and named else file.stem
    for each in [name, *(f"{file.stem}{suffix}" for suffix in sorted(IMAGE_SUFFIXES))]:
        found = finder.search(each)
        if found is not None:
            return found
    data = content.get("imageData")
    if isinstance(data, str) and data:
        return save_embedded_image(data, file, Path(name.replace("\\", "/")).name)
    return Path(finder.find(name))


def _size(file: Path, content: Mapping[str, Any], image: Path) -> tuple[int, int]:
    """Return (height, width) as in the file, or else of the image."""
    sides = [content.get(side) for side in ("imageHeight", "imageWidth")]
    try:
        return size_of(*sides)
    except ValueError as error:
        if image.is_file():
            return image_size(image)
        raise ValueError(f"{file}: imageHeight and imageWidth are {sides}; they must be whole pixels") from error


def _load(file: Path, groups: Sequence[Sequence[Mapping[str, Any]]], height: int, width: int, indices: Iterable[int]) -> Iterator[Instance]:
    for index in indices:
        shapes = groups[index]
        label = "" if shapes[0]["label"] is None else str(shapes[0]["label"])
        mask = np.zeros((height, width), bool)
        with naming(file, annotation=f"{label!r}"):
            for shape in shapes:
                mask |= decode_shape(shape, height, width)
            if not mask.any():
                raise ValueError(f"it has no pixel in the image of {width}x{height} pixels")
        score, track_id, attributes = (shapes[0].get(name) for name in ("score", "track_id", "attributes"))
        yield Instance(
            mask,
            label,
            attributes=attributes if isinstance(attributes, Mapping) else {},
            score=float(score) if isinstance(score, (int, float)) else None,
            track_id=track_id if isinstance(track_id, int) else None,
            extra={FORMAT: {"shapes": list(shapes), "digest": mask_digest(mask)}},
        )
