"""Instances as a catalogue stores them.

The instances of items are encoded without decoding the run lengths that they have already.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from numbers import Integral
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np

from cdwidget.formats.coco import AnnotationLoader, Crowd
from cdwidget.formats.instances import LazyInstances
from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask, pack, unpack
from cdwidget.rle import Extent, decode, encode, measure

MAX_SQLITE_INTEGER = 2**63 - 1


@dataclass(frozen=True)
class Record:
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

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) in pixels, half-open."""
        return self.x0, self.y0, self.x1, self.y1

    def instance(self, height: int, width: int) -> Instance:
        """Decode the instance for an image size in pixels; raise ValueError if it is damaged."""
        kind = Crowd if self.crowd else Instance
        alpha = None if self.alpha is None else unpack(self.alpha, height, width)
        return kind(decode(self.counts, height, width), self.label, self.number, alpha)


COLUMNS = tuple(field.name for field in fields(Record))
MASK_COLUMNS = ("counts", "alpha")  # Columns of the table `masks`.
INSTANCE_COLUMNS = tuple(name for name in COLUMNS if name not in MASK_COLUMNS)  # Columns of the table `instances`.


def columns(record: Record, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of some columns of a record."""
    return tuple(getattr(record, name) for name in names)


def record_to_json(record: Record) -> dict[str, Any]:
    """Return a record as plain JSON."""
    return {**dict(zip(COLUMNS, astuple(record))), "alpha": None if record.alpha is None else record.alpha.hex()}


def record_from_json(data: Mapping[str, Any]) -> Record:
    """Return the record that `record_to_json` converted."""
    return Record(**{**data, "alpha": None if data["alpha"] is None else bytes.fromhex(data["alpha"])})


@dataclass(frozen=True)
class EncodedItem:
    """An item ready to be stored.

    Attributes:
        item: The item.
        size: (height, width) of its masks in pixels; None without masks.
        records: Its instances.
        problems: Descriptions of the instances that could not be encoded.
    """

    item: Item
    size: tuple[int, int] | None
    records: list[Record]
    problems: list[str]


def encode_items(items: Sequence[Item], status: str) -> list[EncodedItem]:
    """Encode the instances of items.

    Args:
        items: The items, best some hundred of them: their masks are measured together.
        status: Status of all records.

    Returns:
        One encoded item each; instances that cannot be encoded are omitted and described in `problems`.
    """
    encoded: list[list[_EncodedInstance]] = []
    problems: list[list[str]] = [[] for _ in items]
    for item, described in zip(items, problems):
        own = []
        for result in _encoded_instances(item):
            if isinstance(result, Exception):
                described.append(str(result))
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
    (encoded,) = encode_items([Item("", list(instances))], "new")
    if encoded.problems:
        raise ValueError("; ".join(encoded.problems))
    return encoded


@dataclass(frozen=True)
class _EncodedInstance:
    """An instance whose mask is encoded but not measured yet."""

    id: Any
    label: str
    crowd: bool
    counts: str
    size: tuple[int, int]
    alpha: bytes | None = None

    def __post_init__(self) -> None:
        try:
            self.label.encode()
        except (AttributeError, UnicodeEncodeError) as error:
            raise ValueError(f'a label must be text ("" for none), not {self.label!r}') from error


def _encoded_instances(item: Item) -> Iterator[_EncodedInstance | Exception]:
    """Yield the encoded instances of an item; for one that cannot be encoded, the error."""
    load = item.instances.load if isinstance(item.instances, LazyInstances) else None
    for index in range(len(item.instances)):
        try:
            if isinstance(load, AnnotationLoader):  # A COCO file has masks that need not be decoded.
                found = load.encoded(index)
                yield _EncodedInstance(found.id, found.label, found.is_crowd, found.counts, (load.height, load.width))
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
    return _EncodedInstance(instance.id, instance.label, isinstance(instance, Crowd), encode(mask), (shape[0], shape[1]), alpha)


def _encoded_item(
    item: Item, encoded: Sequence[_EncodedInstance], extents: Sequence[Extent | None], status: str, problems: list[str]
) -> EncodedItem:
    size = encoded[0].size if encoded else None
    valid = []
    for position, (instance, extent) in enumerate(zip(encoded, extents), 1):
        if extent is None:
            problems.append(f"instance {instance.id or position}: its run lengths do not fill {instance.size[1]}x{instance.size[0]} pixels")
        elif instance.size != size:
            problems.append(f"instance {instance.id or position}: its mask is {instance.size}, the first one is {size} (height, width)")
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
            Record(int(number), position, instance.label, status, instance.crowd, *extent, instance.counts, instance.alpha)
        )  # fmt: skip
    return EncodedItem(item, size, records, problems)


def _is_number(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) < MAX_SQLITE_INTEGER
