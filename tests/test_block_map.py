"""The mapping of a document's instances behaves like an ordered dict, and its edited copies share memory."""

from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdwidget.session.block_map import BLOCK_ITEMS, BlockMap

Edit = tuple[str, int, int]
EDITS = st.lists(st.tuples(st.sampled_from(["set", "without", "insert", "move"]), st.integers(0, 400), st.integers(0, 400)), max_size=60)


def edited(found: BlockMap[str], expected: list[tuple[int, str]], edit: Edit) -> tuple[BlockMap[str], list[tuple[int, str]]]:
    """Return a map and a list of its items after an edit."""
    kind, first, second = edit
    ids = [id for id, _ in expected]
    if kind == "set":
        value = f"set {second}"
        if first in ids:
            return found.set(first, value), [(id, value if id == first else old) for id, old in expected]
        return found.set(first, value), [*expected, (first, value)]
    if kind == "without":
        return found.without(first), [item for item in expected if item[0] != first]
    if kind == "insert":
        position = second % (len(expected) + 1)
        new = [(1000 + first + number, "new") for number in range(first % 100) if 1000 + first + number not in ids]
        return found.splice(position, 0, new), [*expected[:position], *new, *expected[position:]]
    if not expected:
        return found, expected
    item = expected[first % len(expected)]
    rest = [one for one in expected if one != item]
    position = second % (len(rest) + 1)
    return found.without(item[0]).splice(position, 0, [item]), [*rest[:position], item, *rest[position:]]


@settings(max_examples=40)
@given(st.integers(0, 200), EDITS)
def test_edits_give_the_same_items_as_those_of_a_list(count: int, edits: list[Edit]) -> None:
    expected = [(id, f"first {id}") for id in range(count)]
    found = BlockMap(expected)
    for edit in edits:
        before, old = found, expected
        found, expected = edited(found, expected, edit)
        ids, old_ids = [id for id, _ in expected], [id for id, _ in old]
        assert list(found.items()) == expected and list(before.items()) == old, "the map before the edit is unchanged"
        assert len(found) == len(expected) and [found.position(id) for id in ids] == list(range(len(ids)))
        assert all(found[id] == value for id, value in expected) and 5000 not in found
        start, removed, added = before.differing_ids(found)
        assert old_ids[:start] + added + old_ids[start + len(removed) :] == ids and old_ids[start : start + len(removed)] == removed
        assert (before == found) == (old == expected) and found == BlockMap(expected)
        assert found.changed_since(before) == [value for id, value in expected if dict(old).get(id) != value]


def test_an_edit_copies_one_block_of_thousands_of_items() -> None:
    whole = BlockMap((id, object()) for id in range(5000))
    for changed in (whole.set(2500, object()), whole.without(17), whole.set(9999, object()), whole.splice(40, 3, [(7777, object())])):
        assert len(changed._unshared(whole)) <= BLOCK_ITEMS + 1
    assert not whole._unshared(whole)
    with pytest.raises(KeyError):
        whole.position(9999)


def test_an_edit_computes_the_result_of_one_block_only() -> None:
    computed: list[int] = []

    def total(values: Collection[int]) -> int:
        computed.append(len(values))
        return sum(values)

    whole = BlockMap((id, id) for id in range(5000))
    assert sum(result for _, result in whole.computed(total)) == sum(range(5000)) and sum(computed) == 5000
    computed.clear()
    for changed in (whole.set(2500, -1), whole.without(17), whole.splice(40, 3, [(7777, 5)])):
        assert [(list(ids), result) for ids, result in changed.computed(total)] == [
            (list(block), sum(block.values())) for block in changed._blocks
        ]
        assert sum(computed) <= BLOCK_ITEMS + 1
        computed.clear()
