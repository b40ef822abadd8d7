"""The panel: objects, classes, commands on the mask, tool options; each is applied, undone and redone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import zlib
import numpy as np
import cdwidget

class Rings:
    "Answers with a square round the newest click; half and twice as large are its alternatives."
    def set_image(self, image):
        self.shape = image.shape[:2]
    def predict(self, prompts, prior=None):
        sides = [self.square(prompts[-1], side) for side in (20, 10, 40)]
        return cdwidget.Prediction(sides[0], sides[0].astype(np.float32), tuple(sides[1:]))
    def square(self, click, side):
        mask = np.zeros(self.shape, bool)
        mask[max(0, int(click.y) - side) : int(click.y) + side, max(0, int(click.x) - side) : int(click.x) + side] = True
        return mask

def block(label, *boxes, hole=None):
    mask = np.zeros((300, 400), bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    if hole:
        mask[hole[1] : hole[3], hole[0] : hole[2]] = False
    return cdwidget.Instance(mask, label)

def object_states():
    s = w.session
    return [s.selected, s.locked, [[i.id, i.label, zlib.crc32(i.mask.tobytes())] for i in s.instances], int(s.mask.sum())]

y, x = np.mgrid[:300, :400]
image = np.stack([x * 255 // 399, y * 255 // 299, (x + y) % 256], axis=-1).astype(np.uint8)
instances = [
    block("cup", (20, 20, 120, 120), hole=(50, 50, 60, 60)),
    block("saucer", (100, 80, 200, 180)),
    block("cup", (250, 20, 290, 60), (320, 20, 330, 30)),
]
w = cdwidget.Annotator(cdwidget.Session(image, Rings(), instances=instances, progressive=False), labels=["cup", "saucer"])
w
"""
CUP, SAUCER, PARTS = 1, 2, 3


@pytest.fixture(scope="module")
def notebook(lab: Lab, module_page: Page) -> Iterator[Notebook]:
    notebook = Notebook.open(lab, module_page, "panel.ipynb", [CELL])
    notebook.run_all()
    yield notebook


@pytest.fixture
def w(notebook: Notebook) -> Iterator[Widget]:
    """The widget in its initial state; changes are undone after each test."""
    w = notebook.widget()
    before = object_states(w)
    yield w
    notebook.page.keyboard.press("Escape")
    notebook.value("[w.undo() for _ in iter(lambda: w.can_undo, False)] and None")
    w.wait_until_ready()
    assert object_states(w) == before


def object_states(w: Widget) -> list:
    return w.notebook.value("object_states()")


def ids(w: Widget) -> list[int]:
    """Return the objects from back to front."""
    return w.value("[i.id for i in {}.instances]")


def row(w: Widget, instance: int) -> Locator:
    return w.root.locator(f'.cdw-row[data-id="{instance}"]')


def select(w: Widget, instance: int) -> None:
    row(w, instance).locator(".cdw-name").click()
    w.wait_until_ready()
    assert w.value("{}.selected") == instance


def command(w: Widget, name: str) -> None:
    w.root.locator(f'.cdw-button[data-command="{name}"]').last.click()
    w.wait_until_ready()


def forth_and_back(w: Widget, before: list) -> None:
    """Check that undo restores `before`, and redo the present state."""
    after = object_states(w)
    assert after != before
    w.root.focus()
    w.press("Control+z")
    assert object_states(w) == before
    w.press("Control+Shift+Z")
    assert object_states(w) == after


def test_the_list_shows_the_front_on_top_and_is_ordered_by_dragging_and_by_keys(w: Widget) -> None:
    rows = w.root.locator(".cdw-row")
    expect(rows.locator(".cdw-name")).to_have_text(["New object", "cup", "saucer", "cup"])
    assert ids(w) == [CUP, SAUCER, PARTS]
    assert w.value("int({}.session.label_map(ids=True)[90, 110])") == 2
    before, page = object_states(w), w.notebook.page

    grip, onto = row(w, CUP).bounding_box(), row(w, SAUCER).bounding_box()
    assert grip and onto
    page.mouse.move(grip["x"] + 40, grip["y"] + 14)
    page.mouse.down()
    page.mouse.move(grip["x"] + 40, onto["y"] + 6, steps=6)
    page.mouse.up()
    w.wait_until_ready()
    assert ids(w) == [SAUCER, CUP, PARTS] and w.value("int({}.session.label_map(ids=True)[90, 110])") == 1
    expect(rows.nth(2)).to_have_attribute("data-id", str(CUP))
    forth_and_back(w, before)

    row(w, PARTS).focus()
    w.press("Alt+ArrowDown")
    w.press("Alt+ArrowDown")
    assert ids(w) == [PARTS, SAUCER, CUP]
    expect(row(w, PARTS)).to_be_focused()
    before = object_states(w)
    w.press("Alt+ArrowUp")
    assert ids(w) == [SAUCER, PARTS, CUP]
    forth_and_back(w, before)


