"""The gallery in real JupyterLab: the list, its order and filters, verdicts by key, selections; what is shown is what the file holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.gallery_notebook import Tiles
from support.jupyterlab import SCREENSHOTS, Lab

IMAGES = 40  # of two instances each
PLAIN = """
names = ("order_by", "status", "labels", "tag", "only", "selected", "text", "min_score", "max_score", "view_only")
plain = {name: getattr(w, name) for name in names}
"""


@pytest.fixture(scope="module")
def module_tiles(lab: Lab, module_page: Page) -> Iterator[Tiles]:
    yield Tiles.open(lab, module_page, "gallery", IMAGES, more=[PLAIN])


@pytest.fixture
def tiles(module_tiles: Tiles) -> Iterator[Tiles]:
    """The gallery as it was opened, with the focus on its first tile."""
    module_tiles.value("[setattr(w, trait, value) for trait, value in plain.items()] and w.refresh()")
    module_tiles.value("w.catalogue.set_status(w.ids, 'new', of='instances') or w.refresh()")
    module_tiles.answered()
    module_tiles.grid.focus()
    module_tiles.press("Home")
    yield module_tiles


def test_the_worst_come_first_and_the_last_is_reached(tiles: Tiles) -> None:
    scores = [float(tiles.tile(index).locator(".cdw-score").inner_text()) for index in range(6)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 0.9
    assert tiles.colours(0) > 500  # a photograph
    expect(tiles.tile(0).locator(".cdw-reason:visible").first).to_have_text("edges")
    expect(tiles.root.locator(".cdw-why")).to_contain_text("the border misses the edges of the image")
    expect(tiles.root.locator(".cdw-count").first).to_have_text(f"{2 * IMAGES} instances")
    tiles.page.screenshot(path=SCREENSHOTS / "gallery-light.png")

    for share, index in ((0.5, IMAGES), (1, 2 * IMAGES - 1)):
        tiles.scroll(share)
        expect(tiles.tile(index)).to_be_visible()
        assert tiles.colours(index) > 500
    assert tiles.all.count() < 2 * IMAGES  # those out of sight do not exist
    tiles.press("End")
    assert tiles.focused == 2 * IMAGES - 1
    assert tiles.tile(2 * IMAGES - 1).locator(".cdw-score").inner_text() == f"{tiles.row(tiles.id(-1)).score:.2f}"


# Scrolls by 10 pixels, keeps the page busy until the gallery would have found that the hand rests, and scrolls on just before it can.
SCROLL_LATE = """(grid, far) => new Promise((done) => {
    grid.scrollTop = 10;
    setTimeout(() => {
        for (const start = performance.now(); performance.now() - start < 400;);
        grid.scrollTop = far;
        setTimeout(() => done(grid.scrollTop), 300);
    }, 60);
})"""


def test_no_scrolling_is_lost_when_the_page_is_busy(tiles: Tiles) -> None:
    for _ in range(5):
        assert tiles.grid.evaluate(SCROLL_LATE, 200) == 200


def test_verdicts_move_on_and_are_taken_back(tiles: Tiles) -> None:
    tiles.press("y", "n", "s")
    assert tiles.statuses(0, 1, 2, 3) == ["accepted", "rejected", "skipped", "new"]
    assert tiles.focused == 3
    expect(tiles.root.locator(".cdw-progress-line")).to_contain_text("1 accepted")

    tiles.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "n")  # another verdict on the first goes on to the next new one
    assert tiles.statuses(0) == ["rejected"] and tiles.focused == 3
    tiles.press("u")
    assert tiles.statuses(0) == ["accepted"] and tiles.focused == 0
    expect(tiles.said).to_have_text("Undone")
    tiles.press("Control+z", "u", "u")
    assert tiles.statuses(0, 1, 2) == ["new"] * 3
    tiles.press("u")
    expect(tiles.said).to_have_text("There is nothing to undo")


def test_a_verdict_is_seen_before_the_kernel_knows(tiles: Tiles) -> None:
    tiles.value("setattr(w, 'set_status', lambda *args: (__import__('time').sleep(1.5), type(w).set_status(w, *args))[1])")
    tiles.page.keyboard.press("y")
    expect(tiles.tile(0)).to_have_attribute("data-status", "accepted", timeout=1_000)
    assert tiles.catalogue.count("accepted", of="instances") == 0
    tiles.answered()
    assert tiles.statuses(0) == ["accepted"]
    tiles.value("w.__dict__.pop('set_status') and None")


def test_a_verdict_that_fails_is_taken_back(tiles: Tiles) -> None:
    tiles.value("setattr(w, 'set_status', lambda *args: 1 / 0)")
    tiles.press("y")
    expect(tiles.trouble).to_contain_text("ZeroDivisionError: division by zero")
    assert tiles.statuses(0) == ["new"]
    tiles.page.screenshot(path=SCREENSHOTS / "gallery-error.png")
    tiles.value("w.__dict__.pop('set_status') and None")
    tiles.root.locator(".cdw-over").get_by_label("Dismiss").click()
    expect(tiles.trouble).to_be_hidden()


def test_many_at_once(tiles: Tiles) -> None:
    tiles.press("Space", "ArrowRight", "ArrowRight", "Space")
    assert tiles.value("w.selected") == [tiles.id(0), tiles.id(2)]
    tiles.tile(4).click(modifiers=["Control"])
    assert tiles.value("len(w.selected)") == 3
    tiles.press("y")
    assert tiles.statuses(0, 1, 2, 3, 4) == ["accepted", "new", "accepted", "new", "accepted"]
    assert tiles.value("w.selected") == []
    tiles.press("u")
    assert tiles.statuses(0, 2, 4) == ["new"] * 3  # one step

    tiles.tile(1).click()
    tiles.tile(5).click(modifiers=["Shift"])
    assert tiles.value("w.selected") == [tiles.id(index) for index in range(1, 6)]
    tiles.press("Shift+ArrowLeft")
    assert tiles.value("len(w.selected)") == 4
    tiles.press("Escape")
    assert tiles.value("w.selected") == []

    tiles.press("Control+a")
    expect(tiles.root.locator(".cdw-foot .cdw-place")).to_contain_text(f"{2 * IMAGES} selected")
    tiles.press("n")
    assert tiles.catalogue.count("rejected", of="instances") == 2 * IMAGES
    tiles.press("u")
    assert tiles.catalogue.count("rejected", of="instances") == 0


def test_order_and_filters(tiles: Tiles) -> None:
    count, page = tiles.root.locator(".cdw-count").first, tiles.page
    tiles.root.get_by_label("The highest first").click()
    tiles.answered()
    assert tiles.value("w.order_by") == "score"
    assert float(tiles.tile(0).locator(".cdw-score").inner_text()) < 0.3
    tiles.root.get_by_label("Sort by").select_option("edges")
    tiles.answered()
    assert tiles.value("w.order_by") == "edges"

    tiles.root.get_by_label("Class: which to show").first.click()
    tiles.root.get_by_label("spoon", exact=True).check()
    page.keyboard.press("Escape")
    tiles.answered()
    expect(count).to_have_text(f"{IMAGES // 2} instances")
    expect(tiles.tile(0).locator(".cdw-caption")).to_contain_text("spoon")

    tiles.root.get_by_label("Search in names and labels").fill("photo 0003")
    expect(count).to_have_text("1 instance")
    tiles.press("Enter")
    assert tiles.value("[w.text, w.labels]") == ["photo 0003", ["spoon"]]
    tiles.root.get_by_label("Score: which to show").first.click()
    tiles.root.get_by_label("Score from").fill("0.99")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    empty = tiles.root.locator(".cdw-empty")
    expect(empty).to_contain_text("Nothing matches")
    page.screenshot(path=SCREENSHOTS / "gallery-empty.png")
    empty.get_by_text("Clear the filters").click()
    tiles.answered()
    expect(count).to_have_text(f"{2 * IMAGES} instances")
    assert tiles.value("[w.text, w.labels, w.min_score]") == ["", [], None]

    tiles.value("setattr(w, 'only', [3, 4]) or setattr(w, 'order_by', 'id')")
    tiles.answered()
    expect(count).to_have_text("4 instances")


def test_tiles_stay_where_they_are_until_the_list_is_asked_for_anew(tiles: Tiles) -> None:
    tiles.value("setattr(w, 'status', ['new'])")
    tiles.answered()
    first = tiles.id(0)
    tiles.grid.focus()
    tiles.press("y")
    assert tiles.id(0) == first and tiles.statuses(0) == ["accepted"]
    tiles.press("r")
    assert tiles.id(0) != first
    expect(tiles.root.locator(".cdw-count").first).to_have_text(f"{2 * IMAGES - 1} instances")


def test_where_it_looks_wrong(tiles: Tiles) -> None:
    plain, beside = tiles.picture(1), tiles.picture(2)
    tiles.tile(1).hover()
    expect(tiles.tile(1).locator(".cdw-of")).to_have_text("edges")
    tiles.answered()
    assert tiles.picture(1) != plain and tiles.picture(2) == beside
    tiles.page.mouse.move(5, 5)
    expect(tiles.tile(1).locator(".cdw-of")).to_be_hidden()
    assert tiles.picture(1) == plain
    tiles.press("h")
    expect(tiles.tile(2).locator(".cdw-of")).to_have_text("edges")
    tiles.page.screenshot(path=SCREENSHOTS / "gallery-heat.png")
    tiles.press("h")
    assert tiles.picture(2) == beside

    tiles.page.keyboard.down("v")
    tiles.page.wait_for_timeout(100)
    assert tiles.picture(2) != beside  # without its mask
    tiles.page.keyboard.up("v")
    tiles.page.wait_for_timeout(100)
    assert tiles.picture(2) == beside


def test_the_keys_are_the_gallery_s_alone(tiles: Tiles) -> None:
    panel, cells = tiles.page.locator(".jp-WindowedPanel-outer").first, tiles.notebook.cells()
    scrolled = panel.evaluate("panel => panel.scrollTop")
    tiles.press("ArrowDown", "PageDown", "End", "Home", "Space", "Space", "b", "a", "d", "d", "x")
    assert panel.evaluate("panel => panel.scrollTop") == scrolled
    assert tiles.notebook.cells() == cells
    tiles.press("?")
    expect(tiles.root.locator(".cdw-help")).to_contain_text("Accept and go on to the next")
    tiles.press("Escape")
    expect(tiles.root.locator(".cdw-help")).to_be_hidden()
    tiles.press("Escape")
    assert not tiles.root.evaluate("root => root.contains(document.activeElement)")
    tiles.press("b")  # the notebook's: a cell below
    assert tiles.notebook.cells() == cells + 1
    tiles.press("d", "d")


def test_a_gallery_to_look_at_only(tiles: Tiles) -> None:
    tiles.value("setattr(w, 'view_only', True)")
    expect(tiles.root.locator(".cdw-foot .cdw-phase")).to_have_text("View only")
    expect(tiles.root.locator("[data-command=accept]")).to_be_disabled()
    tiles.press("y", "ArrowRight")
    assert tiles.statuses(0) == ["new"] and tiles.focused == 1


def test_another_size_keeps_the_place(tiles: Tiles) -> None:
    tiles.scroll(0.5)
    first = tiles.first
    tiles.value("setattr(w, 'tile', 240)")
    tiles.answered()
    expect(tiles.tile(first)).to_be_visible()
    assert tiles.colours(first) > 500
    tiles.value("setattr(w, 'tile', 160)")
    tiles.answered()
