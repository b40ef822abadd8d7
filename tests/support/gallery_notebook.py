"""A gallery in a notebook with its own small catalogue, for browser tests."""

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

# Each image has two instances. The overall score decreases from image to image, and the second instance has half of the first's.
CELL = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import cv2, numpy as np, skimage.data, cdwidget
from cdwidget.catalogue import ScoreValue
from support.scripted_predictor import ScriptedPredictor

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
            catalogue.put_scores(item, [ScoreValue(number, "overall", value), *(ScoreValue(number, *reason) for reason in reasons)])
predicted = np.zeros((120, 160), bool)
predicted[50:110, 90:150] = True
w = cdwidget.Gallery(catalogue, ScriptedPredictor(predicted){traits})
w
"""


@dataclass(eq=False)
class Screenshot:
    """A screenshot that equals another up to a few pixels of a line, which a browser may draw differently each time."""

    pixels: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Screenshot) and bool((np.abs(self.pixels.astype(int) - other.pixels).max(axis=2) > 8).mean() < 0.002)


@dataclass
class GalleryNotebook:
    """A notebook that shows a gallery; in the kernel it is `w`, and its catalogue is `catalogue`."""

    notebook: Notebook
    root: Locator
    catalogue: Catalogue  # Opened by this process, from the same file.

    @classmethod
    def open(
        cls, lab: Lab, page: Page, name: str, images: int = 20, traits: str = "", more: Sequence[str] = (), cell: str = CELL,
        before: Sequence[str] = (),
    ) -> GalleryNotebook:  # fmt: skip
        """Open a notebook with a cell that creates and shows a catalogue, between the cells `before` and `more`."""
        values = {"{tests!r}": repr(str(Path(__file__).parents[1])), "{folder!r}": repr(name), "{images}": str(images), "{traits}": traits}
        for placeholder, text in values.items():
            cell = cell.replace(placeholder, text)
        notebook = Notebook.open(lab, page, f"{name}.ipynb", [*before, cell, *more])
        notebook.run_all()
        root = page.locator(".cdw-gallery").first
        root.scroll_into_view_if_needed(timeout=120_000)
        gallery = cls(notebook, root, Catalogue(lab.notebooks / name / "labels.db"))
        gallery.wait_until_ready()
        return gallery

    @property
    def page(self) -> Page:
        """The page of the notebook."""
        return self.notebook.page

    @property
    def grid(self) -> Locator:
        """The scrolling element."""
        return self.root.locator(".cdw-grid")

    @property
    def all(self) -> Locator:
        """All tiles in the document."""
        return self.root.locator(".cdw-tile:visible")

    @property
    def focused(self) -> int:
        """The index of the focused tile."""
        return int(cast(str, self.root.locator(".cdw-focused").get_attribute("id")).rsplit("-", 1)[1])

    @property
    def first(self) -> int:
        """The index of the first fully visible tile."""
        code = """grid => {
            const top = grid.getBoundingClientRect().top, top_of = (tile) => tile.getBoundingClientRect().top;
            const seen = [...grid.querySelectorAll(".cdw-tile[id]")].filter((tile) => top_of(tile) >= top);
            return Math.min(...seen.map((tile) => Number(tile.id.split("-").pop())));
        }"""
        return int(self.grid.evaluate(code))

    @property
    def feedback(self) -> Locator:
        """The text about the newest decision."""
        return self.root.locator(".cdw-foot .cdw-said")

    @property
    def notice(self) -> Locator:
        """The notice over the tiles."""
        return self.root.locator(".cdw-over .cdw-notice")

    @property
    def top(self) -> float:
        """Scroll position in CSS pixels."""
        return float(self.grid.evaluate("grid => grid.scrollTop"))

    def tile(self, index: int) -> Locator:
        """Return the tile of a row of the list."""
        return self.root.locator(f'.cdw-tile[id$="-{index}"]')

    def suspicion(self, index: int) -> int:
        """Return the score that a tile shows, in percent."""
        return int(self.tile(index).locator(".cdw-score").inner_text().removesuffix("%"))

    def id(self, index: int) -> int:
        """Return the instance id of a row of the list."""
        return int(self.value(f"int(w.ids[{index}])"))

    def row(self, id: int) -> InstanceRow:
        """Return an instance from the file of the catalogue."""
        return cast(InstanceRow, self.catalogue.rows([id], of="instances")[0])

    def statuses(self, *indices: int) -> list[str]:
        """Return the statuses that tiles show, after checking that the file has the same."""
        shown = [cast(str, self.tile(index).get_attribute("data-status")) for index in indices]
        assert shown == [self.row(self.id(index)).status for index in indices]
        return shown

    def value(self, expression: str) -> Any:
        """Evaluate an expression in the kernel."""
        return self.notebook.value(expression)

    def press(self, *keys: str) -> None:
        """Press keys one after another, and wait until the gallery is ready."""
        for key in keys:
            self.page.keyboard.press(key)
        self.wait_until_ready()

    def scroll(self, fraction: float) -> None:
        """Scroll to a fraction of the list."""
        self.grid.evaluate("(grid, fraction) => { grid.scrollTop = fraction * (grid.scrollHeight - grid.clientHeight) }", fraction)
        self.page.wait_for_timeout(250)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until every request has its reply and that is painted."""
        self.page.wait_for_timeout(60)
        expect(self.root.locator(".cdw-foot .cdw-status")).to_have_attribute("data-state", "ready", timeout=120_000)
        self.page.wait_for_timeout(60)

    def colors(self, index: int) -> int:
        """Return how many colors the image of a tile has."""
        return len(np.unique(self.pixels(index).reshape(-1, 3), axis=0))

    def picture(self, index: int) -> Screenshot:
        """Return the image of a tile, for comparison with another."""
        return Screenshot(self.pixels(index))

    def pixels(self, index: int) -> np.ndarray:
        """Return the loaded image of a tile without its overlays, uint8 (H, W, 3)."""
        tile = self.tile(index)
        expect(tile).not_to_have_class(re.compile("cdw-skeleton"), timeout=60_000)
        tile.locator(".cdw-shot image").first.evaluate("image => image.decode()")
        shot = tile.locator(".cdw-shot").screenshot(style=".cdw-thumb > :not(.cdw-shot) { visibility: hidden !important }")
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
