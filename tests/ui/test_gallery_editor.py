"""The annotator in place of the tiles: open, mend, accept, walk on, and back to where one was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from support.gallery_notebook import Tiles
from support.jupyterlab import SCREENSHOTS, Lab

LEFT = (15, 15)  # a point of the photographs that belongs to no mask


@pytest.fixture(scope="module")
def module_tiles(lab: Lab, module_page: Page) -> Iterator[Tiles]:
    yield Tiles.open(lab, module_page, "gallery-editor", 40)


@pytest.fixture
def tiles(module_tiles: Tiles) -> Iterator[Tiles]:
    module_tiles.grid.focus()
    module_tiles.press("Home")
    yield module_tiles
    if bench(module_tiles).is_visible():
        close(module_tiles)


def bench(tiles: Tiles) -> Locator:
    return tiles.root.locator(".cdw-editor")


def ready(tiles: Tiles) -> None:
    """Wait until the annotator shows its image and has nothing to do."""
    status = bench(tiles).locator(".cdw-status")
    expect(status).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(bench(tiles).locator(".cdw-loading")).to_have_count(0)
    tiles.page.wait_for_timeout(100)
    expect(status).to_have_attribute("data-state", "ready")


def close(tiles: Tiles) -> None:
    tiles.page.keyboard.press("Escape")
    tiles.page.keyboard.press("Escape")
    expect(bench(tiles)).to_be_hidden()
    tiles.answered()


def click(tiles: Tiles, x: float, y: float) -> None:
    """Click on an image point of the annotator."""
    stage = bench(tiles).locator(".cdw-stage")
    box = stage.bounding_box()
    assert box is not None
    scale = min(box["width"] / 160, box["height"] / 120)
    stage.click(position={"x": (box["width"] - 160 * scale) / 2 + x * scale, "y": (box["height"] - 120 * scale) / 2 + y * scale})
    ready(tiles)


def area(tiles: Tiles, index: int) -> int:
    return tiles.row(tiles.id(index)).area


def test_there_and_back_is_the_same_place(tiles: Tiles) -> None:
    tiles.scroll(0.5)
    middle = 2 * 40 // 2
    tiles.tile(middle).click()
    top, shown = tiles.top, tiles.all.count()
    tiles.press("Enter")
    expect(bench(tiles)).to_be_visible()
    ready(tiles)
    expect(bench(tiles).locator(".cdw-decide")).to_contain_text(f"{middle + 1} of 80")
    expect(bench(tiles).locator(".cdw-decide")).to_contain_text(tiles.row(tiles.id(middle)).label)
    expect(bench(tiles).locator(".cdw-decide .cdw-reason").first).to_have_text("edges")
    assert tiles.value("w._editor.selected") == tiles.row(tiles.id(middle)).number
    tiles.page.screenshot(path=SCREENSHOTS / "gallery-editor.png")

    tiles.page.keyboard.press("Escape")
    expect(bench(tiles).locator(".cdw-said")).to_contain_text("Esc again")
    expect(bench(tiles)).to_be_visible()
    tiles.page.keyboard.press("Escape")
    expect(bench(tiles)).to_be_hidden()
    tiles.answered()
    assert (tiles.top, tiles.focused, tiles.all.count()) == (top, middle, shown)
    assert tiles.grid.evaluate("grid => grid === document.activeElement")
    assert tiles.value("w._editor is None")


def test_mend_accept_and_go_on(tiles: Tiles) -> None:
    before, picture = area(tiles, 0), tiles.picture(0)
    tiles.press("Enter")
    ready(tiles)
    click(tiles, 120, 80)  # the scripted model finds a rectangle there
    tiles.page.keyboard.press("Control+Enter")
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text("2 of 80")
    ready(tiles)
    assert tiles.row(tiles.id(0)).status == "accepted" and area(tiles, 0) > before
    assert area(tiles, 1) == tiles.value("int(w._editor.mask.sum())")  # of the instance that is selected now

    tiles.page.keyboard.press("Control+Backspace")
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text("3 of 80")
    ready(tiles)
    bench(tiles).locator("[data-command=skip_edit]").click()
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text("4 of 80")
    ready(tiles)
    close(tiles)
    assert tiles.statuses(0, 1, 2, 3) == ["accepted", "rejected", "skipped", "new"]
    assert tiles.focused == 3
    assert tiles.picture(0) != picture  # with the mended mask


def test_walk_without_a_verdict(tiles: Tiles) -> None:
    tiles.press("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    tiles.tile(4).dblclick()
    ready(tiles)
    place = bench(tiles).locator(".cdw-decide .cdw-place")
    expect(place).to_have_text("5 of 80")
    tiles.page.keyboard.press("d")
    expect(place).to_have_text("6 of 80")
    ready(tiles)
    tiles.page.keyboard.press("a")
    expect(place).to_have_text("5 of 80")
    ready(tiles)
    bench(tiles).locator("[data-command=back]").click()
    expect(bench(tiles)).to_be_hidden()
    tiles.answered()
    assert tiles.statuses(4, 5) == ["new", "new"]


def test_what_the_annotator_s_own_keys_do(tiles: Tiles) -> None:
    """They are the annotator's: n finishes an object there, and is no verdict."""
    tiles.press("End", "Enter")
    ready(tiles)
    tiles.page.keyboard.press("b")
    expect(bench(tiles).locator("[data-command=brush]")).to_have_attribute("aria-pressed", "true")
    tiles.page.keyboard.press("n")
    ready(tiles)
    assert tiles.row(tiles.id(79)).status == "new"
    cells = tiles.notebook.cells()
    bench(tiles).locator(".cdw-objects .cdw-row").first.dblclick()
    name = bench(tiles).get_by_label("Class or name")
    name.fill("d")
    name.press("d")  # a letter, not the next instance
    expect(name).to_have_value("dd")
    name.press("Escape")
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text("80 of 80")
    assert tiles.notebook.cells() == cells


