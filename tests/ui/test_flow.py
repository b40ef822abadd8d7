"""The daily loop: the keys and clicks that labeling costs, and that none of them is lost. docs/guide/annotate.md has the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Widget
from support.pointer import CELL, Pointer

SETUP = (
    CELL[: CELL.index("image = ")]
    + """
from pathlib import Path
from PIL import Image
from support.scripted_predictor import SquarePredictor
from cdwidget import Annotator, Instance
folder = Path({name!r})
folder.mkdir(exist_ok=True)
noise = np.random.default_rng(0)
def photos(count, width=400, height=300):
    for number in range(count):
        Image.fromarray(noise.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / f"{number:03}.png")
    return sorted(folder.glob("*.png"))
def block(x, y, label=""):
    mask = np.zeros((300, 400), bool)
    mask[y : y + 20, x : x + 20] = True
    return Instance(mask, label)
predictor = SquarePredictor(seconds={seconds})
"""
)
POSITIONS = [(60, 60), (160, 60), (260, 60), (60, 200), (160, 200)]


@dataclass
class User:
    """A user whose keys and clicks are counted, and who waits for nothing."""

    pointer: Pointer
    clicks: int = 0
    keys: int = 0

    def click(self, x: float, y: float, choose: bool = False) -> None:
        self.clicks += 1
        page = self.pointer.page
        if choose:
            page.keyboard.down("Control")
        page.mouse.click(*self.pointer.at(x, y))
        if choose:
            page.keyboard.up("Control")

    def press(self, *keys: str) -> None:
        self.keys += len(keys)
        for key in keys:
            self.pointer.page.keyboard.press(key)

    @property
    def effort(self) -> tuple[int, int]:
        return self.clicks, self.keys


def open_user(lab: Lab, page: Page, name: str, code: str, seconds: float = 0) -> User:
    setup = SETUP.replace("{name!r}", repr(name)).replace("{seconds}", str(seconds))
    return User(Pointer.open(lab, page, f"{name}.ipynb", setup + code))


def settle(user: User) -> Widget:
    user.pointer.widget.wait_until_ready()
    return user.pointer.widget


LABELS = "[[i.label for i in item.instances] for item in {}.items]"


def test_one_object_an_image_is_a_click_and_a_key(lab: Lab, page: Page) -> None:
    user = open_user(lab, page, "one", "w = Annotator(photos(3), predictor, labels=['cell'])\nw")
    w = user.pointer.widget
    heights = []
    for _ in range(2):
        box = w.stage.bounding_box()
        assert box
        heights.append(box["height"])
        user.click(100, 100)
        user.press("d")
        expect(w.root.locator(".cdw-loading")).to_have_count(0)
        settle(user)
    user.click(100, 100)
    settle(user)
    assert user.effort == (3, 2) and w.value(LABELS) == [["cell"]] * 3 and len(set(heights)) == 1
    user.press("d")
    expect(w.root.locator(".cdw-message")).to_have_text("This is the last image")


def test_five_objects_typed_while_the_kernel_is_slow_are_five_objects(lab: Lab, page: Page) -> None:
    many = "[*photos(2), *[np.zeros((300, 400, 3), np.uint8)] * 235]"
    user = open_user(lab, page, "five", f"w = Annotator({many}, predictor, labels=['coin'])\nw", seconds=0.4)
    for position in POSITIONS:
        user.click(*position)
        user.press("Enter")
    user.press("d")
    w = settle(user)
    expect(w.root.locator(".cdw-place")).to_have_text("2 / 237")
    assert user.effort == (5, 6) and w.value(LABELS)[0] == ["coin"] * 5
    user.press("Control+g", "2", "3", "7", "Enter")
    expect(w.root.locator(".cdw-place")).to_have_text("237 / 237")
    assert user.effort == (5, 11)
    strip = w.root.get_by_role("group", name="Filmstrip")
    user.press("z")
    current = strip.locator("[aria-current]")
    expect(current).to_have_attribute("aria-label", "237: Image 237")
    assert strip.locator(".cdw-frame").count() < 30  # The others are not loaded.
    current.focus()
    user.press("Home")
    first = strip.get_by_role("button", name="1: 000.png, done")
    expect(first.locator("img")).to_have_attribute("src", re.compile("data:image/jpeg"))
    expect(strip.get_by_role("button", name="2: 001.png", exact=True)).to_be_visible()
    user.press("Enter")
    expect(w.root.locator(".cdw-place")).to_have_text("1 / 237")
    expect(first).to_have_attribute("aria-current", "true")


def test_the_objects_of_the_previous_image_are_a_key_away(lab: Lab, page: Page) -> None:
    code = """
