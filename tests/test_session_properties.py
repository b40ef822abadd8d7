"""Properties of sessions for arbitrary actions: undo, redo, replay and peek."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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
from cdwidget.session.actions import ACTIONS
from cdwidget.tools import Brush, FillHoles, Polygon
from support.scripted_predictor import (
    EMPTY_MASK,
    HEIGHT,
    IMAGE,
    LEFT_HALF,
    RIGHT_HALF,
    WIDTH,
    RandomPredictor,
    ScriptedPredictor,
    any_action,
    snapshot,
)

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


def apply_all(session, steps):
    """Apply the steps that are possible; return the content of the session at the start and after each change."""
    snapshots = [snapshot(session)]
    for action, progressive in steps:
        session.progressive = progressive
        try:
            change = session.apply(action)
        except ValueError:  # For example an unknown id.
            assert snapshot(session) == snapshots[-1]
            continue
        if change.is_empty:
            assert snapshot(session) == snapshots[-1]
        else:
            snapshots.append(snapshot(session))
    return snapshots


steps = st.lists(st.tuples(prompts | edits, st.booleans()), max_size=12)
starts = st.fixed_dictionaries(
    {"mask": st.none() | masks, "instances": st.lists(st.builds(Instance, masks, labels), max_size=2)},
)


@given(masks, st.lists(clicks.map(lambda click: replace(click, positive=False)), min_size=1, max_size=3), st.booleans())
def test_negative_clicks_on_an_empty_mask_leave_it_empty(predicted, negatives, progressive):
    session = Session(IMAGE, ScriptedPredictor(predicted), progressive=progressive)
    for click in negatives:
        assert session.apply(click).bbox == (0, 0, 0, 0)
        assert not session.mask.any()
    assert session.clicks == tuple(negatives)


@given(masks, masks, clicks)
def test_an_agreeing_click_changes_no_pixel_and_is_kept(mask, predicted, click):
    session = Session(IMAGE, ScriptedPredictor(predicted), mask=mask)
    agreeing = replace(click, positive=bool(mask[click.pixel]))
    change = session.apply(agreeing)
    assert session.mask.tobytes() == mask.tobytes()
    assert change.bbox == (0, 0, 0, 0) and not change.is_empty
    assert session.prompts == (agreeing,)
    session.undo()
    assert session.prompts == ()


@given(masks, masks, prompts)
def test_pixels_outside_the_bbox_stay_and_the_patches_hold_the_others(mask, predicted, prompt):
    session = Session(IMAGE, ScriptedPredictor(predicted), mask=mask)
    change = session.apply(prompt)
    x0, y0, x1, y1 = change.bbox
    inside = EMPTY_MASK.copy()
    inside[y0:y1, x0:x1] = True
    assert np.array_equal(session.mask[~inside], mask[~inside])
    assert np.array_equal(change.before.pixels(), mask[y0:y1, x0:x1])
    assert np.array_equal(change.after.pixels(), session.mask[y0:y1, x0:x1])


@given(masks, masks, clicks)
def test_without_progressive_merge_the_prediction_is_the_mask(mask, predicted, click):
    session = Session(IMAGE, ScriptedPredictor(predicted), mask=mask, progressive=False)
    session.apply(replace(click, positive=True))
    assert np.array_equal(session.mask, predicted)


@settings(max_examples=60)
@given(starts, steps)
def test_everything_can_be_undone_and_redone(start, steps):
    session = Session(IMAGE, RandomPredictor(), **start)
    snapshots = apply_all(session, steps)
    for expected in reversed(snapshots[:-1]):
        assert session.can_undo and session.undo()
        assert snapshot(session) == expected
    assert not session.can_undo and session.undo() is None
    for expected in snapshots[1:]:
        assert session.can_redo and session.redo()
        assert snapshot(session) == expected
    assert not session.can_redo and session.redo() is None


@settings(max_examples=60)
@given(starts, steps, st.integers(0, 3))
def test_replay_is_identical_at_every_prefix(start, steps, undone):
    session = Session(IMAGE, RandomPredictor(), **start)
    snapshots = apply_all(session, steps)
    for _ in range(min(undone, len(snapshots) - 1)):
        session.undo()
        snapshots.pop()
    log = json.loads(json.dumps(session.log()))
    assert len(log["actions"]) == len(snapshots) - 1
    for length, expected in enumerate(snapshots):
        again = Session.replay(IMAGE, RandomPredictor(), {**log, "actions": log["actions"][:length]})
        assert snapshot(again) == expected
        assert again.progressive == session.progressive
    assert again.log() == log


@pytest.mark.parametrize("seed", range(3))
def test_200_actions_of_every_kind_can_be_undone_redone_and_replayed(seed):
    random = Random(seed)
    session = Session(IMAGE, RandomPredictor(), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF, "cat")])
    snapshots, done = [snapshot(session)], Counter()
    while len(snapshots) <= 200 or done.keys() != set(ACTIONS.values()):
        session.progressive = random.random() < 0.7
        action = any_action(random, session)
        try:
            change = session.apply(action)
        except ValueError:
            assert snapshot(session) == snapshots[-1]
            continue
        if change.is_empty:
            continue
        snapshots.append(snapshot(session))
        done[type(action)] += 1
        if random.random() < 0.1:  # Also undo and redo between actions.
            session.undo()
            assert snapshot(session) == snapshots[-2]
            session.redo()
    for expected in reversed(snapshots[:-1]):
        assert session.undo() and snapshot(session) == expected
    assert not session.can_undo
    for expected in snapshots[1:]:
        assert session.redo() and snapshot(session) == expected
    assert not session.can_redo

    log = json.loads(json.dumps(session.log()))
    again = Session.replay(IMAGE, RandomPredictor(), {**log, "actions": []}, history_limit=0)
    assert snapshot(again) == snapshots[0]
    for entry, expected in zip(log["actions"], snapshots[1:]):
        again.progressive = entry.pop("progressive", True)
        again.apply(action_from_json(entry))
        assert snapshot(again) == expected
    log = session.log()
    for length in (1, 50, 133, len(snapshots) - 1):
        assert snapshot(Session.replay(IMAGE, RandomPredictor(), {**log, "actions": log["actions"][:length]})) == snapshots[length]


@given(starts, steps, prompts | edits)
def test_peek_returns_the_change_of_apply_and_changes_nothing(start, steps, action):
    session = Session(IMAGE, RandomPredictor(), **start)
    snapshots = apply_all(session, steps)
    try:
        change = session.peek(action)
    except ValueError:
        change = None
    assert snapshot(session) == snapshots[-1]
    if change is not None:
        assert session.apply(action) == change


@given(st.one_of(prompts, edits))
def test_actions_are_read_back_from_json(action):
    assert action_from_json(json.loads(json.dumps(action_to_json(action)))) == action
