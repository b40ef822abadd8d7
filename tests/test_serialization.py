import copy
import json
import pickle

import numpy as np
import pytest

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Session
from cdwidget.tools import Brush
from support.scripted_predictor import HEIGHT, IMAGE, LEFT_HALF, RIGHT_HALF, WIDTH, ScriptedPredictor


def test_the_log_is_readable_json():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF), instances=[Instance(RIGHT_HALF, "cat")])
    session.apply(Click(2, 3))
    session.accept("dog")
    assert json.loads(json.dumps(session.log())) == {
        "version": 3,
        "width": WIDTH,
        "height": HEIGHT,
        "progressive": True,
        "mask": None,
        "instances": [{"id": 1, "label": "cat", "mask": {"size": [HEIGHT, WIDTH], "counts": [12 * HEIGHT, 6 * HEIGHT]}, "alpha": None}],
        "selected": None,
        "actions": [
            {"type": "click", "x": 2.0, "y": 3.0, "positive": True, "progressive": True},
            {"type": "accept", "label": "dog"},
        ],
    }


def test_a_log_of_version_1_is_still_read():
    log = {
        "version": 1,
        "width": WIDTH,
        "height": HEIGHT,
        "progressive": False,
        "mask": {"size": [HEIGHT, WIDTH], "counts": [12 * HEIGHT, 6 * HEIGHT]},
        "instances": [{"id": 3, "label": "cat", "mask": {"size": [HEIGHT, WIDTH], "counts": [0, 6 * HEIGHT, 12 * HEIGHT]}}],
        "actions": [
            {"type": "click", "x": 2.0, "y": 3.0, "positive": True, "progressive": True},
            {"type": "accept", "label": "dog"},
            {"type": "select", "instance": 3},
        ],
    }
    session = Session.replay(IMAGE, ScriptedPredictor(LEFT_HALF | RIGHT_HALF), log)
    assert [(instance.id, instance.label) for instance in session.instances] == [(3, "cat"), (4, "dog")]
    assert np.array_equal(session.mask, LEFT_HALF) and np.array_equal(session.instances[1].mask, LEFT_HALF | RIGHT_HALF)
    assert session.log()["version"] == 3 and session.log()["actions"] == log["actions"]


def test_pickling_a_session_is_refused():
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match=r"Session\.replay"):
            copied(Session(IMAGE))


def test_a_replayed_session_can_be_undone():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF))
    session.apply(Click(2, 3))
    session.accept()
    again = Session.replay(IMAGE, ScriptedPredictor(LEFT_HALF), session.log(), history_limit=0)
    again.undo()
    assert np.array_equal(again.mask, LEFT_HALF) and not again.can_undo


def good_log():
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF)])
    session.apply(Click(2, 3))
    return session.log()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"version": 4}, "not a log of version 1, 2, 3"),
        ({"width": 0}, "whole numbers from 1"),
        ({"height": HEIGHT + 1}, "shape"),
        ({"mask": {"size": [1, 1], "counts": [3]}}, "run lengths"),
        ({"mask": 3}, "run lengths"),
        ({"instances": [{"id": 1, "mask": None}]}, "run lengths"),
        ({"instances": 3}, "not valid"),
        ({"instances": [{**good_log()["instances"][0], "alpha": "AAAA"}]}, "alpha of an instance cannot be read"),
        ({"progressive": "yes"}, "progressive must be true or false"),
        ({"actions": [{"type": "clik"}]}, "did you mean 'click'"),
        ({"actions": [{"type": "click", "x": 1}]}, "missing 1 required positional argument: 'y'"),
        ({"actions": [{"type": "click", "x": 1, "y": 1, "z": 1}]}, r"click has no field \['z'\]; its fields are x, y, positive"),
        ({"actions": [{"type": "click", "x": True, "y": 1}]}, "x must be a number, not True"),
        ({"actions": [{"type": "click", "x": 10**400, "y": 1}]}, "too large"),
        ({"actions": [{"type": "stroke", "points": [1, 2]}]}, r"list of \[x, y\] pairs"),
        ({"actions": ["click"]}, "not valid"),
        ({"actions": [{"type": "click", "x": 99, "y": 1}]}, "action 0 of the log, Click.* cannot be applied: .*outside the image"),
        ({"actions": [{"type": "select", "instance": 5}]}, "action 0 of the log.*no instance 5; there are: 1, 2"),
    ],
)
def test_a_damaged_log_is_refused(damage, message):
    with pytest.raises(ValueError, match=message):
        Session.replay(IMAGE, ScriptedPredictor(LEFT_HALF), {**good_log(), **damage})


@pytest.mark.parametrize("missing", ["version", "width", "height", "mask", "instances", "actions", "progressive"])
def test_a_log_with_a_part_missing_is_refused(missing):
    log = good_log()
    del log[missing]
    with pytest.raises(ValueError, match=missing):
        Session.replay(IMAGE, ScriptedPredictor(LEFT_HALF), log)


def test_a_log_of_another_image_is_refused():
    with pytest.raises(ValueError, match="made on an image of 18x14 pixels, this one has 14x18"):
        Session.replay(IMAGE.transpose(1, 0, 2), ScriptedPredictor(LEFT_HALF), good_log())
    with pytest.raises(ValueError, match="not a log"):
        Session.replay(IMAGE, ScriptedPredictor(LEFT_HALF), [])


def test_the_instance_selected_first_is_in_the_log() -> None:
    given = [Instance(LEFT_HALF, "cat", 3), Instance(RIGHT_HALF, "", 4)]
    for selected in (3, 4):
        session = Session(IMAGE, ScriptedPredictor(RIGHT_HALF), instances=given, selected=selected)
        assert session.selected == selected and not session.can_undo and [one.id for one in session.instances] == [3, 4]
        session.apply(Brush(((9.0, 5.0),), 2.0))
        again = Session.replay(IMAGE, None, json.loads(json.dumps(session.log())))
        assert again.selected == selected and (again.mask == session.mask).all() and again.state == session.state
    assert Session(IMAGE, instances=given, selected=9).selected == 5, "a new one"
