"""Instances as wholes: copied, joined, parted, put in order, fitted to each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import SOURCES, Duplicate, Merge, Reorder, Session, Snap, Split
from cdwidget.tools import Brush
from cdwidget.widget import transport as update
from support.scripted_predictor import HEIGHT, IMAGE, LEFT, NOTHING, RIGHT, WIDTH, Erratic, Scripted

masks = hnp.arrays(bool, (HEIGHT, WIDTH), fill=st.booleans())
ALL = np.ones((HEIGHT, WIDTH), bool)


def ids(session):
    return [entry.id for entry in session.state.entries]


def soft(mask):
    alpha = np.where(mask, 255, 0).astype(np.uint8)
    alpha[:, 6], alpha[:, 11] = 80, 70
    return alpha


# ---- order -------------------------------------------------------------------------------------------------------


def test_the_instance_in_front_wins_where_they_overlap():
    session = Session(IMAGE, mask=LEFT, instances=[Instance(ALL, "a", 5), Instance(RIGHT, "b", 2)])
    assert ids(session) == [5, 2, 6]
    assert session.label_map().tolist()[3] == [3] * 6 + [1] * 6 + [2] * 6
    assert session.label_map(ids=True).tolist()[3] == [6] * 6 + [5] * 6 + [2] * 6
    session.apply(Reorder(5, 2))
    assert ids(session) == [2, 6, 5] and [instance.id for instance in session.instances] == [2, 6, 5]
    assert (session.label_map(ids=True) == 5).all() and session.label_map().dtype == np.int32
    session.undo()
    assert ids(session) == [5, 2, 6]
    assert session.apply(Reorder(5, 0)).nothing


@pytest.mark.parametrize(("action", "said"), [(Reorder(1, 2), "no position 2; allowed are 0, .* to 1"), (Reorder(9, 0), "no instance 9")])
def test_an_order_that_cannot_be_is_refused(action, said):
    session = Session(IMAGE, instances=[Instance(LEFT)])
    with pytest.raises(ValueError, match=said):
        session.apply(action)


# ---- copy --------------------------------------------------------------------------------------------------------


def test_a_copy_lies_in_front_of_its_original_and_is_selected():
    session = Session(IMAGE, instances=[Instance(LEFT, "cat", alpha=soft(LEFT)), Instance(RIGHT, "dog")])
    session.apply(Duplicate(1))
    assert ids(session) == [1, 4, 2] and session.selected == 4 and session.label == "cat", "the new one had no pixels"
    assert np.array_equal(session.mask, LEFT) and np.array_equal(session.alpha, soft(LEFT))
    session.apply(Brush(((3, 3),), 2, False))
    assert np.array_equal(session.instances[0].mask, LEFT)
    session.undo()
    session.undo()
    assert ids(session) == [1, 2, 3] and session.selected == 3


def test_nothing_cannot_be_copied():
    with pytest.raises(ValueError, match="instance 1 has no pixels to copy"):
        Session(IMAGE).apply(Duplicate())


# ---- join --------------------------------------------------------------------------------------------------------


def test_two_are_joined_in_one_step_and_each_pixel_keeps_its_source():
    session = Session(IMAGE, mask=RIGHT, instances=[Instance(LEFT, "cat", alpha=soft(LEFT))])
    session.apply(Brush(((14, 5),), 1))
    change = session.apply(Merge(1))
    assert ids(session) == [2] and np.array_equal(session.mask, LEFT | RIGHT)
    assert SOURCES[session.sources[5, 14]] == "brush" and SOURCES[session.sources[5, 2]] == "import"
    assert session.alpha[5, 6] == 80 and session.alpha[5, 14] == 255
    message, buffers = update.difference(change, undone=False)
    assert [(patch["id"], patch["soft"]) for patch in message["patches"]] == [(2, True)] and len(buffers) == 2  # its mask and its alpha
    assert [instance["id"] for instance in message["instances"]] == [2]
    session.undo()
    assert np.array_equal(session.mask, RIGHT) and np.array_equal(session.instances[0].mask, LEFT) and session.instances[0].label == "cat"
    assert session.alpha is None
    message, _ = update.difference(change, undone=True)
    assert sorted(patch["id"] for patch in message["patches"]) == [1, 2]


def test_an_instance_is_not_joined_with_itself():
    session = Session(IMAGE, mask=LEFT)
    with pytest.raises(ValueError, match="merge another instance into it"):
        session.apply(Merge(1))


# ---- part --------------------------------------------------------------------------------------------------------


@given(masks)
def test_splitting_parts_the_mask_into_its_connected_components(mask):
    session = Session(IMAGE, Erratic(), mask=mask)
    session.apply(Split())
    assert (sum((instance.mask.astype(int) for instance in session.instances), np.zeros_like(mask, int)) == mask).all()
    areas = [instance.mask.sum() for instance in session.instances]
    assert areas == sorted(areas, reverse=True) and session.selected == 1
    for instance in session.instances:
        one = Session(IMAGE, mask=instance.mask)
        assert one.apply(Split()).nothing
    session.undo()
    assert np.array_equal(session.mask, mask) and ids(session) == [1]


def test_parts_keep_label_sources_and_the_soft_pixels_beside_them():
    session = Session(IMAGE, instances=[Instance(LEFT | RIGHT, "cat", alpha=soft(LEFT | RIGHT)), Instance(ALL, "behind")])
    session.apply(Split(1))
    assert ids(session) == [1, 4, 2, 3] and [entry.label for entry in session.state.entries] == ["cat", "cat", "behind", ""]
    first, second, _ = session.instances
    assert np.array_equal(first.mask, LEFT) and np.array_equal(second.mask, RIGHT)
    assert first.alpha[3, 6] == 80 and first.alpha[3, 11] == 0
    assert second.alpha[3, 6] == 0 and second.alpha[3, 11] == 70
    session.select(4)
    assert SOURCES[session.sources[3, 14]] == "import"
    session.select(1)
    assert SOURCES[session.sources[3, 14]] == "command", "it was taken away from this one"


def test_dust_is_not_split():
    dust = np.zeros((40, 40), bool)
    dust[::2, ::2] = True
    session = Session(np.zeros((40, 40, 3), np.uint8), mask=dust)
    with pytest.raises(ValueError, match="has 400 parts, more than the 256"):
        session.apply(Split())


# ---- fit ---------------------------------------------------------------------------------------------------------


def columns(first, last):
    mask = NOTHING.copy()
    mask[:, first:last] = True
    return mask


@pytest.mark.parametrize(
    ("mine", "distance", "expected"),
    [
        (columns(3, 14), 0, columns(3, 12)),  # overlap is given up
        (columns(3, 10), 2, columns(3, 12)),  # a gap of two pixels is closed
        (columns(3, 10), 1.9, columns(3, 10)),
        (columns(3, 10), 30, columns(3, 12)),
        (columns(13, 17), 3, NOTHING),
        (NOTHING, 3, NOTHING),
    ],
)
def test_a_border_is_fitted_to_the_neighbours(mine, distance, expected):
    session = Session(IMAGE, mask=mine, instances=[Instance(RIGHT)])
    session.apply(Snap(distance))
    assert np.array_equal(session.mask, expected)
    assert np.array_equal(session.instances[0].mask, RIGHT), "the neighbour stays"
    changed = expected != mine
    assert (session.sources[changed] == SOURCES.index("command")).all()
    session.undo()
    assert np.array_equal(session.mask, mine)


@given(masks, masks, st.floats(0, 5))
def test_fitted_instances_do_not_overlap_and_grow_no_farther_than_the_distance(mine, other, distance):
    session = Session(IMAGE, mask=mine, instances=[Instance(other)])
    session.apply(Snap(distance))
    assert not (session.mask & other).any()
    rest = mine & ~other
    assert (session.mask >= rest).all()
    there = np.argwhere(rest)
    for pixel in np.argwhere(session.mask & ~rest):
        assert np.hypot(*(there - pixel).T).min() <= distance + 0.01


def test_alone_nothing_is_fitted_and_a_distance_must_be_one():
    session = Session(IMAGE, mask=LEFT)
    assert session.apply(Snap(5)).nothing
    with pytest.raises(ValueError, match="distance to snap over is -1"):
        session.apply(Snap(-1))


# ---- what the browser is told ------------------------------------------------------------------------------------


def test_the_browser_is_told_order_lock_and_choice():
    session = Session(IMAGE, Scripted(LEFT, alternatives=[NOTHING]), instances=[Instance(RIGHT, "cat")])
    change = session.apply(Click(2, 3))
    message, (bits,) = update.difference(change, undone=False)
    assert message["alternatives"] == {"count": None, "chosen": 0} and message["locked"] is False
    assert message["instances"] == [{"id": 1, "label": "cat"}, {"id": 2, "label": ""}] and bits == change.after.bits
    message, buffers = update.whole(session)
    assert message["whole"] and [patch["id"] for patch in message["patches"]] == [1, 2] and len(buffers) == 2
    session.undo()
    assert update.whole(session)[0]["alternatives"] == {"count": 0, "chosen": 0}


def test_a_copy_is_sent_with_all_its_pixels_and_one_left_empty_is_not_sent():
    session = Session(IMAGE, instances=[Instance(LEFT)])
    session.apply(Brush(((15, 9),), 2, False))
    message, buffers = update.difference(session.apply(Duplicate(1)), undone=False)
    assert [instance["id"] for instance in message["instances"]] == [1, 3]
    assert [patch["id"] for patch in message["patches"]] == [3] and message["patches"][0]["box"] == (0, 0, 6, HEIGHT) and len(buffers) == 1
