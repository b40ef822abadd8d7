"""No serious accessibility fault, as axe-core finds them: in the light and the dark theme, in every state of the widget."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from support.jupyterlab import Lab, Notebook, Widget

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
CELL = """
import numpy as np, skimage.data, cdwidget
mask = np.zeros((400, 600), bool)
mask[100:200, 100:300] = True
instances = [cdwidget.Instance(mask, "cup"), cdwidget.Instance(~mask)]
w = cdwidget.Annotator(cdwidget.Session(skimage.data.coffee(), instances=instances), labels=["cup", "saucer"])
w
"""
RUN = """async (root) => {
    const found = await axe.run(root, {resultTypes: ["violations"]});
    const grave = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    return grave.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""


def faults(w: Widget) -> list[str]:
    w.answered()
    w.notebook.page.mouse.move(0, 0)
    w.notebook.page.wait_for_timeout(250)  # until nothing fades any more
    return w.root.evaluate(RUN)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_no_serious_fault(theme: str, lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": f"JupyterLab {theme}"})
    try:
        notebook = Notebook.open(lab, page, f"axe-{theme}.ipynb", [CELL])
        notebook.run_all()
        w = notebook.widget()
        page.add_script_tag(path=AXE)
        assert faults(w) == []

        w.root.locator(".cdw-row").last.click()
        for tool in ("brush", "lasso", "superpixel", "wand"):
            w.root.locator(f'[data-command="{tool}"]').click()
            assert faults(w) == []
        for opener in ("Change the whole mask", "Brightness, contrast, channels"):
            w.root.get_by_label(opener).first.click()
            assert faults(w) == []
            page.keyboard.press("Escape")

        w.root.focus()
        for key in ("o", "?"):
            w.press(key)
            assert faults(w) == []
            w.press(key)
        w.root.locator(".cdw-row").first.click(modifiers=["Control"])
        w.press("F2")
        assert faults(w) == []
        page.keyboard.press("Escape")
        notebook.value("setattr(w, 'view_only', True) or 1")
        assert faults(w) == []
        notebook.value("setattr(w, 'view_only', False) or 1")
        notebook.value("setattr(w.session, 'undo', lambda: 1 / 0)")
        notebook.value("w.session.select(1) and w.refresh()")
        w.press("Control+z")
        assert faults(w) == []
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})