paths = photos(3)
images = [Item(paths[0], [block(60, 60, "cup"), block(160, 60, "plate")]), *paths[1:]]
w = Annotator(images, predictor)
w"""
    user = open_user(lab, page, "previous", "from cdwidget import Item" + code)
    user.press("d", "Control+Shift+V")
    w = settle(user)
    expect(w.root.locator(".cdw-message")).to_have_text("Copied 2 objects of the previous image")
    expect(w.root.locator(".cdw-row[data-id]")).to_have_count(3)  # The third is the new object.
    assert w.value(LABELS) == [["cup", "plate"], ["cup", "plate"]]
    user.press("Control+z")
    settle(user)
    assert w.value(LABELS) == [["cup", "plate"], []]
    user.press("Control+Shift+Z", "d")
    settle(user)
    assert w.value("len({}.instances)") == 0  # Going on copies nothing by itself.
    assert w.value(LABELS.format("Annotator(images, predictor)"))[1] == ["cup", "plate"]  # Opened once more, as after a restart.


def test_keys_typed_while_a_click_takes_two_seconds_have_the_effect_of_slow_ones(lab: Lab, page: Page) -> None:
    user = open_user(lab, page, "slow", "w = Annotator(photos(2), predictor, labels=['cat', 'dog'])\nw")
    w, random = user.pointer.widget, Random(4)
    keys = ["1", "2", "Enter", "Enter", "Control+z", "Control+y", "Delete", "Backspace", "Control+d", "h"]
    typed = [random.choice(keys) for _ in range(18)]
    for place in POSITIONS[:3]:
        typed.insert(random.randrange(len(typed)), place)

    def type_all(wait: bool) -> None:
        for one in typed:
            if isinstance(one, tuple):
                user.click(*one)
            else:
                user.press(one)
            if wait:
                settle(user)
        settle(user)

    document = (
        "[[[i.id, i.label, int(i.mask.sum()), i.mask.any(0).nonzero()[0][:1].tolist()] for i in {0}.instances], {0}.selected, {0}.label]"
    )
    w.value("setattr(predictor, 'seconds', 2)")
    type_all(wait=False)
    fast, steps = w.value(document), w.value("len({}.session.actions)")
    w.value("setattr(predictor, 'seconds', 0)")
    w.value("{0}.goto(1) or setattr({0}, 'label', '')")
    settle(user)
    type_all(wait=True)
    assert w.value(document) == fast and fast[0] and steps > 4


def test_each_of_80_classes_is_a_few_letters_away(lab: Lab, page: Page) -> None:
    names = "['refrigerator', *[f'class {n}' for n in range(78)], 'zebra']"
    code = f"w = Annotator(photos(1)[0], predictor, labels={names}, label_finishes=True, closed_labels=True)\nw"
    user = open_user(lab, page, "many-classes", code)
    w = user.pointer.widget
    for position, letters in zip(POSITIONS, ("re", "ze", "56")):
        user.click(*position)
        user.press("/", *letters, "Enter")
    settle(user)
    assert user.effort == (3, 12) and w.value(LABELS) == [["refrigerator", "zebra", "class 56"]]
    user.press("/")
    options, listed = w.root.locator(".cdw-class-option"), w.root.locator(".cdw-class-list")
    expect(options).to_have_count(81)  # All classes and "No class", without scrolling.
    assert listed.evaluate("list => list.scrollHeight <= list.clientHeight + 1")
    expect(options.first).to_have_text("class 56")  # The class used last.
    user.press("q", "q")
    expect(options).to_have_count(0)
    user.press("Enter", "Escape")


@pytest.fixture(scope="module")
def crowd(lab: Lab, module_page: Page) -> Iterator[User]:
    code = """
blocks = [block(x, y, "cell" if x else "") for y in range(10, 280, 45) for x in range(0, 390, 30)]
w = Annotator(noise.integers(0, 255, (300, 400, 3), dtype=np.uint8), predictor, instances=blocks, labels=["cell", "nucleus"],
    attributes={"divides": bool, "stage": ["early", "late"], "note": str, "width": float})
