import json
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from cdwidget.items import Instance
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import (
    Accept,
    Alternative,
    Delete,
    Duplicate,
    Lock,
    Merge,
    Relabel,
    Reorder,
    Select,
    Session,
    Snap,
    Split,
    action_from_json,
    action_to_json,
)
from cdwidget.session.actions import KINDS
from cdwidget.tools import Brush, FillHoles, Polygon
from scripted import HEIGHT, IMAGE, LEFT, NOTHING, RIGHT, WIDTH, Erratic, Scripted, any_action

masks = hnp.arrays(bool, (HEIGHT, WIDTH), fill=st.booleans())
xs, ys = st.floats(0, WIDTH, exclude_max=True), st.floats(0, HEIGHT, exclude_max=True)
clicks = st.builds(Click, xs, ys, st.booleans())
ids = st.none() | st.integers(1, 5)
labels = st.sampled_from(["", "cat", "dog"])
prompts = st.one_of(
    clicks,
    st.builds(Stroke, st.lists(st.tuples(xs, ys), min_size=1, max_size=3).map(tuple), st.booleans(), st.floats(0.5, 4)),
    st.builds(Box, st.integers(0, 8), st.integers(0, 6), st.integers(9, WIDTH), st.integers(7, HEIGHT)),
)
points = st.lists(st.tuples(xs, ys), min_size=3, max_size=5).map(tuple)
edits = st.one_of(
    st.builds(Accept, st.none() | labels),
    st.builds(Select, ids),
    st.builds(Delete, ids),
    st.builds(Relabel, labels, ids),
    st.builds(Alternative, st.integers(-1, 3)),
    st.builds(Lock, st.booleans()),
    st.builds(Duplicate, ids),
    st.builds(Merge, st.integers(1, 5)),
    st.builds(Split, ids),
    st.builds(Reorder, st.integers(1, 5), st.integers(0, 3)),
    st.builds(Snap, st.integers(0, 4).map(float)),
    st.builds(Brush, points, st.floats(0.5, 4), st.booleans()),
    st.builds(Polygon, points, st.booleans()),
    st.builds(FillHoles),
)


def snapshot(session):
    """All that a session holds, as plain values: order, labels, prompts, and of each instance mask, sources and alpha."""
    document = session._document
    alpha = None if session.alpha is None else session.alpha.tobytes()
    patches = [document.patch(entry.id) for entry in session.state.entries]
    return session.state, session.mask.tobytes(), session.sources.tobytes(), alpha, patches, session.label_map().tobytes()


def do(session, steps):
    """Apply what can be applied, with the steps' way to merge, and return what the session looked like after each recorded step."""
    seen = [snapshot(session)]
    for action, progressive in steps:
        session.progressive = progressive
        try:
            change = session.apply(action)
        except ValueError:  # an id there is not, nothing to copy, no other answer
            assert snapshot(session) == seen[-1]
            continue
        if change.nothing:
            assert snapshot(session) == seen[-1]
        else:
            seen.append(snapshot(session))
    return seen


steps = st.lists(st.tuples(prompts | edits, st.booleans()), max_size=12)
starts = st.fixed_dictionaries(
    {"mask": st.none() | masks, "instances": st.lists(st.builds(Instance, masks, labels), max_size=2)},
)


# ---- properties --------------------------------------------------------------------------------------------------


@given(masks, st.lists(clicks.map(lambda click: replace(click, positive=False)), min_size=1, max_size=3), st.booleans())
def test_negative_clicks_on_an_empty_mask_leave_it_empty(answer, negatives, progressive):
    session = Session(IMAGE, Scripted(answer), progressive=progressive)
    for click in negatives:
        assert session.apply(click).bbox == (0, 0, 0, 0)
        assert not session.mask.any()
    assert session.clicks == tuple(negatives)


@given(masks, masks, clicks)
def test_an_agreeing_click_changes_nothing_and_is_kept(mask, answer, click):
    session = Session(IMAGE, Scripted(answer), mask=mask)
    agreeing = replace(click, positive=bool(mask[click.pixel]))
    change = session.apply(agreeing)
    assert session.mask.tobytes() == mask.tobytes()
    assert change.bbox == (0, 0, 0, 0) and not change.nothing
    assert session.prompts == (agreeing,)
    session.undo()
    assert session.prompts == ()


