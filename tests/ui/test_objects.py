"""Several objects: finish, label, select, hide, rename, delete."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import cdwidget, skimage.data
w = cdwidget.Annotator(skimage.data.coffee(), labels=["cup", "saucer"])
w
"""
VISIBLE_POINT_EXPRESSION = (
    """(lambda masks: [int(v) for v in __import__('numpy').argwhere(masks[0] & ~masks[1])[100]][::-1])([i.mask for i in {}.instances])"""
)


def objects(w: Widget) -> list[list[object]]:
    return w.value("[[i.id, i.label, bool(i.mask.any())] for i in {}.instances]")


def test_objects(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "objects.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    rows, names = w.root.locator(".cdw-row"), w.root.locator(".cdw-row .cdw-name")
    expect(names).to_have_text(["New object"])
    expect(w.root.locator(".cdw-hint")).to_be_visible()

    w.click(300, 230)
    expect(w.root.locator(".cdw-hint")).to_be_hidden()
    w.press("1")
    assert w.value("{}.label") == "cup" and objects(w) == [[1, "cup", True]]
    w.press("Enter")
    assert w.value("[{0}.selected, {0}.label]") == [2, "cup"] and w.area == 0
    expect(names).to_have_text(["New: cup", "cup"])  # The new one inherits the label and is in front.

    w.click(100, 150)
    w.press("2")
    w.press("Enter")
    assert [label for _, label, _ in objects(w)] == ["cup", "saucer"]

    w.press("Backspace")  # No object is being edited: the newest one is removed.
    assert [label for _, label, _ in objects(w)] == ["cup"]
    w.press("Control+z")
    assert [label for _, label, _ in objects(w)] == ["cup", "saucer"] and w.is_painted(100, 150)

    rows.last.click()
    w.wait_until_ready()
    assert w.value("{}.selected") == 1 and w.has_pixel(300, 230)
    expect(rows.last).to_have_attribute("aria-selected", "true")
    expect(rows.last.locator(".cdw-area")).to_have_text(f"{w.area:,}")

    rows.last.hover()
    own = w.value(VISIBLE_POINT_EXPRESSION)
    assert w.is_painted(*own)
    rows.last.get_by_label("Hide").click()
    assert not w.is_painted(*own)
    rows.last.get_by_label("Show").click()
    assert w.is_painted(*own)

    rows.last.hover()
    rows.last.get_by_label("Hide").click()
    assert not w.is_painted(*own)
    w.click(300, 230)  # The edited object becomes visible.
    assert w.is_painted(*own)
    w.press("Control+z")

    names.first.dblclick()
    w.root.get_by_role("combobox", name="Class").fill("plate")
    w.press("Enter")
    expect(names.first).to_have_text("plate")
    assert [label for _, label, _ in objects(w)] == ["cup", "plate"]

    rows.last.hover()
    rows.last.get_by_label("Delete").click()
    w.wait_until_ready()
    assert [label for _, label, _ in objects(w)] == ["plate"]

    notebook.value("setattr(w, 'label', 'spoon')")  # The trait also edits the session.
    expect(rows).to_have_count(1)
    assert w.value("{}.session.label") == "spoon"


OVERLAPPING_OBJECTS_CELL = """
import cdwidget, numpy as np
from cdwidget import Instance
def square(x, label):
    mask = np.zeros((100, 150), bool)
    mask[20:80, x:x + 60] = True
    return Instance(mask, label)
squares = [square(20, "red"), square(50, "green")]
w = cdwidget.Annotator(np.zeros((100, 150, 3), np.uint8), instances=squares, labels=["red", "green"], opacity=1)
w.colors = ["#ff0000", "#00ff00"]
w
"""


def test_the_object_in_front_is_painted_in_front(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "order.ipynb", [OVERLAPPING_OBJECTS_CELL])
    notebook.run_all()
    w = notebook.widget()
    names = w.root.locator(".cdw-row .cdw-name")

    def overlap() -> str:
        at = w.position(65, 50)
        red, green, _ = w.pixels()[int(at["y"]), int(at["x"])]
        return "red" if red > green else "green"

    assert overlap() == "green"
    w.root.locator(".cdw-row", has_text="red").click()  # Selects it without moving it.
    w.wait_until_ready()
    assert overlap() == "green"
    w.press("Alt+ArrowUp")
    expect(names.first).to_have_text("red")
    assert overlap() == "red"


MANY_OBJECTS_CELL = """
import cdwidget, numpy as np
masks = np.zeros((40, 100, 150), bool)
for number, mask in enumerate(masks):
    mask[number:number + 40, number:number + 40] = True
w = cdwidget.Annotator(np.zeros((100, 150, 3), np.uint8), instances=[cdwidget.Instance(mask) for mask in masks])
w
"""


def test_the_list_keeps_its_scroll_position(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "many.ipynb", [MANY_OBJECTS_CELL])
    notebook.run_all()
    w = notebook.widget()
    rows, scrolled = w.root.locator(".cdw-row"), "rows => rows.scrollTop"
    listed = w.root.locator(".cdw-rows")
    rows.nth(30).scroll_into_view_if_needed()
    before = listed.evaluate(scrolled)
    assert before > 0
    for number in (30, 29):
        rows.nth(number).click(modifiers=["Control"])  # The selected one, far above, is not scrolled into view.
        assert listed.evaluate(scrolled) == before
    w.press("Control+z")
    rows.nth(30).click()
    w.wait_until_ready()
    assert listed.evaluate(scrolled) == before
    w.root.locator("[data-command=new]").click()
    w.wait_until_ready()
    assert listed.evaluate(scrolled) == 0  # The new one is visible.


def test_hovering_a_row_highlights_its_object(lab: Lab, page: Page) -> None:
    notebook = Notebook.open(lab, page, "rows.ipynb", [OVERLAPPING_OBJECTS_CELL])
    notebook.run_all()
    w = notebook.widget()
    row = w.root.locator(".cdw-row", has_text="red")

    def white() -> bool:
        at = w.position(20, 50)  # Its left border.
        return bool((w.pixels()[int(at["y"]), int(at["x"]) - 3 : int(at["x"]) + 4].min(axis=1) > 200).any())

    assert not white()
    row.hover()
    assert white()
    w.stage.hover()
    assert not white()
    row.click(modifiers=["Control"])
    w.stage.hover()
    assert white()
    row.click(modifiers=["Control"])
    w.stage.hover()
    assert not white()
