"""The EmbeddingMap in JupyterLab: lasso, keys, colors, the card of a point, and the linked gallery."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from support.axe import load_axe, serious_problems
from support.jupyterlab import Lab, Notebook

# Three clouds of points with one label each. The names would be harmful as HTML.
CELL = """
from pathlib import Path
import numpy as np, cv2, cdwidget
from cdwidget.catalogue import ScoreValue
from cdwidget.catalogue.similarity import put_embedding

folder = Path({folder!r})
folder.mkdir(exist_ok=True)
catalogue = cdwidget.Catalogue(folder / "map.db")
random = np.random.default_rng(0)
mask = np.zeros((60, 80), bool)
mask[10:50, 10:60] = True
labels = ["alpha <b>bold</b>", "beta", "gamma"]
items = []
for number in range({count}):
    path = folder / f"<img src=x onerror=alert(1)> {{number:03}}.png"
    cv2.imwrite(str(path), np.full((60, 80, 3), (40 + 60 * (number % 3), 120, 200), np.uint8))
    items.append(cdwidget.Item(path, [cdwidget.Instance(mask, labels[number % 3])]))
catalogue.add(items)
with catalogue.transaction():
    for number in range({count} if {embedded} else 0):
        middle = np.eye(3)[number % 3].repeat(3) * 6
        put_embedding(catalogue, number + 1, middle + 0.5 * random.normal(size=9), "test")
        catalogue.put_scores(number + 1, [ScoreValue(1, "overall", number / {count})])
