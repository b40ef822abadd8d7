"""The gallery in the layouts of JupyterLab: out of sight while cells run, and in a narrow notebook."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab

TALL_CELL = "for line in range(60):\n    print(line)"
WAIT_CELL = "import time\ntime.sleep(2)"  # The notebook has scrolled to its end when the gallery opens.
CHANGE_CELL = """
for number in range(1, 4):
    time.sleep(0.3)  # The page shows each step.
    stripes = np.indices((120, 160)).sum(0) % 40 < 30
    masks = [cdwidget.Instance(one.mask & stripes, one.label, one.id) for one in catalogue.item(number).instances]
    catalogue.update(number, masks)
    w.set_status(w.ids[number], "accepted")
    w.refresh()
"""
NARROW_PX = 800  # Of the window; the file browser leaves about 500 for the notebook.
# The size of each tile's picture and of its drawing relative to the tile, its texts and mark, and the outline of its mask.
TILES = """tiles => tiles.map((tile) => {
    const { width } = tile.getBoundingClientRect();
    const drawing = tile.querySelector(".cdw-shot").getBoundingClientRect();
    const isShown = (name) => tile.querySelector(name).getBoundingClientRect().width > 5;
    return {
        sizes: [tile.querySelector(".cdw-thumb").clientWidth / width, drawing.width / width, drawing.height / width],
        hasName: isShown(".cdw-name"),
        hasScore: isShown(".cdw-score"),
        isAccepted: isShown(".cdw-mark"),
        outline: tile.querySelector(".cdw-shot path").getAttribute("d"),
    };
})"""


def test_changes_out_of_sight_are_drawn(lab: Lab, page: Page) -> None:
    gallery = GalleryNotebook.open(lab, page, "far", images=6, before=[TALL_CELL, WAIT_CELL], more=[CHANGE_CELL, *[TALL_CELL] * 3])
    expect(gallery.notebook.prompt(6)).not_to_have_text("[*]:", timeout=60_000)
    gallery.root.scroll_into_view_if_needed()
    gallery.wait_until_ready()
    page.screenshot(path=SCREENSHOTS / "gallery-far.png")

    shown = gallery.root.locator(".cdw-tile[id]:visible").evaluate_all(TILES)
    rows = [gallery.row(gallery.id(index)) for index in range(len(shown))]
    assert len(shown) > 5 and all(abs(size - 1) < 0.05 for tile in shown for size in tile["sizes"])
    assert all(tile["hasName"] and tile["hasScore"] == (row.score is not None) for tile, row in zip(shown, rows))
    assert [tile["isAccepted"] for tile in shown] == [row.status == "accepted" for row in rows]
    outlines = {is_changed: {tile["outline"] for tile, row in zip(shown, rows) if (row.item <= 3) == is_changed} for is_changed in (0, 1)}
    assert outlines[0] and outlines[0].isdisjoint(outlines[1]) and outlines[1]


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
    box = editor.locator(".cdw-stage").bounding_box()
    assert gallery.root.evaluate("root => root.clientWidth") < 620 and box is not None and box["height"] >= 120
    assert "NaN" not in editor.inner_text()
