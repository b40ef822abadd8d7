"""The gallery in the layouts of JupyterLab: out of sight while cells run, and in a narrow notebook."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.gallery_notebook import GalleryNotebook, screenshot
from support.jupyterlab import SCREENSHOTS, Lab

TALL_CELL = "for line in range(80):\n    print(line)"
WAIT_CELL = "import time\ntime.sleep(3)"  # The notebook has scrolled to its end when the gallery opens.
CHANGE_CELL = """
for number in range(1, 5):
    time.sleep(0.5)  # The page shows each step.
    masks = [cdwidget.Instance(np.roll(one.mask, 20, 0), one.label, one.id) for one in catalogue.item(number).instances]
    catalogue.update(number, masks)
    w.set_status(w.ids[number], "accepted")
    w.refresh()
"""
NARROW_PX = 800  # Of the window; the file browser leaves about 500 for the notebook.


def test_changes_out_of_sight_are_drawn(lab: Lab, page: Page) -> None:
    gallery = GalleryNotebook.open(lab, page, "far", before=[TALL_CELL, WAIT_CELL], more=[CHANGE_CELL, *[TALL_CELL] * 3])
    expect(gallery.notebook.prompt(6)).not_to_have_text("[*]:", timeout=60_000)
    gallery.root.scroll_into_view_if_needed()
    gallery.wait_until_ready()
    drawn = screenshot(gallery.grid)
    page.screenshot(path=SCREENSHOTS / "gallery-far.png")
    gallery.grid.evaluate("grid => { grid.style.display = 'none'; grid.offsetHeight; grid.style.display = '' }")
    gallery.wait_until_ready()
    assert screenshot(gallery.grid) == drawn  # Nothing is laid out anew.


def test_a_narrow_editor_has_a_picture(lab: Lab, page: Page) -> None:
    gallery = GalleryNotebook.open(lab, page, "narrow", 2)
    page.set_viewport_size({"width": NARROW_PX, "height": 900})
    gallery.wait_until_ready()
    gallery.grid.focus()
    gallery.press("Enter")
    editor = gallery.root.locator(".cdw-editor")
    expect(editor.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(editor.locator(".cdw-loading")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "gallery-narrow.png")
    width = gallery.root.evaluate("root => root.clientWidth")
    box = editor.locator(".cdw-stage").bounding_box()
    assert width < 620 and box is not None and box["height"] >= 100
    assert "NaN" not in editor.inner_text()