@given(masks, masks, prompts)
def test_outside_the_bbox_all_pixels_are_identical_and_inside_the_patches_tell(mask, answer, prompt):
    session = Session(IMAGE, Scripted(answer), mask=mask)
    change = session.apply(prompt)
    x0, y0, x1, y1 = change.bbox
    inside = NOTHING.copy()
    inside[y0:y1, x0:x1] = True
    assert np.array_equal(session.mask[~inside], mask[~inside])
    assert np.array_equal(change.before.pixels(), mask[y0:y1, x0:x1])
    assert np.array_equal(change.after.pixels(), session.mask[y0:y1, x0:x1])


@given(masks, masks, clicks)
def test_without_progressive_merge_the_answer_is_the_mask(mask, answer, click):
    session = Session(IMAGE, Scripted(answer), mask=mask, progressive=False)
    session.apply(replace(click, positive=True))
    assert np.array_equal(session.mask, answer)


@settings(max_examples=60)
@given(starts, steps)
def test_everything_can_be_undone_and_redone(start, steps):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    for expected in reversed(seen[:-1]):
        assert session.can_undo and session.undo()
        assert snapshot(session) == expected
    assert not session.can_undo and session.undo() is None
    for expected in seen[1:]:
        assert session.can_redo and session.redo()
        assert snapshot(session) == expected
    assert not session.can_redo and session.redo() is None


@settings(max_examples=60)
@given(starts, steps, st.integers(0, 3))
def test_replay_is_identical_at_every_prefix(start, steps, undone):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    for _ in range(min(undone, len(seen) - 1)):
        session.undo()
        seen.pop()
    log = json.loads(json.dumps(session.log()))
    assert len(log["actions"]) == len(seen) - 1
    for length, expected in enumerate(seen):
        again = Session.replay(IMAGE, Erratic(), {**log, "actions": log["actions"][:length]})
        assert snapshot(again) == expected
        assert again.progressive == session.progressive
    assert again.log() == log


@pytest.mark.parametrize("seed", range(3))
def test_200_actions_of_every_kind_can_be_undone_redone_and_replayed(seed):
    random = Random(seed)
    session = Session(IMAGE, Erratic(), mask=LEFT, instances=[Instance(RIGHT, "cat")])
    seen, done = [snapshot(session)], Counter()
    while len(seen) <= 200 or done.keys() != set(KINDS):
        session.progressive = random.random() < 0.7
        action = any_action(random, session)
        try:
            change = session.apply(action)
        except ValueError:
            assert snapshot(session) == seen[-1]
            continue
        if change.nothing:
            continue
        seen.append(snapshot(session))
        done[type(action)] += 1
        if random.random() < 0.1:  # undo and redo between the actions as well
            session.undo()
            assert snapshot(session) == seen[-2]
            session.redo()
    for expected in reversed(seen[:-1]):
        assert session.undo() and snapshot(session) == expected
    assert not session.can_undo
    for expected in seen[1:]:
        assert session.redo() and snapshot(session) == expected
    assert not session.can_redo

    log = json.loads(json.dumps(session.log()))
    again = Session.replay(IMAGE, Erratic(), {**log, "actions": []}, history_limit=0)
    assert snapshot(again) == seen[0]
    for entry, expected in zip(log["actions"], seen[1:]):
        again.progressive = entry.pop("progressive", True)
        again.apply(action_from_json(entry))
        assert snapshot(again) == expected
    log = session.log()
    for length in (1, 50, 133, len(seen) - 1):
        assert snapshot(Session.replay(IMAGE, Erratic(), {**log, "actions": log["actions"][:length]})) == seen[length]


@given(starts, steps, prompts | edits)
def test_peek_tells_what_apply_would_do_and_does_nothing(start, steps, action):
    session = Session(IMAGE, Erratic(), **start)
    seen = do(session, steps)
    try:
        change = session.peek(action)
    except ValueError:
        change = None
    assert snapshot(session) == seen[-1]
    if change is not None:
        assert session.apply(action) == change


@given(st.one_of(prompts, edits))
def test_actions_survive_json(action):
    assert action_from_json(json.loads(json.dumps(action_to_json(action)))) == action


# ---- instances ---------------------------------------------------------------------------------------------------


