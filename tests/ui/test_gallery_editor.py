"""The annotator in place of the tiles: open, edit, accept, step, and return to the same position."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import SCREENSHOTS, Lab

BACKGROUND_POINT = (15, 15)  # A point outside all masks.


@pytest.fixture(scope="module")
def module_tiles(lab: Lab, module_page: Page) -> Iterator[GalleryNotebook]:
    yield GalleryNotebook.open(lab, module_page, "gallery-editor", 40)


@pytest.fixture
def gallery(module_tiles: GalleryNotebook) -> Iterator[GalleryNotebook]:
    module_tiles.grid.focus()
    module_tiles.press("Home")
    yield module_tiles
    if bench(module_tiles).is_visible():
        close(module_tiles)


def bench(gallery: GalleryNotebook) -> Locator:
    return gallery.root.locator(".cdw-editor")


def ready(gallery: GalleryNotebook) -> None:
    """Wait until the annotator shows its image and is idle."""
    status = bench(gallery).locator(".cdw-status")
    expect(status).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(bench(gallery).locator(".cdw-loading")).to_have_count(0)
    gallery.page.wait_for_timeout(100)
    expect(status).to_have_attribute("data-state", "ready")


def close(gallery: GalleryNotebook) -> None:
    gallery.page.keyboard.press("Escape")
    gallery.page.keyboard.press("Escape")
    expect(bench(gallery)).to_be_hidden()
    gallery.wait_until_ready()


def click(gallery: GalleryNotebook, x: float, y: float) -> None:
    """Click on an image point of the annotator."""
    stage = bench(gallery).locator(".cdw-stage")
    box = stage.bounding_box()
    assert box is not None
    scale = min(box["width"] / 160, box["height"] / 120)
    stage.click(position={"x": (box["width"] - 160 * scale) / 2 + x * scale, "y": (box["height"] - 120 * scale) / 2 + y * scale})
    ready(gallery)


def area(gallery: GalleryNotebook, index: int) -> int:
    return gallery.row(gallery.id(index)).area


def test_closing_returns_to_the_same_position(gallery: GalleryNotebook) -> None:
    gallery.scroll(0.5)
    middle = 2 * 40 // 2
    gallery.tile(middle).click()
    top, shown = gallery.top, gallery.all.count()
    gallery.press("Enter")
    expect(bench(gallery)).to_be_visible()
    ready(gallery)
    expect(bench(gallery).locator(".cdw-decide")).to_contain_text(f"{middle + 1} of 80")
    expect(bench(gallery).locator(".cdw-decide")).to_contain_text(gallery.row(gallery.id(middle)).label)
    expect(bench(gallery).locator(".cdw-decide .cdw-reason").first).to_have_text("edges")
    assert gallery.value("w._editor.selected") == gallery.row(gallery.id(middle)).number
    gallery.page.screenshot(path=SCREENSHOTS / "gallery-editor.png")

    gallery.page.keyboard.press("Escape")
    expect(bench(gallery).locator(".cdw-said")).to_contain_text("Press Esc again")
    expect(bench(gallery)).to_be_visible()
    gallery.page.keyboard.press("Escape")
    expect(bench(gallery)).to_be_hidden()
    gallery.wait_until_ready()
    assert (gallery.top, gallery.focused, gallery.all.count()) == (top, middle, shown)
    assert gallery.grid.evaluate("grid => grid === document.activeElement")
    assert gallery.value("w._editor is None")


def test_edit_accept_and_open_the_next(gallery: GalleryNotebook) -> None:
    before, picture = area(gallery, 0), gallery.picture(0)
    gallery.press("Enter")
    ready(gallery)
    click(gallery, 120, 80)  # The scripted model predicts a rectangle there.
    gallery.page.keyboard.press("Control+Enter")
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text("2 of 80")
    ready(gallery)
    assert gallery.row(gallery.id(0)).status == "accepted" and area(gallery, 0) > before
    assert area(gallery, 1) == gallery.value("int(w._editor.mask.sum())")  # Of the selected instance.

    gallery.page.keyboard.press("n")
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text("3 of 80")
    ready(gallery)
    bench(gallery).locator("[data-command=skip_edit]").click()
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text("4 of 80")
    ready(gallery)
    close(gallery)
    assert gallery.statuses(0, 1, 2, 3) == ["accepted", "rejected", "skipped", "new"]
    assert gallery.focused == 3
    assert gallery.picture(0) != picture  # With the edited mask.


def test_step_without_a_decision(gallery: GalleryNotebook) -> None:
    gallery.press("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    gallery.tile(4).dblclick()
    ready(gallery)
    place = bench(gallery).locator(".cdw-decide .cdw-place")
    expect(place).to_have_text("5 of 80")
    gallery.page.keyboard.press("d")
    expect(place).to_have_text("6 of 80")
    ready(gallery)
    gallery.page.keyboard.press("a")
    expect(place).to_have_text("5 of 80")
    ready(gallery)
    bench(gallery).locator("[data-command=back]").click()
    expect(bench(gallery)).to_be_hidden()
    gallery.wait_until_ready()
    assert gallery.statuses(4, 5) == ["new", "new"]


def test_the_keys_of_the_annotator(gallery: GalleryNotebook) -> None:
    """In the editor, the annotator's keys work, and those of the grid do not."""
    gallery.press("End", "Enter")
    ready(gallery)
    gallery.page.keyboard.press("b")
    expect(bench(gallery).locator("[data-command=brush]")).to_have_attribute("aria-pressed", "true")
    gallery.page.keyboard.press("Enter")
    ready(gallery)
    assert gallery.row(gallery.id(79)).status == "new"  # Enter finishes an object, it does not accept it.
    cells = gallery.notebook.cells()
    bench(gallery).locator(".cdw-objects .cdw-row").first.dblclick()
    name = bench(gallery).get_by_role("combobox", name="Class")
    name.fill("d")
    name.press("d")  # A letter, not the next instance.
    expect(name).to_have_value("dd")
    name.press("Escape")
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text("80 of 80")
    assert gallery.notebook.cells() == cells


