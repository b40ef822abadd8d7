"""tests/actions.json holds what the browser's tools send; the TypeScript tests make the same actions from the same gestures."""

import json
from pathlib import Path

import pytest

from cdwidget.session import Session, action_from_json, action_to_json
from scripted import IMAGE, LEFT, Scripted

EXAMPLES = json.loads((Path(__file__).parent / "actions.json").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example['tool']}-{example['action']}")
def test_a_session_takes_what_a_tool_sends(example):
    session = Session(IMAGE, Scripted(LEFT), mask=LEFT)
    action = action_from_json(example["action"])
    assert session.apply(action).action == action
    assert action_to_json(action) == example["action"]
