"""axe-core finds no serious accessibility problem of the gallery, in the light and the dark theme."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.axe import load_axe, serious_problems
from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_serious_problem(theme: str, lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": f"JupyterLab {theme}"})
    try:
        gallery = GalleryNotebook.open(lab, page, f"gallery-axe-{theme}", 12)
        load_axe(page)
        assert serious_problems(gallery.root) == []
        gallery.grid.focus()
        gallery.press("y", "n", "s", "Space", "Shift+ArrowRight", "h")
        page.screenshot(path=SCREENSHOTS / f"gallery-{theme.lower()}.png")
        assert serious_problems(gallery.root) == []
        gallery.press("h", "Escape")
        for opener in ("Filter by class", "Filter by score", "Size of the tiles, opacity of the masks"):
            gallery.root.get_by_label(opener).first.click()
            assert serious_problems(gallery.root) == []
            page.keyboard.press("Escape")
        gallery.grid.focus()
        gallery.press("?")
        assert serious_problems(gallery.root) == []
        gallery.press("?")
        gallery.value("setattr(w, 'text', 'no such thing')")
        expect(gallery.root.locator(".cdw-empty")).to_be_visible()
        gallery.wait_until_ready()
        assert serious_problems(gallery.root) == []
        gallery.value("setattr(w, 'text', '')")
        gallery.wait_until_ready()
        gallery.value("setattr(w, 'set_status', lambda *args: 1 / 0)")
        gallery.grid.focus()
        gallery.press("y")
        expect(gallery.notice).to_be_visible()
        assert serious_problems(gallery.root) == []
        gallery.press("Enter")
        expect(gallery.root.locator(".cdw-editor .cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
        page.screenshot(path=SCREENSHOTS / f"gallery-editor-{theme.lower()}.png")
        assert serious_problems(gallery.root) == []
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})
