"""COCO results: one JSON list of predictions with scores, as `COCO.loadRes` of pycocotools reads it.

A prediction names its image and its category only by their ids. The COCO file next to the list that was predicted on says what these are:
`annotations.json`, or the file that `write` leaves there. It has the name of the list: `predictions.images.json`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from cdwidget import rle
from cdwidget.formats import coco
from cdwidget.formats.class_ids import ClassIds, Labels
from cdwidget.formats.coco_annotations import fields_of, other_fields
from cdwidget.formats.coco_writer import UniqueIds, categories_of, image_name, size_in_file
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import peek, read_json, to_json_bytes, write_files
from cdwidget.items import Instance, Item

FILE_NAME = "predictions.json"  # The list that is read or written when a folder is given.
IMAGES_SUFFIX = ".images.json"
DEFAULT_SCORE = 1.0  # pycocotools needs one for every prediction.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a list of predictions, or the only one in a folder.

    Args:
        path: The JSON list or its folder.
        images: The folder of the images; by default the usual places near the file that names them.
        problems: Receives the predictions, images and categories that cannot be used.

    Returns:
        One item per image, also for images without a prediction; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file, or no COCO file with the images next to it.
        ValueError: If it is not a list of predictions.
    """
    path = _input_file(path)
    predictions = read_json(path, problems.limits)
    if not isinstance(predictions, list):
        raise ValueError(f"{path} is not a list of COCO results; each needs image_id, category_id, score, and segmentation or bbox")
    source = _images_file(path)
    finder = ImageFinder(source, images)
    dataset = coco.read_annotations(path, predictions, coco.read_content(source, problems.limits), finder, problems)
    finder.warn_missing()
    return dataset


def matches(path: Path) -> bool:
    """Return whether a file, or the only such file in a folder, looks like a list of predictions."""
    try:
        return _is_list(_input_file(path))
    except ValueError:  # Several lists.
        return False


def write(items: Sequence[Item], path: Path, labels: Labels = ()) -> Path:
    """Write a list of predictions, or `predictions.json` into a folder.

    Images and categories have the ids of `annotations.json` in the same folder. Without it, they are written to `predictions.images.json`.
    Masks are compressed run lengths, and an instance without a score gets 1, as pycocotools needs them.

    Args:
        items: The images with their instances.
        path: The JSON list or its folder.
        labels: The categories in order, or with their ids; new labels are appended. The categories of a file that is there keep their ids,
            unless ids are given.

    Returns:
        The path of the list.

    Raises:
        ValueError: If a mask does not fit its image, or `annotations.json` lacks an image or a category.
    """
    path = _file_of(path)
    truth, own = path.with_name(coco.FILE_NAME), path.with_suffix(IMAGES_SUFFIX)
    known = next((file for file in (truth, own) if file.is_file()), None)
    classes = ClassIds(labels, None if known is None else coco.read_labels(known))
    numbered = _with_their_ids(items, truth) if truth == known else _with_new_ids(items, own)

    def files() -> Iterator[tuple[Path, bytes]]:
        images: list[dict[str, Any]] = []
        predictions: list[dict[str, Any]] = []
        for item, image in numbered:
            images.append(image)
            instances = checked_instances(item, image["height"], image["width"])
            predictions += (_prediction(each, image["id"], classes.id_of(each.label)) for each in instances)
        if truth == known:
            _check_categories(predictions, classes, truth)
        else:
            fields = fields_of(items.extra).get("categories", {}) if isinstance(items, Dataset) else {}
            content = {"images": images, "annotations": [], "categories": categories_of(classes, fields)}
            yield own, to_json_bytes(content)
        yield path, to_json_bytes(predictions)

    write_files(files())
    return path


# ---- files -----------------------------------------------------------------------------------------------------------


def _file_of(path: Path) -> Path:
    return path if path.suffix.lower() == ".json" else path / FILE_NAME