def test_somebody_else_was_quicker(tiles: Tiles) -> None:
    tiles.press("PageDown", "Enter")
    index = tiles.focused
    ready(tiles)
    click(tiles, 120, 80)
    row = tiles.row(tiles.id(index))
    tiles.catalogue.update(row.item, [*tiles.catalogue.item(row.item).instances][:1])
    tiles.page.keyboard.press("Control+Enter")
    trouble = bench(tiles).locator("> .cdw-trouble")
    expect(trouble).to_contain_text("changed")
    tiles.page.screenshot(path=SCREENSHOTS / "gallery-conflict.png")
    expect(bench(tiles)).to_be_visible()
    assert tiles.value("int(w._editor.mask[80, 120])") == 1  # the edits are still there
    tiles.page.keyboard.press("Escape")
    tiles.page.keyboard.press("Escape")
    expect(trouble).to_contain_text("once more")  # what was drawn is not lost by a habit
    expect(bench(tiles)).to_be_visible()
    close(tiles)
    assert tiles.statuses(index) == ["new"]


def test_mine_over_theirs(tiles: Tiles) -> None:
    tiles.press("PageDown", "PageDown", "Enter")
    index = tiles.focused
    ready(tiles)
    click(tiles, 120, 80)
    row = tiles.row(tiles.id(index))
    theirs = [*tiles.catalogue.item(row.item).instances][:1]
    tiles.catalogue.update(row.item, theirs)
    tiles.page.keyboard.press("Control+Enter")
    bench(tiles).locator("> .cdw-trouble").get_by_text("Write mine over theirs").click()
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text(f"{index + 2} of 80")
    expect(bench(tiles).locator("> .cdw-trouble")).to_be_hidden()
    ready(tiles)
    assert tiles.statuses(index) == ["accepted"] and area(tiles, index) > row.area
    close(tiles)
    tiles.press("u")  # theirs is in the history
    assert len(tiles.catalogue.item(row.item).instances) == len(theirs)


def test_what_was_deleted_comes_back_where_it_was(tiles: Tiles) -> None:
    tiles.scroll(0.6)
    index = tiles.first
    tiles.tile(index).click()
    top, instance = tiles.top, tiles.id(index)
    tiles.press("Enter")
    ready(tiles)
    bench(tiles).locator("[data-command=delete]:visible").last.click()
    ready(tiles)
    tiles.page.keyboard.press("Control+Enter")
    expect(bench(tiles).locator(".cdw-decide .cdw-place")).to_have_text(f"{index + 2} of 80")
    ready(tiles)
    close(tiles)
    assert not tiles.catalogue.rows([instance], of="instances")
    tiles.press("u")
    assert tiles.id(index) != instance and tiles.statuses(index) == ["new"]
    assert (tiles.top, tiles.focused) == (top, index)
    assert tiles.colours(index) > 500
