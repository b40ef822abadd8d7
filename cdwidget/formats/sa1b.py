"""SA-1B, the data set of Segment Anything: a JSON file per image, with the run lengths of each mask.

SA-1B has no classes: `write` adds `label`, `attributes` and `track_id` to an annotation that has them, and other readers skip these fields.
The score is `predicted_iou`. All other fields are kept and written back, those about the quality of a mask while it is unchanged.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from cdwidget import rle
from cdwidget.formats.annotations import FileAnnotation, instance_id, item_of, kept_fields, kept_image, score_of, size_of
from cdwidget.formats.coco import IMAGE_OBJECT
from cdwidget.formats.coco_writer import UniqueIds
from cdwidget.formats.dataset import Dataset, Problems
from cdwidget.formats.image_files import image_path, item_size, output_files
from cdwidget.formats.image_finder import ImageFinder
from cdwidget.formats.instances import checked_instances
from cdwidget.formats.io import input_files, peek, read_json, relative_name, to_json_bytes, write_files
from cdwidget.items import Instance, Item

FORMAT = "sa1b"
MAX_EXAMINED_FILES = 5
SCORE = "predicted_iou"
SHAPE_FIELDS = ("segmentation", "bbox", "area")  # Computed from the mask.
QUALITY_FIELDS = ("stability_score", "crop_box", "point_coords")  # About the mask as it was read.


def read(path: Path, images: Path | None, problems: Problems) -> Dataset:
    """Read a SA-1B file, or all of a folder.

    Args:
        path: The JSON file or the folder.
        images: The folder of the images; by default the files' folder.
        problems: Receives the files and annotations that cannot be read.

    Returns:
        One item per file; its masks are decoded on access.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    files = input_files(path, ".json")
    finder = ImageFinder(files[0], images)
    items = []
    for file in files:
        with problems.skipping(file, advice="remove the file from the folder if it is not of SA-1B"):
            items.append(_item(file, finder, problems))
    finder.warn_missing()
    return Dataset(items)


def matches(path: Path) -> bool:
    """Return whether a file, or a file of a folder, looks like SA-1B's."""
    files = [path] if path.is_file() else sorted(path.glob("*.json"))[:MAX_EXAMINED_FILES]
    texts = (peek(file) for file in files if file.suffix.lower() == ".json")
    return any(
        '"annotations"' in text and IMAGE_OBJECT.search(text) is not None or text.lstrip().startswith("[") and '"stability_score"' in text
        for text in texts
    )


def write(items: Sequence[Item], path: Path) -> Path:
    """Write a file per item.

    Images are named relative to the file, not copied. Alpha mattes are not stored.

    Args:
        items: The images with their instances.
        path: A folder; or a `.json` file for one item.

    Returns:
        `path`.

    Raises:
        ValueError: If a mask does not fit its image, or a file is given for several items.
    """
    files = output_files(path, ".json", items)
    ids, image_ids = UniqueIds(), UniqueIds()
    write_files((file, _encode(item, file.parent, ids, image_ids)) for item, file in zip(items, files))
    return path


# ---- reading ---------------------------------------------------------------------------------------------------------


def _item(file: Path, finder: ImageFinder, problems: Problems) -> Item:
    content = read_json(file, problems.limits)
    if _is_mask_list(content):
        height, width = content[0]["segmentation"]["size"]
        content = {"image": {"file_name": file.stem, "height": height, "width": width}, "annotations": content}
    image = content.get("image") if isinstance(content, Mapping) else None
    if not isinstance(image, Mapping) or not isinstance(content.get("annotations"), list):
        raise ValueError(f"{file} is not a SA-1B file; it needs an image and a list of annotations")
    name = str(image.get("file_name") or f"{file.stem}.jpg")
    size = size_of(image.get("height"), image.get("width"))
    problems.limits.check("max_pixels", size[0] * size[1], "its image")
    records: list[FileAnnotation] = []
    taken: set[int] = set()
    for number, annotation in enumerate(content["annotations"], 1):
        own_name = annotation.get("id", number) if isinstance(annotation, Mapping) else number
        with problems.skipping(file, name, own_name):
            records.append(_record(str(own_name), annotation, taken))
    others = {key: value for key, value in content.items() if key not in ("image", "annotations")}
    return item_of(FORMAT, file, finder.find(name), records, size, problems, {**image, **({"others": others} if others else {})})


def _is_mask_list(content: Any) -> bool:
    """Return whether it is the list that Segment Anything's mask generator returns, with masks as run lengths."""
    first = content[0] if isinstance(content, list) and content else None
    segmentation = first.get("segmentation") if isinstance(first, Mapping) and "stability_score" in first else None
    return isinstance(segmentation, Mapping) and isinstance(segmentation.get("size"), list) and len(segmentation["size"]) == 2


def _record(name: str, annotation: Any, taken: set[int]) -> FileAnnotation:
    if not isinstance(annotation, Mapping) or not isinstance(annotation.get("segmentation"), Mapping):
        raise ValueError("it has no segmentation of run lengths")
    fields = dict(annotation)
    decode = partial(_decode, fields["segmentation"])
    id = instance_id(fields.get("id"), taken)
    score, track, attributes = score_of(fields.get(SCORE)), fields.get("track_id"), fields.get("attributes")
    track = track if type(track) is int else None
    attributes = attributes if isinstance(attributes, Mapping) else {}
    used = {"label", *SHAPE_FIELDS}
    used |= {key for key, value in (("id", id), (SCORE, score), ("track_id", track)) if value is not None}
    used |= {"attributes"} if attributes else set()
    kept = {key: value for key, value in fields.items() if key not in used}
    return FileAnnotation(name, decode, str(fields.get("label") or ""), id, attributes, score, track, kept)


def _decode(segmentation: Mapping[str, Any], height: int, width: int) -> np.ndarray:
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"its size is {segmentation['size']}, the image is [{height}, {width}] (height, width)")
    counts = segmentation["counts"]
    return rle.decode(counts, height, width) if isinstance(counts, str) else rle.decode_uncompressed(segmentation)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _encode(item: Item, folder: Path, ids: UniqueIds, image_ids: UniqueIds) -> bytes:
    height, width = item_size(item)
    kept = kept_image(item, FORMAT)
    others = kept.pop("others", {})
    image = {**kept, "image_id": image_ids.take(kept.get("image_id")), "width": width, "height": height}
    image["file_name"] = relative_name(image_path(item), folder)
    annotations = list(_annotations(checked_instances(item, height, width), ids))
    return to_json_bytes({**others, "image": image, "annotations": annotations})


def _annotations(instances: Iterator[Instance], ids: UniqueIds) -> Iterator[dict[str, Any]]:
    for instance in instances:
        fields, quality = kept_fields(instance, FORMAT, QUALITY_FIELDS)
        (height, width), (x0, y0, x1, y1) = instance.mask.shape, instance.bbox
        given = {
            SCORE: instance.score,
            "label": instance.label or None,
            "attributes": dict(instance.attributes) or None,
            "track_id": instance.track_id,
        }
        yield {
            **fields,
            **quality,
            "id": ids.take(fields.get("id") if instance.id is None else instance.id),
            "segmentation": {"size": [height, width], "counts": rle.encode(instance.mask)},
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": instance.area,
            **{key: value for key, value in given.items() if value is not None},
        }
