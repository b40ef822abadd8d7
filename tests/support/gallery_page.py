"""The page of a Gallery without a browser, and small catalogues to review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue
from support.widget_page import WidgetPage, wait_until


class GalleryPage(WidgetPage):
    """A page that reads the list of a gallery."""

    @property
    def query(self) -> dict[str, Any]:
        """Key, count and error of the list."""
        return self.trait("_query")

    @property
    def key(self) -> int:
        """The key of the list."""
        return int(self.query["key"])

    @property
    def progress(self) -> dict[str, Any]:
        """The fraction of the list that is decided."""
        return self.trait("_progress")

    @property
    def notice(self) -> str:
        """The message for the user."""
        return self.trait("_notice")

    def wait_for_list(self) -> None:
        """Return when the gallery is not busy."""
        wait_until(lambda: not self.widget.busy)

    def rows(self, start: int, stop: int) -> list[tuple[str, int]]:
        """Return label and item of a part of the list."""
        self.wait_for_list()
        return [(row["label"], row["item"]) for row in self.request("page", key=self.key, start=start, stop=stop)["result"]["rows"]]


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    """Return a mask of 30x40 pixels with a square at (x, y)."""
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def catalogue_of(folder: Path, count: int) -> Catalogue:
    """Return a catalogue of images of 40x30 pixels, each with a cat (id 2n + 1) and a dog (id 2n + 2)."""
    for number in range(count):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(folder / f"{number}.png")
    catalogue = Catalogue(folder / "labels.db", user="ana")
    instances = [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")]
    catalogue.add([Item(folder / f"{number}.png", instances) for number in range(count)])
    return catalogue


def scored(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue after scoring the cats from 0.1 on, with reasons, and the dogs half of that."""
    heat = np.full((4, 4), 200, np.uint8)
    for item in range(1, len(catalogue) + 1):
        cat = [("overall", item / 10, ""), ("edges", 0.3, "frayed"), ("holes", 0.2, ""), ("size", 0.1, "small"), ("shape", 0.05, "")]
        scores = [ScoreValue(1, name, value, reason, heat if name == "edges" else None) for name, value, reason in cat]
        catalogue.put_scores(item, [*scores, ScoreValue(2, "overall", item / 20)])
    return catalogue