def test_duplicate_merge_split_snap(w: Widget) -> None:
    select(w, CUP)
    before = object_states(w)
    command(w, "duplicate")
    assert ids(w)[1] != SAUCER and w.area == 100 * 100 - 100
    forth_and_back(w, before)
    w.press("Control+z")

    select(w, CUP)
    before = object_states(w)
    expect(w.root.locator('.cdw-bar [data-command="merge"]')).to_be_disabled()
    row(w, SAUCER).click(modifiers=["Control"])
    expect(row(w, SAUCER)).to_have_attribute("aria-selected", "true")
    command(w, "merge")
    assert ids(w) == [CUP, PARTS] and w.area == 9900 + 10000 - 20 * 40
    forth_and_back(w, before)
    w.press("Control+z")

    select(w, PARTS)
    before = object_states(w)
    command(w, "split")
    assert len(ids(w)) == 4 and w.area == 40 * 40
    forth_and_back(w, before)
    w.press("Control+z")

    select(w, CUP)
    before = object_states(w)
    command(w, "snap")
    assert abs(w.area - (9900 - 20 * 40)) < 20 and not w.has_pixel(110, 90) and w.has_pixel(99, 90)  # With a gap at two corners.
    forth_and_back(w, before)


@pytest.mark.parametrize(
    ("name", "area"),
    [("fill_holes", 100 * 100), ("keep_largest", None), ("grow", None), ("shrink", None), ("smooth", None)],
)
def test_commands_on_the_whole_mask(name: str, area: int | None, w: Widget) -> None:
    select(w, PARTS if name == "keep_largest" else CUP)
    before, was = object_states(w), w.area
    w.root.get_by_label("Change the whole mask").first.click()
    w.root.get_by_label("By, as a number").fill("3")
    command(w, name)
    expected = {
        "fill_holes": lambda now: now == 100 * 100,
        "keep_largest": lambda now: now == 40 * 40,
        "grow": lambda now: was + 4 * 3 * 100 * 0.9 < now,
        "shrink": lambda now: now < was - 4 * 3 * 100 * 0.9,
        "smooth": lambda now: not w.has_pixel(20, 20),
    }
    assert expected[name](w.area)
    w.notebook.page.keyboard.press("Escape")
    expect(w.root.locator(".cdw-menu")).to_be_hidden()
    forth_and_back(w, before)


def test_names_and_classes(w: Widget) -> None:
    select(w, SAUCER)
    before = object_states(w)
    w.press("F2")
    w.root.get_by_role("combobox", name="Class").fill("plate")
    w.press("Enter")
    expect(row(w, SAUCER).locator(".cdw-name")).to_have_text("plate")
    assert w.value("{}.label") == "plate"
    forth_and_back(w, before)

    before = object_states(w)
    w.root.get_by_label("Add a class").click()
    w.root.get_by_role("combobox", name="Class").fill("spoon")
    w.press("Enter")
    assert w.value("[{0}.labels, {0}.label]") == [["cup", "saucer", "plate", "spoon"], "spoon"]
    forth_and_back(w, before)
    w.press("1")
    assert w.value("{}.label") == "cup"
    expect(w.root.get_by_role("button", name="cup", exact=True)).to_have_attribute("aria-pressed", "true")

    w.root.get_by_label("Change the colors of the classes").click()
    w.root.get_by_label("Color of saucer").fill("#123456")
    w.root.get_by_label("Change the colors of the classes").click()
    w.wait_until_ready()
    assert w.value("{}.colors[:3]") == ["#3b82f6", "#123456", "#10b981"]
    w.notebook.value("[setattr(w, 'labels', ['cup', 'saucer']), setattr(w, 'colors', w.traits()['colors'].default())] and None")


