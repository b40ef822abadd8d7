"""When Python fails or is gone, the widget says so."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from lab import Lab, Notebook

CELL = """
import cdwidget, skimage.data
w = cdwidget.Annotator(skimage.data.coffee())
w
"""


def test_errors_are_shown_and_a_restart_is_noticed(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "kernel.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    trouble = w.root.locator(".cdw-trouble")
    expect(trouble).to_be_hidden()

    w.click(300, 230)
    before = w.digest()
    notebook.value("setattr(w.session, 'apply', lambda action: 1 / 0)")
    w.click(100, 100)
    expect(trouble).to_contain_text("ZeroDivisionError: division by zero")
    assert w.digest() == before
    notebook.value("w.session.__dict__.pop('apply') and None")
    w.root.get_by_label("Dismiss").click()
    expect(trouble).to_be_hidden()
    w.click(100, 100)
    assert w.holds(100, 100)

    notebook.command("Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog button", has_text="Restart").click()
    expect(trouble).to_contain_text("Run the cell again")
    expect(w.root.locator(".cdw-phase")).to_have_text("No kernel")
    w.stage.click(position={"x": 50, "y": 50})  # nothing waits for an answer that will not come
    expect(w.root.locator(".cdw-phase")).to_have_text("No kernel")

    notebook.wait_for_kernel()
    notebook.run_all()
    expect(trouble).to_be_hidden(timeout=60_000)
    w = notebook.widget()
    w.click(300, 230)
    assert w.holds(300, 230)
