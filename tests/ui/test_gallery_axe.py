"""No serious accessibility fault of the gallery, as axe-core finds them: in the light and the dark theme, in its states."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from test_axe import AXE, RUN

from support.gallery_notebook import Tiles
from support.jupyterlab import SCREENSHOTS, Lab


def faults(tiles: Tiles) -> list[str]:
    tiles.page.mouse.move(0, 0)
    tiles.page.wait_for_timeout(300)  # until nothing fades any more
    found: list[str] = tiles.root.evaluate(RUN)
    return found


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_serious_fault(theme: str, lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": f"JupyterLab {theme}"})
    try:
        tiles = Tiles.open(lab, page, f"gallery-axe-{theme}", 12)
        page.add_script_tag(path=AXE)
        assert faults(tiles) == []
        tiles.grid.focus()
        tiles.press("y", "n", "s", "Space", "Shift+ArrowRight", "h")
        page.screenshot(path=SCREENSHOTS / f"gallery-{theme.lower()}.png")
        assert faults(tiles) == []
        tiles.press("h", "Escape")
        for opener in ("Class: which to show", "Score: which to show", "Size of the tiles, opacity of the masks"):
            tiles.root.get_by_label(opener).first.click()
            assert faults(tiles) == []
            page.keyboard.press("Escape")
        tiles.grid.focus()
        tiles.press("?")
        assert faults(tiles) == []
        tiles.press("?")
        tiles.value("setattr(w, 'text', 'no such thing')")
        expect(tiles.root.locator(".cdw-empty")).to_be_visible()
        tiles.answered()
        assert faults(tiles) == []
        tiles.value("setattr(w, 'text', '')")
        tiles.answered()
        tiles.value("setattr(w, 'set_status', lambda *args: 1 / 0)")
        tiles.grid.focus()
        tiles.press("y")
        expect(tiles.trouble).to_be_visible()
        assert faults(tiles) == []
        tiles.press("Enter")
        expect(tiles.root.locator(".cdw-editor .cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
        page.screenshot(path=SCREENSHOTS / f"gallery-editor-{theme.lower()}.png")
        assert faults(tiles) == []
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})
