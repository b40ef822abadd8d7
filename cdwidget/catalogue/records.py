"""Instances as a catalogue keeps them: made from items, without decoding what is encoded already, and made into instances again."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import partial
from numbers import Integral
from typing import Any, Iterable, Iterator, Mapping, Sequence

import numpy as np
from pycocotools import mask as reference

from cdwidget.formats import coco
from cdwidget.formats.io import Lazy
from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask, pack, unpack
from cdwidget.rle import Extent, decode, encode, measure

LARGEST = 2**63 - 1  # what SQLite can keep


@dataclass(frozen=True)
class Record:
    """One instance: its columns. number: its id in a session. position: in painting order. counts: compressed run lengths."""

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
        """(x0, y0, x1, y1), half-open."""
        return self.x0, self.y0, self.x1, self.y1

    def instance(self, height: int, width: int) -> Instance:
        """Decode it; ValueError when its run lengths are damaged."""
        kind = coco.Crowd if self.crowd else Instance
        alpha = None if self.alpha is None else unpack(self.alpha, height, width)
        return kind(decode(self.counts, height, width), self.label, self.number, alpha)


COLUMNS = tuple(field.name for field in fields(Record))
OF_MASK = ("counts", "alpha")  # the columns that lie in `masks`
OF_INSTANCE = tuple(name for name in COLUMNS if name not in OF_MASK)


def columns(record: Record, names: Sequence[str]) -> tuple[Any, ...]:
    """Return some columns of a record."""
    return tuple(getattr(record, name) for name in names)


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as plain JSON."""
    return {**dict(zip(COLUMNS, astuple(record))), "alpha": None if record.alpha is None else record.alpha.hex()}


def from_json(data: Mapping[str, Any]) -> Record:
    """Return the record of `as_json`'s answer."""
    return Record(**{**data, "alpha": None if data["alpha"] is None else bytes.fromhex(data["alpha"])})


@dataclass(frozen=True)
class _Encoded:
    """An instance whose pixels have been encoded, and not been measured yet."""

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


@dataclass(frozen=True)
class Recorded:
    """What an item became: (height, width), None where no mask tells it; its records; and what of it could not be kept, in words."""

    item: Item
    size: tuple[int, int] | None
    records: list[Record]
    problems: list[str]


def record_items(items: Sequence[Item], status: str) -> list[Recorded]:
    """Encode the instances of items; a broken one is left out and said to be. Masks are measured all at once: give some hundred items."""
    encoded: list[list[_Encoded]] = []
    problems: list[list[str]] = [[] for _ in items]
    for item, wrong in zip(items, problems):
        own = []
        for one in _encoded(item):
            if isinstance(one, Exception):
                wrong.append(str(one))
            else:
                own.append(one)
        encoded.append(own)
    every = [one for own in encoded for one in own]
    extents = iter(measure([one.counts for one in every], [one.size for one in every]))
    return [_recorded(item, own, [next(extents) for _ in own], status, wrong) for item, own, wrong in zip(items, encoded, problems)]


def record_instances(instances: Iterable[Instance]) -> Recorded:
    """Encode the instances of one item, as new ones; ValueError for what is broken."""
    (found,) = record_items([Item("", list(instances))], "new")
    if found.problems:
        raise ValueError("; ".join(found.problems))
    return found


def _recorded(item: Item, encoded: Sequence[_Encoded], extents: Sequence[Extent | None], status: str, problems: list[str]) -> Recorded:
    size = encoded[0].size if encoded else None
    good = []
    for place, (one, extent) in enumerate(zip(encoded, extents), 1):
        if extent is None:
            problems.append(f"instance {one.id or place}: its run lengths do not fill {one.size[1]}x{one.size[0]} pixels")
        elif one.size != size:
            problems.append(f"instance {one.id or place}: its mask is {one.size}, that of the first is {size} (height, width)")
        else:
            good.append((one, extent))
    taken = {one.id for one, _ in good if _is_number(one.id)}
    free, used, records = max(taken, default=0) + 1, set(), []
    for position, (one, extent) in enumerate(good):
        number = one.id
        if not _is_number(number) or number in used:
            number, free = free, free + 1
        used.add(number)
        records.append(Record(int(number), position, one.label, status, one.crowd, *extent, one.counts, one.alpha))
    return Recorded(item, size, records, problems)


def _is_number(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and 1 <= int(value) < LARGEST


def _encoded(item: Item) -> Iterator[_Encoded | Exception]:
    """The instances of an item, encoded; in place of a broken one what is wrong with it."""
    load = item.instances._load if isinstance(item.instances, Lazy) else None
    if isinstance(load, partial) and load.func is coco._load:  # run lengths and polygons as the file has them
        _, records, labels, height, width = load.args
        for index, record in enumerate(records):
            try:
                counts = _counts(record["segmentation"], height, width)
                if counts is None:
                    yield _encode(item.instances[index])
                else:
                    yield _Encoded(record.get("id"), labels[record["category_id"]], bool(record.get("iscrowd")), counts, (height, width))
            except Exception as error:
                yield error
        return
    for index in range(len(item.instances)):
        try:
            yield _encode(item.instances[index])
        except Exception as error:  # whatever a file that is read late holds
            yield error


def _encode(instance: Instance) -> _Encoded:
    shape = np.shape(instance.mask)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"a mask is (H, W) with at least one pixel, not {shape}")
    mask = as_mask(instance.mask, *shape)
    if instance.alpha is not None and (instance.alpha.shape != shape or instance.alpha.dtype != np.uint8):
        raise ValueError(f"the alpha is {instance.alpha.dtype} {instance.alpha.shape}, not uint8 {shape}")
    alpha = None if instance.alpha is None else pack(instance.alpha)
    return _Encoded(instance.id, instance.label, isinstance(instance, coco.Crowd), encode(mask), (shape[0], shape[1]), alpha)


def _counts(shape: Any, height: int, width: int) -> str | None:
    """Compressed run lengths of a COCO segmentation, taken over or drawn; None for what `coco` had better look at itself."""
    if isinstance(shape, Mapping):
        fits = isinstance(shape["counts"], str) and list(shape["size"]) == [height, width]
        return shape["counts"] if fits else None
    far = 10 * max(height, width)
    if not all(abs(coordinate) <= far for polygon in shape for coordinate in polygon):
        return None
    counts: bytes = reference.merge(reference.frPyObjects(shape, height, width))["counts"]
    return counts.decode("ascii")
