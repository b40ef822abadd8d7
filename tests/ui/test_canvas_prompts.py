"""Click, box and stroke in a real JupyterLab: each asks the model once, is one change, and can be looked at before it is made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab
from support.pointer import Hand

CELL = """
import sys
sys.path.insert(0, {tests!r})
import cdwidget, numpy as np, skimage.data
from cdwidget.predictor import Prediction
image = skimage.data.coffee()
whole, part = np.zeros((2, *image.shape[:2]), bool)
whole[100:300, 200:400] = True
part[100:200, 200:400] = True

class Ambiguous:
    def set_image(self, image): pass
    def predict(self, prompts, prior=None): return Prediction(whole, whole.astype(np.float32), alternatives=(part,))

w = cdwidget.Annotator(image, Ambiguous())
w
"""


@pytest.fixture(scope="module")
def prompts(lab: Lab, module_page: Page) -> Iterator[Hand]:
    yield Hand.open(lab, module_page, "prompts.ipynb", CELL)


@pytest.fixture
def hand(prompts: Hand) -> Iterator[Hand]:
    """The hand over an empty mask; what a test draws is taken back after it."""
    prompts.widget.root.focus()
    yield prompts
    while prompts.widget.value("{}.can_undo"):
        prompts.widget.press("Control+z")
    assert prompts.widget.area == 0


def last(hand: Hand) -> dict[str, object]:
    """The newest action that is in force."""
    action: dict[str, object] = hand.widget.value("{}.session.log()['actions'][-1]")
    return action


def test_click_and_the_next_answer(hand: Hand) -> None:
    w = hand.widget
    hand.take("c", "click")
    before = w.digest()
    hand.click((300, 150))
    w.answered()
    assert w.area == 200 * 200
    hand.undo_and_redo(before)
    before = w.digest()
    w.press("Tab")
    assert w.area == 100 * 200
    hand.undo_and_redo(before)
    w.press("Tab")
    assert w.area == 200 * 200


def test_box(hand: Hand) -> None:
    w = hand.widget
    hand.take("r", "box")
    before = w.digest()
    hand.drag((410, 310), (300, 200), (190, 90), shot="box.png")
    assert w.holds(300, 150)
    assert [last(hand)[name] for name in ("type", "x0", "y0", "x1", "y1")] == [
        "box",
        *(pytest.approx(v, abs=1) for v in (190, 90, 410, 310)),
    ]
    hand.undo_and_redo(before)
    before = w.digest()
    hand.click((500, 50))  # no box
    assert w.digest() == before


def test_stroke(hand: Hand) -> None:
    w = hand.widget
    hand.take("k", "stroke")
    before = w.digest()
    hand.drag((250, 150), (300, 200), (350, 150), shot="stroke.png")
    assert w.holds(300, 150) and last(hand)["type"] == "stroke" and last(hand)["positive"] is True
    hand.undo_and_redo(before)
    hand.drag((500, 50), (550, 50), button="right")
    assert last(hand)["positive"] is False


def test_what_the_model_was_told_stays_in_sight(hand: Hand) -> None:
    w = hand.widget
    places = {"click": (450, 60), "box": (190, 200), "stroke": (300, 200)}
    hand.take("c", "click")
    hand.click(places["click"], button="right")
    hand.take("r", "box")
    hand.drag((190, 90), (410, 310))
    hand.take("k", "stroke")
    hand.drag((250, 200), (350, 200))
    hand.move(560, 380)
    hand.page.screenshot(path=SCREENSHOTS / "prompts.png")
    assert {name: hand.marked(*at) for name, at in places.items()} == dict.fromkeys(places, True)
    w.press("Enter")  # another object, another story
    assert {name: hand.marked(*at) for name, at in places.items()} == dict.fromkeys(places, False)
    for _ in range(3):
        w.press("Control+z")
    assert {name: hand.marked(*at) for name, at in places.items()} == {"click": True, "box": False, "stroke": False}


def test_what_a_prompt_would_do_is_shown_while_the_pointer_rests(hand: Hand) -> None:
    w, page = hand.widget, hand.page
    hand.take("c", "click")
    hand.move(500, 50)
    plain, count = hand.picture(), len(hand.asked)
    hand.move(300, 150)
    page.wait_for_timeout(500)
    assert hand.picture() == plain and len(hand.asked) == count  # it is off
    w.press("q")
    hand.move(301, 150)
    expect(w.root.locator("[data-command=preview]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(1000)
    assert hand.picture() != plain and w.area == 0
    assert sum('"op":"peek"' in text for text in hand.asked[count:]) >= 1
    hand.take("r", "box")
    hand.drag((190, 90), (410, 310), release=False)
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / "preview.png")
    assert '"type":"box"' in hand.asked[-1] and '"op":"peek"' in hand.asked[-1]
    w.press("Escape")
    page.mouse.up()
    assert w.area == 0
    w.press("q")
