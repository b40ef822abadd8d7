"""The gallery reports missing images and a busy or lost kernel; two views agree; no listener leaks."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.gallery_notebook import CELL, GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab

CORRUPT_FILES = """
paths = sorted(folder.glob("*.png"))
paths[0].unlink()
paths[1].unlink()
paths[2].write_bytes(b"no picture")
"""
SHOW_CELL = "w = cdwidget.Gallery"


def test_missing_and_corrupt_images(lab: Lab, page: Page) -> None:
    gallery = GalleryNotebook.open(lab, page, "gallery-missing", 5, cell=CELL.replace(SHOW_CELL, CORRUPT_FILES + SHOW_CELL))
    expect(gallery.root.locator(".cdw-missing:visible")).to_have_count(6, timeout=60_000)
    page.screenshot(path=SCREENSHOTS / "gallery-missing.png")
    expect(gallery.tile(0).locator(".cdw-missing")).to_contain_text("photo 0000.png")
    assert gallery.colors(9) > 100  # The others are shown.
    gallery.grid.focus()
    gallery.press("Home", "n")
    assert gallery.statuses(0) == ["rejected"]  # It can still be decided on.
    gallery.press("Home", "Enter")
    expect(gallery.notice).to_contain_text("photo 0000.png")
    expect(gallery.root.locator(".cdw-editor")).to_be_hidden()


def test_two_views_and_a_lost_kernel(lab: Lab, page: Page) -> None:
    gallery = GalleryNotebook.open(lab, page, "gallery-kernel", 10, more=["w"])
    other = page.locator(".cdw-gallery").nth(1)
    other.scroll_into_view_if_needed()
    other.locator(".cdw-grid").focus()
    page.keyboard.press("n")
    for root in (other, gallery.root):
        expect(root.locator('.cdw-tile[id$="-0"]')).to_have_attribute("data-status", "rejected")
    gallery.wait_until_ready()

    gallery.notebook.kill_kernel()
    for root in (other, gallery.root):
        expect(root.locator(".cdw-over .cdw-notice")).to_contain_text("Run the cell again", timeout=60_000)
        expect(root.locator(".cdw-foot .cdw-phase")).to_have_text("No kernel")
        expect(root.locator("[data-command=accept]")).to_be_disabled()
    other.locator(".cdw-grid").focus()
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    expect(other.locator('.cdw-tile[id$="-1"]')).to_have_attribute("data-status", "new")
    assert gallery.catalogue.count("rejected", of="instances") == 1  # The decision is in the file.


def test_no_listener_leaks(lab: Lab, page: Page) -> None:
    """A removed view has no listeners on window and document, and its editor none on its annotator."""
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
    gallery = GalleryNotebook.open(lab, page, "gallery-listeners", 4, more=["import IPython; IPython.display.clear_output()"])
    gallery.grid.focus()
    before = page.evaluate("listening")
    for _ in range(3):
        gallery.press("Enter")
        expect(gallery.root.locator(".cdw-stage")).to_be_visible()
        page.wait_for_timeout(300)
        gallery.root.locator("[data-command=back]").click()
        expect(gallery.root.locator(".cdw-editor")).to_be_hidden()
        gallery.wait_until_ready()
    assert page.evaluate("listening") == before
    gallery.notebook.command("Edit", "Clear Outputs of All Cells")
    expect(page.locator(".cdw-gallery")).to_have_count(0)
    assert page.evaluate("listening") == 0
