"""Show one, get all: the key on a coin proposes the others; nothing becomes an object without a press, and taking is one undo step.

A restart keeps the objects and their steps, and makes no object of a proposal.
"""

from __future__ import annotations

import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook

CELL = """
import cdwidget
w = cdwidget.Annotator("coins.png", labels=["coin"])
w
"""
OTHERS = [(100, 57), (154, 51), (44, 125), (102, 126), (152, 128)]  # Points on other coins than the example at (48, 48).
COUNT = "len({}.instances)"


def test_one_coin_gives_all(lab: Lab, page: Page) -> None:
    Image.fromarray(skimage.data.coins()[:200, :250]).save(lab.notebooks / "coins.png")
    notebook = Notebook.open(lab, page, "similar.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    bar = w.root.locator(".cdw-similar")
    expect(bar).to_be_hidden()
    w.click(48, 48)
    w.press("Enter")
    w.press("Shift+X")  # A new object is selected, which has no pixels yet.
    expect(bar).to_be_hidden()

    w.root.locator(".cdw-row").last.click()
    w.wait_until_ready()
    w.press("Shift+X")
    expect(bar).to_be_visible()
    expect(bar).to_contain_text("similar objects")
    assert w.value(COUNT) == 1  # Proposals are no objects.

    w.click(*OTHERS[0])
    assert w.value(COUNT) == 2
    w.click(*OTHERS[1], button="right")  # Rejected: no object, and not shown any more.
    assert w.value(COUNT) == 2
    expect(bar).to_be_visible()

    notebook.kill_kernel()  # Proposals are on the screen, and one was taken.
    notebook.run_all()
    w = notebook.widget()
    assert w.value(COUNT) == 2
    expect(bar).to_be_hidden()
    w.root.focus()
    w.press("Control+z")
    assert w.value(COUNT) == 1
    w.press("Control+Shift+Z")
    assert w.value(COUNT) == 2
    w.root.locator(".cdw-row").last.click()
    w.wait_until_ready()
    w.press("Shift+X")
    expect(bar).to_be_visible()
    w.press("Enter")
    expect(bar).to_be_hidden()
    taken = w.value(COUNT)
    assert taken > 3
    assert w.value("all(i.label == 'coin' for i in {}.instances)")
    w.press("Control+z")
    assert w.value(COUNT) == 2
    w.press("Control+Shift+Z")
    assert w.value(COUNT) == taken

    w.root.locator(".cdw-chip", has_text="coin").hover()
    w.press("Shift+X")  # All coins are examples.
    expect(bar).to_be_visible()
