"""Instances on their way from a file, decoded when they are asked for, and on their way into one, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Callable, Iterable, Iterator, overload

import numpy as np

from cdwidget.formats.files import image_path, image_size
from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask


class Lazy(Sequence[Instance]):
    """A sequence of instances that `load` makes from their indices, anew at every access: a long list of items stays small.

    load: given the indices wanted, yields their instances; a `functools.partial` of a function, so that an item can be pickled.
    """

    def __init__(self, count: int, load: Callable[[Iterable[int]], Iterator[Instance]]) -> None:
        self._indices = range(count)
        self._load = load

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Instance]:
        return self._load(self._indices)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return list(self._load(self._indices[index]))
        return next(self._load([self._indices[index]]))

    def __repr__(self) -> str:
        return f"<{len(self)} instances, read when asked for>"


def item_size(item: Item) -> tuple[int, int]:
    """Return (height, width) of an item: from its image's header, or where there is no such file from its first mask.

    Raises FileNotFoundError when there is neither.
    """
    path = image_path(item)
    if os.path.isfile(path):
        return image_size(path)
    for instance in item.instances:
        height, width = np.shape(instance.mask)
        return height, width
    raise FileNotFoundError(f"there is no image {path}, and no mask to tell its size; every item needs one of them")


def checked_instances(item: Item, height: int, width: int) -> Iterator[Instance]:
    """Yield the instances of an item, their masks bool (height, width) whatever they were, each after a look whether it fits.

    Raises ValueError that names the item and the instance.
    """
    for number, instance in enumerate(item.instances, 1):
        try:
            mask = as_mask(instance.mask, height, width)
            if instance.alpha is not None and (instance.alpha.shape != (height, width) or instance.alpha.dtype != np.uint8):
                raise ValueError(f"its alpha is {instance.alpha.dtype} {instance.alpha.shape}, not uint8 ({height}, {width})")
        except ValueError as error:
            raise ValueError(f"{item.path}, instance {number} ({instance.label!r}): {error}") from error
        yield replace(instance, mask=mask)


def alpha_of(instance: Instance) -> np.ndarray:
    """Return the alpha of an instance, uint8 (H, W); that of a mask without one is 255 in it and 0 elsewhere."""
    return instance.mask * np.uint8(255) if instance.alpha is None else instance.alpha


def soft(alpha: np.ndarray) -> np.ndarray | None:
    """Return an alpha, or None when it says no more than a mask does: 0 and 255."""
    return alpha if ((alpha > 0) & (alpha < 255)).any() else None
