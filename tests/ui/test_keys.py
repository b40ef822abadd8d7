"""Keys, wheel and focus: the widget handles its own keys and leaves the notebook's keys to the notebook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import cdwidget, skimage.data
w = cdwidget.Annotator(skimage.data.coffee())
w
"""
SCROLL = "document.querySelector('.jp-WindowedPanel-outer').scrollTop"


@pytest.fixture(scope="module")
def notebook(lab: Lab, module_page: Page) -> Iterator[Notebook]:
    notebook = Notebook.open(lab, module_page, "keys.ipynb", ["1"] * 5 + [CELL] + ["2"] * 25)
    notebook.run_all()
    notebook.widget().click(300, 230)
    yield notebook


def leave(w: Widget) -> None:
    """Give the focus back to the notebook."""
    w.press("Escape")
    w.press("Escape")


def test_keys_of_the_notebook_still_work(notebook: Notebook) -> None:
    w = notebook.widget()
    before = notebook.cells()
    w.stage.hover(position=w.position(20, 20))
    for key in ("d", "d", "a", "b", "x", "z", "m"):
        w.press(key)
    assert notebook.cells() == before and w.area
    leave(w)
    w.press("b")  # In command mode: a new cell below.
    assert notebook.cells() == before + 1


def test_peek_hides_the_mask_while_the_key_is_down(notebook: Notebook) -> None:
    w = notebook.widget()
    w.root.focus()
    assert w.is_painted(300, 230)
    notebook.page.keyboard.down("v")
    assert not w.is_painted(300, 230)
    notebook.page.keyboard.up("v")
    assert w.is_painted(300, 230)


def test_the_wheel_scrolls_the_page_until_the_widget_has_the_focus(notebook: Notebook) -> None:
    w, page = notebook.widget(), notebook.page
    zoom = w.root.locator(".cdw-zoom")
    w.root.focus()
    w.press("0")
    leave(w)
    fitted, top = zoom.inner_text(), page.evaluate(SCROLL)

    w.stage.hover(position=w.position(300, 200))
    page.mouse.wheel(0, 120)
    page.wait_for_timeout(300)
    assert page.evaluate(SCROLL) > top and zoom.inner_text() == fitted

    page.mouse.wheel(0, -120)
    w.root.focus()
    page.wait_for_timeout(300)
    top = page.evaluate(SCROLL)
    for _ in range(20):  # Beyond the largest zoom, the page still does not scroll.
        page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)
    assert page.evaluate(SCROLL) == top and zoom.inner_text() == "4800 %"

    leave(w)
    page.keyboard.down("Control")
    page.mouse.wheel(0, 120)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    assert page.evaluate(SCROLL) == top and zoom.inner_text() != "4800 %"


def test_space_and_the_middle_button_move_the_image(notebook: Notebook) -> None:
    w, page = notebook.widget(), notebook.page

    def pointer() -> str:
        page.wait_for_timeout(60)  # One or two frames.
        return w.root.locator(".cdw-pointer").inner_text()

    w.root.focus()
    w.press("0")
    w.press("+")
    clicks = w.value("len({}.session.clicks)")
    box = w.stage.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for button, held in (("left", "Space"), ("middle", None)):
        page.mouse.move(x, y)
        point = pointer()
        if held:
            page.keyboard.down(held)
        page.mouse.down(button=button)
        page.mouse.move(x + 60, y + 30, steps=4)
        assert pointer() == point
        page.mouse.up(button=button)
        if held:
            page.keyboard.up(held)
        page.mouse.move(x, y)
        assert pointer() != point
    assert w.value("len({}.session.clicks)") == clicks


def test_help_lists_every_key_and_full_screen_opens(notebook: Notebook) -> None:
    w = notebook.widget()
    w.root.focus()
    w.press("?")
    expect(w.root.locator(".cdw-help")).to_contain_text("Ctrl+Shift+Z")
    w.press("Escape")
    expect(w.root.locator(".cdw-help")).to_be_hidden()
    w.press("f")
    notebook.page.wait_for_timeout(300)
    size = notebook.page.viewport_size
    box = w.root.bounding_box()
    assert size and box and (box["width"], box["height"]) == (size["width"], size["height"])
    w.press("f")
    notebook.page.wait_for_timeout(300)
    box = w.root.bounding_box()
    assert box and box["width"] < size["width"]
