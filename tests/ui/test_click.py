"""The main path: the first notebook with the embedded model."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab, Notebook

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_click.ipynb"
CLICKS = 20


@pytest.fixture(scope="module")
def notebook(lab: Lab, module_page: Page) -> Iterator[Notebook]:
    shutil.copy(NOTEBOOK, lab.notebooks)
    notebook = Notebook.open(lab, module_page, NOTEBOOK.name)
    notebook.run_all()
    yield notebook


def test_click_remove_undo_redo_zoom(notebook: Notebook) -> None:
    cup = notebook.widget(0, "w")
    assert cup.area == 0 and not cup.is_painted(320, 230)

    cup.click(300, 230)
    first = cup.mask_hash()
    assert cup.has_pixel(300, 230) and cup.is_painted(320, 230) == cup.has_pixel(320, 230)

    outside = cup.value("[int(v) for v in __import__('numpy').argwhere({0}.mask)[-1]][::-1]")
    cup.click(*outside, button="right")
    second = cup.mask_hash()
    assert not cup.has_pixel(*outside) and cup.has_pixel(300, 230)

    cup.press("Control+z")
    assert cup.mask_hash() == first
    cup.press("Control+Shift+Z")
    assert cup.mask_hash() == second
    cup.press("Control+z")
    cup.press("Control+z")
    assert cup.area == 0 and cup.value("{}.can_redo") and not cup.is_painted(320, 230)
    cup.press("Control+y")
    assert cup.mask_hash() == first

    at = cup.position(150, 250)
    cup.stage.hover(position=at)
    before = cup.root.locator(".cdw-pointer").inner_text()
    for _ in range(4):
        notebook.page.mouse.wheel(0, -200)
    notebook.page.wait_for_timeout(200)
    assert cup.root.locator(".cdw-pointer").inner_text() == before  # The point under the pointer stays.
    assert int(cup.root.locator(".cdw-zoom").inner_text().split()[0]) > 300
    cup.stage.click(position=at, button="right")
    cup.wait_until_ready()
    x, y = (int(part) for part in before.split(", "))
    assert cup.value("[{0}.session.clicks[-1].x // 1, {0}.session.clicks[-1].y // 1]") == [x, y] and not cup.has_pixel(x, y)
    cup.press("0")
    assert not cup.is_painted(x - 20, y) or cup.has_pixel(x - 20, y)


def test_the_next_images_of_a_list(notebook: Notebook) -> None:
    images = notebook.widget(1, "images")
    images.click(200, 150)
    cat = images.mask_hash()
    assert images.has_pixel(200, 150) and images.is_painted(220, 150)

    images.press("d")
    expect(images.root.locator(".cdw-place")).to_have_text("2 / 2")
    images.wait_until_ready()
    assert images.area == 0 and images.value("{0}.session.width") == 512
    images.click(200, 400)
    assert images.has_pixel(200, 400)
    images.press("a")
    images.wait_until_ready()
    assert images.mask_hash() == cat and images.is_painted(220, 150)
    notebook.page.screenshot(path=SCREENSHOTS / "light.png")

    images.root.get_by_text("Submit").click()
    expect(images.root.locator(".cdw-place")).to_have_text("2 / 2")
    images.wait_until_ready()
    assert images.value("[len(instances) for instances in done]") == [1] and images.has_pixel(200, 400)


def test_a_session_from_python_is_shown(notebook: Notebook) -> None:
    shown = notebook.widget(2)
    expect(shown.root.locator(".cdw-row")).to_have_count(1)
    assert notebook.value("int(session.mask.sum())") > 0


def test_click_to_painted_mask(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the latency; a busy machine must not fail the test."""
    cup = notebook.widget(0, "w")
    cup.press("Delete")
    times = []
    for number in range(CLICKS):
        x, y = 90 + 37 * number % 420, 40 + 53 * number % 320
        button = "right" if cup.has_pixel(x, y) else "left"  # A click that agrees with the mask needs no prediction.
        if button == "left" or cup.area:
            cup.click(x, y, button=button)
            times.append(cup.latency)
    with capsys.disabled():
        print(f"\nclick to painted mask, {len(times)} clicks: p50 {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms")
    assert len(times) == CLICKS