w"""
    yield open_user(lab, module_page, "crowd", code)


def test_an_object_of_78_is_one_click_away(crowd: User) -> None:
    w = crowd.pointer.widget
    crowd.pointer.move(305, 110)
    hovered = w.root.locator(".cdw-row.cdw-hovered")
    expect(hovered).to_have_attribute("data-id", "37")
    expect(w.root.locator(".cdw-under")).to_have_text("37 cell")
    crowd.click(305, 110, choose=True)
    settle(crowd)
    assert crowd.effort == (1, 0) and w.value("[{0}.selected, len({0}.instances), len({0}.session.prompts)]") == [37, 78, 0]
    expect(w.root.locator(".cdw-row[data-id='37']")).to_be_in_viewport()


def test_a_double_click_in_the_list_is_about_the_object_of_its_first_click(crowd: User) -> None:
    w = crowd.pointer.widget
    w.root.locator(".cdw-row[data-id='75']").click()
    settle(crowd)
    w.root.locator("[data-command=new]").click()
    settle(crowd)
    w.root.locator(".cdw-row[data-id='76']").locator(".cdw-name").dblclick()
    field = w.root.get_by_role("combobox", name="Class")
    field.fill("nuc")
    field.press("Enter")
    settle(crowd)
    assert w.value("[i.id for i in {}.instances if i.label == 'nucleus']") == [76]


def test_objects_without_a_class_are_counted_selected_and_relabeled_in_one_step(crowd: User) -> None:
    w = crowd.pointer.widget
    missing = w.root.locator(".cdw-without")
    expect(missing).to_have_text("6 without class")
    missing.click()
    expect(w.root.locator(".cdw-row.cdw-marked")).to_have_count(5)  # The sixth is the one being edited.
    w.root.focus()
    w.press("1")
    expect(missing).to_be_hidden()
    assert w.value("sum(i.label == 'cell' for i in {}.instances)") == 77
    w.press("Control+z")
    expect(missing).to_have_text("6 without class")
    w.press("Escape")


def test_the_attributes_of_an_object_are_a_form(crowd: User) -> None:
    w = crowd.pointer.widget
    form = w.root.get_by_role("region", name="Attributes")
    crowd.click(305, 110, choose=True)
    settle(crowd)
    expect(form.locator(".cdw-title")).to_have_text("Attributes of 37")
    form.get_by_label("divides").check()
    form.get_by_label("stage").select_option("late")
    form.get_by_label("note").fill("d1")  # Keys of commands elsewhere.
    form.get_by_label("note").press("Tab")
    expect(form.get_by_label("width")).to_be_focused()
    form.get_by_label("note").press("Enter")
    form.get_by_label("width").fill("2.5")
    crowd.click(305, 65, choose=True)  # Leaving a field sets its value.
    settle(crowd)
    expect(form.get_by_label("note")).to_have_value("")
    found = w.value("next(i.attributes for i in {}.instances if i.id == 37)")
    assert found == {"divides": True, "stage": "late", "note": "d1", "width": 2.5}
    for _ in range(2):  # The selection, and the width.
        w.press("Control+z")
    expect(form.get_by_label("width")).to_have_value("")
    expect(form.get_by_label("note")).to_have_value("d1")


def test_objects_are_shown_cut_out_on_white(crowd: User) -> None:
    w = crowd.pointer.widget
    button = w.root.locator("[data-command=on_white]")

    def mean(x: float, y: float) -> float:
        """Return the mean color of 9 x 9 pixels around an image point."""
        place = w.position(x, y)
        column, row = round(place["x"]), round(place["y"])
        return float(w.pixels()[row - 4 : row + 5, column - 4 : column + 5].mean())

    background, inside = (105, 132), (310, 110)
    assert mean(*background) < 230
    button.click()
    assert mean(*background) == 255 and mean(*inside) < 230
    button.click()
    assert mean(*background) < 230


def test_no_key_of_the_notebook_runs_the_cell_again_or_leaves_the_widget_by_accident(crowd: User) -> None:
    w, notebook = crowd.pointer.widget, crowd.pointer.widget.notebook
    before, runs = notebook.cells(), notebook.prompt(0).inner_text()
    w.root.focus()
    for key in ("Control+Enter", "Shift+Enter", "Alt+Enter", "Escape"):
        w.press(key)
    expect(w.root.locator(".cdw-message")).to_have_text("Press Esc again to leave the widget")
    for key in ("d", "d", "a", "b"):
        w.press(key)
    assert notebook.cells() == before and notebook.prompt(0).inner_text() == runs and w.value("len({}.instances)") == 78