def test_the_headless_path(tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    session = Session(tmp_path / "photo.png", Scripted(LEFT | RIGHT))
    change = session.apply(Click(2, 3, True))
    assert np.array_equal(session.mask, LEFT), "the component that holds the click, not the other one"
    assert change.bbox == (0, 0, 6, HEIGHT)
    assert (session.height, session.width) == (HEIGHT, WIDTH)
    assert np.array_equal(session.image, IMAGE)


def test_a_click_far_away_adds_the_component_there():
    session = Session(IMAGE, Scripted(LEFT | RIGHT))
    session.apply(Click(2, 3))
    session.apply(Click(15, 3))
    assert np.array_equal(session.mask, LEFT | RIGHT)


def test_the_predictor_gets_all_prompts_of_the_instance_and_its_mask():
    predictor = Scripted(LEFT)
    session = Session(IMAGE, predictor)
    session.apply(Click(2, 3))
    session.apply(Click(3, 3))  # agrees: kept, the predictor is not asked
    session.apply(Click(15, 3))
    session.accept()
    session.apply(Click(16, 3))
    (first, no_prior), (second, prior), (third, still_none) = predictor.asked
    assert first == (Click(2, 3),) and no_prior is None
    assert second == (Click(2, 3), Click(3, 3), Click(15, 3)) and np.array_equal(prior, LEFT)
    assert third == (Click(16, 3),) and still_none is None


def test_several_instances():
    session = Session(IMAGE, Scripted(LEFT | RIGHT))
    assert session.selected == 1 and session.instances == []
    session.apply(Click(2, 3))
    session.relabel("cat")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat")], "the one being edited counts"
    session.accept()
    assert session.selected == 2 and session.label == "cat" and session.prompts == () and not session.mask.any()
    session.apply(Click(15, 3))
    session.accept("dog")
    assert [(instance.id, instance.label) for instance in session.instances] == [(1, "cat"), (2, "dog")]
    assert np.array_equal(session.instances[0].mask, LEFT) and np.array_equal(session.instances[1].mask, RIGHT)
    assert session.patch(2).bbox == (12, 0, WIDTH, HEIGHT)

    session.select(1)
    assert np.array_equal(session.mask, LEFT) and session.clicks == (Click(2, 3),)
    assert [entry.id for entry in session.state.entries] == [1, 2], "the new one had no pixels"
    session.delete(2)
    assert session.selected == 1 and [instance.id for instance in session.instances] == [1]
    session.delete()
    assert session.instances == [] and session.selected == 4 and session.label == "cat"
    for _ in range(2):
        session.undo()
    assert [instance.id for instance in session.instances] == [1, 2]


def test_an_instance_taken_up_again_is_edited_and_finished_again():
    session = Session(IMAGE, Scripted(NOTHING), instances=[Instance(LEFT, "cat"), Instance(RIGHT)])
    session.select(1)
    session.apply(Stroke(((0, 0), (5, 13)), False, radius=40))
    assert not session.mask.any()
    session.select(2)
    assert [entry.id for entry in session.state.entries] == [2], "nothing is left of the first"
    session.undo()
    session.undo()
    assert np.array_equal(session.mask, LEFT) and session.selected == 1


def test_what_does_nothing_is_no_step():
    session = Session(IMAGE, instances=[Instance(LEFT, "cat")])
    for action in (Accept(), Select(), Select(2), Delete(), Relabel(""), Relabel("cat", 1)):
        assert session.apply(action).nothing
    assert not session.can_undo and session.log()["actions"] == []


def test_a_new_instance_with_prompts_but_no_pixels_is_begun_afresh():
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(3, 3, False))
    session.accept()
    assert session.prompts == () and session.instances == []
    session.undo()
    assert session.clicks == (Click(3, 3, False),)


def test_instances_may_overlap():
    session = Session(IMAGE, Scripted(LEFT), instances=[Instance(LEFT)])
    session.apply(Click(2, 2))
    session.apply(Click(3, 2, False))
    session.accept()
    assert np.array_equal(session.instances[0].mask, LEFT)


def test_given_instances_are_numbered_and_empty_ones_left_out():
    session = Session(
        IMAGE,
        mask=RIGHT.astype(np.uint8) * 255,
        instances=[Instance(LEFT, "a"), Instance(RIGHT, "b", np.int64(7)), Instance(NOTHING, "c"), Instance(LEFT, "d")],
    )
    assert [(entry.id, entry.label) for entry in session.state.entries] == [(8, "a"), (7, "b"), (9, "d"), (10, "")]
    assert session.selected == 10 and np.array_equal(session.mask, RIGHT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mask": np.zeros((HEIGHT, WIDTH + 1))}, r"shape \(14, 19\), the image needs \(14, 18\)"),
        ({"instances": [Instance(NOTHING.T)]}, "shape"),
        ({"instances": [Instance(LEFT, id=2), Instance(LEFT, id=2)]}, "two instances have one id"),
        ({"instances": [Instance(LEFT, id=0)]}, "whole numbers from 1"),
        ({"instances": [Instance(LEFT, label=None)]}, "label must be text"),
    ],
)
def test_masks_and_instances_that_do_not_fit_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        Session(IMAGE, **arguments)


