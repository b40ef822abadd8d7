"""Script time of the frames of an annotator with 12 megapixels, while the mouse paints and zooms."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from support.jupyterlab import Lab
from support.pointer import Pointer

ROOT = Path(__file__).parents[2]
CELL = """
import sys
sys.path.insert(0, {root!r})
import cdwidget, cv2, numpy as np, skimage.data
from cdwidget.predictor import Prediction

class Silent:
    def set_image(self, image): pass
    def predict(self, prompts, prior=None): return Prediction(np.zeros((3000, 4000), bool), np.zeros((3000, 4000), np.float32))

image = cv2.resize(skimage.data.astronaut(), (4000, 3000), interpolation=cv2.INTER_CUBIC)
mask = cv2.resize(np.random.default_rng(1).random((15, 20)), (4000, 3000), interpolation=cv2.INTER_CUBIC) > 0.45
assert cdwidget.__file__.startswith({root!r})
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


def open_timed(lab: Lab, page: Page, name: str = "speed.ipynb", root: Path = ROOT) -> Pointer:
    """Open a notebook with the annotator of the version of cdwidget in a folder; its frames are timed."""
    page.add_init_script(FRAME_TIMER_SCRIPT)
    return Pointer.open(lab, page, name, CELL.replace("{root!r}", repr(str(root))))


def paint(pointer: Pointer) -> list[float]:
    """Paint a stroke with a brush of 300 pixels, and return the milliseconds of script in each of its frames."""
    pointer.select_tool("b", "brush")
    pointer.set("brush_size", 300)
    _take_times(pointer)
    pointer.drag((300, 2500), (2000, 300), (3700, 2500), (500, 1500), steps=60)
    return _take_times(pointer)


def zoom(pointer: Pointer) -> list[float]:
    """Zoom in and out with the wheel, and return the milliseconds of script in each frame."""
    pointer.move(1500, 1500)
    _take_times(pointer)
    for number in range(60):
        pointer.page.mouse.wheel(0, -120 if number < 30 else 120)
        pointer.page.wait_for_timeout(16)
    times = _take_times(pointer)
    pointer.widget.press("0")
    return times


def _take_times(pointer: Pointer) -> list[float]:
    """Return the times of the frames since the last call."""
    times: list[float] = pointer.page.evaluate("() => frames_.splice(0)")
    return times
