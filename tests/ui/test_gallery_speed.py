"""Opening and scrolling a long list: frames per second, and kernel time for each page of rows.

The figures are printed, not asserted, so that a busy machine does not fail the test. CDWIDGET_ROWS=1000000 measures a list of that length.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from support.gallery_notebook import GalleryNotebook
from support.jupyterlab import Lab
from support.measurements import percentile_95, report

ROWS = int(os.environ.get("CDWIDGET_ROWS", 300_000))
ITEMS = 1000  # Images with ROWS / ITEMS instances each; many have the same content.

# All masks are equal, because only the length of the list matters. SQL writes them directly, because the catalogue would take minutes.
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
    database.execute("INSERT OR IGNORE INTO masks (instance, counts) SELECT id, (SELECT counts FROM masks LIMIT 1) FROM instances")
    database.execute("INSERT INTO scores SELECT id, 'overall', score, '', NULL FROM instances")
database.close()
"""
# Scrolls by the same distance in each frame, and returns the times of the frames.
GLIDE_SCRIPT = """(element, [step, frames]) => new Promise((done) => {
    const times = [];
    const tick = (now) => {
        times.push(now);
        if (times.length > frames) return done(times);
        element.scrollTop += step;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
})"""
STEP, FRAMES = 80, 120  # Pixels per frame, and frames: ten screens per second for two seconds.
EMPTY_ELEMENT_SCRIPT = """() => {  // An empty element of the same size gives the limit of the machine.
    const yardstick = document.createElement("div"), inside = document.createElement("div");
    yardstick.id = "yardstick";
    yardstick.style.cssText =
        "position: fixed; left: 380px; top: 280px; width: 842px; height: 500px; overflow-y: scroll; z-index: 99; background: #fff";
    inside.style.height = "1000000px";
    yardstick.append(inside);
    document.body.append(yardstick);
}"""
SHOW_CELL = """
import time
since = time.perf_counter()
w = cdwidget.Gallery(catalogue)
opened = time.perf_counter() - since
w
"""


@pytest.fixture(scope="module")
def gallery(lab: Lab, module_page: Page) -> Iterator[GalleryNotebook]:
    cell = CELL.replace("{items}", str(ITEMS)).replace("{each}", str(ROWS // ITEMS)).replace("{folder!r}", "'gallery-speed'")
    yield GalleryNotebook.open(lab, module_page, "gallery-speed", cell=cell, more=[SHOW_CELL])


def test_opening_and_a_page(gallery: GalleryNotebook, capsys: pytest.CaptureFixture[str]) -> None:
    expect(gallery.root.locator(".cdw-count").first).to_have_text(f"{ROWS:,} instances")
    report(capsys, f"a gallery of {ROWS:,} instances: {gallery.value('opened') * 1000:.0f} ms to open at the kernel")
    once = "__import__('timeit').timeit(lambda: w.requests.page(w._query['key'], {0}, {0} + 120), number=1)"
    times = [gallery.value(once.format(start)) for start in range(0, ROWS - 120, ROWS // 20)]
    report(capsys, f"120 rows at the kernel: p50 {1000 * statistics.median(times):.0f} ms, slowest {1000 * max(times):.0f} ms")
    ids = gallery.value("(lambda r: [r[0]['id'], r[-1]['id']])(w.requests.page(w._query['key'], 0, 120)[0]['rows'])")
    assert ids == [gallery.id(0), gallery.id(119)]


def test_scrolling(gallery: GalleryNotebook, capsys: pytest.CaptureFixture[str]) -> None:
    page = gallery.page
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        return next(one["value"] for one in tools.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")

    def glide(element: Locator, what: str) -> float:
        before, load = spent(), os.getloadavg()[0]
        times: list[float] = element.evaluate(GLIDE_SCRIPT, [STEP, FRAMES])
        gaps, thread = [after - at for at, after in zip(times, times[1:])], 1000 * (spent() - before) / FRAMES
        rate, late = 1000 * FRAMES / sum(gaps), sum(gap > 1.5 * 1000 / 60 for gap in gaps) / FRAMES
        frames = f"{rate:.1f} frames a second, p50 {statistics.median(gaps):.1f} ms, p95 {percentile_95(gaps):.1f} ms, {late:.1%} late"
        report(capsys, f"{what}: {frames}; main thread {thread:.1f} ms a frame; load {load:.1f} on {os.cpu_count()} cores")
        return rate

    page.evaluate(EMPTY_ELEMENT_SCRIPT)
    most = glide(page.locator("#yardstick"), "scrolling an empty box")
    page.evaluate("yardstick.remove()")
    for share in (0.0, 0.3, 0.6):
        gallery.scroll(share)
        first = gallery.first
        rate = glide(gallery.grid, f"scrolling from {share:.0%} of {ROWS:,}")
        report(capsys, f"that is {rate / most:.0%} of the empty box")
        assert gallery.first > first + FRAMES
        gallery.wait_until_ready()
        assert gallery.colors(gallery.first) > 100
    gallery.scroll(share)
    rate = glide(gallery.grid, "scrolling there again, most pictures known")
    report(capsys, f"that is {rate / most:.0%} of the empty box")


def test_the_end_of_the_list(gallery: GalleryNotebook, capsys: pytest.CaptureFixture[str]) -> None:
    gallery.scroll(1)
    expect(gallery.tile(ROWS - 1)).to_be_visible()
    assert gallery.colors(ROWS - 1) > 100
    assert gallery.suspicion(ROWS - 1) == 0
    gallery.grid.focus()
    gallery.press("Home")
    assert gallery.focused == 0
    gallery.press("End", "ArrowUp")
    columns = int(gallery.grid.evaluate("grid => grid.getAttribute('aria-colcount')"))
    assert gallery.focused == ROWS - 1 - columns
    heap, elements = gallery.page.evaluate("[performance.memory.usedJSHeapSize, document.querySelectorAll('.cdw-tile').length]")
    kernel = gallery.value("__import__('resource').getrusage(0).ru_maxrss")
    report(capsys, f"at the end: {heap / 1e6:.0f} MB of the page's heap, {elements} tiles, {kernel / 1e3:.0f} MB of the kernel")
    assert elements < 200


def test_visiting_many_positions_keeps_memory_bounded(gallery: GalleryNotebook, capsys: pytest.CaptureFixture[str]) -> None:
    before = gallery.page.evaluate("performance.memory.usedJSHeapSize")
    for number in range(20):
        gallery.scroll(number / 20)
    after = gallery.page.evaluate("performance.memory.usedJSHeapSize")
    report(capsys, f"after 20 places: {before / 1e6:.0f} MB of heap before, {after / 1e6:.0f} MB after")
    assert gallery.page.locator(".cdw-tile").count() < 200
