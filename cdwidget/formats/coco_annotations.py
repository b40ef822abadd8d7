"""The annotations of one COCO image: checked when the file is read, decoded on access, and written back as they were."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, Container, Iterable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from cdwidget import rle
from cdwidget.formats.coco_segmentations import MIN_COORDINATES, is_finite
from cdwidget.formats.dataset import naming
from cdwidget.formats.io import json_keys
from cdwidget.formats.orientation import UPRIGHT, turn_upright
from cdwidget.images.orientation import SIDEWAYS_ORIENTATIONS
from cdwidget.items import Instance
from cdwidget.limits import Limits

FORMAT = "coco"
REACH = 10  # Coordinates may lie this many image sides outside the image.
MAX_ID_DIGITS = 19
DIGEST_BYTES = 8
DIGEST_KEY = "mask_digest"
INSTANCE_KEYS = {"id", "image_id", "category_id", "iscrowd"}  # Written from the fields of an instance.
REPLACED_KEYS = INSTANCE_KEYS | {"attributes", "score", "track_id", DIGEST_KEY}  # Of a text, which an instance's fields may replace.
SHAPE_KEYS = ("segmentation", "bbox", "area")  # Written back as they were while the mask is unchanged.


@dataclass(frozen=True, eq=False, repr=False)
class Crowd(Instance):
    """A region of several objects, `iscrowd` in COCO; in a session an ordinary instance."""


class EncodedInstance(NamedTuple):
    """An instance whose mask is compressed run lengths; its other fields are those of `Instance`."""

    id: int | None
    label: str
    is_crowd: bool
    counts: str
    attributes: Mapping[str, Any] = {}
    score: float | None = None
    track_id: int | None = None
    extra: Mapping[str, Any] = {}


@dataclass(frozen=True)
class AnnotationLoader:
    """The annotations of one image, decoded on access: the `load` of `LazyInstances`.

    Attributes:
        path: The annotation file, named in error messages.
        image: The image's name in the file, named in error messages.
        records: The image's annotations as in the file.
        segmentations: The usable segmentation of each annotation.
        ids: The id of each instance; None if it cannot have its annotation's.
        labels: The label of each category id.
        height: Height of the annotations' image in pixels.
        width: Width of the annotations' image in pixels.
        limits: The sizes that are accepted.
        orientation: EXIF orientation of the image if the annotations count its pixels as stored, else 1.
    """

    path: str
    image: str
    records: Sequence[Mapping[str, Any]]
    segmentations: Sequence[Any]
    ids: Sequence[int | None]
    labels: Mapping[Any, str]
    height: int
    width: int
    limits: Limits
    orientation: int = UPRIGHT

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the masks in pixels, upright."""
        return (self.width, self.height) if self.orientation in SIDEWAYS_ORIENTATIONS else (self.height, self.width)

    def __call__(self, indices: Iterable[int]) -> Iterator[Instance]:
        """Yield the instances at these indices; raise ReadError for a broken annotation."""
        for index in indices:
            found = self.encoded(index)
            with self._naming(index):
                mask = rle.decode(found.counts, *self.size)
            kind = Crowd if found.is_crowd else Instance
            yield kind(
                mask, found.label, found.id,
                attributes=found.attributes, score=found.score, track_id=found.track_id, extra=found.extra,
            )  # fmt: skip

    def encoded(self, index: int) -> EncodedInstance:
        """Return an instance as compressed run lengths, unchecked if the file has them; raise ReadError for a broken annotation."""
        record = self.records[index]
        segmentation = self.segmentations[index]
        with self._naming(index):
            counts = self._counts(segmentation)
            if self.orientation != UPRIGHT:
                counts = rle.encode(turn_upright(rle.decode(counts, self.height, self.width), self.orientation))
        extra = {key: value for key, value in record.items() if key not in INSTANCE_KEYS}
        attributes = extra.pop("attributes") if isinstance(record.get("attributes"), dict) and record["attributes"] else {}
        score = float(extra.pop("score")) if is_finite(record.get("score")) else None
        track_id = extra.pop("track_id") if type(record.get("track_id")) is int else None
        if isinstance(segmentation, list) and self.orientation == UPRIGHT:
            extra[DIGEST_KEY] = _digest(counts, self.height, self.width)
        else:
            for key in SHAPE_KEYS:
                extra.pop(key, None)
        if self.ids[index] is None and "id" in record:
            extra["id"] = record["id"]
        return EncodedInstance(
            self.ids[index],
            self.labels.get(record.get("category_id"), ""),
            bool(record.get("iscrowd")),
            counts,
            attributes,
            score,
            track_id,
            {FORMAT: extra} if extra else {},
        )

    def _naming(self, index: int) -> Any:
        number = self.records[index].get("id")
        return naming(self.path, self.image, f"number {index + 1}" if number is None else number)

    def _counts(self, segmentation: Mapping[str, Any] | list[list[float]]) -> str:
        if isinstance(segmentation, list):
            check_polygons(segmentation, self.height, self.width, self.limits)
            return rle.encode_polygons(segmentation, self.height, self.width)
        if list(segmentation["size"]) != [self.height, self.width]:
            raise ValueError(f"its size is {segmentation['size']}, the image is [{self.height}, {self.width}] (height, width)")
        if isinstance(segmentation["counts"], str):
            return segmentation["counts"]
        return rle.encode(rle.decode_uncompressed(segmentation))


