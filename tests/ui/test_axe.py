"""axe-core finds no serious accessibility problem in any state, in the light and the dark theme."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from support.axe import load_axe, serious_problems
from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import numpy as np, skimage.data, cdwidget
mask = np.zeros((400, 600), bool)
mask[100:200, 100:300] = True
instances = [cdwidget.Instance(mask, "cup"), cdwidget.Instance(~mask)]
w = cdwidget.Annotator(cdwidget.Session(skimage.data.coffee(), instances=instances), labels=["cup", "saucer"])
w
"""


def problems(w: Widget) -> list[str]:
    w.wait_until_ready()
    return serious_problems(w.root)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_serious_problem(theme: str, lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": f"JupyterLab {theme}"})
    try:
        notebook = Notebook.open(lab, page, f"axe-{theme}.ipynb", [CELL])
        notebook.run_all()
        w = notebook.widget()
        load_axe(page)
        assert problems(w) == []

        w.root.locator(".cdw-row").last.click()
        for tool in ("brush", "lasso", "superpixel", "wand"):
            w.root.locator(f'[data-command="{tool}"]').click()
            assert problems(w) == []
        for opener in ("Change the whole mask", "Brightness, contrast, channels"):
            w.root.get_by_label(opener).first.click()
            assert problems(w) == []
            page.keyboard.press("Escape")

        w.root.focus()
        for key in ("o", "?"):
            w.press(key)
            assert problems(w) == []
            w.press(key)
        w.root.locator(".cdw-row").first.click(modifiers=["Control"])
        w.press("F2")
        assert problems(w) == []
        page.keyboard.press("Escape")
        notebook.value("setattr(w, 'view_only', True) or 1")
        assert problems(w) == []
        notebook.value("setattr(w, 'view_only', False) or 1")
        notebook.value("setattr(w.session, 'undo', lambda: 1 / 0)")
        notebook.value("w.session.select(1) and w.refresh()")
        w.press("Control+z")
        assert problems(w) == []
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})
