"""Actions on instances: copy, merge, split, reorder, snap."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import SOURCES, Alternative, Duplicate, Merge, Reorder, Select, Session, Snap, Split
from cdwidget.tools import Brush
from cdwidget.widget.transport import change_reply, document_reply
from support.scripted_predictor import EMPTY_MASK, HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, RandomPredictor, ScriptedPredictor

masks = hnp.arrays(bool, (HEIGHT, WIDTH), fill=st.booleans())
FULL_MASK = np.ones((HEIGHT, WIDTH), bool)


def ids(session):
    return [entry.id for entry in session.state.entries]


def soft_alpha(mask):
    alpha = np.where(mask, 255, 0).astype(np.uint8)
    alpha[:, 6], alpha[:, 11] = 80, 70
    return alpha


# ---- order -------------------------------------------------------------------------------------------------------


def test_the_instance_in_front_wins_where_they_overlap():
    session = Session(IMAGE, mask=LEFT_HALF, instances=[Instance(FULL_MASK, "a", 5), Instance(RIGHT_HALF, "b", 2)])
    assert ids(session) == [5, 2, 6]
    assert session.label_map().tolist()[3] == [3] * 6 + [1] * 6 + [2] * 6
    assert session.label_map(ids=True).tolist()[3] == [6] * 6 + [5] * 6 + [2] * 6
    session.apply(Reorder(5, 2))
    assert ids(session) == [2, 6, 5] and [instance.id for instance in session.instances] == [2, 6, 5]
    assert (session.label_map(ids=True) == 5).all() and session.label_map().dtype == np.int32
    session.undo()
    assert ids(session) == [5, 2, 6]
    assert session.apply(Reorder(5, 0)).is_empty


@pytest.mark.parametrize(
    ("action", "message"), [(Reorder(1, 2), "no position 2; allowed are 0, .* to 1"), (Reorder(9, 0), "no instance 9")]
)
def test_an_impossible_order_is_refused(action, message):
    session = Session(IMAGE, instances=[Instance(LEFT_HALF)])
    with pytest.raises(ValueError, match=message):
        session.apply(action)


# ---- copy --------------------------------------------------------------------------------------------------------


def test_a_copy_is_in_front_of_its_original_and_selected():
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "cat", alpha=soft_alpha(LEFT_HALF)), Instance(RIGHT_HALF, "dog")])
    session.apply(Duplicate(1))
    assert ids(session) == [1, 4, 2] and session.selected == 4 and session.label == "cat", "the new one had no pixels"
    assert np.array_equal(session.mask, LEFT_HALF) and np.array_equal(session.alpha, soft_alpha(LEFT_HALF))
    session.apply(Brush(((3, 3),), 2, False))
    assert np.array_equal(session.instances[0].mask, LEFT_HALF)
    session.undo()
    session.undo()
    assert ids(session) == [1, 2, 3] and session.selected == 3


def test_copying_an_empty_instance_is_refused():
    with pytest.raises(ValueError, match="instance 1 has no pixels to copy"):
        Session(IMAGE).apply(Duplicate())


# ---- merge -------------------------------------------------------------------------------------------------------


def test_merging_is_one_step_and_pixels_keep_their_source():
    session = Session(IMAGE, mask=RIGHT_HALF, instances=[Instance(LEFT_HALF, "cat", alpha=soft_alpha(LEFT_HALF))])
    session.apply(Brush(((14, 5),), 1))
    change = session.apply(Merge(1))
    assert ids(session) == [2] and np.array_equal(session.mask, LEFT_HALF | RIGHT_HALF)
    assert SOURCES[session.sources[5, 14]] == "brush" and SOURCES[session.sources[5, 2]] == "import"
    assert session.alpha[5, 6] == 80 and session.alpha[5, 14] == 255
    reply, buffers = change_reply(change, undone=False)
    assert [(patch["id"], patch["soft"]) for patch in reply["patches"]] == [(2, True)] and len(buffers) == 2  # Mask and alpha.
    assert reply["order"] == {"start": 0, "removed": 1, "ids": []}
    session.undo()
    assert (
        np.array_equal(session.mask, RIGHT_HALF)
        and np.array_equal(session.instances[0].mask, LEFT_HALF)
        and session.instances[0].label == "cat"
    )
    assert session.alpha is None
    reply, _ = change_reply(change, undone=True)
    assert sorted(patch["id"] for patch in reply["patches"]) == [1, 2]


def test_merging_an_instance_with_itself_is_refused():
    session = Session(IMAGE, mask=LEFT_HALF)
    with pytest.raises(ValueError, match="merge another instance into it"):
        session.apply(Merge(1))


# ---- split -------------------------------------------------------------------------------------------------------


@given(masks)
def test_split_makes_an_instance_of_each_connected_component(mask):
    session = Session(IMAGE, RandomPredictor(), mask=mask)
    session.apply(Split())
    assert (sum((instance.mask.astype(int) for instance in session.instances), np.zeros_like(mask, int)) == mask).all()
    areas = [instance.mask.sum() for instance in session.instances]
    assert areas == sorted(areas, reverse=True) and session.selected == 1
    for instance in session.instances:
        one = Session(IMAGE, mask=instance.mask)
        assert one.apply(Split()).is_empty
    session.undo()
    assert np.array_equal(session.mask, mask) and ids(session) == [1]


def test_parts_keep_label_sources_and_alpha():
    session = Session(
        IMAGE, instances=[Instance(LEFT_HALF | RIGHT_HALF, "cat", alpha=soft_alpha(LEFT_HALF | RIGHT_HALF)), Instance(FULL_MASK, "behind")]
    )
    session.apply(Split(1))
    assert ids(session) == [1, 4, 2, 3] and [entry.label for entry in session.state.entries] == ["cat", "cat", "behind", ""]
    first, second, _ = session.instances
    assert np.array_equal(first.mask, LEFT_HALF) and np.array_equal(second.mask, RIGHT_HALF)
    assert first.alpha[3, 6] == 80 and first.alpha[3, 11] == 0
    assert second.alpha[3, 6] == 0 and second.alpha[3, 11] == 70
    session.select(4)
    assert SOURCES[session.sources[3, 14]] == "import"
    session.select(1)
    assert SOURCES[session.sources[3, 14]] == "command", "the split removed it here"


def test_too_many_parts_are_not_split():
    dust = np.zeros((40, 40), bool)
    dust[::2, ::2] = True
    session = Session(np.zeros((40, 40, 3), np.uint8), mask=dust)
    with pytest.raises(ValueError, match="has 400 parts, more than the 256"):
        session.apply(Split())


# ---- snap --------------------------------------------------------------------------------------------------------


def columns(first, last):
    mask = EMPTY_MASK.copy()
    mask[:, first:last] = True
    return mask


@pytest.mark.parametrize(
    ("mine", "distance", "expected"),
    [
        (columns(3, 14), 0, columns(3, 12)),  # Removes the overlap.
        (columns(3, 10), 2, columns(3, 12)),  # Closes a gap of two pixels.
        (columns(3, 10), 1.9, columns(3, 10)),
        (columns(3, 10), 30, columns(3, 12)),
        (columns(13, 17), 3, EMPTY_MASK),
        (EMPTY_MASK, 3, EMPTY_MASK),
    ],
)
def test_snap_removes_overlaps_and_closes_gaps(mine, distance, expected):
    session = Session(IMAGE, mask=mine, instances=[Instance(RIGHT_HALF)])
    session.apply(Snap(distance))
    assert np.array_equal(session.mask, expected)
    assert np.array_equal(session.instances[0].mask, RIGHT_HALF), "the neighbor stays"
    changed = expected != mine
    assert (session.sources[changed] == SOURCES.index("command")).all()
    session.undo()
    assert np.array_equal(session.mask, mine)


@given(masks, masks, st.floats(0, 5))
def test_snapped_instances_do_not_overlap_and_grow_at_most_by_the_distance(mine, other, distance):
    session = Session(IMAGE, mask=mine, instances=[Instance(other)])
    session.apply(Snap(distance))
    assert not (session.mask & other).any()
    rest = mine & ~other
    assert (session.mask >= rest).all()
    kept = np.argwhere(rest)
    for pixel in np.argwhere(session.mask & ~rest):
        assert np.hypot(*(kept - pixel).T).min() <= distance + 0.01


def test_snap_without_neighbors_or_with_a_wrong_distance():
    session = Session(IMAGE, mask=LEFT_HALF)
    assert session.apply(Snap(5)).is_empty
    with pytest.raises(ValueError, match="snap distance is -1"):
        session.apply(Snap(-1))


# ---- replies to the browser ---------------------------------------------------------------------------------------


def test_the_number_of_suggestions_is_known_if_all_are_the_same():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[LEFT_HALF]))
    session.apply(Click(1, 1))
    assert session.alternatives == 1
    assert change_reply(session.apply(Alternative(1)), False)[0]["alternatives"] == {"count": 1, "chosen": 0}


def test_replies_hold_order_lock_and_alternatives():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF, alternatives=[EMPTY_MASK]), instances=[Instance(RIGHT_HALF, "cat")])
    change = session.apply(Click(2, 3))
    reply, (bits,) = change_reply(change, undone=False)
    assert reply["alternatives"] == {"count": None, "chosen": 0} and reply["locked"] is False
    assert reply["instances"] == [{"id": 2, "label": ""}] and "order" not in reply and bits == change.after.bits  # The cat stayed.
    reply, buffers = document_reply(session)
    assert reply["whole"] and [patch["id"] for patch in reply["patches"]] == [1, 2] and len(buffers) == 2
    session.undo()
    assert document_reply(session)[0]["alternatives"] == {"count": 0, "chosen": 0}


def test_replies_hold_the_pixels_of_a_copy_but_no_empty_instances():
    session = Session(IMAGE, instances=[Instance(LEFT_HALF)])
    session.apply(Brush(((15, 9),), 2, False))
    reply, buffers = change_reply(session.apply(Duplicate(1)), undone=False)
    assert [instance["id"] for instance in reply["instances"]] == [3] and reply["order"] == {"start": 1, "removed": 1, "ids": [3]}
    assert [patch["id"] for patch in reply["patches"]] == [3] and reply["patches"][0]["box"] == (0, 0, 6, HEIGHT) and len(buffers) == 1


def test_several_instances_are_deleted_and_relabeled_in_one_step():
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "cat"), Instance(RIGHT_HALF, "dog"), Instance(LEFT_HALF | RIGHT_HALF, "cow")])
    session.relabel("pig", [1, 3])
    assert [(one.id, one.label) for one in session.instances] == [(1, "pig"), (2, "dog"), (3, "pig")]
    session.select(3)
    session.delete([3, 1, 3])
    assert [one.id for one in session.instances] == [2] and session.selected not in (1, 2, 3) and session.label == "pig"
    session.undo()
    assert [one.id for one in session.instances] == [1, 2, 3] and session.selected == 3
    for wrong, message in (([], "at least one id"), ([1, 9], "no instance 9"), ("ab", "whole number")):
        with pytest.raises(ValueError, match=message):
            session.delete(wrong)
    assert len(session.instances) == 3


def test_values_of_an_instance_are_kept_through_edits():
    values = {
        "attributes": {"pose": "left"},
        "score": np.float32(0.5),
        "track_id": np.int64(7),
        "extra": {"coco": {"id": 3, "x": math.nan}},
    }
    session = Session(IMAGE, instances=[Instance(LEFT_HALF, "cat", **values)], selected=1)
    session.apply(Brush(((9.0, 9.0),), 3.0))
    session.relabel("dog")
    session.accept()
    (edited,) = session.instances
    assert (edited.attributes, edited.score, edited.track_id) == ({"pose": "left"}, 0.5, 7)
    assert edited.extra == {"coco": {"id": 3, "x": None}}, "NaN is no JSON"
    edited.attributes["pose"] = "right"
    assert session.instances[0].attributes == {"pose": "left"}, "an instance is a copy"
    change = session.set_attributes({"occluded": True}, 1)
    assert change.instance == 1 and session.instances[0].attributes == {"occluded": True}
    session.apply(Duplicate(1))
    copy = session.instances[1]
    assert copy.attributes == {"occluded": True} and copy.score is None and copy.track_id is None and copy.extra == {}
    again = Session.replay(IMAGE, None, json.loads(json.dumps(session.log())))
    assert [one.attributes for one in again.instances] == [one.attributes for one in session.instances]
    session.undo()
    session.undo()
    assert session.instances[0].attributes == {"pose": "left"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attributes": {"a": object()}}, "attributes must be an object that JSON can hold"),
        ({"attributes": {"a": math.nan}}, "attributes must be an object that JSON can hold"),
        ({"attributes": {1: 2}}, "keys of attributes must be text"),
        ({"attributes": [1]}, "attributes must be an object"),
        ({"score": "high"}, "score of an instance must be a number"),
        ({"track_id": 1.5}, "track_id of an instance must be a whole number"),
    ],
)
def test_values_that_cannot_be_saved_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Session(IMAGE, instances=[Instance(LEFT_HALF, "cat", **values)])


def test_merging_confirms_an_object_that_covers_the_other_one() -> None:
    outer, inner = np.zeros((2, 8, 8), bool)
    outer[1:7, 1:7], inner[2:4, 2:4] = True, True
    session = Session(np.zeros((8, 8, 3), np.uint8), instances=[Instance(outer, confirmed=False), Instance(inner)])
    covering, covered = (one.id for one in session.instances)
    session.apply(Select(covering))
    session.apply(Merge(covered))
    assert [one.confirmed for one in session.instances] == [True]
