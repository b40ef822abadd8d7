"""Script time per frame while painting and zooming on 12 megapixels, and the rate of lasso previews.

The figures are printed, not asserted, so that a busy machine does not fail the test.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from support.jupyterlab import Lab
from support.measurements import percentile_95, report
from support.pointer import Pointer

CELL = """
import cdwidget, cv2, numpy as np, skimage.data
from cdwidget.predictor import Prediction

class Silent:
    def set_image(self, image): pass
    def predict(self, prompts, prior=None): return Prediction(np.zeros((3000, 4000), bool), np.zeros((3000, 4000), np.float32))

image = cv2.resize(skimage.data.astronaut(), (4000, 3000), interpolation=cv2.INTER_CUBIC)
mask = cv2.resize(np.random.default_rng(1).random((15, 20)), (4000, 3000), interpolation=cv2.INTER_CUBIC) > 0.45
w = cdwidget.Annotator(image, Silent(), mask=mask)
w
"""
FRAME_TIMER_SCRIPT = """
(() => {  // sums the time of the page's listeners and frames, from one frame to the next
    let spent = 0, depth = 0;
    const timed = (call) => function (...args) {
        const since = performance.now();
        depth++;
        try { return call.apply(this, args); }
        finally { if (!--depth) spent += performance.now() - since; }
    };
    const frame = window.requestAnimationFrame.bind(window), listen = EventTarget.prototype.addEventListener;
    window.requestAnimationFrame = (call) => frame(timed(call));
    EventTarget.prototype.addEventListener = function (type, call, options) {
        const isHand = /^(pointer|wheel|mouse)/.test(type) && typeof call === "function";
        return listen.call(this, type, isHand ? timed(call) : call, options);
    };
    window.frames_ = [];
    const tick = () => {
        if (spent) window.frames_.push(spent);
        spent = 0;
        frame(tick);
    };
    frame(tick);
})();
"""


@pytest.fixture(scope="module")
def pointer(lab: Lab, module_page: Page) -> Iterator[Pointer]:
    module_page.add_init_script(FRAME_TIMER_SCRIPT)
    yield Pointer.open(lab, module_page, "speed.ipynb", CELL)


def frames(pointer: Pointer) -> list[float]:
    """Return the milliseconds of script in each frame since the last call."""
    times: list[float] = pointer.page.evaluate("() => frames_.splice(0)")
    return times


def test_brush(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    pointer.select_tool("b", "brush")
    pointer.set("brush_size", 300)
    pointer.drag((300, 300), (3700, 1500), (300, 2700))
    before = pointer.widget.mask_hash()
    frames(pointer)
    pointer.drag((300, 2500), (2000, 300), (3700, 2500), (500, 1500), steps=60)
    times = frames(pointer)
    report(
        capsys,
        f"brush of 300 pixels on 4000 x 3000, {len(times)} frames: "
        f"p95 {percentile_95(times):.1f} ms of script, slowest {max(times):.1f} ms",
    )
    pointer.undo_and_redo(before)


def test_zoom(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    pointer.move(1500, 1500)
    frames(pointer)
    for number in range(60):
        pointer.page.mouse.wheel(0, -120 if number < 30 else 120)
        pointer.page.wait_for_timeout(16)
    times = frames(pointer)
    report(capsys, f"zoom on 4000 x 3000, {len(times)} frames: p95 {percentile_95(times):.1f} ms of script, slowest {max(times):.1f} ms")
    assert len(times) > 20
    pointer.widget.press("0")


def test_lasso(pointer: Pointer, capsys: pytest.CaptureFixture[str]) -> None:
    w, page = pointer.widget, pointer.page
    pointer.select_tool("l", "lasso")
    pointer.click((1200, 800))
    sent_before = len(pointer.messages)
    since = time.monotonic()
    for number in range(120):
        pointer.move(1200 + 4 * number, 800 + 5 * number)
        page.wait_for_timeout(10)
    seconds, previews = time.monotonic() - since, len(pointer.messages) - sent_before
    w.wait_until_ready()
    report(capsys, f"lasso on 4000 x 3000: {previews / seconds:.0f} previews a second")
    assert previews > 1
    before = w.mask_hash()
    w.press("Escape")
    assert w.mask_hash() == before
