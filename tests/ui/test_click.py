"""The main path: the notebook that the package ships, with the model that it ships."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.jupyterlab import SCREENSHOTS, Lab, Notebook

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_click.ipynb"
CLICKS = 30


@pytest.fixture(scope="module")
def notebook(lab: Lab, module_page: Page) -> Iterator[Notebook]:
    shutil.copy(NOTEBOOK, lab.notebooks)
    notebook = Notebook.open(lab, module_page, NOTEBOOK.name)
    notebook.run_all()
    yield notebook


def test_click_take_away_undo_redo_zoom(notebook: Notebook) -> None:
    cup = notebook.widget(0, "w")
    assert cup.area == 0 and not cup.painted(320, 230)

    cup.click(300, 230)
    first = cup.digest()
    assert cup.holds(300, 230) and cup.painted(320, 230) == cup.holds(320, 230)

    outside = cup.value("[int(v) for v in __import__('numpy').argwhere({0}.mask)[-1]][::-1]")
    cup.click(*outside, button="right")
    second = cup.digest()
    assert not cup.holds(*outside) and cup.holds(300, 230)

    cup.press("Control+z")
    assert cup.digest() == first
    cup.press("Control+Shift+Z")
    assert cup.digest() == second
    cup.press("Control+z")
    cup.press("Control+z")
    assert cup.area == 0 and cup.value("{}.can_redo") and not cup.painted(320, 230)
    cup.press("Control+y")
    assert cup.digest() == first

    at = cup.position(150, 250)
    cup.stage.hover(position=at)
    before = cup.root.locator(".cdw-pointer").inner_text()
    for _ in range(4):
        notebook.page.mouse.wheel(0, -200)
    notebook.page.wait_for_timeout(200)
    assert cup.root.locator(".cdw-pointer").inner_text() == before  # the point under the pointer stays there
    assert int(cup.root.locator(".cdw-zoom").inner_text().split()[0]) > 300
    cup.stage.click(position=at, button="right")
    cup.answered()
    x, y = (int(part) for part in before.split(", "))
    assert cup.value("[{0}.session.clicks[-1].x // 1, {0}.session.clicks[-1].y // 1]") == [x, y] and not cup.holds(x, y)
    cup.press("0")
    assert not cup.painted(x - 20, y) or cup.holds(x - 20, y)


def test_the_next_images_of_a_list(notebook: Notebook) -> None:
    album = notebook.widget(1, "album")
    album.click(200, 150)
    cat = album.digest()
    assert album.holds(200, 150) and album.painted(220, 150)

    album.press("d")
    expect(album.root.locator(".cdw-place")).to_have_text("2 / 2")
    album.answered()
    assert album.area == 0 and album.value("{0}.session.width") == 512
    album.click(200, 400)
    assert album.holds(200, 400)
    album.press("a")
    album.answered()
    assert album.digest() == cat and album.painted(220, 150)
    notebook.page.screenshot(path=SCREENSHOTS / "light.png")

    album.root.get_by_text("Submit").click()
    expect(album.root.locator(".cdw-place")).to_have_text("2 / 2")
    album.answered()
    assert album.value("[len(instances) for instances in done]") == [1] and album.holds(200, 400)


def test_a_session_from_python_is_shown(notebook: Notebook) -> None:
    shown = notebook.widget(2)
    expect(shown.root.locator(".cdw-row")).to_have_count(1)
    assert notebook.value("int(session.mask.sum())") > 0


def test_click_to_painted_mask(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the figure; a busy machine must not fail the test."""
    cup = notebook.widget(0, "w")
    cup.press("Delete")
    times = []
    for number in range(CLICKS):
        x, y = 90 + 37 * number % 420, 40 + 53 * number % 320
        button = "right" if cup.holds(x, y) else "left"  # a click that agrees with the mask would not ask the model
        if button == "left" or cup.area:
            cup.click(x, y, button=button)
            times.append(cup.latency)
    with capsys.disabled():
        print(f"\nclick to painted mask, {len(times)} clicks: p50 {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms")
    assert len(times) == CLICKS
