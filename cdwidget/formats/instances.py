"""Instances of a data set: decoded when they are accessed, so that a long list of items stays small, and checked when they are written."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Callable, Iterable, Iterator, Sequence, overload

import numpy as np

from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask


class LazyInstances(Sequence[Instance]):
    """A sequence of instances that are decoded at every access.

    Attributes:
        load: Yields the instances at the given indices; a value that can be pickled.
    """

    def __init__(self, count: int, load: Callable[[Iterable[int]], Iterator[Instance]]) -> None:
        self._indices = range(count)
        self.load = load

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Instance]:
        return self.load(self._indices)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return list(self.load(self._indices[index]))
        return next(self.load([self._indices[index]]))

    def __repr__(self) -> str:
        return f"<{len(self)} instances, decoded on access>"


def checked_instances(item: Item, height: int, width: int) -> Iterator[Instance]:
    """Yield an item's instances with bool masks.

    Raises:
        ValueError: If a mask or an alpha does not fit the image.
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
    """Return the alpha matte of an instance, uint8 (H, W), by default 255 in the mask."""
    return instance.mask * np.uint8(255) if instance.alpha is None else instance.alpha


def mask_digest(mask: np.ndarray) -> str:
    """Return a digest of a mask, bool (H, W): shapes of a file are written back while their mask has the digest it had when read."""
    return blake2b(np.packbits(mask).tobytes(), digest_size=16).hexdigest()


def soft_alpha(alpha: np.ndarray) -> np.ndarray | None:
    """Return an alpha matte, or None if it has only 0 and 255 and thus equals a mask."""
    return alpha if ((alpha > 0) & (alpha < 255)).any() else None
