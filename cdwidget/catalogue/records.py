"""Instances as a catalogue stores them.

The instances of items are encoded without decoding the run lengths that they have already.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real
from operator import attrgetter
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np

from cdwidget.catalogue.images import file_name
from cdwidget.formats.coco_annotations import AnnotationLoader, Crowd, EncodedInstance
from cdwidget.formats.dataset import ReadProblem
from cdwidget.formats.instances import LazyInstances
from cdwidget.formats.io import parse_json, to_json_bytes
from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask, pack, unpack
from cdwidget.rle import Extent, decode, encode, measure

MAX_SQLITE_INTEGER = 2**63 - 1


class Record(NamedTuple):
    """One stored instance; its attributes are columns of the tables `instances` and `masks`.

    Attributes:
        number: Its id within the item and in sessions.
        position: Its place in the painting order.
        label: Its class; "" for none.
        status: One of STATUSES.
        crowd: Whether it is a region of objects that are not separated.
        area: Number of pixels.
        x0: Left of the bbox in pixels.
        y0: Top of the bbox in pixels.
        x1: Right of the bbox in pixels, exclusive.
        y1: Bottom of the bbox in pixels, exclusive.
        counts: Compressed run lengths of the mask.
        alpha: Alpha matte as packed by `masks.pack`; None for none.
        confidence: `Instance.score`; None for none.
        track_id: `Instance.track_id`; None for none.
        attributes: `Instance.attributes` as JSON; None for none.
        extra: `Instance.extra` as JSON; None for none.
    """

    number: int
    position: int
    label: str
    status: str
    crowd: bool
    area: int
    x0: int
    y0: int
    x1: int
    y1: int
    counts: str
    alpha: bytes | None = None
    confidence: float | None = None
    track_id: int | None = None
    attributes: str | None = None
    extra: str | None = None

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, half-open."""
        return self.x0, self.y0, self.x1, self.y1

    def instance(self, height: int, width: int) -> Instance:
        """Decode the instance for an image size in pixels; raise ValueError if it is damaged."""
        if not isinstance(self.counts, str) or not isinstance(self.label, str):
            raise ValueError(f"instance {self.number} is damaged: its label or mask is not text")
        kind = Crowd if self.crowd else Instance
        alpha = None if self.alpha is None else unpack(self.alpha, height, width)
        return kind(
            decode(self.counts, height, width), self.label, self.number, alpha,
            attributes=from_json(self.attributes), score=self.confidence, track_id=self.track_id, extra=from_json(self.extra),
        )  # fmt: skip


COLUMNS = Record._fields
MASK_COLUMNS = ("counts", "alpha", "extra")  # Columns of the table `masks`.
INSTANCE_COLUMNS = tuple(name for name in COLUMNS if name not in MASK_COLUMNS)  # Columns of the table `instances`.
instance_values = attrgetter(*INSTANCE_COLUMNS)
mask_values = attrgetter(*MASK_COLUMNS)


def record_to_json(record: Record) -> dict[str, Any]:
    """Return a record as plain JSON."""
    return {**record._asdict(), "alpha": None if record.alpha is None else record.alpha.hex()}


def record_from_json(data: Mapping[str, Any]) -> Record:
    """Return the record that `record_to_json` converted."""
    return Record(**{**data, "alpha": None if data["alpha"] is None else bytes.fromhex(data["alpha"])})


def to_json(values: Mapping[str, Any]) -> str | None:
    """Return a JSON object as text that SQLite can search; None for an empty one.

    Numbers that JSON does not have become null; values of other types become text.
    """
    return to_json_bytes(values, default=_plain).decode() if values else None


def with_attribute(record: Record, name: str, value: Any) -> Record:
    """Return a record with a value for an attribute; None removes it."""
    others = {key: old for key, old in from_json(record.attributes).items() if key != name}
    return record._replace(attributes=to_json(others if value is None else {**others, name: value}))


def from_json(text: str | None) -> dict[str, Any]:
    """Return the JSON object of a text of `to_json`; empty for None or another value."""
    if not text:
        return {}
    try:
        values = parse_json(text)
    except (ValueError, RecursionError, TypeError):  # Another program wrote it.
        return {}
    return values if isinstance(values, dict) else {}


