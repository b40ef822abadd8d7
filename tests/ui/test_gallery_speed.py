"""How a long list opens and scrolls: what the page's script takes for each frame, and the kernel for each page of rows.

Prints the figures; a busy machine must not fail. CDWIDGET_ROWS=1000000 measures a list of that length.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from lab import Lab
from test_canvas_speed import WATCH, p95, tell
from tiles import Tiles

ROWS = int(os.environ.get("CDWIDGET_ROWS", 300_000))
ITEMS = 1000  # images, of which many have the same file's contents; each has ROWS / ITEMS instances

# Masks are the same everywhere: what is measured is the length of the list. Written past the catalogue, which would take minutes.
CELL = """
import os, sqlite3
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget

folder = Path({folder!r})
folder.mkdir()
for number, name in enumerate(["coffee", "chelsea", "rocket", "astronaut"]):
    cv2.imwrite(str(folder / f"{number}.jpg"), cv2.resize(getattr(skimage.data, name)(), (480, 360))[..., ::-1])
mask = cv2.ellipse(np.zeros((360, 480), np.uint8), (240, 180), (120, 80), 20, 0, 360, 1, -1) > 0
items = []
for number in range({items}):
    path = folder / f"photo {number:04}.jpg"
    os.link(folder / f"{number % 4}.jpg", path)
    items.append(cdwidget.Item(path, [cdwidget.Instance(mask, "cup")]))
catalogue = cdwidget.Catalogue(folder / "labels.db")
catalogue.add(items)
catalogue.close()
with sqlite3.connect(folder / "labels.db") as database:
    database.execute("PRAGMA synchronous = OFF")
    more = "WITH RECURSIVE n (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < {each} - 1) INSERT INTO instances "
    same = "label, status, crowd, area, x0, y0, x1, y1"
    database.execute(f"{more} (item, number, position, {same}) SELECT item, number + k, position + k, {same} FROM instances, n")
    database.execute("UPDATE instances SET score = (id * 7919 % 1000003) / 1000003.0")
    database.execute("INSERT OR IGNORE INTO masks SELECT id, (SELECT counts FROM masks LIMIT 1), NULL FROM instances")
    database.execute("INSERT INTO scores SELECT id, 'overall', score, '', NULL FROM instances")
database.close()
"""
SHOW = """
import time
since = time.perf_counter()
w = cdwidget.Gallery(catalogue)
opened = time.perf_counter() - since
w
"""


@pytest.fixture(scope="module")
def tiles(lab: Lab, module_page: Page) -> Iterator[Tiles]:
    watch = WATCH.replace("pointer|wheel|mouse", "pointer|wheel|mouse|scroll")
    assert watch != WATCH
    module_page.add_init_script(watch)
    cell = CELL.replace("{items}", str(ITEMS)).replace("{each}", str(ROWS // ITEMS)).replace("{folder!r}", "'gallery-speed'")
    yield Tiles.open(lab, module_page, "gallery-speed", cell=cell, more=[SHOW])


def test_opening_and_a_page(tiles: Tiles, capsys: pytest.CaptureFixture[str]) -> None:
    expect(tiles.root.locator(".cdw-count").first).to_have_text(f"{ROWS:,} instances")
    tell(capsys, f"a gallery of {ROWS:,} instances: {tiles.value('opened') * 1000:.0f} ms to open at the kernel")
    once = "__import__('timeit').timeit(lambda: w._requests.page(w._query['key'], {0}, {0} + 120), number=1)"
    times = [tiles.value(once.format(start)) for start in range(0, ROWS - 120, ROWS // 20)]
    tell(capsys, f"120 rows at the kernel: p50 {1000 * statistics.median(times):.0f} ms, slowest {1000 * max(times):.0f} ms")
    ids = tiles.value("(lambda r: [r[0]['id'], r[-1]['id']])(w._requests.page(w._query['key'], 0, 120)[0]['rows'])")
    assert ids == [tiles.id(0), tiles.id(119)]


def test_scrolling(tiles: Tiles, capsys: pytest.CaptureFixture[str]) -> None:
    page = tiles.page
    box = tiles.grid.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        return next(one["value"] for one in tools.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")

    for share in (0.0, 0.5):
        tiles.scroll(share)
        page.evaluate("frames_.splice(0)")
        before, since, top = spent(), time.monotonic(), tiles.top
        for _ in range(150):
            page.mouse.wheel(0, 60)
            page.wait_for_timeout(10)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        seconds, thread, times = time.monotonic() - since, spent() - before, page.evaluate("frames_.splice(0)")
        script = f"script p50 {statistics.median(times):.1f} ms, p95 {p95(times):.1f} ms, slowest {max(times):.1f} ms"
        busy = f"main thread {1000 * thread / len(times):.1f} ms a frame"
        tell(capsys, f"the wheel from {share:.0%} of {ROWS:,}: {len(times)} frames in {seconds:.1f} s; {script}; {busy}")
        assert tiles.top - top > 0 and len(times) > 20
        tiles.answered()
        at = int(tiles.all.first.evaluate("tile => tile.id.split('-').pop()"))
        assert tiles.colours(at) > 100


def test_the_end(tiles: Tiles, capsys: pytest.CaptureFixture[str]) -> None:
    tiles.scroll(1)
    expect(tiles.tile(ROWS - 1)).to_be_visible()
    assert tiles.colours(ROWS - 1) > 100
    assert tiles.tile(ROWS - 1).locator(".cdw-score").inner_text() == "0.00"
    tiles.grid.focus()
    tiles.press("Home")
    assert tiles.focused == 0
    tiles.press("End", "ArrowUp")
    columns = int(tiles.grid.evaluate("grid => grid.getAttribute('aria-colcount')"))
    assert tiles.focused == ROWS - 1 - columns
    heap, elements = tiles.page.evaluate("[performance.memory.usedJSHeapSize, document.querySelectorAll('.cdw-tile').length]")
    kernel = tiles.value("__import__('resource').getrusage(0).ru_maxrss")
    tell(capsys, f"at the end: {heap / 1e6:.0f} MB of the page's heap, {elements} tiles, {kernel / 1e3:.0f} MB of the kernel")
    assert elements < 200


def test_a_visit_to_many_places_keeps_memory_bounded(tiles: Tiles, capsys: pytest.CaptureFixture[str]) -> None:
    before = tiles.page.evaluate("performance.memory.usedJSHeapSize")
    for number in range(20):
        tiles.scroll(number / 20)
    after = tiles.page.evaluate("performance.memory.usedJSHeapSize")
    tell(capsys, f"after 20 places: {before / 1e6:.0f} MB of heap before, {after / 1e6:.0f} MB after")
    assert tiles.page.locator(".cdw-tile").count() < 200
