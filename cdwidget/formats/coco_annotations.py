"""The annotations of one COCO image: checked when the file is read, decoded on access."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence, TypeGuard

import numpy as np

from cdwidget import rle
from cdwidget.items import Instance


@dataclass(frozen=True, eq=False, repr=False)
class Crowd(Instance):
    """A region of several objects, `iscrowd` in COCO; in a session an ordinary instance."""


class EncodedInstance(NamedTuple):
    """An annotation whose mask is compressed run lengths; its other fields are those of `Instance`."""

    id: int | None
    label: str
    is_crowd: bool
    counts: str
    attributes: Mapping[str, Any]
    score: float | None
    track_id: int | None
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class AnnotationLoader:
    """The annotations of one image, decoded on access: the `load` of `LazyInstances`.

    Attributes:
        path: The annotation file, named in error messages.
        records: The image's annotations as in the file; "id" is None if an instance cannot have it.
        labels: The label of each category id.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """

    path: Path
    records: Sequence[Mapping[str, Any]]
    labels: Mapping[int, str]
    height: int
    width: int

    def __call__(self, indices: Iterable[int]) -> Iterator[Instance]:
        """Yield the instances at these indices; raise ValueError for a broken annotation."""
        for index in indices:
            record = self.records[index]
            with self._naming_annotation(index):
                mask = self._mask(record["segmentation"])
            kind = Crowd if record.get("iscrowd") else Instance
            yield kind(mask, self.labels[record["category_id"]], record["id"], **_optional_fields(record))

    def encoded(self, index: int) -> EncodedInstance:
        """Return an instance as compressed run lengths, unchecked if the file has them."""
        record = self.records[index]
        with self._naming_annotation(index):
            counts = self._counts(record["segmentation"])
        return EncodedInstance(
            record["id"], self.labels[record["category_id"]], bool(record.get("iscrowd")), counts, **_optional_fields(record)
        )

    def _counts(self, segmentation: Mapping[str, Any] | list[list[float]]) -> str:
        if isinstance(segmentation, list):
            self._check_range(segmentation)
            return rle.encode_polygons(segmentation, self.height, self.width)
        if isinstance(segmentation["counts"], str) and list(segmentation["size"]) == [self.height, self.width]:
            return segmentation["counts"]
        return rle.encode(self._mask(segmentation))

    def _mask(self, segmentation: Mapping[str, Any] | list[list[float]]) -> np.ndarray:
        if isinstance(segmentation, list):
            self._check_range(segmentation)
            return rle.decode_polygons(segmentation, self.height, self.width)
        if list(segmentation["size"]) != [self.height, self.width]:
            raise ValueError(f"its size is {segmentation['size']}, the image is [{self.height}, {self.width}] (height, width)")
        if isinstance(segmentation["counts"], str):
            return rle.decode(segmentation["counts"], self.height, self.width)
        return rle.decode_uncompressed(segmentation)

    def _check_range(self, polygons: list[list[float]]) -> None:
        """Refuse coordinates that are no numbers, or so far outside that rasterizing is slow."""
        limit = 10 * max(self.height, self.width)  # px
        if not all(abs(coordinate) <= limit for polygon in polygons for coordinate in polygon):
            raise ValueError(f"a polygon lies far outside the image of {self.width}x{self.height} pixels")

    @contextmanager
    def _naming_annotation(self, index: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # pycocotools raises errors of many types.
            number = self.records[index]["id"]
            name = f"{index + 1} of its image" if number is None else number
            raise ValueError(f"{self.path}: the segmentation of annotation {name} cannot be decoded: {error}") from error


def _optional_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Instance` that few annotations have; values of another type are ignored."""
    attributes, score, track_id = record.get("attributes"), record.get("score"), record.get("track_id")
    return {
        "attributes": attributes if isinstance(attributes, Mapping) else {},
        "score": float(score) if is_finite(score) else None,
        "track_id": track_id if type(track_id) is int else None,
        "extra": {},
    }


def find_problem(record: Any, images: Mapping[Any, Any], labels: Mapping[int, str]) -> str:
    """Describe the first problem of an annotation that shows without decoding it; "" for none."""
    if not isinstance(record, Mapping):
        return "is not an object of JSON"
    image, category, segmentation = record.get("image_id"), record.get("category_id"), segmentation_of(record)
    if not isinstance(image, (int, str)) or image not in images:
        return f"belongs to image {image!r}, which is not in the file"
    if not isinstance(category, int) or category not in labels:
        return f"has category {category!r}, which is not in the file"
    if not segmentation:
        return "has neither a segmentation nor a bbox [x, y, width, height]; add one of them, or remove the annotation"
    if isinstance(segmentation, Mapping):
        return "" if {"size", "counts"} <= segmentation.keys() else "has run lengths without size or counts"
    if not isinstance(segmentation, list):
        return f"has {type(segmentation).__name__} for a segmentation; allowed are run lengths and a list of polygons"
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            return "has a polygon that is not a list of at least three points: [x0, y0, x1, y1, x2, y2, ...]"
    return ""


def segmentation_of(record: Mapping[str, Any]) -> Any:
    """Return the segmentation without degenerate polygons, or else the box as a polygon."""
    segmentation = record.get("segmentation")
    if isinstance(segmentation, list):
        segmentation = [part for part in segmentation if not isinstance(part, list) or len(part) not in (0, 2, 4)]
    box = record.get("bbox")
    if segmentation or not (isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box) and min(box[2:]) > 0):
        return segmentation
    x, y, width, height = box
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a float can hold, not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