gallery = cdwidget.Gallery(catalogue)
m = cdwidget.EmbeddingMap(catalogue, gallery, height=360)
m
"""
CELLS = ["gallery"]
COUNT_COLORS_SCRIPT = """(stage) => {
    const canvas = stage.querySelector("canvas"), seen = new Set();
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    return seen.size;
}"""
COLOR_AT_SCRIPT = """(stage, [x, y]) => {
    const canvas = stage.querySelector("canvas"), ratio = canvas.width / stage.clientWidth;
    return Array.from(canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data.slice(0, 3));
}"""


@dataclass
class Map:
    """A notebook that shows a map; in the kernel it is `m`."""

    notebook: Notebook
    root: Locator

    @classmethod
    def open(cls, lab: Lab, page: Page, name: str, count: int = 90, embedded: bool = True, cells: list[str] = CELLS) -> Map:
        """Open a notebook with a map and its own catalogue."""
        cell = CELL.format(folder=str(lab.folder / name), count=count, embedded=embedded)
        notebook = Notebook.open(lab, page, f"{name}.ipynb", [cell, *cells])
        notebook.run_all()
        found = cls(notebook, page.locator(".cdw-map"))
        found.ready()
        return found

    @property
    def stage(self) -> Locator:
        """The element that the points are drawn in."""
        return self.root.locator(".cdw-map-stage")

    def box(self) -> FloatRect:
        """The box of the visible stage on the page."""
        self.stage.scroll_into_view_if_needed()
        found = self.stage.bounding_box()
        assert found is not None
        return found

    def ready(self) -> None:
        """Wait until every request has its reply."""
        self.root.scroll_into_view_if_needed(timeout=60_000)
        expect(self.root.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=120_000)

    def places(self) -> np.ndarray:
        """Return the positions of the points on the stage when all are visible: 1000 units for the longer side, with a margin of 30."""
        points = np.array(self.notebook.value("m.points.positions(m.projection)[1].tolist()"))
        low, high = points.min(0), points.max(0)
        factor = 1000 / (high - low).max()
        shown = self.box()
        stage = np.array([shown["width"], shown["height"]])
        scale = (stage / (np.maximum((high - low) * factor, 1000 / 3) + 60)).min()
        found: np.ndarray = stage / 2 + (points - (low + high) / 2) * factor * scale
        return found

    def lasso(self, cloud: int, keys: tuple[str, ...] = (), button: str = "left") -> None:
        """Drag a lasso around all points of a cloud."""
        box = self.box()
        mouse, keyboard = self.notebook.page.mouse, self.notebook.page.keyboard
        places = self.places()[cloud::3] + (box["x"], box["y"])
        (left, top), (right, bottom) = places.min(0) - 6, places.max(0) + 6
        points = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 3)]
        for key in keys:
            keyboard.down(key)
        mouse.move(*points[0])
        mouse.down(button=button)  # type: ignore[arg-type]
        for point in points[1:]:
            mouse.move(*point, steps=8)
        mouse.up(button=button)  # type: ignore[arg-type]
        for key in keys:
            keyboard.up(key)

    def says(self, text: str) -> None:
        """Wait for a text in the status line."""
        expect(self.root.locator(".cdw-phase")).to_have_text(text)

    def wait_for_value(self, expression: str, expected: object) -> None:
        """Wait until an expression has a value in the kernel, which receives traits of the page a little later."""
        end = time.monotonic() + 60
        while (value := self.notebook.value(expression)) != expected:
            assert time.monotonic() < end, f"{expression} is {value}, not {expected}"

    def thirds(self) -> list[int]:
        """Return the clouds that are selected in the kernel, once it has as many points as the page."""
        self.wait_for_value("len(m.selected)", int(self.root.locator(".cdw-phase").inner_text().split()[0]))
        return self.notebook.value("sorted({(id - 1) % 3 for id in m.selected})")


@pytest.fixture(scope="module")
def map(lab: Lab, module_page: Page) -> Map:
    return Map.open(lab, module_page, "map")


def test_a_lasso_selects_and_filters_the_gallery(map: Map) -> None:
    map.lasso(0)
    map.says("30 selected")
    assert map.thirds() == [0]
    map.wait_for_value("[sorted(gallery.only) == sorted(m.selected), len(gallery.ids)]", [True, 30])
    expect(map.notebook.page.locator(".cdw-gallery .cdw-count").first).to_have_text("30 instances")
    map.lasso(2, ("Shift",))
    map.says("60 selected")
    assert map.thirds() == [0, 2]
    map.lasso(0, ("Alt",))
    map.says("30 selected")
    assert map.thirds() == [2]
    map.lasso(2, button="right")
    map.says("Ready")
    map.wait_for_value("[list(m.selected), list(gallery.only), len(gallery.ids)]", [[], [], 90])


def test_keys(map: Map) -> None:
    page = map.notebook.page
    map.root.focus()
    page.keyboard.press("Control+a")
    map.says("90 selected")
    page.keyboard.press("Escape")
    map.says("Ready")
    page.keyboard.press("c")
    expect(map.root.locator(".cdw-side .cdw-title")).to_have_text("Statuses")
    page.keyboard.press("c")
    expect(map.root.locator(".cdw-scale")).to_be_visible()
    assert map.notebook.value("m.color_by") == "score"
    page.keyboard.press("c")
    expect(map.root.locator(".cdw-class")).to_have_count(3)
    page.keyboard.press("?")
    expect(map.root.locator(".cdw-help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(map.root.locator(".cdw-help")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(map.root).not_to_be_focused()


def test_wheel_and_space_move_only_the_camera(map: Map) -> None:
    page = map.notebook.page
    box = map.box()
    map.root.focus()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    before = map.stage.evaluate(COUNT_COLORS_SCRIPT)
    assert before > 20
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    for _ in range(12):
        page.mouse.wheel(0, -300)
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.wait_for_timeout(200)
    assert map.stage.evaluate(COUNT_COLORS_SCRIPT) < before, "none of the points is near the upper edge"
    page.keyboard.down("Space")
    expect(map.stage).to_have_attribute("data-cursor", "grab")
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=4)
    page.mouse.up()
    page.keyboard.up("Space")
    expect(map.stage).to_have_attribute("data-cursor", "lasso")
    map.wait_for_value("len(m.selected)", 0)
    page.keyboard.press("0")
    page.wait_for_timeout(200)
    assert map.stage.evaluate(COUNT_COLORS_SCRIPT) == before


def test_a_click_selects_a_point_and_hovering_shows_its_card(map: Map) -> None:
    page = map.notebook.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    x, y = map.places()[0]
    box = map.box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    card = map.root.locator(".cdw-card")
    expect(card).to_contain_text("<img src=x onerror=alert(1)> 000.png")
    expect(card).to_contain_text("alpha <b>bold</b>")
    expect(card).to_contain_text("new · suspect 0 %")
    expect(card.locator("img")).to_have_js_property("naturalWidth", 80)
    assert not dialogs and card.locator("b b").count() == 0
    page.mouse.click(box["x"] + x, box["y"] + y)
    map.says("1 selected")
    map.wait_for_value("list(m.selected)", [1])
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    map.says("Ready")


def test_the_legend_selects_a_class_and_python_selects_too(map: Map) -> None:
    map.root.locator(".cdw-class", has_text="beta").click()
    map.says("30 selected")
    assert map.thirds() == [1]
    map.root.locator(".cdw-class", has_text="gamma").click(modifiers=["Shift"])
    map.says("60 selected")
    assert map.thirds() == [1, 2]  # The kernel must have this selection before Python replaces it.
    map.notebook.value("m.select([1, 2]) or 1")
    map.says("2 selected")
    assert map.notebook.value("list(gallery.only)") == [1, 2]
    map.notebook.value("m.select([]) or 1")
    map.says("Ready")


def test_refresh_shows_changes(map: Map) -> None:
    map.notebook.value("catalogue.set_status([1, 4], 'accepted') or setattr(m, 'color_by', 'status') or m.refresh() or 1")
    expect(map.root.locator(".cdw-class", has_text="accepted").locator(".cdw-area")).to_have_text("2")
    map.notebook.value("setattr(m, 'color_by', 'label') or setattr(m, 'projection', 'tsne') or 1")
    map.ready()
    expect(map.root.locator('[data-choice="tsne"]')).to_have_attribute("aria-pressed", "true")
    map.lasso(1)
    map.says("30 selected")
    assert map.thirds() == [1], "t-SNE keeps the clouds together"
    map.notebook.value("setattr(m, 'projection', 'pca') or m.select([]) or 1")
    map.ready()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_themes_and_no_serious_accessibility_problem(theme: str, lab: Lab, page: Page) -> None:
    lab.set("apputils-extension/themes", {"theme": f"JupyterLab {theme}"})
    try:
        map = Map.open(lab, page, f"map-{theme}", 30, cells=[])
        load_axe(page)
        assert serious_problems(map.root) == []
        ground = map.stage.evaluate(COLOR_AT_SCRIPT, [2, 2])
        assert (sum(ground) > 600) == (theme == "Light"), f"the ground is {ground}"
        map.root.focus()
        page.keyboard.press("Control+a")
        map.says("30 selected")
        assert serious_problems(map.root) == []
        page.keyboard.press("?")
        assert serious_problems(map.root) == []
    finally:
        lab.set("apputils-extension/themes", {"theme": "JupyterLab Light"})


def test_without_embeddings_the_job_is_named(lab: Lab, page: Page) -> None:
    map = Map.open(lab, page, "map-empty", 3, embedded=False, cells=[])
    empty = map.root.locator(".cdw-empty")
    expect(empty).to_contain_text("No embeddings yet")
    expect(map.root.locator(".cdw-status")).to_contain_text("3 without an embedding")
    map.notebook.value("[put_embedding(catalogue, id, random.normal(size=8), 'test') for id in (1, 2)] and 1")
    empty.locator("button").click()
    expect(empty).to_be_hidden()
    expect(map.root.locator(".cdw-status")).to_contain_text("1 without an embedding")
    expect(map.root.locator(".cdw-status")).to_contain_text("2 images")
