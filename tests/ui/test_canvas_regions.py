"""Polygon, lasso, superpixels, wand and matte in a real JupyterLab: each gesture is one change of the kernel's mask, undone and redone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab
from support.pointer import Hand


@pytest.fixture(scope="module")
def regions(lab: Lab, module_page: Page) -> Iterator[Hand]:
    yield Hand.open(lab, module_page, "regions.ipynb")


@pytest.fixture
def hand(regions: Hand) -> Iterator[Hand]:
    """The hand over an empty mask; what a test draws is taken back after it."""
    regions.page.keyboard.press("Escape")
    regions.widget.root.focus()
    yield regions
    while regions.widget.value("{}.can_undo"):
        regions.widget.press("Control+z")
    assert regions.widget.area == 0


def ops(hand: Hand) -> list[str]:
    """The operations that the browser has asked the kernel for."""
    return [text.split('"op":"', 1)[1].split('"', 1)[0] for text in hand.asked if '"op":"' in text]


def test_polygon(hand: Hand) -> None:
    w = hand.widget
    hand.take("p", "polygon")
    before = w.digest()
    hand.click((100, 100), (300, 100), (300, 250), (40, 40))
    w.press("Backspace")  # takes (40, 40) back
    hand.click((100, 250))
    hand.click((200, 100))  # on the edge: a corner is put in
    hand.drag((200, 100), (200, 40))
    assert w.digest() == before  # nothing is recorded until it is closed
    hand.page.screenshot(path=SCREENSHOTS / "polygon.png")
    w.press("Enter")
    assert [w.holds(*point) for point in ((200, 60), (101, 110), (299, 248), (120, 60), (310, 200))] == [True, True, True, False, False]
    assert w.value("len({0}.instances)") == 1  # Enter closed the polygon and did not finish the object
    hand.undo_and_redo(before)

    before = w.digest()
    hand.page.keyboard.down("Alt")
    hand.click((150, 120))
    hand.page.keyboard.up("Alt")
    hand.click((250, 120), (200, 200), (150, 120))  # the first corner again closes it
    w.answered()
    assert not w.holds(200, 140) and w.holds(120, 240)
    hand.undo_and_redo(before)

    before = w.digest()
    hand.click((400, 300), (450, 300))
    w.press("Escape")
    assert w.digest() == before
    hand.click((400, 300), (450, 300))
    hand.move(420, 350)
    hand.page.mouse.dblclick(*hand.at(420, 350))
    w.answered()
    assert w.holds(422, 310)
    hand.undo_and_redo(before)


def test_the_finish_button_closes_a_polygon_and_knows_when_there_is_none(hand: Hand) -> None:
    w, finish = hand.widget, hand.widget.root.locator("[data-command=finish]")
    hand.take("p", "polygon")
    expect(finish).to_be_disabled()
    hand.click((100, 100), (300, 100), (300, 250))
    expect(finish).to_be_enabled()
    w.press("?")
    w.press("Escape")  # closes the sheet of keys
    expect(w.root.locator(".cdw-help")).to_be_hidden()
    expect(finish).to_be_enabled()
    w.press("Escape")  # and the pointer rests
    expect(finish).to_be_disabled()
    hand.click((100, 100), (300, 100), (300, 250))
    finish.click()
    w.answered()
    assert w.holds(280, 150) and w.value("len({0}.instances)") == 1


def test_lasso(hand: Hand) -> None:
    w = hand.widget
    hand.take("l", "lasso")
    before = w.digest()
    hand.click((190, 90))
    hand.move(230, 45, steps=4)
    hand.page.wait_for_timeout(500)
    hand.move(300, 25, steps=4)
    hand.page.wait_for_timeout(500)
    hand.page.screenshot(path=SCREENSHOTS / "lasso.png")
    hand.click((300, 25))
    assert "scissors" in ops(hand)
    hand.page.keyboard.down("Shift")  # straight
    hand.click((400, 90), (500, 300))
    hand.page.keyboard.up("Shift")
    w.press("Backspace")
    hand.click((380, 200))
    w.press("Enter")
    assert w.holds(300, 80) and not w.holds(480, 280)
    points = w.value("[list(point) for point in {0}.session.log()['actions'][-1]['points']]")
    assert len(points) > 6 and points[0] == pytest.approx([190, 90], abs=1)  # edges were followed
    assert any(point == pytest.approx([400, 90], abs=1) for point in points)
    hand.undo_and_redo(before)


def test_a_click_before_the_superpixels_are_there_is_made_once_they_are(hand: Hand) -> None:
    w = hand.widget
    hand.set("superpixels", 400)
    hand.move(330, 180)
    hand.page.keyboard.press("s")
    hand.page.mouse.down()
    hand.page.mouse.up()
    w.answered()
    hand.page.wait_for_timeout(200)
    w.answered()
    assert ops(hand)[-2:] == ["superpixels", "apply"] and w.holds(330, 180)
    hand.take("c", "click")


def test_superpixels(hand: Hand) -> None:
    w = hand.widget
    hand.set("superpixels", 300)
    hand.take("s", "superpixel")
    w.answered()
    before, asked = w.digest(), len(ops(hand))
    empty = hand.picture()
    hand.move(150, 100)
    hovered = hand.picture()
    assert hovered != empty
    hand.move(330, 180, steps=20)
    assert hand.picture() != hovered
    assert len(ops(hand)) == asked  # hovering asks the kernel nothing

    with hand.slow_kernel():
        hand.drag((330, 180), (380, 180), steps=8, release=False, shot="superpixels.png")
        hand.page.mouse.up()
        painted = hand.picture()
        assert w.area == 0
    assert hand.picture() == painted and ops(hand)[asked:] == ["apply"]
    assert w.holds(330, 180) and w.holds(380, 180) and w.holds(355, 180)
    hand.undo_and_redo(before)

    before = w.digest()
    hand.click((380, 180))  # it is in: a click takes it out
    w.answered()
    assert not w.holds(380, 180) and w.holds(330, 180)
    hand.undo_and_redo(before)
    hand.click((380, 180))  # and puts it in again
    w.answered()
    assert w.holds(380, 180)
    hand.click((380, 180), button="right")
    w.answered()
    assert not w.holds(380, 180)
    hand.click((380, 180), button="right")  # right only takes away
    w.answered()
    assert not w.holds(380, 180)


def test_wand(hand: Hand) -> None:
    w = hand.widget
    hand.take("w", "wand")
    hand.set("tolerance", 10)
    before = w.digest()
    hand.drag((300, 200), (340, 200), (380, 200), release=False)
    hand.page.wait_for_timeout(1000)
    hand.page.screenshot(path=SCREENSHOTS / "wand.png")
    assert w.area == 0 and "peek" in ops(hand)  # a preview
    hand.page.mouse.up()
    w.answered()
    assert w.value("{}.tolerance") == pytest.approx(10 + 0.25 * 80 * 1.05, abs=2) and w.holds(300, 200)
    hand.undo_and_redo(before)
    narrow, before = w.area, w.digest()
    hand.drag((300, 200), (400, 200))
    assert w.area > narrow
    hand.undo_and_redo(before)


def test_matte(hand: Hand) -> None:
    w = hand.widget
    hand.take("b", "brush")
    hand.set("brush_size", 120)
    hand.drag((200, 200), (400, 200))
    hand.take("m", "matte")
    hand.set("brush_size", 30)
    before = w.digest()
    hand.drag((140, 200), (150, 160), (200, 140), shot="matte.png")
    expect(w.root.locator(".cdw-trouble")).to_be_hidden()
    assert w.value("bool((({0}.session.alpha > 0) & ({0}.session.alpha < 255)).any())")
    hand.undo_and_redo(before)
    soft = hand.shades()
    w.press("Control+z")
    assert 0 < hand.shades() < soft / 2  # what is half in looks so
    w.press("Control+Shift+Z")
    assert hand.shades() == soft


def test_a_matte_beside_no_object_says_what_to_do(hand: Hand) -> None:
    w = hand.widget
    hand.take("m", "matte")
    hand.drag((140, 200), (150, 160), (200, 140))
    expect(w.root.locator(".cdw-trouble span")).to_have_text(re.compile("^no object shows beside the band; smear it along the border"))
    hand.take("b", "brush")
    hand.drag((200, 200), (400, 200))  # what was wrong is done with
    expect(w.root.locator(".cdw-trouble")).to_be_hidden()
