"""Brush and eraser in JupyterLab: mouse, keys, pen and touch; the painted pixels equal the kernel's mask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab
from support.pointer import Pointer


@pytest.fixture(scope="module")
def pointer(lab: Lab, module_page: Page) -> Iterator[Pointer]:
    pointer = Pointer.open(lab, module_page, "brush.ipynb")
    pointer.select_tool("b", "brush")
    yield pointer


def test_painted_pixels_equal_the_mask(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.set("brush_size", 40)
    before = w.mask_hash()
    with pointer.slow_kernel():
        pointer.drag((100, 100), (300, 150), (250, 250), release=False, shot="brush.png")
        pointer.page.mouse.up()
        painted = pointer.painted_hash()
        assert w.area == 0  # The kernel has not replied yet.
    assert pointer.painted_hash() == painted  # Nothing flickers after the reply.
    assert w.has_pixel(100, 100) and w.has_pixel(300, 150) and w.has_pixel(119, 104) and not w.has_pixel(100, 121)
    pointer.undo_and_redo(before)
    assert pointer.painted_hash() == painted


def test_alt_erases_and_the_eraser_too(pointer: Pointer) -> None:
    w, keyboard = pointer.widget, pointer.page.keyboard
    before = w.mask_hash()
    keyboard.down("Alt")
    pointer.drag((180, 60), (180, 200))
    keyboard.up("Alt")
    assert not w.has_pixel(180, 120) and w.has_pixel(100, 100)
    pointer.undo_and_redo(before)

    pointer.select_tool("e", "eraser")
    before = w.mask_hash()
    with pointer.slow_kernel():
        pointer.drag((100, 100), (140, 110), release=False)
        pointer.page.mouse.up()
        painted = pointer.painted_hash()
    assert pointer.painted_hash() == painted
    assert not w.has_pixel(100, 100)
    pointer.undo_and_redo(before)
    pointer.select_tool("b", "brush")


def test_brackets_change_the_size(pointer: Pointer) -> None:
    w = pointer.widget
    size = w.value("{}.brush_size")
    w.press("]")
    w.press("]")
    larger = w.value("{}.brush_size")
    w.press("[")
    assert size < w.value("{}.brush_size") < larger
    pointer.set("brush_size", size)


def test_escape_cancels_a_stroke_and_strokes_may_follow_quickly(pointer: Pointer) -> None:
    w = pointer.widget
    before, picture = w.mask_hash(), pointer.painted_hash()
    pointer.drag((450, 50), (550, 50), release=False)
    assert pointer.painted_hash() != picture
    w.press("Escape")
    pointer.page.mouse.up()
    pointer.move(300, 150)
    assert w.mask_hash() == before

    with pointer.slow_kernel(1):
        for y in (60, 200, 340):
            pointer.move(450, y)
            pointer.page.mouse.down()
            pointer.move(550, y, steps=3)
            pointer.page.mouse.up()
        painted = pointer.painted_hash()
    assert pointer.painted_hash() == painted
    assert [w.has_pixel(500, y) for y in (60, 130, 200, 340)] == [True, False, True, True]
    for _ in range(3):
        w.press("Control+z")
    assert w.mask_hash() == before


def test_a_failed_stroke_is_removed_and_explained(pointer: Pointer) -> None:
    w = pointer.widget
    pointer.move(500, 50)
    before, picture = w.mask_hash(), pointer.painted_hash()
    w.value("setattr({}.session, 'apply', lambda action: 1 / 0)")
    pointer.drag((450, 50), (500, 50))
    expect(w.root.locator(".cdw-notice")).to_contain_text("ZeroDivisionError")
    w.value("{}.session.__dict__.pop('apply') and None")
    assert pointer.painted_hash() == picture and w.mask_hash() == before
    w.root.get_by_label("Dismiss").click()


def test_a_pen_draws_and_its_pressure_scales_the_brush(pointer: Pointer) -> None:
    w = pointer.widget
    before = w.mask_hash()
    pointer.pen((450, 300), (500, 310), (550, 300))
    assert w.has_pixel(500, 309) and w.has_pixel(500, 325)
    pointer.undo_and_redo(before)
    w.press("Control+z")

    pressure = w.root.locator("[data-command=pressure]")
    pressure.click()
    w.root.focus()
    pointer.pen((450, 300), (500, 310), (550, 300), force=0.25)
    assert w.has_pixel(500, 309) and not w.has_pixel(500, 325)
    w.press("Control+z")
    pressure.click()
    assert w.mask_hash() == before


def test_one_touch_draws_and_two_pan_and_zoom(pointer: Pointer) -> None:
    w = pointer.widget
    w.root.focus()
    before, zoom = w.mask_hash(), w.root.locator(".cdw-zoom")
    fitted = zoom.inner_text()
    pointer.touch([pointer.at(450, 60), pointer.at(480, 70), pointer.at(520, 60)])
    assert w.has_pixel(480, 68)
    pointer.undo_and_redo(before)
    w.press("Control+z")

    (x, y), (far_x, far_y) = pointer.at(250, 200), pointer.at(350, 200)
    pointer.touch([(x, y), (x - 20, y), (x - 50, y)], [(far_x, far_y), (far_x + 20, far_y), (far_x + 50, far_y)])
    assert int(zoom.inner_text().split()[0]) > int(fitted.split()[0]) * 1.5
    assert w.mask_hash() == before  # Nothing was drawn.
    w.press("0")
    assert zoom.inner_text() == fitted


def test_changing_the_tool_or_view_only_cancels_a_stroke(pointer: Pointer) -> None:
    w, page = pointer.widget, pointer.page
    pointer.select_tool("b", "brush")
    page.mouse.move(2, 2)
    before, plain = w.mask_hash(), pointer.painted_hash()
    for key, view_only in (("p", False), ("Control+z", False), ("", True)):
        pointer.drag((500, 60), (540, 100), release=False)
        if view_only:
            pointer.set("view_only", True)
            expect(w.root.locator("[data-command=brush]")).to_be_disabled()
        else:
            w.press(key)
        pointer.move(560, 60)
        page.mouse.up()
        w.wait_until_ready()
        page.mouse.move(2, 2)
        assert w.mask_hash() == before and pointer.painted_hash() == plain
        expect(w.root.locator(".cdw-notice")).to_be_hidden()
        pointer.set("view_only", False)
        expect(w.root.locator(f"[data-command={'polygon' if key == 'p' else 'brush'}]")).to_have_attribute("aria-pressed", "true")
        pointer.select_tool("b", "brush")