def test_a_conflict_is_reported(gallery: GalleryNotebook) -> None:
    gallery.press("PageDown", "Enter")
    index = gallery.focused
    ready(gallery)
    click(gallery, 120, 80)
    row = gallery.row(gallery.id(index))
    gallery.catalogue.update(row.item, [*gallery.catalogue.item(row.item).instances][:1])
    gallery.page.keyboard.press("Control+Enter")
    trouble = bench(gallery).locator("> .cdw-notice")
    expect(trouble).to_contain_text("changed")
    gallery.page.screenshot(path=SCREENSHOTS / "gallery-conflict.png")
    expect(bench(gallery)).to_be_visible()
    assert gallery.value("int(w._editor.mask[80, 120])") == 1  # The edits are still there.
    gallery.page.keyboard.press("Escape")
    gallery.page.keyboard.press("Escape")
    expect(trouble).to_contain_text("Leave again")  # A second Escape by habit does not discard the edits.
    expect(bench(gallery)).to_be_visible()
    close(gallery)
    assert gallery.statuses(index) == ["new"]


def test_overwriting_a_conflict(gallery: GalleryNotebook) -> None:
    gallery.press("PageDown", "PageDown", "Enter")
    index = gallery.focused
    ready(gallery)
    click(gallery, 120, 80)
    row = gallery.row(gallery.id(index))
    theirs = [*gallery.catalogue.item(row.item).instances][:1]
    gallery.catalogue.update(row.item, theirs)
    gallery.page.keyboard.press("Control+Enter")
    bench(gallery).locator("> .cdw-notice").get_by_text("Overwrite with my version").click()
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text(f"{index + 2} of 80")
    expect(bench(gallery).locator("> .cdw-notice")).to_be_hidden()
    ready(gallery)
    assert gallery.statuses(index) == ["accepted"] and area(gallery, index) > row.area
    close(gallery)
    gallery.press("u")  # Their version is in the history.
    assert len(gallery.catalogue.item(row.item).instances) == len(theirs)


def test_undo_restores_a_deleted_instance_in_its_place(gallery: GalleryNotebook) -> None:
    gallery.scroll(0.6)
    index = gallery.first
    gallery.tile(index).click()
    top, instance = gallery.top, gallery.id(index)
    gallery.press("Enter")
    ready(gallery)
    bench(gallery).locator("[data-command=delete]:visible").last.click()
    ready(gallery)
    gallery.page.keyboard.press("Control+Enter")
    expect(bench(gallery).locator(".cdw-decide .cdw-place")).to_have_text(f"{index + 2} of 80")
    ready(gallery)
    close(gallery)
    assert not gallery.catalogue.rows([instance], of="instances")
    gallery.press("u")
    assert gallery.id(index) != instance and gallery.statuses(index) == ["new"]
    assert (gallery.top, gallery.focused) == (top, index)
    assert gallery.colors(index) > 500