# ---- reading and failing -----------------------------------------------------------------------------------------


def test_a_mask_that_was_read_stays_what_it_was_and_cannot_be_written():
    session = Session(IMAGE, Scripted(LEFT))
    before = session.mask
    session.apply(Click(2, 3))
    assert not before.any()
    for array in (session.mask, session.image):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
    session.instances[0].mask[:] = False
    assert session.mask.any(), "the masks of instances are copies"


def test_the_image_and_the_first_mask_are_copies():
    image, mask = IMAGE.copy(), LEFT.copy()
    session = Session(image, mask=mask)
    image[:], mask[:] = 0, False
    assert np.array_equal(session.image, IMAGE) and np.array_equal(session.mask, LEFT)


class Failing(Scripted):
    def predict(self, prompts, prior=None):
        raise RuntimeError("out of memory")


class Scribbling(Scripted):
    def predict(self, prompts, prior=None):
        prior[:] = True
        return super().predict(prompts, prior)


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Click(WIDTH, 3), ValueError),
        (Click(float("nan"), 3), ValueError),
        (Click("3", 3), ValueError),
        (Click(3, 3, "yes"), ValueError),
        (Stroke(()), ValueError),
        (Box(4, 4, 2, 2), ValueError),
        (Select(9), ValueError),
        (Delete(9), ValueError),
        (Relabel("x", 9), ValueError),
        (Relabel(None), ValueError),
        (Accept(3), ValueError),
        (Select("1"), ValueError),
        ("click", TypeError),
        (None, TypeError),
        (Click(15, 3), RuntimeError),
    ],
)
def test_an_action_that_fails_changes_nothing(action, error):
    session = Session(IMAGE, Failing(LEFT), mask=LEFT)
    session.relabel("cat")
    session.relabel("dog")
    session.undo()
    before = snapshot(session), session.log()
    for attempt in (session.apply, session.peek):
        with pytest.raises(error):
            attempt(action)
        assert (snapshot(session), session.log()) == before
        assert session.can_undo and session.can_redo


@pytest.mark.parametrize("answer", [LEFT[:, :5], LEFT.astype(np.uint8), LEFT.T])
def test_an_answer_that_does_not_fit_is_refused(answer):
    session = Session(IMAGE, Scripted(answer))
    with pytest.raises(ValueError, match="the predictor answered"):
        session.apply(Click(2, 2))
    assert session.prompts == ()


def test_without_a_predictor_only_prompts_are_refused():
    session = Session(IMAGE, mask=LEFT)
    session.encode()
    session.accept("cat")
    with pytest.raises(ValueError, match=r"no predictor.*load_predictor\(\)"):
        session.apply(Click(2, 3))
    assert len(session.instances) == 1


def test_a_predictor_that_writes_to_its_prior_does_no_harm():
    session = Session(IMAGE, Scribbling(LEFT | RIGHT), mask=LEFT)
    session.apply(Click(15, 3))
    session.undo()
    assert np.array_equal(session.mask, LEFT)


def test_numbers_of_any_kind_become_plain_ones():
    session = Session(IMAGE, Scripted(LEFT))
    session.apply(Click(np.int64(2), np.float32(3.5), np.bool_(True)))
    session.apply(Stroke(np.array([[1, 2], [15, 4]]), False, np.float64(1)))
    assert session.prompts == (Click(2.0, 3.5, True), Stroke(((1.0, 2.0), (15.0, 4.0)), False, 1.0))
    json.dumps(session.log())


def test_superpixels_are_computed_once_and_cannot_be_written():
    session = Session(IMAGE)
    labels = session.superpixels(16)
    assert np.shares_memory(labels, session.superpixels(16)) and not np.shares_memory(labels, session.superpixels(20))
    with pytest.raises(ValueError, match="read-only"):
        labels[0, 0] = 1


def test_a_stroke_across_a_large_image_is_a_small_change():
    session = Session(np.zeros((3000, 4000, 3), np.uint8), mask=np.ones((3000, 4000), bool))
    change = session.apply(Brush(((500, 500), (2500, 600)), 20, False))
    assert change.bbox == (480, 480, 2520, 620) and not session.mask[550, 1500] and session.mask[600, 500]
    assert change.nbytes < 100_000
    session.undo()
    assert session.mask.all()
