"""The actions in tests/actions.json; the TypeScript tests make the same actions from gestures."""

import json
from pathlib import Path

import pytest

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Session, action_from_json, action_to_json
from cdwidget.session.actions import ACTIONS
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, ScriptedPredictor

EXAMPLES = json.loads((Path(__file__).parent / "actions.json").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.get('tool', 'command')}-{example['action']}")
def test_a_session_applies_the_actions_of_the_browser(example):
    session = Session(IMAGE, ScriptedPredictor(LEFT_HALF), mask=LEFT_HALF, instances=[Instance(RIGHT_HALF)])
    session.apply(Click(5, 7, False))  # Provides an alternative.
    action = action_from_json(example["action"])
    assert session.apply(action).action == action
    assert action_to_json(action) == {**action_to_json(action), **example["action"]}


def test_every_action_has_an_example():
    assert {example["action"]["type"] for example in EXAMPLES} == set(ACTIONS)