def _plain(value: Any) -> Any:
    """Convert a value that is not JSON: NumPy scalars and arrays to plain ones, others to text."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)


@dataclass(frozen=True)
class EncodedItem:
    """An item ready to be stored.

    Attributes:
        item: The item.
        size: (height, width) of its masks in pixels; None without masks.
        records: Its instances.
        problems: The instances that could not be encoded.
    """

    item: Item
    size: tuple[int, int] | None
    records: list[Record]
    problems: list[ReadProblem]


def encode_items(items: Sequence[Item], status: str) -> list[EncodedItem]:
    """Encode the instances of items.

    Args:
        items: The items, best some hundred of them: their masks are measured together.
        status: Status of all records.

    Returns:
        One encoded item each; instances that cannot be encoded are omitted and described in `problems`.
    """
    encoded: list[list[_EncodedInstance]] = []
    problems: list[list[ReadProblem]] = [[] for _ in items]
    for item, described in zip(items, problems):
        own = []
        for position, result in enumerate(_encoded_instances(item), 1):
            if isinstance(result, Exception):
                known = getattr(result, "problem", None)
                described.append(known if isinstance(known, ReadProblem) else _problem(item, position, str(result)))
            else:
                own.append(result)
        encoded.append(own)
    every = [instance for own in encoded for instance in own]
    extents = iter(measure([instance.counts for instance in every], [instance.size for instance in every]))
    return [
        _encoded_item(item, own, [next(extents) for _ in own], status, described)
        for item, own, described in zip(items, encoded, problems)
    ]  # fmt: skip


def encode_instances(instances: Iterable[Instance]) -> EncodedItem:
    """Encode the instances of one item with status "new"; raise ValueError if one cannot be encoded."""
    listed = instances if isinstance(instances, Sequence) else list(instances)  # Those of a session are unpacked one by one.
    (encoded,) = encode_items([Item("", listed)], "new")
    if encoded.problems:
        raise ValueError("; ".join(f"instance {problem.annotation}: {problem.message}" for problem in encoded.problems))
    return encoded


class _EncodedInstance(NamedTuple):
    """An instance whose mask is encoded but not measured yet."""

    id: Any
    label: str
    crowd: bool
    counts: str
    size: tuple[int, int]
    alpha: bytes | None = None
    confidence: float | None = None
    track_id: int | None = None
    attributes: str | None = None
    extra: str | None = None

    @classmethod
    def of(
        cls, instance: Instance | EncodedInstance, counts: str, size: tuple[int, int], is_crowd: bool, alpha: bytes | None = None
    ) -> _EncodedInstance:
        """Return an instance with encoded mask; raise ValueError if its label is not text."""
        try:
            instance.label.encode()
        except (AttributeError, UnicodeEncodeError) as error:
            raise ValueError(f'a label must be text ("" for none), not {instance.label!r}') from error
        return cls(
            instance.id, instance.label, is_crowd, counts, size, alpha,
            _confidence(instance.score), _track(instance.track_id), to_json(instance.attributes), to_json(instance.extra),
        )  # fmt: skip


def _encoded_instances(item: Item) -> Iterator[_EncodedInstance | Exception]:
    """Yield the encoded instances of an item; for one that cannot be encoded, the error."""
    load = item.instances.load if isinstance(item.instances, LazyInstances) else None
    for index in range(len(item.instances)):
        try:
            if isinstance(load, AnnotationLoader):  # A COCO file has masks that need not be decoded.
                found = load.encoded(index)
                yield _EncodedInstance.of(found, found.counts, load.size, found.is_crowd)
            else:
                yield _encode(item.instances[index])
        except Exception as error:  # Files are read here, and their content may be anything.
            yield error


def _encode(instance: Instance) -> _EncodedInstance:
    shape = np.shape(instance.mask)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"a mask is (H, W) with at least one pixel, not {shape}")
    mask = as_mask(instance.mask, *shape)
    if instance.alpha is not None and (instance.alpha.shape != shape or instance.alpha.dtype != np.uint8):
        raise ValueError(f"the alpha is {instance.alpha.dtype} {instance.alpha.shape}, not uint8 {shape}")
    alpha = None if instance.alpha is None else pack(instance.alpha)
    return _EncodedInstance.of(instance, encode(mask), (shape[0], shape[1]), isinstance(instance, Crowd), alpha)


def _encoded_item(
    item: Item, encoded: Sequence[_EncodedInstance], extents: Sequence[Extent | None], status: str, problems: list[ReadProblem]
) -> EncodedItem:
    size = encoded[0].size if encoded else None
    valid = []
    for position, (instance, extent) in enumerate(zip(encoded, extents), 1):
        if extent is None:
            message = f"its run lengths do not fill {instance.size[1]}x{instance.size[0]} pixels, so it was left out"
            problems.append(_problem(item, instance.id or position, message))
        elif instance.size != size:
            message = f"its mask is {instance.size}, the first one is {size} (height, width), so it was left out"
            problems.append(_problem(item, instance.id or position, message))
        else:
            valid.append((instance, extent))
    given = {instance.id for instance, _ in valid if _is_number(instance.id)}
    free, used, records = max(given, default=0) + 1, set(), []
    for position, (instance, extent) in enumerate(valid):
        number = instance.id
        if not _is_number(number) or number in used:
            number, free = free, free + 1
        used.add(number)
        records.append(
            Record(
                int(number), position, instance.label, status, instance.crowd, *extent, instance.counts, instance.alpha,
                instance.confidence, instance.track_id, instance.attributes, instance.extra,
            )
        )  # fmt: skip
    return EncodedItem(item, size, records, problems)


def _problem(item: Item, annotation: object, message: str) -> ReadProblem:
    path = os.fspath(item.path)
    return ReadProblem(path, file_name(path), str(annotation), message)


def _confidence(score: Any) -> float | None:
    return float(score) if isinstance(score, Real) and not isinstance(score, bool) and isfinite(score) else None


def _track(number: Any) -> int | None:
    is_whole = isinstance(number, Integral) and not isinstance(number, bool)
    return int(number) if is_whole and abs(int(number)) <= MAX_SQLITE_INTEGER else None


def _is_number(value: Any) -> bool:
    is_whole = type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))  # Most are of type int.
    return is_whole and 1 <= int(value) < MAX_SQLITE_INTEGER