def _input_file(path: Path) -> Path:
    """Return the list to read: in a folder, `predictions.json` or the only list of predictions."""
    file = _file_of(path)
    if file == path or file.is_file() or not path.is_dir():
        return file
    found = [each for each in sorted(path.glob("*.json")) if _is_list(each)]
    if len(found) > 1:
        raise ValueError(f"{path} holds several lists of predictions: {', '.join(each.name for each in found[:10])}; give the path of one")
    return found[0] if found else file


def _is_list(file: Path) -> bool:
    text = peek(file) if file.is_file() else ""
    return text.lstrip("\ufeff \t\r\n").startswith("[") and all(f'"{key}"' in text for key in ("image_id", "category_id"))


def _images_file(path: Path) -> Path:
    """Return the COCO file with the images and categories of a list: its own, `annotations.json`, or the only one next to it."""
    for file in (path.with_suffix(IMAGES_SUFFIX), path.with_name(coco.FILE_NAME)):
        if file.is_file():
            return file
    others = [file for file in sorted(path.parent.glob("*.json")) if file != path and coco.matches(file)]
    if len(others) != 1:
        there = f"there are {', '.join(file.name for file in others[:10])}" if others else "there is none"
        raise FileNotFoundError(
            f"{path} has only the ids of its images and categories, and {there} to look them up in; "
            f"put the COCO file that was predicted on next to it, as {coco.FILE_NAME}"
        )
    return others[0]


# ---- writing ---------------------------------------------------------------------------------------------------------


def _with_new_ids(items: Sequence[Item], file: Path) -> Iterator[tuple[Item, dict[str, Any]]]:
    """Yield each item and its image as it is written, with the id that it was read with if that is free."""
    ids, finder = UniqueIds(), ImageFinder(file)
    for item in items:
        height, width = size_in_file(item)
        own = fields_of(item.extra)
        name = image_name(item, file, finder)
        yield item, {**own, "id": ids.take(own.get("id")), "file_name": name, "height": height, "width": width}


def _with_their_ids(items: Sequence[Item], truth: Path) -> Iterator[tuple[Item, dict[str, Any]]]:
    """Yield each item and its image in the file that was predicted on."""
    finder, limits = ImageFinder(truth), Problems().limits
    known: dict[str, Any] = {}
    for image in coco.read_content(truth, limits)["images"]:
        name = coco.name_in_file(image)
        if name and "id" in image:
            known.setdefault(os.path.abspath(finder.find(name)), image)
    for item in items:
        found = known.get(os.path.abspath(image_path(item)))
        if found is None:
            raise ValueError(f"the image {item.path} is not in {truth}, so it has no id; write to another folder, or add the image there")
        height, width = size_in_file(item)
        yield item, {"id": found["id"], "height": height, "width": width}


def _check_categories(predictions: Sequence[Mapping[str, Any]], classes: ClassIds, truth: Path) -> None:
    """Raise ValueError for a prediction of a category that the file does not have."""
    known, used = coco.read_labels(truth), {each["category_id"] for each in predictions}
    for number, label in classes.in_order():
        if number in used and known.get(label) != number:
            has = f"has {label!r} as {known[label]}, not {number}" if label in known else f"has no category {label!r}"
            raise ValueError(f"{truth} {has}; write to another folder, or change the category there")


def _prediction(instance: Instance, image_id: Any, category_id: int) -> dict[str, Any]:
    height, width = instance.mask.shape
    own = {key: value for key, value in other_fields(instance.extra).items() if key not in ("id", "iscrowd")}
    given = {"id": instance.id, "attributes": dict(instance.attributes) or None, "track_id": instance.track_id}
    return {
        **own,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": {"size": [height, width], "counts": rle.encode(instance.mask)},
        "score": DEFAULT_SCORE if instance.score is None else instance.score,
        **{key: value for key, value in given.items() if value is not None},
    }
