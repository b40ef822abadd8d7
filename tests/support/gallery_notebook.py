"""A gallery in a notebook, over a small catalogue of its own: what the gallery's browser tests drive."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from cdwidget.catalogue import Catalogue, InstanceRow
from support.jupyterlab import Lab, Notebook

# Each image has two instances. The overall score falls from image to image, and the second instance of an image has less than the first.
CELL = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget
from cdwidget.catalogue import Score
from support.scripted_predictor import Scripted

folder = Path({folder!r})
folder.mkdir()
catalogue = cdwidget.Catalogue(folder / "labels.db")
photos = [cv2.resize(photo, (160, 120)) for photo in (skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket())]
cup, lid = np.zeros((2, 120, 160), np.uint8)
cv2.ellipse(cup, (70, 65), (40, 30), 0, 0, 360, 1, -1)
cv2.rectangle(lid, (100, 20), (140, 60), 1, -1)
items = []
for number in range({images}):
    path = folder / f"photo {number:04}.png"
    cv2.imwrite(str(path), photos[number % 3][..., ::-1])
    instances = [cdwidget.Instance(cup > 0, "cup"), cdwidget.Instance(lid > 0, ("lid", "spoon")[number % 2])]
    items.append(cdwidget.Item(path, instances))
catalogue.add(items)
heat = np.zeros((60, 80), np.uint8)
heat[10:30, 40:60] = 255
with catalogue.transaction():
    for item in range(1, {images} + 1):
        worst = 1 - item / (2 * {images})
        reasons = [("edges", worst - 0.1, "the border misses the edges of the image", heat), ("holes", 0.2, "it has 2 holes", None)]
        for number, value in ((1, worst), (2, worst / 2)):
            catalogue.put_scores(item, [Score(number, "overall", value), *(Score(number, *reason) for reason in reasons)])
answer = np.zeros((120, 160), bool)
answer[50:110, 90:150] = True
w = cdwidget.Gallery(catalogue, Scripted(answer){traits})
w
"""


@dataclass(eq=False)
class Seen:
    """What is seen of a picture. A browser that draws it again may draw a few pixels of a line a little differently."""

    pixels: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and bool((np.abs(self.pixels.astype(int) - other.pixels).max(axis=2) > 8).mean() < 0.002)


@dataclass
class Tiles:
    """A gallery on the page, which is `w` in the kernel; its catalogue is `catalogue` there."""

    notebook: Notebook
    root: Locator
    catalogue: Catalogue  # the same file, as another process sees it

    @classmethod
    def open(cls, lab: Lab, page: Page, name: str, images: int = 20, traits: str = "", more: Sequence[str] = (), cell: str = CELL) -> Tiles:
        """Open a notebook whose first cell makes a catalogue and shows it; `more` are other cells."""
        blanks = {"{tests!r}": repr(str(Path(__file__).parents[1])), "{folder!r}": repr(name), "{images}": str(images), "{traits}": traits}
        for blank, text in blanks.items():
            cell = cell.replace(blank, text)
        notebook = Notebook.open(lab, page, f"{name}.ipynb", [cell, *more])
        notebook.run_all()
        root = page.locator(".cdw-gallery").first
        root.scroll_into_view_if_needed(timeout=120_000)
        tiles = cls(notebook, root, Catalogue(lab.notebooks / name / "labels.db"))
        tiles.answered()
        return tiles

    @property
    def page(self) -> Page:
        """The page that the notebook is open in."""
        return self.notebook.page

    @property
    def grid(self) -> Locator:
        """What scrolls."""
        return self.root.locator(".cdw-grid")

    @property
    def all(self) -> Locator:
        """The tiles that exist."""
        return self.root.locator(".cdw-tile:visible")

    @property
    def focused(self) -> int:
        """The index of the tile that the keys are about."""
        return int(cast(str, self.root.locator(".cdw-focused").get_attribute("id")).rsplit("-", 1)[1])

    @property
    def first(self) -> int:
        """The index of the first tile that is wholly in sight."""
        code = """grid => {
            const top = grid.getBoundingClientRect().top, place = (tile) => tile.getBoundingClientRect().top;
            const seen = [...grid.querySelectorAll(".cdw-tile[id]")].filter((tile) => place(tile) >= top);
            return Math.min(...seen.map((tile) => Number(tile.id.split("-").pop())));
        }"""
        return int(self.grid.evaluate(code))

    @property
    def said(self) -> Locator:
        """What the newest verdict has done."""
        return self.root.locator(".cdw-foot .cdw-said")

    @property
    def trouble(self) -> Locator:
        """What went wrong, over the tiles."""
        return self.root.locator(".cdw-over .cdw-trouble")

    @property
    def top(self) -> float:
        """How far the tiles are scrolled."""
        return float(self.grid.evaluate("grid => grid.scrollTop"))

    def tile(self, index: int) -> Locator:
        """The tile of a row of the list."""
        return self.root.locator(f'.cdw-tile[id$="-{index}"]')

    def id(self, index: int) -> int:
        """The instance of a row of the list."""
        return int(self.value(f"int(w.ids[{index}])"))

    def row(self, id: int) -> InstanceRow:
        """An instance as the catalogue's file has it."""
        return cast(InstanceRow, self.catalogue.rows([id], of="instances")[0])

    def statuses(self, *indices: int) -> list[str]:
        """What the tiles say of their instances; the file must say the same."""
        shown = [cast(str, self.tile(index).get_attribute("data-status")) for index in indices]
        assert shown == [self.row(self.id(index)).status for index in indices]
        return shown

    def value(self, expression: str) -> Any:
        """Evaluate an expression in the kernel."""
        return self.notebook.value(expression)

    def press(self, *keys: str) -> None:
        """Press keys where the focus is, one after the other, and wait for the answers."""
        for key in keys:
            self.page.keyboard.press(key)
        self.answered()

    def scroll(self, share: float) -> None:
        """Drag the scroll bar to a share of its way."""
        self.grid.evaluate("(grid, share) => { grid.scrollTop = share * (grid.scrollHeight - grid.clientHeight) }", share)
        self.page.wait_for_timeout(250)
        self.answered()

    def answered(self) -> None:
        """Wait until every request has its answer and that is painted."""
        self.page.wait_for_timeout(60)
        expect(self.root.locator(".cdw-foot .cdw-status")).to_have_attribute("data-state", "ready", timeout=120_000)
        self.page.wait_for_timeout(60)

    def colours(self, index: int) -> int:
        """How many different colours a tile's picture has."""
        return len(np.unique(self.pixels(index).reshape(-1, 3), axis=0))

    def picture(self, index: int) -> Seen:
        """A tile's picture, to be compared with another."""
        return Seen(self.pixels(index))

    def pixels(self, index: int) -> np.ndarray:
        """A tile's picture as the user sees it once it is there, uint8 (H, W, 3), without what lies over it."""
        tile = self.tile(index)
        expect(tile).not_to_have_class(re.compile("cdw-skeleton"), timeout=60_000)
        tile.locator(".cdw-shot image").first.evaluate("image => image.decode()")
        shot = tile.locator(".cdw-shot").screenshot(style=".cdw-thumb > :not(.cdw-shot) { visibility: hidden !important }")
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
