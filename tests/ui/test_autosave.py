"""A killed kernel loses no edits, and two notebooks on one file are reported."""

from __future__ import annotations

import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import cdwidget
w = cdwidget.Annotator("{}", brush_size=30)
w
"""


def photo(lab: Lab, name: str) -> str:
    """Write an image file next to the notebooks; return the cell that shows it."""
    Image.fromarray(skimage.data.coffee()).save(lab.notebooks / name)
    return CELL.format(name)


def paint(w: Widget, *points: tuple[int, int]) -> None:
    """Draw a brush stroke with the mouse."""
    w.press("b")
    mouse, box = w.notebook.page.mouse, w.stage.bounding_box()
    assert box is not None
    places = [w.position(x, y) for x, y in points]
    mouse.move(box["x"] + places[0]["x"], box["y"] + places[0]["y"])
    mouse.down()
    for place in places[1:]:
        mouse.move(box["x"] + place["x"], box["y"] + place["y"], steps=5)
    mouse.up()
    w.wait_until_ready()
    w.press("c")


def test_a_killed_kernel_loses_nothing(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "killed.ipynb", [photo(lab, "killed.png")])
    notebook.run_all()
    w = notebook.widget()
    expect(w.root.locator(".cdw-status")).to_contain_text("Saved")
    w.click(300, 230)
    w.click(100, 100)
    clicked = w.mask_hash()
    paint(w, (500, 330), (550, 330), (550, 360))
    painted = w.mask_hash()
    assert painted != clicked and w.has_pixel(530, 330)

    notebook.kill_kernel()
    notebook.run_all()
    w = notebook.widget()
    assert w.mask_hash() == painted and w.is_painted(530, 330)
    w.root.focus()
    w.press("Control+z")
    assert w.mask_hash() == clicked and not w.is_painted(545, 358)
    w.press("Control+z")
    w.press("Control+z")
    assert w.area == 0 and not w.value("{}.can_undo")
    for _ in range(3):
        w.press("Control+y")
    assert w.mask_hash() == painted
    w.click(50, 350)
    assert w.value("len({0}.session.clicks)") == 3


def test_two_notebooks_on_one_file(lab: Lab, page: Page) -> None:
    cell = photo(lab, "shared.png")
    first = Notebook.open(lab, page, "first.ipynb", [cell])
    first.run_all()
    w = first.widget()
    w.click(300, 230)
    saved = w.mask_hash()

    other_page = page.context.new_page()
    second = Notebook.open(lab, other_page, "second.ipynb", [cell])
    second.run_all()
    other = second.widget()
    assert other.mask_hash() == saved
    take_over = other.root.get_by_role("button", name="Take over")
    expect(take_over).to_be_visible()
    expect(other.root.locator("[data-command=brush]")).to_be_disabled()
    other.click(100, 100)
    assert other.mask_hash() == saved

    w.click(100, 100)  # The first one still works, until it is taken over.
    take_over.click()
    expect(take_over).to_be_hidden()
    other.wait_until_ready()
    assert other.mask_hash() == w.mask_hash() != saved and other.value("len({0}.session.clicks)") == 2
    other.click(50, 350)
    w.click(500, 50)
    expect(w.root.locator(".cdw-notice")).to_contain_text("was taken over by another notebook, so this change was not made")
    assert w.value("len({0}.session.clicks)") == 2
    w.root.get_by_role("button", name="Take over").click()
    expect(w.root.locator(".cdw-status")).to_have_attribute("data-state", "ready")
    assert w.value("len({0}.session.clicks)") == 3
    w.root.focus()
    for _ in range(2):
        w.press("Control+z")
    assert w.mask_hash() == saved


def test_running_the_cell_again_takes_over(lab: Lab, page: Page) -> None:
    cell = photo(lab, "again.png")
    notebook = Notebook.open(lab, page, "again.ipynb", [cell, cell.replace("w ", "v ").replace("w\n", "v\n")])
    notebook.run_all()
    w, v = notebook.widget(0, "w"), notebook.widget(1, "v")
    expect(w.root.get_by_role("button", name="Take over")).to_be_visible()
    v.click(300, 230)
    w.click(100, 100)
    assert w.area == 0 and v.area > 0
