"""When images are missing, and when the kernel is busy or gone, the gallery says so; two views show the same; nothing is left behind."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.gallery_notebook import CELL, Tiles
from support.jupyterlab import SCREENSHOTS, Lab

SPOIL = """
paths = sorted(folder.glob("*.png"))
paths[0].unlink()
paths[1].unlink()
paths[2].write_bytes(b"no picture")
"""
SHOW = "w = cdwidget.Gallery"


def test_missing_and_corrupt_images(lab: Lab, page: Page) -> None:
    tiles = Tiles.open(lab, page, "gallery-missing", 5, cell=CELL.replace(SHOW, SPOIL + SHOW))
    expect(tiles.root.locator(".cdw-missing:visible")).to_have_count(6, timeout=60_000)
    page.screenshot(path=SCREENSHOTS / "gallery-missing.png")
    expect(tiles.tile(0).locator(".cdw-missing")).to_contain_text("photo 0000.png")
    assert tiles.colours(9) > 100  # the others are there
    tiles.grid.focus()
    tiles.press("Home", "n")
    assert tiles.statuses(0) == ["rejected"]  # it can be judged all the same
    tiles.press("Home", "Enter")
    expect(tiles.trouble).to_contain_text("photo 0000.png")
    expect(tiles.root.locator(".cdw-editor")).to_be_hidden()


def test_two_views_and_a_kernel_that_is_gone(lab: Lab, page: Page) -> None:
    tiles = Tiles.open(lab, page, "gallery-kernel", 10, more=["w"])
    other = page.locator(".cdw-gallery").nth(1)
    other.scroll_into_view_if_needed()
    other.locator(".cdw-grid").focus()
    page.keyboard.press("n")
    for root in (other, tiles.root):
        expect(root.locator('.cdw-tile[id$="-0"]')).to_have_attribute("data-status", "rejected")
    tiles.answered()

    tiles.notebook.kill_kernel()
    for root in (other, tiles.root):
        expect(root.locator(".cdw-over .cdw-trouble")).to_contain_text("Run the cell again", timeout=60_000)
        expect(root.locator(".cdw-foot .cdw-phase")).to_have_text("No kernel")
        expect(root.locator("[data-command=accept]")).to_be_disabled()
    other.locator(".cdw-grid").focus()
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    expect(other.locator('.cdw-tile[id$="-1"]')).to_have_attribute("data-status", "new")
    assert tiles.catalogue.count("rejected", of="instances") == 1  # what was judged is in the file


def test_no_listener_is_left_behind(lab: Lab, page: Page) -> None:
    """A view that is gone has taken its listeners on window and document along, and the editor those on its annotator."""
    page.add_init_script(
        """window.listening = 0;
        for (const target of [window, document]) {
            const add = target.addEventListener, remove = target.removeEventListener;
            target.addEventListener = function (type, call, options) {
                if (options?.signal) { window.listening++; options.signal.addEventListener("abort", () => window.listening--); }
                return add.call(this, type, call, options);
            };
        }"""
    )
    tiles = Tiles.open(lab, page, "gallery-listeners", 4, more=["import IPython; IPython.display.clear_output()"])
    tiles.grid.focus()
    before = page.evaluate("listening")
    for _ in range(3):
        tiles.press("Enter")
        expect(tiles.root.locator(".cdw-stage")).to_be_visible()
        page.wait_for_timeout(300)
        tiles.root.locator("[data-command=back]").click()
        expect(tiles.root.locator(".cdw-editor")).to_be_hidden()
        tiles.answered()
    assert page.evaluate("listening") == before
    tiles.notebook.command("Edit", "Clear Outputs of All Cells")
    expect(page.locator(".cdw-gallery")).to_have_count(0)
    assert page.evaluate("listening") == 0
