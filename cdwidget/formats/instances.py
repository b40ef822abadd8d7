"""Instances of a data set: decoded when they are accessed, so that a long list of items stays small, and checked when they are written."""

from __future__ import annotations

import warnings
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Callable, Iterable, Iterator, Sequence, overload

import numpy as np

from cdwidget.formats.dataset import MAX_SHOWN_PROBLEMS, Problems, ReadError, ReadProblem
from cdwidget.items import Instance, Item
from cdwidget.masks import as_mask

STRICT = Problems(strict=True)


class InstanceWarning(UserWarning):
    """An instance of a data set was left out, because it cannot be decoded."""


class LazyInstances(Sequence[Instance]):
    """A sequence of instances that are decoded at every access.

    Iterating leaves out an instance that cannot be decoded and adds it to the problems of its data set, once; the first few are shown as
    warnings. Accessing it by its index raises ValueError.

    Attributes:
        load: Yields the instances at the given indices, and raises `ReadError` for one that is broken; a value that can be pickled.
    """

    def __init__(self, count: int, load: Callable[[Iterable[int]], Iterator[Instance]], problems: Problems = STRICT) -> None:
        """Describe instances of a file.

        Args:
            count: Number of instances.
            load: Yields the instances at the given indices.
            problems: Receives the instances that cannot be decoded; by default iterating raises.
        """
        self._indices = range(count)
        self.load = load
        self._problems = problems
        self._left_out: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        # Another process has its own problems: those of a data set may be many.
        return {**self.__dict__, "_problems": Problems(strict=self._problems.strict)}

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Instance]:
        next_index = 0
        while next_index < len(self._indices):
            try:
                for instance in self.load(self._indices[next_index:]):
                    next_index += 1
                    yield instance
                return
            except ReadError as error:
                if self._problems.strict:
                    raise
                self._leave_out(next_index, error.problem)
                next_index += 1

    def _leave_out(self, index: int, problem: ReadProblem) -> None:
        if index in self._left_out:
            return
        self._left_out.add(index)
        self._problems.report(problem)
        if self._problems.total <= MAX_SHOWN_PROBLEMS:
            warnings.warn(f"an instance was left out: {problem}", InstanceWarning, stacklevel=3)

    @overload
    def __getitem__(self, index: int) -> Instance: ...
    @overload
    def __getitem__(self, index: slice) -> list[Instance]: ...
    def __getitem__(self, index: int | slice) -> Instance | list[Instance]:
        if isinstance(index, slice):
            return list(self.load(self._indices[index]))
        return next(iter(self.load([self._indices[index]])))

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