# ---- checks --------------------------------------------------------------------------------------------------------


def annotation_problem(record: Any, segmentation: Any, images: Container[Any], labels: Mapping[Any, str]) -> str:
    """Describe the first problem of an annotation that shows without decoding it; "" for none.

    Args:
        record: The annotation.
        segmentation: Its usable segmentation.
        images: The ids of the images.
        labels: The label of each category id.
    """
    if not isinstance(record, dict):
        return "it is not an object of JSON"
    image, category = record.get("image_id"), record.get("category_id")
    if not isinstance(image, (int, float, str)) or image not in images:
        return f"it belongs to image {image!r}, which is not in the file or was left out"
    if not (category is None and not labels) and not (isinstance(category, (int, float, str)) and category in labels):
        return f"it has category {category!r}, which is not in the file"
    if not segmentation:
        return "it has neither a segmentation nor a bbox [x, y, width, height] with pixels in it"
    if isinstance(segmentation, dict):
        return "" if {"size", "counts"} <= segmentation.keys() else "it has run lengths without size or counts"
    if not isinstance(segmentation, list):
        return f"it has {type(segmentation).__name__} for a segmentation; allowed are run lengths and a list of polygons"
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < MIN_COORDINATES or len(polygon) % 2:
            return "it has a polygon that is not a list of at least three points: [x0, y0, x1, y1, x2, y2, ...]"
    return ""


def by_whole_number(ids: Iterable[Any]) -> dict[int | None, Any]:
    """Return ids by their numbers: 1, 1.0, "1" and "0001" are one number. A number of several ids is left out."""
    numbers = {id: _whole_number(id) for id in ids}
    counts = Counter(numbers.values())
    return {number: id for id, number in numbers.items() if number is not None and counts[number] == 1}


def with_known_ids(record: Any, images: Mapping[int | None, Any], labels: Mapping[int | None, Any]) -> Any:
    """Return an annotation with the ids of its image and category as these have them: "0001" for 1, or 1 for "1".

    Args:
        record: The annotation.
        images: The ids of the images, by their numbers.
        labels: The ids of the categories, by their numbers.
    """
    if not isinstance(record, dict):
        return record
    changed = {}
    for key, known in (("image_id", images), ("category_id", labels)):
        value = record.get(key)
        number = value if type(value) is int else _whole_number(value)
        id = known.get(number, value)
        if type(id) is not type(value) or id != value:
            changed[key] = id
    return {**record, **changed} if changed else record


