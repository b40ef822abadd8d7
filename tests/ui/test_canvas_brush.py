"""Brush and eraser in a real JupyterLab: mouse, keys, pen and fingers, what is painted at once and what the kernel has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab
from support.pointer import Hand


@pytest.fixture(scope="module")
def hand(lab: Lab, module_page: Page) -> Iterator[Hand]:
    hand = Hand.open(lab, module_page, "brush.ipynb")
    hand.take("b", "brush")
    yield hand


def test_what_is_painted_is_what_the_kernel_has(hand: Hand) -> None:
    w = hand.widget
    hand.set("brush_size", 40)
    before = w.digest()
    with hand.slow_kernel():
        hand.drag((100, 100), (300, 150), (250, 250), release=False, shot="brush.png")
        hand.page.mouse.up()
        painted = hand.picture()
        assert w.area == 0  # the kernel has not answered yet
    assert hand.picture() == painted  # nothing flickers when it has
    assert w.holds(100, 100) and w.holds(300, 150) and w.holds(119, 104) and not w.holds(100, 121)
    hand.undo_and_redo(before)
    assert hand.picture() == painted


def test_alt_erases_and_the_eraser_too(hand: Hand) -> None:
    w, keyboard = hand.widget, hand.page.keyboard
    before = w.digest()
    keyboard.down("Alt")
    hand.drag((180, 60), (180, 200))
    keyboard.up("Alt")
    assert not w.holds(180, 120) and w.holds(100, 100)
    hand.undo_and_redo(before)

    hand.take("e", "eraser")
    before = w.digest()
    with hand.slow_kernel():
        hand.drag((100, 100), (140, 110), release=False)
        hand.page.mouse.up()
        painted = hand.picture()
    assert hand.picture() == painted
    assert not w.holds(100, 100)
    hand.undo_and_redo(before)
    hand.take("b", "brush")


def test_brackets_change_the_size(hand: Hand) -> None:
    w = hand.widget
    size = w.value("{}.brush_size")
    w.press("]")
    w.press("]")
    larger = w.value("{}.brush_size")
    w.press("[")
    assert size < w.value("{}.brush_size") < larger
    hand.set("brush_size", size)


def test_escape_takes_a_stroke_back_and_strokes_may_follow_each_other_at_once(hand: Hand) -> None:
    w = hand.widget
    before, picture = w.digest(), hand.picture()
    hand.drag((450, 50), (550, 50), release=False)
    assert hand.picture() != picture
    w.press("Escape")
    hand.page.mouse.up()
    hand.move(300, 150)
    assert w.digest() == before

    with hand.slow_kernel(1):
        for y in (60, 200, 340):
            hand.move(450, y)
            hand.page.mouse.down()
            hand.move(550, y, steps=3)
            hand.page.mouse.up()
        painted = hand.picture()
    assert hand.picture() == painted
    assert [w.holds(500, y) for y in (60, 130, 200, 340)] == [True, False, True, True]
    for _ in range(3):
        w.press("Control+z")
    assert w.digest() == before


def test_a_stroke_that_fails_is_taken_back_and_says_why(hand: Hand) -> None:
    w = hand.widget
    hand.move(500, 50)
    before, picture = w.digest(), hand.picture()
    w.value("setattr({}.session, 'apply', lambda action: 1 / 0)")
    hand.drag((450, 50), (500, 50))
    expect(w.root.locator(".cdw-trouble")).to_contain_text("ZeroDivisionError")
    w.value("{}.session.__dict__.pop('apply') and None")
    assert hand.picture() == picture and w.digest() == before
    w.root.get_by_label("Dismiss").click()


def test_a_pen_draws_and_its_pressure_scales_the_brush(hand: Hand) -> None:
    w = hand.widget
    before = w.digest()
    hand.pen((450, 300), (500, 310), (550, 300))
    assert w.holds(500, 309) and w.holds(500, 325)
    hand.undo_and_redo(before)
    w.press("Control+z")

    pressure = w.root.locator("[data-command=pressure]")
    pressure.click()
    w.root.focus()
    hand.pen((450, 300), (500, 310), (550, 300), force=0.25)
    assert w.holds(500, 309) and not w.holds(500, 325)
    w.press("Control+z")
    pressure.click()
    assert w.digest() == before


def test_one_finger_draws_and_two_move_and_zoom(hand: Hand) -> None:
    w = hand.widget
    w.root.focus()
    before, zoom = w.digest(), w.root.locator(".cdw-zoom")
    fitted = zoom.inner_text()
    hand.fingers([hand.at(450, 60), hand.at(480, 70), hand.at(520, 60)])
    assert w.holds(480, 68)
    hand.undo_and_redo(before)
    w.press("Control+z")

    (x, y), (far_x, far_y) = hand.at(250, 200), hand.at(350, 200)
    hand.fingers([(x, y), (x - 20, y), (x - 50, y)], [(far_x, far_y), (far_x + 20, far_y), (far_x + 50, far_y)])
    assert int(zoom.inner_text().split()[0]) > int(fitted.split()[0]) * 1.5
    assert w.digest() == before  # nothing was drawn
    w.press("0")
    assert zoom.inner_text() == fitted


def test_another_tool_or_view_only_in_the_middle_of_a_stroke_gives_it_up(hand: Hand) -> None:
    w, page = hand.widget, hand.page
    hand.take("b", "brush")
    page.mouse.move(2, 2)
    before, plain = w.digest(), hand.picture()
    for key, view_only in (("p", False), ("Control+z", False), ("", True)):
        hand.drag((500, 60), (540, 100), release=False)
        if view_only:
            hand.set("view_only", True)
            expect(w.root.locator("[data-command=brush]")).to_be_disabled()
        else:
            w.press(key)
        hand.move(560, 60)
        page.mouse.up()
        w.answered()
        page.mouse.move(2, 2)
        assert w.digest() == before and hand.picture() == plain
        expect(w.root.locator(".cdw-trouble")).to_be_hidden()
        hand.set("view_only", False)
        expect(w.root.locator(f"[data-command={'polygon' if key == 'p' else 'brush'}]")).to_have_attribute("aria-pressed", "true")
        hand.take("b", "brush")
