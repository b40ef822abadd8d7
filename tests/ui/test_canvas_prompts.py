"""Click, box and stroke in JupyterLab: each is one prediction and one change, and has a preview."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab
from support.pointer import Pointer

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
def prompts(lab: Lab, module_page: Page) -> Iterator[Pointer]:
    yield Pointer.open(lab, module_page, "prompts.ipynb", CELL)


@pytest.fixture
def pointer(prompts: Pointer) -> Iterator[Pointer]:
    """The pointer over an empty mask; drawings are undone after each test."""
    prompts.widget.root.focus()
    yield prompts
    while prompts.widget.value("{}.can_undo"):
        prompts.widget.press("Control+z")
    assert prompts.widget.area == 0


def last(pointer: Pointer) -> dict[str, object]:
    """Return the newest applied action."""
    action: dict[str, object] = pointer.widget.value("{}.session.log()['actions'][-1]")
    return action


def test_click_and_the_next_suggestion(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("c", "click")
    before = w.mask_hash()
    pointer.click((300, 150))
    w.wait_until_ready()
    assert w.area == 200 * 200
    pointer.undo_and_redo(before)
    before = w.mask_hash()
    w.press("Tab")
    assert w.area == 100 * 200
    pointer.undo_and_redo(before)
    w.press("Tab")
    assert w.area == 200 * 200


def test_box(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("r", "box")
    before = w.mask_hash()
    pointer.drag((410, 310), (300, 200), (190, 90), shot="box.png")
    assert w.has_pixel(300, 150)
    assert [last(pointer)[name] for name in ("type", "x0", "y0", "x1", "y1")] == [
        "box",
        *(pytest.approx(v, abs=1) for v in (190, 90, 410, 310)),
    ]
    pointer.undo_and_redo(before)
    before = w.mask_hash()
    pointer.click((500, 50))  # Not a box.
    assert w.mask_hash() == before


def test_stroke(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("k", "stroke")
    before = w.mask_hash()
    pointer.drag((250, 150), (300, 200), (350, 150), shot="stroke.png")
    assert w.has_pixel(300, 150) and last(pointer)["type"] == "stroke" and last(pointer)["positive"] is True
    pointer.undo_and_redo(before)
    pointer.drag((500, 50), (550, 50), button="right")
    assert last(pointer)["positive"] is False


def test_prompts_stay_visible(pointer: Pointer) -> None:
    w = pointer.widget
    places = {"click": (450, 60), "box": (190, 200), "stroke": (300, 200)}
    pointer.select_tool("c", "click")
    pointer.click(places["click"], button="right")
    pointer.select_tool("r", "box")
    pointer.drag((190, 90), (410, 310))
    pointer.select_tool("k", "stroke")
    pointer.drag((250, 200), (350, 200))
    pointer.move(560, 380)
    pointer.page.screenshot(path=SCREENSHOTS / "prompts.png")
    assert {name: pointer.has_marks(*at) for name, at in places.items()} == dict.fromkeys(places, True)
    w.press("Enter")  # Another object has its own prompts.
    assert {name: pointer.has_marks(*at) for name, at in places.items()} == dict.fromkeys(places, False)
    for _ in range(3):
        w.press("Control+z")
    assert {name: pointer.has_marks(*at) for name, at in places.items()} == {"click": True, "box": False, "stroke": False}


def test_the_preview_is_shown_while_the_pointer_rests(pointer: Pointer) -> None:
    w, page = pointer.widget, pointer.page
    pointer.select_tool("c", "click")
    pointer.move(500, 50)
    plain, count = pointer.painted_hash(), len(pointer.messages)
    pointer.move(300, 150)
    page.wait_for_timeout(500)
    assert pointer.painted_hash() == plain and len(pointer.messages) == count  # The preview is off.
    w.press("q")
    pointer.move(301, 150)
    expect(w.root.locator("[data-command=preview]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(1000)
    assert pointer.painted_hash() != plain and w.area == 0
    assert sum('"op":"peek"' in text for text in pointer.messages[count:]) >= 1
    pointer.select_tool("r", "box")
    pointer.drag((190, 90), (410, 310), release=False)
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / "preview.png")
    assert '"type":"box"' in pointer.messages[-1] and '"op":"peek"' in pointer.messages[-1]
    w.press("Escape")
    page.mouse.up()
    assert w.area == 0
    w.press("q")
