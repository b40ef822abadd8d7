"""A kernel that is killed loses nothing; two notebooks on one file hear of each other."""

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
    """Put an image file beside the notebooks; return the cell that shows it."""
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
    w.answered()
    w.press("c")


def test_a_killed_kernel_loses_nothing(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "killed.ipynb", [photo(lab, "killed.png")])
    notebook.run_all()
    w = notebook.widget()
    expect(w.root.locator(".cdw-status")).to_contain_text("Saved")
    w.click(300, 230)
    w.click(100, 100)
    clicked = w.digest()
    paint(w, (500, 330), (550, 330), (550, 360))
    painted = w.digest()
    assert painted != clicked and w.holds(530, 330)

    notebook.kill_kernel()
    notebook.run_all()
    w = notebook.widget()
    assert w.digest() == painted and w.painted(530, 330)
    w.root.focus()
    w.press("Control+z")
    assert w.digest() == clicked and not w.painted(545, 358)
    w.press("Control+z")
    w.press("Control+z")
    assert w.area == 0 and not w.value("{}.can_undo")
    for _ in range(3):
        w.press("Control+y")
    assert w.digest() == painted
    w.click(50, 350)
    assert w.value("len({0}.session.clicks)") == 3


def test_two_notebooks_on_one_file(lab: Lab, page: Page) -> None:
    cell = photo(lab, "shared.png")
    first = Notebook.open(lab, page, "first.ipynb", [cell])
    first.run_all()
    w = first.widget()
    w.click(300, 230)
    saved = w.digest()

    other_page = page.context.new_page()
    second = Notebook.open(lab, other_page, "second.ipynb", [cell])
    second.run_all()
    other = second.widget()
    assert other.digest() == saved
    expect(other.root.locator(".cdw-status")).to_contain_text("is being edited in another notebook")
    other.click(100, 100)
    expect(other.root.locator(".cdw-trouble")).to_contain_text("is being edited in another notebook, so this was not done")
    assert other.digest() == saved

    w.click(100, 100)  # the first one is not disturbed
    assert w.value("len({0}.session.clicks)") == 2
    w.value("{}.close()")
    second.run_all()
    other = second.widget()
    assert other.digest() != saved and other.value("len({0}.session.clicks)") == 2
    other.root.focus()
    other.press("Control+z")
    assert other.digest() == saved


def test_the_cell_again_takes_over(lab: Lab, page: Page) -> None:
    cell = photo(lab, "again.png")
    notebook = Notebook.open(lab, page, "again.ipynb", [cell, cell.replace("w ", "v ").replace("w\n", "v\n")])
    notebook.run_all()
    w, v = notebook.widget(0, "w"), notebook.widget(1, "v")
    expect(w.root.locator(".cdw-status")).to_contain_text("was opened again in another cell")
    v.click(300, 230)
    w.click(100, 100)
    expect(w.root.locator(".cdw-trouble")).to_contain_text("go on there")
    assert w.area == 0 and v.area > 0
