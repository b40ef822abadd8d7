"""Mouse, pen and touch input on an annotator at image points, and checks of the pixels painted over the image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from support.jupyterlab import FLASH_MS, SCREENSHOTS, Lab, Notebook, Widget

Point = tuple[float, float]

CELL = """
import sys
sys.path.insert(0, {tests!r})
import cdwidget, cv2, numpy as np, skimage.data
from support.scripted_predictor import ScriptedPredictor
image = skimage.data.coffee()
predicted = np.zeros(image.shape[:2], bool)
predicted[100:300, 200:400] = True
w = cdwidget.Annotator(image, ScriptedPredictor(predicted))
w
"""
HASH_PIXELS = """stage => {
    let hash = 0;
    for (const canvas of [...stage.querySelectorAll("canvas")].slice(1, 3)) {
        for (const value of canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data) hash = (hash * 31 + value) | 0;
    }
    return hash;
}"""

HAS_MARKS_SCRIPT = """(stage, [x, y]) => {
    const canvas = stage.querySelectorAll("canvas")[2], box = stage.getBoundingClientRect(), ratio = canvas.width / stage.clientWidth;
    return canvas.getContext("2d").getImageData((x - box.x) * ratio, (y - box.y) * ratio, 1, 1).data[3] > 0;
}"""

COUNT_OPACITIES_SCRIPT = """stage => {
    const canvas = stage.querySelectorAll("canvas")[1], counts = new Array(256).fill(0);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 3; i < data.length; i += 4) counts[data[i]]++;
    return counts.filter((count, alpha) => alpha > 0 && alpha < 110 && count > 40).length; // the border is darker, and blurred at its edge
}"""


@dataclass
class Pointer:
    """Pointer input on a widget whose image is fitted into the stage."""

    widget: Widget
    messages: list[str]  # Messages sent to the kernel.

    @classmethod
    def open(cls, lab: Lab, page: Page, name: str, cell: str = CELL) -> Pointer:
        """Open a notebook with one cell, `cell`, that shows the widget w."""
        messages: list[str] = []

        def record(payload: str | bytes) -> None:
            text = payload if isinstance(payload, str) else payload.decode("utf8", "ignore")
            if "comm_msg" in text:
                messages.append(text)

        page.on("websocket", lambda socket: socket.on("framesent", record))
        tests = str(Path(__file__).parents[1])
        notebook = Notebook.open(lab, page, name, [cell.replace("{tests!r}", repr(tests))])
        notebook.run_all()
        pointer = cls(notebook.widget(), messages)
        pointer.widget.root.focus()
        return pointer

    def at(self, x: float, y: float) -> Point:
        """Return the position of an image point on the page."""
        width, height = self.size
        box = self.widget.stage.bounding_box()
        assert box is not None
        scale = min(box["width"] / width, box["height"] / height)
        left, top = box["x"] + (box["width"] - width * scale) / 2, box["y"] + (box["height"] - height * scale) / 2
        return left + x * scale, top + y * scale

    @cached_property
    def size(self) -> Point:
        """Width and height of the image in pixels."""
        width, height = self.widget.value("[{0}.session.width, {0}.session.height]")
        return width, height

    def select_tool(self, key: str, tool: str) -> None:
        """Select a tool by its key."""
        self.widget.root.focus()
        self.widget.press(key)
        expect(self.widget.root.locator(f"[data-command={tool}]")).to_have_attribute("aria-pressed", "true")

    def set(self, trait: str, value: Any) -> None:
        """Set a trait of the widget."""
        self.widget.value(f"setattr({{}}, {trait!r}, {value!r})")

    def move(self, x: float, y: float, steps: int = 1) -> None:
        """Move the mouse."""
        self.page.mouse.move(*self.at(x, y), steps=steps)

    def click(self, *points: Point, **how: Any) -> None:
        """Click at image points, one after another, with pauses that prevent a double click."""
        for point in points:
            self.page.wait_for_timeout(400)
            self.move(*point)
            self.page.mouse.click(*self.at(*point), **how)

    def drag(self, *points: Point, steps: int = 5, button: Any = "left", release: bool = True, shot: str = "") -> None:
        """Drag the mouse from the first point through the others; `shot` names a screenshot that is taken before the release."""
        self.move(*points[0])
        self.page.mouse.down(button=button)
        for point in points[1:]:
            self.move(*point, steps=steps)
        if shot:
            self.page.screenshot(path=SCREENSHOTS / shot)
        if release:
            self.page.mouse.up(button=button)
            self.widget.wait_until_ready()

    def pen(self, *points: Point, button: str = "left", force: float = 0.5) -> None:
        """Draw with a pen."""
        devtools = self.devtools  # Before the positions are measured: controls grow for fingers.
        positions = [self.at(*point) for point in points]
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 2), "mouseReleased"]
        for kind, (x, y) in zip(kinds, positions):
            event = {"type": kind, "x": x, "y": y, "button": button, "pointerType": "pen", "force": force, "clickCount": 1}
            devtools.send("Input.dispatchMouseEvent", {**event, "buttons": 0 if kind == "mouseReleased" else 1})
        self.widget.wait_until_ready()

    def touch(self, *paths: list[Point]) -> None:
        """Touch the start of each path, move along all of them at once, and release; points are page positions."""
        for moment in zip(*paths):
            touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(moment)]
            kind = "touchStart" if moment == tuple(path[0] for path in paths) else "touchMove"
            self.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
            self.page.wait_for_timeout(30)
        self.devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        self.widget.wait_until_ready()

    def painted_hash(self) -> int:
        """Return a hash of all pixels painted over the image."""
        self.page.wait_for_timeout(FLASH_MS)
        number: int = self.widget.stage.evaluate(HASH_PIXELS)
        return number

    def has_marks(self, x: float, y: float) -> bool:
        """Return whether marks are drawn over image and masks at an image point."""
        self.page.wait_for_timeout(FLASH_MS)
        left, top = self.at(x, y)
        found: bool = self.widget.stage.evaluate(HAS_MARKS_SCRIPT, [left, top])
        return found

    def opacity_levels(self) -> int:
        """Return how many opacities the selected mask is painted with, except at its border."""
        self.page.wait_for_timeout(FLASH_MS)
        number: int = self.widget.stage.evaluate(COUNT_OPACITIES_SCRIPT)
        return number

    @contextmanager
    def slow_kernel(self, seconds: float = 2) -> Iterator[None]:
        """Delay every action, to check the page until it is applied."""
        slow = f"lambda action: (__import__('time').sleep({seconds}), type({{0}}.session).apply({{0}}.session, action))[1]"
        self.widget.value(f"setattr({{0}}.session, 'apply', {slow})")
        yield
        self.widget.wait_until_ready()
        self.widget.value("{}.session.__dict__.pop('apply') and None")

    def undo_and_redo(self, before: int) -> None:
        """Undo and redo the gesture and check the kernel's mask; `before` is its digest before the gesture."""
        after = self.widget.mask_hash()
        assert after != before
        self.widget.press("Control+z")
        assert self.widget.mask_hash() == before
        self.widget.press("Control+Shift+Z")
        assert self.widget.mask_hash() == after

    @property
    def page(self) -> Page:
        """The page of the widget."""
        return self.widget.notebook.page

    @cached_property
    def devtools(self) -> CDPSession:
        """Chromium's own protocol, because Playwright has no pen and a single touch point."""
        session: CDPSession = self.page.context.new_cdp_session(self.page)
        session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
        self.page.wait_for_timeout(FLASH_MS)
        return session
