"""The gallery in JupyterLab: list, order, filters, decisions by key, selections; the page shows the file's content."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab

IMAGES = 40  # With two instances each.
INITIAL_TRAITS_CELL = """
names = ("order_by", "status", "labels", "tag", "only", "selected", "text", "min_score", "max_score", "view_only")
plain = {name: getattr(w, name) for name in names}
"""


@pytest.fixture(scope="module")
def module_tiles(lab: Lab, module_page: Page) -> Iterator[GalleryNotebook]:
    yield GalleryNotebook.open(lab, module_page, "gallery", IMAGES, more=[INITIAL_TRAITS_CELL])


@pytest.fixture
def gallery(module_tiles: GalleryNotebook) -> Iterator[GalleryNotebook]:
    """The gallery in its initial state, with the focus on its first tile."""
    module_tiles.value("[setattr(w, trait, value) for trait, value in plain.items()] and w.refresh()")
    module_tiles.value("w.catalogue.set_status(w.ids, 'new', of='instances') or w.refresh()")
    module_tiles.wait_until_ready()
    module_tiles.grid.focus()
    module_tiles.press("Home")
    yield module_tiles


def test_the_worst_are_first_and_the_last_is_reachable(gallery: GalleryNotebook) -> None:
    scores = [gallery.suspicion(index) for index in range(6)]
    assert scores == sorted(scores, reverse=True) and scores[0] > 90
    assert gallery.colors(0) > 500  # A photograph.
    expect(gallery.tile(0).locator(".cdw-reason:visible").first).to_have_text("edges")
    expect(gallery.root.locator(".cdw-why")).to_contain_text("the border misses the edges of the image")
    expect(gallery.root.locator(".cdw-count").first).to_have_text(f"{2 * IMAGES} instances")
    gallery.page.screenshot(path=SCREENSHOTS / "gallery-light.png")

    for share, index in ((0.5, IMAGES), (1, 2 * IMAGES - 1)):
        gallery.scroll(share)
        expect(gallery.tile(index)).to_be_visible()
        assert gallery.colors(index) > 500
    assert gallery.all.count() < 2 * IMAGES  # Tiles out of sight do not exist.
    gallery.press("End")
    assert gallery.focused == 2 * IMAGES - 1
    assert gallery.suspicion(2 * IMAGES - 1) == int(100 * (gallery.row(gallery.id(-1)).score or 0) + 0.5)


# Scrolls by 10 pixels, blocks the page until the gallery would detect the end of scrolling, and scrolls on just before that.
LATE_SCROLL_SCRIPT = """(grid, far) => new Promise((done) => {
    grid.scrollTop = 10;
    setTimeout(() => {
        for (const start = performance.now(); performance.now() - start < 400;);
        grid.scrollTop = far;
        setTimeout(() => done(grid.scrollTop), 300);
    }, 60);
})"""


def test_no_scrolling_is_lost_when_the_page_is_busy(gallery: GalleryNotebook) -> None:
    for _ in range(5):
        assert gallery.grid.evaluate(LATE_SCROLL_SCRIPT, 200) == 200


def test_decisions_advance_and_are_undone(gallery: GalleryNotebook) -> None:
    gallery.press("y", "n", "s")
    assert gallery.statuses(0, 1, 2, 3) == ["accepted", "rejected", "skipped", "new"]
    assert gallery.focused == 3
    expect(gallery.root.locator(".cdw-progress-line")).to_contain_text("1 accepted")

    gallery.press("ArrowLeft", "ArrowLeft", "ArrowLeft", "n")  # Another decision on the first moves to the next new one.
    assert gallery.statuses(0) == ["rejected"] and gallery.focused == 3
    gallery.press("u")
    assert gallery.statuses(0) == ["accepted"] and gallery.focused == 0
    expect(gallery.feedback).to_have_text("Undone")
    gallery.press("Control+z", "u", "u")
    assert gallery.statuses(0, 1, 2) == ["new"] * 3
    gallery.press("u")
    expect(gallery.feedback).to_have_text("There is nothing to undo")


def test_a_decision_is_shown_before_the_reply(gallery: GalleryNotebook) -> None:
    gallery.value("setattr(w, 'set_status', lambda *args: (__import__('time').sleep(1.5), type(w).set_status(w, *args))[1])")
    gallery.page.keyboard.press("y")
    expect(gallery.tile(0)).to_have_attribute("data-status", "accepted", timeout=1_000)
    assert gallery.catalogue.count("accepted", of="instances") == 0
    gallery.wait_until_ready()
    assert gallery.statuses(0) == ["accepted"]
    gallery.value("w.__dict__.pop('set_status') and None")


def test_a_failed_decision_is_reverted(gallery: GalleryNotebook) -> None:
    gallery.value("setattr(w, 'set_status', lambda *args: 1 / 0)")
    gallery.press("y")
    expect(gallery.notice).to_contain_text("ZeroDivisionError: division by zero")
    assert gallery.statuses(0) == ["new"]
    gallery.page.screenshot(path=SCREENSHOTS / "gallery-error.png")
    gallery.value("w.__dict__.pop('set_status') and None")
    gallery.root.locator(".cdw-over").get_by_label("Dismiss").click()
    expect(gallery.notice).to_be_hidden()


def test_decisions_on_a_selection(gallery: GalleryNotebook) -> None:
    gallery.press("Space", "ArrowRight", "ArrowRight", "Space")
    assert gallery.value("w.selected") == [gallery.id(0), gallery.id(2)]
    gallery.tile(4).click(modifiers=["Control"])
    assert gallery.value("len(w.selected)") == 3
    gallery.press("y")
    assert gallery.statuses(0, 1, 2, 3, 4) == ["accepted", "new", "accepted", "new", "accepted"]
    assert gallery.value("w.selected") == []
    gallery.press("u")
    assert gallery.statuses(0, 2, 4) == ["new"] * 3  # One undo step.

    gallery.tile(1).click()
    gallery.tile(5).click(modifiers=["Shift"])
    assert gallery.value("w.selected") == [gallery.id(index) for index in range(1, 6)]
    gallery.press("Shift+ArrowLeft")
    assert gallery.value("len(w.selected)") == 4
    gallery.press("Escape")
    assert gallery.value("w.selected") == []

    gallery.press("Control+a")
    expect(gallery.root.locator(".cdw-foot .cdw-place")).to_contain_text(f"{2 * IMAGES} selected")
    gallery.press("n")
    assert gallery.catalogue.count("rejected", of="instances") == 2 * IMAGES
    gallery.press("u")
    assert gallery.catalogue.count("rejected", of="instances") == 0


def test_order_and_filters(gallery: GalleryNotebook) -> None:
    count, page = gallery.root.locator(".cdw-count").first, gallery.page
    gallery.root.get_by_label("Highest first").click()
    gallery.wait_until_ready()
    assert gallery.value("w.order_by") == "score"
    assert gallery.suspicion(0) < 30
    gallery.root.get_by_label("Sort by").select_option("edges")
    gallery.wait_until_ready()
    assert gallery.value("w.order_by") == "edges"

    gallery.root.get_by_label("Filter by class").first.click()
    gallery.root.get_by_label("spoon", exact=True).check()
    page.keyboard.press("Escape")
    gallery.wait_until_ready()
    expect(count).to_have_text(f"{IMAGES // 2} instances")
    expect(gallery.tile(0).locator(".cdw-caption")).to_contain_text("spoon")

    gallery.root.get_by_label("Search names and labels").fill("photo 0003")
    expect(count).to_have_text("1 instance")
    gallery.press("Enter")
    assert gallery.value("[w.text, w.labels]") == ["photo 0003", ["spoon"]]
    gallery.root.get_by_label("Filter by score").first.click()
    gallery.root.get_by_label("Score from").fill("99")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    empty = gallery.root.locator(".cdw-empty")
    expect(empty).to_contain_text("Nothing matches")
    page.screenshot(path=SCREENSHOTS / "gallery-empty.png")
    empty.get_by_text("Clear the filters").click()
    gallery.wait_until_ready()
    expect(count).to_have_text(f"{2 * IMAGES} instances")
    assert gallery.value("[w.text, w.labels, w.min_score]") == ["", [], None]

    gallery.value("setattr(w, 'only', [3, 4]) or setattr(w, 'order_by', 'id')")
    gallery.wait_until_ready()
    expect(count).to_have_text("4 instances")


def test_tiles_keep_their_places_until_a_refresh(gallery: GalleryNotebook) -> None:
    gallery.value("setattr(w, 'status', ['new'])")
    gallery.wait_until_ready()
    first = gallery.id(0)
    gallery.grid.focus()
    gallery.press("y")
    assert gallery.id(0) == first and gallery.statuses(0) == ["accepted"]
    gallery.press("r")
    assert gallery.id(0) != first
    expect(gallery.root.locator(".cdw-count").first).to_have_text(f"{2 * IMAGES - 1} instances")


def test_heat_maps(gallery: GalleryNotebook) -> None:
    plain, neighbor = gallery.picture(1), gallery.picture(2)
    gallery.tile(1).hover()
    expect(gallery.tile(1).locator(".cdw-of")).to_have_text("edges")
    gallery.wait_until_ready()
    assert gallery.picture(1) != plain and gallery.picture(2) == neighbor
    gallery.page.mouse.move(5, 5)
    expect(gallery.tile(1).locator(".cdw-of")).to_be_hidden()
    assert gallery.picture(1) == plain
    gallery.press("h")
    expect(gallery.tile(2).locator(".cdw-of")).to_have_text("edges")
    gallery.page.screenshot(path=SCREENSHOTS / "gallery-heat.png")
    gallery.press("h")
    assert gallery.picture(2) == neighbor

    gallery.page.keyboard.down("v")
    gallery.page.wait_for_timeout(100)
    assert gallery.picture(2) != neighbor  # Without its mask.
    gallery.page.keyboard.up("v")
    gallery.page.wait_for_timeout(100)
    assert gallery.picture(2) == neighbor


def test_keys_do_not_reach_the_notebook(gallery: GalleryNotebook) -> None:
    panel, cells = gallery.page.locator(".jp-WindowedPanel-outer").first, gallery.notebook.cells()
    scrolled = panel.evaluate("panel => panel.scrollTop")
    gallery.press("ArrowDown", "PageDown", "End", "Home", "Space", "Space", "a", "d", "d", "x")
    gallery.press("b", "Escape")  # Opens and closes the panel of attributes.
    assert panel.evaluate("panel => panel.scrollTop") == scrolled
    assert gallery.notebook.cells() == cells
    gallery.press("?")
    expect(gallery.root.locator(".cdw-help")).to_contain_text("Accept & next")
    gallery.press("Escape")
    expect(gallery.root.locator(".cdw-help")).to_be_hidden()
    gallery.press("Escape")
    assert not gallery.root.evaluate("root => root.contains(document.activeElement)")
    gallery.press("b")  # A notebook shortcut: inserts a cell below.
    assert gallery.notebook.cells() == cells + 1
    gallery.press("d", "d")


def test_view_only(gallery: GalleryNotebook) -> None:
    gallery.value("setattr(w, 'view_only', True)")
    expect(gallery.root.locator(".cdw-foot .cdw-phase")).to_have_text("View only")
    expect(gallery.root.locator("[data-command=accept]")).to_be_disabled()
    gallery.press("y", "ArrowRight")
    assert gallery.statuses(0) == ["new"] and gallery.focused == 1


def test_resizing_keeps_the_position(gallery: GalleryNotebook) -> None:
    gallery.scroll(0.5)
    first = gallery.first
    gallery.value("setattr(w, 'tile', 240)")
    gallery.wait_until_ready()
    expect(gallery.tile(first)).to_be_visible()
    assert gallery.colors(first) > 500
    gallery.value("setattr(w, 'tile', 160)")
    gallery.wait_until_ready()