def _whole_number(id: Any) -> int | None:
    if isinstance(id, str):
        return int(id) if id.isdecimal() and len(id) < MAX_ID_DIGITS else None
    return int(id) if isinstance(id, (int, float)) and id == id // 1 else None


def check_polygons(polygons: Sequence[Sequence[float]], height: int, width: int, limits: Limits) -> None:
    """Refuse polygons that cannot be rasterized in bounded memory; pycocotools ends the process for lack of memory.

    Raises:
        ValueError: If a coordinate is not a number or lies far outside the image, or points or edges exceed the limits.
    """
    limits.check("max_points", sum(map(len, polygons)) // 2, "the segmentation")
    reach = REACH * max(height, width)  # px
    for polygon in polygons:
        total = sum(polygon)
        if not (min(polygon) >= -reach and max(polygon) <= reach and total == total):  # The sum shows a NaN, which has no order.
            raise ValueError(f"a polygon lies far outside the image of {width}x{height} pixels, or has a coordinate that is not a number")
    if 2 * reach * sum(map(len, polygons)) > limits.max_edge_length:  # The exact length takes longer.
        corners = [np.reshape(polygon, (-1, 2)).astype(np.float64) for polygon in polygons]
        lengths = [np.abs(own - np.roll(own, -1, axis=0)).max(axis=1).sum() for own in corners]
        limits.check("max_edge_length", int(sum(lengths)), "the segmentation")


# ---- writing back --------------------------------------------------------------------------------------------------


class KeptFields(NamedTuple):
    """The fields of a COCO file that an instance was read with.

    Attributes:
        shape: Segmentation, bbox and area as they were in the file; None if the mask has changed, or the file had run lengths.
        others: The fields that do not depend on the mask.
    """

    shape: dict[str, Any] | None
    others: dict[str, Any]


def kept_annotation(counts: str, height: int, width: int, extra: Mapping[str, Any]) -> KeptFields:
    """Return the fields to write back for an instance.

    Args:
        counts: The mask as compressed run lengths.
        height: Its height in pixels.
        width: Its width in pixels.
        extra: `Instance.extra`.
    """
    others = dict(fields_of(extra))
    digest = others.pop(DIGEST_KEY, None)
    shape = {key: others.pop(key) for key in SHAPE_KEYS if key in others}
    is_unchanged = digest is not None and digest == _digest(counts, height, width)
    return KeptFields(shape if is_unchanged else None, others)


def kept_text(counts: str, height: int, width: int, extra: str | None) -> str:
    """Return the fields to write back for an instance as they stand in JSON text, without braces.

    This takes less time than `kept_annotation`, since no number is formatted.

    Args:
        counts: The mask as compressed run lengths.
        height: Its height in pixels.
        width: Its width in pixels.
        extra: `Instance.extra` as JSON.

    Returns:
        The text; "" if the mask has changed, or a field of the instance may take the place of one in the text.
    """
    start, end = f'{{"{FORMAT}":{{', f',"{DIGEST_KEY}":"{_digest(counts, height, width)}"}}}}'
    if not isinstance(extra, str) or not (extra.startswith(start) and extra.endswith(end)):
        return ""
    fields = extra[len(start) : -len(end)]
    keys = json_keys(f"{{{fields}}}")  # The text may have been written by another program.
    return "" if keys is None or keys & REPLACED_KEYS else fields


def other_fields(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Instance.extra` that do not depend on the mask."""
    return {key: value for key, value in fields_of(extra).items() if key != DIGEST_KEY and key not in SHAPE_KEYS}


def fields_of(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of COCO files in the `extra` of an instance, an item or a data set."""
    own = extra.get(FORMAT)
    return own if isinstance(own, dict) else {}


def _digest(counts: str, height: int, width: int) -> str:
    return hashlib.blake2b(f"{height}x{width}:{counts}".encode(), digest_size=DIGEST_BYTES).hexdigest()