def test_hide_one_or_all_others(w: Widget) -> None:
    select(w, CUP)
    row(w, SAUCER).hover()
    row(w, SAUCER).get_by_label("Hide").click(modifiers=["Alt"])
    assert w.is_painted(190, 170) and not w.is_painted(30, 30) and not w.is_painted(270, 40)
    row(w, SAUCER).get_by_label("Hide").click(modifiers=["Alt"])
    assert w.is_painted(30, 30) and w.is_painted(270, 40)


def test_alternatives_are_cycled_by_tab(w: Widget) -> None:
    answer = w.root.locator(".cdw-answer")
    w.click(200, 240)
    first = object_states(w)
    expect(answer).to_have_text("Tab: suggestions")
    areas = [w.area]
    for number in (2, 3, 1):
        w.root.focus()
        w.press("Tab")
        expect(answer).to_have_text(f"suggestion {number} / 3")
        areas.append(w.area)
    assert areas == [1600, 80 * 80, 400, 1600]
    w.press("Shift+Tab")
    expect(answer).to_have_text("suggestion 3 / 3")
    assert w.area == 400
    pictures = w.root.get_by_role("group", name="Suggestions").get_by_role("button")
    expect(pictures).to_have_count(3)
    expect(pictures.nth(0)).to_have_attribute("aria-pressed", "true")  # The smallest one is the first.
    pictures.nth(2).click()
    expect(answer).to_have_text("suggestion 2 / 3")
    assert w.area == 80 * 80
    w.press("Tab")
    expect(answer).to_have_text("suggestion 3 / 3")
    w.press("Tab")
    w.press("Tab")
    forth_and_back(w, first)
    w.root.locator('[data-command="fit"]').focus()
    w.notebook.page.keyboard.press("ArrowRight")
    expect(w.root.locator('[data-command="zoom_in"]')).to_be_focused()
    w.notebook.page.keyboard.press("Tab")  # On a button, Tab moves the focus to the next toolbar or panel, as usual.
    expect(w.root.locator(".cdw-toolbar :focus")).to_have_count(0)


def test_manual_edits_are_protected(w: Widget) -> None:
    select(w, CUP)
    before = object_states(w)
    lock = w.root.locator('[data-command="lock"]')
    lock.click()
    w.wait_until_ready()
    assert w.value("{}.session.locked")
    expect(lock).to_have_attribute("aria-pressed", "true")
    forth_and_back(w, before)
    w.press("t")
    assert not w.value("{}.session.locked")


def test_the_options_of_a_tool(w: Widget) -> None:
    w.root.focus()
    w.press("b")
    options = w.root.locator(".cdw-options")
    expect(options.locator(".cdw-tool")).to_have_text("Brush")
    options.get_by_label("Size, as a number").fill("31")
    w.press("Enter")
    w.wait_until_ready()
    assert w.value("[{0}.tool, {0}.brush_size]") == ["brush", 31]
    w.root.focus()
    w.press("[")
    assert w.value("{}.brush_size") == 25
    expect(options.get_by_label("Size, as a number")).to_have_value("25")
    w.press("w")
    expect(options.get_by_label("Size", exact=True)).to_be_hidden()
    options.get_by_label("Tolerance", exact=True).fill("40")
    w.wait_until_ready()
    assert w.value("[{0}.tool, {0}.tolerance]") == ["wand", 40]
    height = options.bounding_box()
    for key in ("c", "e", "l", "u", "m"):
        w.press(key)
        assert options.bounding_box() == height  # The image keeps its position.
    w.press("c")
    w.notebook.value("[setattr(w, 'brush_size', 20), setattr(w, 'tolerance', 12)] and None")


