"""Polygon, lasso, superpixels, wand and matte in JupyterLab: each gesture is one change that can be undone and redone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab
from support.pointer import Pointer


@pytest.fixture(scope="module")
def regions(lab: Lab, module_page: Page) -> Iterator[Pointer]:
    yield Pointer.open(lab, module_page, "regions.ipynb")


@pytest.fixture
def pointer(regions: Pointer) -> Iterator[Pointer]:
    """The pointer over an empty mask; drawings are undone after each test."""
    regions.page.keyboard.press("Escape")
    regions.widget.root.focus()
    yield regions
    while regions.widget.value("{}.can_undo"):
        regions.widget.press("Control+z")
    assert regions.widget.area == 0


def ops(pointer: Pointer) -> list[str]:
    """Return the operations that the page has requested."""
    return [text.split('"op":"', 1)[1].split('"', 1)[0] for text in pointer.messages if '"op":"' in text]


def test_polygon(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("p", "polygon")
    before = w.mask_hash()
    pointer.click((100, 100), (300, 100), (300, 250), (40, 40))
    w.press("Backspace")  # Removes (40, 40).
    pointer.click((100, 250))
    pointer.click((200, 100))  # On the edge: inserts a corner.
    pointer.drag((200, 100), (200, 40))
    assert w.mask_hash() == before  # Nothing is recorded until it is closed.
    pointer.page.screenshot(path=SCREENSHOTS / "polygon.png")
    w.press("Enter")
    assert [w.has_pixel(*point) for point in ((200, 60), (101, 110), (299, 248), (120, 60), (310, 200))] == [True, True, True, False, False]
    assert w.value("len({0}.instances)") == 1  # Enter closed the polygon and did not finish the object.
    pointer.undo_and_redo(before)

    before = w.mask_hash()
    pointer.page.keyboard.down("Alt")
    pointer.click((150, 120))
    pointer.page.keyboard.up("Alt")
    pointer.click((250, 120), (200, 200), (150, 120))  # Clicking the first corner closes it.
    w.wait_until_ready()
    assert not w.has_pixel(200, 140) and w.has_pixel(120, 240)
    pointer.undo_and_redo(before)

    before = w.mask_hash()
    pointer.click((400, 300), (450, 300))
    w.press("Escape")
    assert w.mask_hash() == before
    pointer.click((400, 300), (450, 300))
    pointer.move(420, 350)
    pointer.page.mouse.dblclick(*pointer.at(420, 350))
    w.wait_until_ready()
    assert w.has_pixel(422, 310)
    pointer.undo_and_redo(before)


def test_the_finish_button_closes_a_polygon_and_is_disabled_without_one(pointer: Pointer) -> None:
    w, finish = pointer.widget, pointer.widget.root.locator("[data-command=finish]")
    pointer.select_tool("p", "polygon")
    expect(finish).to_be_disabled()
    pointer.click((100, 100), (300, 100), (300, 250))
    expect(finish).to_be_enabled()
    w.press("?")
    w.press("Escape")  # Closes the list of keys.
    expect(w.root.locator(".cdw-help")).to_be_hidden()
    expect(finish).to_be_enabled()
    w.press("Escape")  # Cancels the gesture.
    expect(finish).to_be_disabled()
    pointer.click((100, 100), (300, 100), (300, 250))
    finish.click()
    w.wait_until_ready()
    assert w.has_pixel(280, 150) and w.value("len({0}.instances)") == 1


def test_lasso(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("l", "lasso")
    before = w.mask_hash()
    pointer.click((190, 90))
    pointer.move(230, 45, steps=4)
    pointer.page.wait_for_timeout(500)
    pointer.move(300, 25, steps=4)
    pointer.page.wait_for_timeout(500)
    pointer.page.screenshot(path=SCREENSHOTS / "lasso.png")
    pointer.click((300, 25))
    assert "scissors" in ops(pointer)
    pointer.page.keyboard.down("Shift")  # A straight segment.
    pointer.click((400, 90), (500, 300))
    pointer.page.keyboard.up("Shift")
    w.press("Backspace")
    pointer.click((380, 200))
    w.press("Enter")
    assert w.has_pixel(300, 80) and not w.has_pixel(480, 280)
    points = w.value("[list(point) for point in {0}.session.log()['actions'][-1]['points']]")
    assert len(points) > 6 and points[0] == pytest.approx([196.5, 89.5], abs=1)  # Edges were followed, and the first point moved to one.
    assert any(point == pytest.approx([400, 90], abs=1) for point in points)
    pointer.undo_and_redo(before)


def test_a_click_before_the_superpixels_are_loaded_is_applied_later(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.set("superpixels", 400)
    pointer.move(330, 180)
    pointer.page.keyboard.press("u")
    pointer.page.mouse.down()
    pointer.page.mouse.up()
    w.wait_until_ready()
    pointer.page.wait_for_timeout(200)
    w.wait_until_ready()
    assert ops(pointer)[-2:] == ["superpixels", "apply"] and w.has_pixel(330, 180)
    pointer.select_tool("c", "click")


def test_superpixels(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.set("superpixels", 300)
    pointer.select_tool("u", "superpixel")
    w.wait_until_ready()
    before, requested = w.mask_hash(), len(ops(pointer))
    empty = pointer.painted_hash()
    pointer.move(150, 100)
    hovered = pointer.painted_hash()
    assert hovered != empty
    pointer.move(330, 180, steps=20)
    assert pointer.painted_hash() != hovered
    assert len(ops(pointer)) == requested  # Hovering sends no request.

    with pointer.slow_kernel():
        pointer.drag((330, 180), (380, 180), steps=8, release=False, shot="superpixels.png")
        pointer.page.mouse.up()
        painted = pointer.painted_hash()
        assert w.area == 0
    assert pointer.painted_hash() == painted and ops(pointer)[requested:] == ["apply"]
    assert w.has_pixel(330, 180) and w.has_pixel(380, 180) and w.has_pixel(355, 180)
    pointer.undo_and_redo(before)

    before = w.mask_hash()
    pointer.click((380, 180))  # It is selected: a click removes it.
    w.wait_until_ready()
    assert not w.has_pixel(380, 180) and w.has_pixel(330, 180)
    pointer.undo_and_redo(before)
    pointer.click((380, 180))  # Another click adds it.
    w.wait_until_ready()
    assert w.has_pixel(380, 180)
    pointer.click((380, 180), button="right")
    w.wait_until_ready()
    assert not w.has_pixel(380, 180)
    pointer.click((380, 180), button="right")  # The right button only removes.
    w.wait_until_ready()
    assert not w.has_pixel(380, 180)


def test_wand(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("w", "wand")
    pointer.set("tolerance", 10)
    before = w.mask_hash()
    pointer.drag((300, 200), (340, 200), (380, 200), release=False)
    pointer.page.wait_for_timeout(1000)
    pointer.page.screenshot(path=SCREENSHOTS / "wand.png")
    assert w.area == 0 and "peek" in ops(pointer)  # A preview.
    pointer.page.mouse.up()
    w.wait_until_ready()
    assert w.value("{}.tolerance") == pytest.approx(10 + 0.25 * 80 * 1.05, abs=2) and w.has_pixel(300, 200)
    pointer.undo_and_redo(before)
    narrow, before = w.area, w.mask_hash()
    pointer.drag((300, 200), (400, 200))
    assert w.area > narrow
    pointer.undo_and_redo(before)


def test_matte(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("b", "brush")
    pointer.set("brush_size", 120)
    pointer.drag((200, 200), (400, 200))
    pointer.select_tool("m", "matte")
    pointer.set("brush_size", 30)
    before = w.mask_hash()
    pointer.drag((140, 200), (150, 160), (200, 140), shot="matte.png")
    expect(w.root.locator(".cdw-notice")).to_be_hidden()
    assert w.value("bool((({0}.session.alpha > 0) & ({0}.session.alpha < 255)).any())")
    pointer.undo_and_redo(before)
    soft = pointer.opacity_levels()
    w.press("Control+z")
    assert 0 < pointer.opacity_levels() < soft / 2  # Half-covered pixels are painted half transparent.
    w.press("Control+Shift+Z")
    assert pointer.opacity_levels() == soft


def test_a_matte_without_an_object_is_explained(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.select_tool("m", "matte")
    pointer.drag((140, 200), (150, 160), (200, 140))
    expect(w.root.locator(".cdw-notice span")).to_have_text(re.compile("^There is no object next to the band. Draw it along the border"))
    pointer.select_tool("b", "brush")
    pointer.drag((200, 200), (400, 200))  # The failed gesture is over.
    expect(w.root.locator(".cdw-notice")).to_be_hidden()
