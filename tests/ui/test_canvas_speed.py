"""Script time per frame while painting and zooming on 12 megapixels, and the rate of lasso previews.

The figures are printed, not asserted, so that a busy machine does not fail the test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from support.frame_times import open_timed, paint, zoom
from support.jupyterlab import Lab
from support.measurements import percentile_95, report
from support.pointer import Pointer


@pytest.fixture(scope="module")
def pointer(lab: Lab, module_page: Page) -> Iterator[Pointer]:
    yield open_timed(lab, module_page)


def test_brush(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    before = pointer.widget.mask_hash()
    times = paint(pointer)
    report(
        capsys,
        f"brush of 300 pixels on 4000 x 3000, {len(times)} frames: "
        f"p95 {percentile_95(times):.1f} ms of script, slowest {max(times):.1f} ms",
    )
    pointer.undo_and_redo(before)


def test_zoom(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    times = zoom(pointer)
    report(capsys, f"zoom on 4000 x 3000, {len(times)} frames: p95 {percentile_95(times):.1f} ms of script, slowest {max(times):.1f} ms")
    assert len(times) > 20


def test_lasso(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    w, page = pointer.widget, pointer.page
    pointer.select_tool("l", "lasso")
    pointer.click((1200, 800))
    sent_before = len(pointer.messages)
    since = time.monotonic()
    for number in range(60):
        pointer.move(1200 + 8 * number, 800 + 10 * number)
        page.wait_for_timeout(10)
    seconds, previews = time.monotonic() - since, len(pointer.messages) - sent_before
    w.wait_until_ready()
    report(capsys, f"lasso on 4000 x 3000: {previews / seconds:.0f} previews a second")
    assert previews > 1
    before = w.mask_hash()
    w.press("Escape")
    assert w.mask_hash() == before