def test_brightness_contrast_and_channels(w: Widget) -> None:
    opener, panel = w.root.get_by_label("Brightness, contrast, channels").first, w.root.locator(".cdw-picture").first
    peek = w.root.locator('[data-command="peek"]')
    peek.click()
    at = w.position(150, 250)  # The panel opens on the right.
    y, x = int(at["y"]), int(at["x"])
    plain = w.pixels()[y, x]
    opener.click()
    panel.get_by_label("Green").click()
    green = w.pixels()[y, x]
    assert np.ptp(green) <= 1 and abs(green[0] - plain[1]) <= 3
    panel.get_by_label("Brightness, as a number").fill("0.5")
    w.press("Enter")
    darker = w.pixels()[y, x]
    assert abs(darker[0] - green[0] / 2) <= 3
    panel.get_by_label("Contrast, as a number").fill("0.2")
    w.press("Enter")
    assert abs(w.pixels()[y, x][0] - (0.2 * (green[0] - 127.5) + 127.5) / 2) <= 3
    panel.get_by_text("Reset").click()
    assert np.abs(w.pixels()[y, x] - plain).max() <= 1
    w.press("Escape")
    expect(panel).to_be_hidden()
    peek.click()


def test_the_minimap_shows_and_moves_the_visible_region(w: Widget) -> None:
    overview, pointer = w.root.locator(".cdw-minimap"), w.root.locator(".cdw-pointer")
    w.root.focus()
    w.press("0")
    expect(overview).to_be_hidden()
    for _ in range(6):
        w.press("+")
    expect(overview).to_be_visible()
    box, stage = overview.bounding_box(), w.stage.bounding_box()
    assert box and stage
    page = w.notebook.page
    for fx, fy in ((0.5, 0.5), (0.3, 0.6)):
        page.mouse.move(box["x"] + 1 + fx * (box["width"] - 2), box["y"] + 1 + fy * (box["height"] - 2))
        page.mouse.down()
        page.mouse.up()
        page.mouse.move(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
        page.wait_for_timeout(60)  # One or two frames.
        x, y = (int(part) for part in pointer.inner_text().split(", "))
        assert abs(x - fx * 400) < 6 and abs(y - fy * 300) < 6
    assert w.value("len({}.session.prompts)") == 0
    w.press("0")


def test_pixel_sources(w: Widget) -> None:
    w.click(200, 240)
    w.root.focus()
    w.press("o")
    legend = w.root.locator(".cdw-legend")
    expect(legend).to_contain_text("Model")
    code = """(e, at) => {
        const canvas = e.querySelector(".cdw-sources canvas"), ratio = canvas.width / e.clientWidth;
        return [...canvas.getContext("2d").getImageData(at.x * ratio, at.y * ratio, 1, 1).data];
    }"""
    inside, outside = w.stage.evaluate(code, w.position(195, 235)), w.stage.evaluate(code, w.position(300, 240))
    assert inside[2] > inside[0] and inside[3] > 100 and outside[3] == 0
    w.press("Control+z")
    expect(legend).to_contain_text("No changes yet")
    w.press("o")
    expect(legend).to_be_hidden()


def test_saving_the_notebook_from_inside_the_widget(w: Widget) -> None:
    page = w.notebook.page
    page.locator(".jp-mod-dirty").first.wait_for(state="attached")
    w.root.focus()
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    expect(w.root).to_have_attribute("data-lm-suppress-shortcuts", "true")
    before = w.notebook.cells()
    w.press("a")
    assert w.notebook.cells() == before


def test_view_only(w: Widget) -> None:
    w.notebook.value("setattr(w, 'view_only', True) or 1")
    expect(w.root.locator(".cdw-phase")).to_have_text("View only")
    before = object_states(w)
    for name in ("brush", "undo", "lock", "new"):
        expect(w.root.locator(f'[data-command="{name}"]').first).to_be_disabled()
    expect(w.root.locator(".cdw-bar")).to_be_hidden()
    row(w, SAUCER).click()
    w.stage.click(position=w.position(200, 250))
    w.press("2")
    w.press("F2")
    w.wait_until_ready()
    assert object_states(w) == before
    w.notebook.value("setattr(w, 'view_only', False) or 1")


def test_all_tools_are_visible_in_a_narrow_cell(w: Widget) -> None:
    w.root.evaluate("e => { e.parentElement.style.width = '500px'; }")
    w.notebook.page.wait_for_timeout(300)
    box = w.root.bounding_box()
    assert box and box["width"] <= 500
    for button in w.root.locator(".cdw-toolbar button:visible, .cdw-options button:visible, .cdw-bar button:visible").all():
        inner = button.bounding_box()
        assert inner and inner["x"] >= box["x"] and inner["x"] + inner["width"] <= box["x"] + box["width"]
    w.root.evaluate("e => { e.parentElement.style.width = ''; }")
