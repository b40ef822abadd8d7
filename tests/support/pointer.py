"""A hand on an annotator: mouse, pen and fingers at image points, and what is painted over the image."""

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
from support.scripted_predictor import Scripted
image = skimage.data.coffee()
answer = np.zeros(image.shape[:2], bool)
answer[100:300, 200:400] = True
w = cdwidget.Annotator(image, Scripted(answer))
w
"""
PIXELS = """stage => {
    let hash = 0;
    for (const canvas of [...stage.querySelectorAll("canvas")].slice(1, 3)) {
        for (const value of canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data) hash = (hash * 31 + value) | 0;
    }
    return hash;
}"""

MARKED = """(stage, [x, y]) => {
    const canvas = stage.querySelectorAll("canvas")[2], box = stage.getBoundingClientRect(), ratio = canvas.width / stage.clientWidth;
    return canvas.getContext("2d").getImageData((x - box.x) * ratio, (y - box.y) * ratio, 1, 1).data[3] > 0;
}"""

SHADES = """stage => {
    const canvas = stage.querySelectorAll("canvas")[1], counts = new Array(256).fill(0);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 3; i < data.length; i += 4) counts[data[i]]++;
    return counts.filter((count, alpha) => alpha > 0 && alpha < 110 && count > 40).length; // a border is darker, and blurred at its edge
}"""


@dataclass
class Hand:
    """Draws on a widget whose image is fitted into the stage."""

    widget: Widget
    asked: list[str]  # the messages that went to the kernel

    @classmethod
    def open(cls, lab: Lab, page: Page, name: str, cell: str = CELL) -> Hand:
        """Open a notebook with one cell, `cell`, that shows the widget w."""
        asked: list[str] = []

        def hear(payload: str | bytes) -> None:
            text = payload if isinstance(payload, str) else payload.decode("utf8", "ignore")
            if "comm_msg" in text:
                asked.append(text)

        page.on("websocket", lambda socket: socket.on("framesent", hear))
        tests = str(Path(__file__).parents[1])
        notebook = Notebook.open(lab, page, name, [cell.replace("{tests!r}", repr(tests))])
        notebook.run_all()
        hand = cls(notebook.widget(), asked)
        hand.widget.root.focus()
        return hand

    def at(self, x: float, y: float) -> Point:
        """Where an image point lies on the page."""
        width, height = self.size
        box = self.widget.stage.bounding_box()
        assert box is not None
        scale = min(box["width"] / width, box["height"] / height)
        left, top = box["x"] + (box["width"] - width * scale) / 2, box["y"] + (box["height"] - height * scale) / 2
        return left + x * scale, top + y * scale

    @cached_property
    def size(self) -> Point:
        """Width and height of the image."""
        width, height = self.widget.value("[{0}.session.width, {0}.session.height]")
        return width, height

    def take(self, key: str, tool: str) -> None:
        """Take up a tool by its key."""
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
        """Click with the mouse at image points, one after the other, too far apart in time for a double click."""
        for point in points:
            self.page.wait_for_timeout(400)
            self.move(*point)
            self.page.mouse.click(*self.at(*point), **how)

    def drag(self, *points: Point, steps: int = 5, button: Any = "left", release: bool = True, shot: str = "") -> None:
        """Drag the mouse from the first point through the others; `shot` is what a screenshot taken before it is let go is called."""
        self.move(*points[0])
        self.page.mouse.down(button=button)
        for point in points[1:]:
            self.move(*point, steps=steps)
        if shot:
            self.page.screenshot(path=SCREENSHOTS / shot)
        if release:
            self.page.mouse.up(button=button)
            self.widget.answered()

    def pen(self, *points: Point, button: str = "left", force: float = 0.5) -> None:
        """Draw with a pen."""
        places = [self.at(*point) for point in points]
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 2), "mouseReleased"]
        for kind, (x, y) in zip(kinds, places):
            event = {"type": kind, "x": x, "y": y, "button": button, "pointerType": "pen", "force": force, "clickCount": 1}
            self.devtools.send("Input.dispatchMouseEvent", {**event, "buttons": 0 if kind == "mouseReleased" else 1})
        self.widget.answered()

    def fingers(self, *paths: list[Point]) -> None:
        """Put a finger down at the beginning of each path, move them all, and lift them. Points are those of the page."""
        for moment in zip(*paths):
            touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(moment)]
            kind = "touchStart" if moment == tuple(path[0] for path in paths) else "touchMove"
            self.devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
            self.page.wait_for_timeout(30)
        self.devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        self.widget.answered()

    def picture(self) -> int:
        """A number that stands for every pixel that is painted over the image."""
        self.page.wait_for_timeout(FLASH_MS)
        number: int = self.widget.stage.evaluate(PIXELS)
        return number

    def marked(self, x: float, y: float) -> bool:
        """Whether something is drawn over image and masks at an image point."""
        self.page.wait_for_timeout(FLASH_MS)
        left, top = self.at(x, y)
        found: bool = self.widget.stage.evaluate(MARKED, [left, top])
        return found

    def shades(self) -> int:
        """How many strengths the selected mask is painted with, its border left out."""
        self.page.wait_for_timeout(FLASH_MS)
        number: int = self.widget.stage.evaluate(SHADES)
        return number

    @contextmanager
    def slow_kernel(self, seconds: float = 2) -> Iterator[None]:
        """Let every action take its time, to look at what is shown until then."""
        slow = f"lambda action: (__import__('time').sleep({seconds}), type({{0}}.session).apply({{0}}.session, action))[1]"
        self.widget.value(f"setattr({{0}}.session, 'apply', {slow})")
        yield
        self.widget.answered()
        self.widget.value("{}.session.__dict__.pop('apply') and None")

    def undo_and_redo(self, before: int) -> None:
        """Undo and redo the gesture, looking at the kernel's mask; `before` is its digest before the gesture."""
        after = self.widget.digest()
        assert after != before
        self.widget.press("Control+z")
        assert self.widget.digest() == before
        self.widget.press("Control+Shift+Z")
        assert self.widget.digest() == after

    @property
    def page(self) -> Page:
        """The page that the widget is on."""
        return self.widget.notebook.page

    @cached_property
    def devtools(self) -> CDPSession:
        """Chromium's own protocol: playwright has no pen and one finger only."""
        session: CDPSession = self.page.context.new_cdp_session(self.page)
        session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
        return session
