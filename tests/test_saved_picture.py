"""The picture of a widget in the saved notebook shows the masks as they are."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import pytest

from cdwidget.prompts import Click
from cdwidget.widget import Annotator, saved_picture
from support.scripted_predictor import ScriptedPredictor
from support.widget_page import wait_until

MASK = np.tri(600, 800, dtype=bool)  # Its corner at the bottom left.
NOISE = np.random.default_rng(1).integers(0, 255, (600, 800, 1), dtype=np.uint8).repeat(3, 2)


class Outputs(list[dict[str, Any]]):
    """The messages that a kernel publishes as outputs of its cells."""

    def publish(self, data: dict[str, str], transient: dict[str, str], update: bool) -> None:
        self.append({"data": data, "id": transient["display_id"], "is_update": update})

    def tint(self, index: int) -> np.ndarray:
        """Return how colorful the picture of a message is, int (h, w)."""
        jpeg = np.frombuffer(base64.b64decode(self[index]["data"]["image/jpeg"]), np.uint8)
        assert len(jpeg) < 60_000
        return np.ptp(cv2.imdecode(jpeg, cv2.IMREAD_COLOR).astype(int), axis=2)


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    outputs = Outputs()
    monkeypatch.setattr(saved_picture, "publish_display_data", outputs.publish)
    monkeypatch.setattr(saved_picture, "RENEWAL_DELAY_S", 0.05)
    return outputs


def open_widget(is_notebook: bool = True) -> Annotator:
    widget = Annotator(cv2.GaussianBlur(NOISE, (9, 9), 0), ScriptedPredictor(MASK))
    widget._is_notebook = is_notebook
    return widget


def test_the_picture_is_renewed_after_changes_once_it_is_displayed(outputs: Outputs) -> None:
    widget = open_widget()
    widget.undo()
    widget.apply(Click(1, 500))
    widget.undo()
    widget._repr_mimebundle_()
    assert len(outputs) == 1 and not outputs[0]["is_update"] and outputs.tint(0).max() < 30
    widget.apply(Click(1, 500))
    widget.label = "cat"
    wait_until(lambda: len(outputs) == 2)
    assert outputs[1]["is_update"] and outputs[0]["id"] == outputs[1]["id"] == widget.get_state("_picture_class")["_picture_class"]
    tint = outputs.tint(1)
    assert tint.shape == (300, 400) and tint[250:, :100].mean() > 20 > tint[:50, 300:].mean()
    assert outputs[1]["data"]["image/jpeg"] in widget.get_state("_snapshot")["_snapshot"] in outputs[1]["data"]["text/html"]


def test_a_cell_renews_the_picture_at_its_end(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_picture, "RENEWAL_DELAY_S", 60)
    widget = open_widget()
    widget._repr_mimebundle_()
    widget.session.apply(Click(1, 500))
    widget.refresh()
    widget.refresh()
    assert [one["is_update"] for one in outputs] == [False, True]


def test_a_host_without_notebooks_gets_no_picture(outputs: Outputs) -> None:
    widget = open_widget(is_notebook=False)
    assert "application/vnd.jupyter.widget-view+json" in widget._repr_mimebundle_()[0]  # type: ignore[index]
    widget.apply(Click(1, 500))
    assert not outputs and widget.get_state("_snapshot")["_snapshot"] == ""


def test_a_closed_widget_renews_its_picture_once_and_no_more(outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_picture, "RENEWAL_DELAY_S", 60)
    widget = open_widget()
    widget._repr_mimebundle_()
    widget.apply(Click(1, 500))
    widget.close()
    assert [one["is_update"] for one in outputs] == [False, True] and outputs.tint(1)[250:, :100].mean() > 20
    widget.session.undo()
    assert widget._saved_picture._timer is None


def test_a_picture_appears_and_disappears_with_what_there_is_to_draw(outputs: Outputs) -> None:
    drawn = iter([None, NOISE, None])
    kept: list[str] = []
    picture = saved_picture.SavedPicture(lambda: next(drawn), kept.append)
    picture.display()
    for _ in range(2):
        picture.renew_later()
        picture.renew()
    assert [("image/jpeg" in one["data"], one["is_update"]) for one in outputs] == [(False, False), (True, True), (False, True)]
    assert [bool(address) for address in kept] == [False, True, False]
    assert all(picture.id in one["data"]["text/html"] for one in outputs)
