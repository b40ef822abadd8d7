"""An immutable, ordered mapping whose edited copies share most of their memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")

BLOCK_ITEMS = 64  # A block is copied as a whole, and the list of blocks too.


class Block(dict[int, Value]):
    """A part of a mapping; neither it nor a result computed from its values ever changes."""

    def __init__(self, items: Iterable[tuple[int, Value]]) -> None:
        super().__init__(items)
        self.results: dict[Callable[[Collection[Value]], Any], Any] = {}


class BlockMap(Generic[Value]):
    """A mapping from ids to values in a fixed order.

    It is divided into small blocks. An edit copies one block and shares the others, and a comparison skips shared blocks, so neither
    takes much longer with thousands of items.

    Args:
        items: Pairs of an id and its value.
    """

    __slots__ = ("_blocks",)

    def __init__(self, items: Iterable[tuple[int, Value]] = ()) -> None:
        self._blocks: tuple[Block[Value], ...] = _divide(list(items))

    def __getitem__(self, id: int) -> Value:
        for block in self._blocks:
            if id in block:
                return block[id]
        raise KeyError(id)

    def __contains__(self, id: object) -> bool:
        for block in self._blocks:
            if id in block:
                return True
        return False

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._blocks)

    def items(self) -> Iterator[tuple[int, Value]]:
        """Return the ids and their values, in order."""
        return chain.from_iterable(block.items() for block in self._blocks)

    def values(self) -> Iterator[Value]:
        """Return the values, in order."""
        return chain.from_iterable(block.values() for block in self._blocks)

    def get(self, id: int, default: Any = None) -> Any:
        """Return a value, or a default if there is no such id."""
        for block in self._blocks:
            if id in block:
                return block[id]
        return default

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BlockMap):
            return NotImplemented
        return not any(self.differing_ids(other)[1:]) and self._unshared(other) == other._unshared(self)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"BlockMap({dict(self.items())})"

    @property
    def edit_nbytes(self) -> int:
        """Approximate memory of a copy with one edit, in bytes."""
        return 64 * min(len(self), BLOCK_ITEMS) + 8 * len(self._blocks)

    def computed(self, compute: Callable[[Collection[Value]], Result]) -> Iterator[tuple[Collection[int], Result]]:
        """Yield the ids of each block, and a result for its values.

        A result is computed once: edited copies compute it only for the block that was edited.

        Args:
            compute: Returns the result for the values of a block.
        """
        for block in self._blocks:
            if compute not in block.results:
                block.results[compute] = compute(block.values())
            yield block.keys(), block.results[compute]

    def position(self, id: int) -> int:
        """Return the position of an id; raises KeyError if there is none."""
        start = 0
        for block in self._blocks:
            if id in block:
                return start + list(block).index(id)
            start += len(block)
        raise KeyError(id)

    def set(self, id: int, value: Value) -> BlockMap[Value]:
        """Return a copy with a value replaced, or a new id at the end."""
        if id not in self:
            return self.splice(len(self), 0, [(id, value)])
        return self if self[id] is value else self.splice(self.position(id), 1, [(id, value)])

    def without(self, id: int) -> BlockMap[Value]:
        """Return a copy without an id, if it has that."""
        return self.splice(self.position(id), 1) if id in self else self

    def splice(self, start: int, removed: int, added: Iterable[tuple[int, Value]] = ()) -> BlockMap[Value]:
        """Return a copy with a range of items replaced.

        Args:
            start: Position of the first item that is replaced.
            removed: Number of items that are replaced.
            added: New items in their place, whose ids are not among the others.
        """
        first = begin = 0
        while first < len(self._blocks) - 1 and begin + len(self._blocks[first]) <= start:
            begin += len(self._blocks[first])
            first += 1
        last, end = first, begin
        while last < len(self._blocks) and (last == first or end < start + removed):
            end += len(self._blocks[last])
            last += 1
        items = list(chain.from_iterable(block.items() for block in self._blocks[first:last]))
        items[start - begin : start - begin + removed] = added
        return self._of((*self._blocks[:first], *_divide(items), *self._blocks[last:]))

    def differing_ids(self, other: BlockMap[Value]) -> tuple[int, list[int], list[int]]:
        """Return the length of the common start of two orders of ids, and of each the ids up to their common end."""
        mine, others = self._blocks, other._blocks
        shortest, start, end = min(len(mine), len(others)), 0, 0
        while start < shortest and _has_same_ids(mine[start], others[start]):
            start += 1
        while end < shortest - start and _has_same_ids(mine[-1 - end], others[-1 - end]):
            end += 1
        a, b = (list(chain.from_iterable(blocks[start : len(blocks) - end])) for blocks in (mine, others))
        shortest, first, last = min(len(a), len(b)), 0, 0
        while first < shortest and a[first] == b[first]:
            first += 1
        while last < shortest - first and a[-1 - last] == b[-1 - last]:
            last += 1
        return sum(map(len, mine[:start])) + first, a[first : len(a) - last], b[first : len(b) - last]

    def changed_since(self, older: BlockMap[Value]) -> list[Value]:
        """Return the values that an older mapping does not have under the same id."""
        before = older._unshared(self)
        return [value for id, value in self._unshared(older).items() if id not in before or not _is_equal(before[id], value)]

    def _unshared(self, other: BlockMap[Value]) -> dict[int, Value]:
        """Return the items of the blocks that another mapping does not have."""
        items: dict[int, Value] = {}
        shared = set(map(id, other._blocks))
        for block in self._blocks:
            if id(block) not in shared:
                items.update(block)
        return items

    @classmethod
    def _of(cls, blocks: tuple[Block[Value], ...]) -> BlockMap[Value]:
        found: BlockMap[Value] = cls()
        found._blocks = blocks
        return found


def _divide(items: list[tuple[int, Value]]) -> tuple[Block[Value], ...]:
    """Return items in blocks of nearly equal size."""
    count = -(-len(items) // BLOCK_ITEMS)
    return tuple(Block(items[len(items) * index // count : len(items) * (index + 1) // count]) for index in range(count))


def _has_same_ids(a: dict[int, Any], b: dict[int, Any]) -> bool:
    return a is b or (len(a) == len(b) and list(a) == list(b))


def _is_equal(a: Any, b: Any) -> bool:
    return a is b or bool(a == b)
