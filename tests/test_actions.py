"""tests/actions.json holds what the browser sends; the TypeScript tests make the same actions from the same gestures of its tools."""

import json
from pathlib import Path

import pytest

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Session, action_from_json, action_to_json
from cdwidget.session.actions import ACTIONS
from support.scripted_predictor import IMAGE, LEFT, RIGHT, Scripted

EXAMPLES = json.loads((Path(__file__).parent / "actions.json").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.get('tool', 'command')}-{example['action']}")
def test_a_session_takes_what_the_browser_sends(example):
    session = Session(IMAGE, Scripted(LEFT), mask=LEFT, instances=[Instance(RIGHT)])
    session.apply(Click(5, 7, False))  # so that there is an answer to choose
    action = action_from_json(example["action"])
    assert session.apply(action).action == action
    assert action_to_json(action) == {**action_to_json(action), **example["action"]}


def test_every_action_has_an_example():
    assert {example["action"]["type"] for example in EXAMPLES} == set(ACTIONS)
