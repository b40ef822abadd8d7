"""The widget reports errors and a busy or lost kernel; with subshells, a busy kernel still replies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook

CELL = """
import cdwidget, skimage.data
w = cdwidget.Annotator(skimage.data.coffee())
w
"""
ENDLESS_CELL = """
import time
while True:
    time.sleep(20)
"""
WAITING_CELL = """
import time
from pathlib import Path
while not Path("go.txt").exists():
    time.sleep(0.1)
"""


def test_errors_are_shown_and_a_restart_is_detected(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "kernel.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    trouble = w.root.locator(".cdw-notice")
    expect(trouble).to_be_hidden()

    w.click(300, 230)
    before = w.mask_hash()
    notebook.value("setattr(w.session, 'apply', lambda action: 1 / 0)")
    w.click(100, 100)
    expect(trouble).to_contain_text("ZeroDivisionError: division by zero")
    assert w.mask_hash() == before
    notebook.value("w.session.__dict__.pop('apply') and None")
    w.root.get_by_label("Dismiss").click()
    expect(trouble).to_be_hidden()
    w.click(100, 100)
    assert w.has_pixel(100, 100)

    notebook.command("Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog button", has_text="Restart").click()
    expect(trouble).to_contain_text("Run the cell again")
    expect(w.root.locator(".cdw-phase")).to_have_text("No kernel")
    w.stage.click(position={"x": 50, "y": 50})  # No request waits for a reply that will not arrive.
    expect(w.root.locator(".cdw-phase")).to_have_text("No kernel")

    notebook.wait_for_kernel()
    notebook.run_all()
    expect(trouble).to_be_hidden(timeout=60_000)
    w = notebook.widget()
    w.click(300, 230)
    assert w.has_pixel(300, 230)


def test_clicks_are_applied_while_a_cell_runs(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "busy.ipynb", [CELL, ENDLESS_CELL])
    notebook.run(0)
    w = notebook.widget()
    at, outside = w.position(300.5, 230.5), w.position(100.5, 100.5)
    notebook.run(1)
    notebook.wait_for_kernel("Busy")

    w.stage.click(position=at)
    w.wait_until_ready()
    assert w.is_painted_at(at)
    w.stage.click(position=outside)
    w.wait_until_ready()
    assert w.is_painted_at(outside)
    page.keyboard.press("Control+z")
    w.wait_until_ready()
    assert w.is_painted_at(at)
    expect(notebook.prompt(1)).to_have_text("[*]:")  # It is still running.

    notebook.command("Kernel", "Interrupt Kernel")
    expect(notebook.prompt(1)).to_have_text("[2]:")
    assert w.value("len({0}.session.clicks)") == 1 and w.has_pixel(300, 230)
    w.click(100, 100)
    assert w.value("len({0}.session.clicks)") == 2


@pytest.fixture
def without_subshells(lab: Lab) -> Iterator[None]:
    """Configure JupyterLab as before 4.4, or as with a kernel without subshells."""
    lab.set("apputils-extension/kernels-settings", {"commsOverSubshells": "disabled"})
    yield
    lab.set("apputils-extension/kernels-settings", {})


def test_without_subshells_clicks_wait_for_the_cell(lab: Lab, without_subshells: None, page: Page) -> None:
    notebook = Notebook.open(lab, page, "waiting.ipynb", [CELL, WAITING_CELL])
    notebook.run(0)
    w = notebook.widget()
    places = [w.position(x + 0.5, y + 0.5) for x, y in [(300, 230), (100, 100), (500, 50)]]
    notebook.run(1)
    notebook.wait_for_kernel("Busy")
    for place in places:
        w.stage.click(position=place)
    trouble = w.root.locator(".cdw-notice")
    expect(trouble).to_contain_text("busy", timeout=30_000)
    (lab.notebooks / "go.txt").touch()
    w.wait_until_ready()
    expect(trouble).to_be_hidden()
    assert w.value("[[int(c.x), int(c.y)] for c in {0}.session.clicks]") == [[300, 230], [100, 100], [500, 50]]
