"""What the browser's script takes for each frame while one paints and zooms on 12 megapixels, and how often the lasso answers.

Prints the figures; a busy machine must not fail.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from support.jupyterlab import Lab
from support.pointer import Hand

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
WATCH = """
(() => {  // adds up what listeners and frames of the page take, from one frame to the next
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
def hand(lab: Lab, module_page: Page) -> Iterator[Hand]:
    module_page.add_init_script(WATCH)
    yield Hand.open(lab, module_page, "speed.ipynb", CELL)


def frames(hand: Hand) -> list[float]:
    """Milliseconds of script in each frame since the last call."""
    times: list[float] = hand.page.evaluate("() => frames_.splice(0)")
    return times


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


def test_brush(hand: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    hand.take("b", "brush")
    hand.set("brush_size", 300)
    hand.drag((300, 300), (3700, 1500), (300, 2700))
    before = hand.widget.digest()
    frames(hand)
    hand.drag((300, 2500), (2000, 300), (3700, 2500), (500, 1500), steps=60)
    times = frames(hand)
    tell(capsys, f"brush of 300 pixels on 4000 x 3000, {len(times)} frames: p95 {p95(times):.1f} ms of script, slowest {max(times):.1f} ms")
    hand.undo_and_redo(before)


def test_zoom(hand: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    hand.move(1500, 1500)
    frames(hand)
    for number in range(60):
        hand.page.mouse.wheel(0, -120 if number < 30 else 120)
        hand.page.wait_for_timeout(16)
    times = frames(hand)
    tell(capsys, f"zoom on 4000 x 3000, {len(times)} frames: p95 {p95(times):.1f} ms of script, slowest {max(times):.1f} ms")
    assert len(times) > 20
    hand.widget.press("0")


def test_lasso(hand: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    w, page = hand.widget, hand.page
    hand.take("l", "lasso")
    hand.click((1200, 800))
    asked = len(hand.asked)
    since = time.monotonic()
    for number in range(120):
        hand.move(1200 + 4 * number, 800 + 5 * number)
        page.wait_for_timeout(10)
    seconds, previews = time.monotonic() - since, len(hand.asked) - asked
    w.answered()
    tell(capsys, f"lasso on 4000 x 3000: {previews / seconds:.0f} previews a second")
    assert previews > 1
    before = w.digest()
    w.press("Escape")
    assert w.digest() == before
