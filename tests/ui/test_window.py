"""The control of the intensity window: shown for images of more than 8 bits, used with keys, seen at once and kept."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab, Notebook

CELL = """
import numpy as np
import cdwidget
from PIL import Image
Image.fromarray(np.tile(np.arange(400, dtype=np.uint16) * 10, (300, 1))).save("scan.png")
w = cdwidget.Annotator("scan.png")
w
"""


def test_a_window_is_set_with_keys_and_kept(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "window.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    w.wait_until_ready()
    before = w.pixels()
    button = w.root.get_by_role("button", name="intensity window")
    button.click()
    group = w.root.get_by_role("group", name="Intensity window")
    white = group.get_by_label("White, as a number")
    expect(white).to_have_value("4095")
    white.fill("2000")
    white.press("Enter")
    group.get_by_label("Black", exact=True).press("ArrowRight")
    expect(group.get_by_label("Black, as a number")).to_have_value("1")
    page.screenshot(path=SCREENSHOTS / "window.png")
    file = lab.notebooks / ".cdwidget" / "scan.png.window.json"
    page.wait_for_timeout(1500)  # It is kept when no other change follows.
    assert file.is_file() and w.value("{}.session.image[0, 200].tolist()") == [255] * 3
    w.press("Escape")
    assert w.pixels().mean() > before.mean() + 20
