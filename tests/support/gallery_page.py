"""What a browser would know of a gallery, without one; and small catalogues to review."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import Any, Callable

import numpy as np
from PIL import Image

from cdwidget import Catalogue, Gallery, Instance, Item
from cdwidget.catalogue import Score

PATIENCE = 60.0  # seconds that a thread may take


class Tiles:
    """A page: it sends requests, and keeps the answers and what it is told unasked."""

    def __init__(self, widget: Gallery) -> None:
        self.widget = widget
        self.told: list[dict[str, Any]] = []
        self._answers: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
        self._count = 0
        widget.send = lambda content, buffers=None: self._take(content, buffers or [])  # type: ignore[method-assign]

    @property
    def key(self) -> int:
        return int(self.widget._query["key"])

    def hear(self, op: str, **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
        self._count += 1
        request = f"test-{self._count}"
        self.widget._handle_custom_msg({"id": request, "op": op, **fields}, [])
        self.wait(lambda: request in self._answers)
        return self._answers.pop(request)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        return self.hear(op, **fields)[0]

    def rows(self, start: int, stop: int) -> list[tuple[str, int]]:
        """Label and item of a part of the list."""
        self.wait(lambda: not self.widget.busy)
        return [(row["label"], row["item"]) for row in self.ask("page", key=self.key, start=start, stop=stop)["result"]["rows"]]

    def wait(self, until: Callable[[], bool]) -> None:
        end = monotonic() + PATIENCE
        while not until():
            assert monotonic() < end, "no answer"
            sleep(0.005)

    def _take(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if content["id"] is None:
            self.told.append(content["result"])
        else:
            self._answers[content["id"]] = content, buffers


def square(x: int, y: int, side: int = 8) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def catalogue_of(folder: Path, count: int) -> Catalogue:
    """Images of 40x30 pixels, each with a cat (id 2n + 1) and a dog (id 2n + 2)."""
    for number in range(count):
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(folder / f"{number}.png")
    found = Catalogue(folder / "labels.db", who="ana")
    instances = [Instance(square(3, 4), "cat"), Instance(square(20, 10), "dog")]
    found.add([Item(folder / f"{number}.png", instances) for number in range(count)])
    return found


def scored(catalogue: Catalogue) -> Catalogue:
    """Give the cats scores from 0.1 on, with reasons, and the dogs half of that."""
    heat = np.full((4, 4), 200, np.uint8)
    for item in range(1, len(catalogue) + 1):
        cat = [("overall", item / 10, ""), ("edges", 0.3, "frayed"), ("holes", 0.2, ""), ("size", 0.1, "small"), ("shape", 0.05, "")]
        scores = [Score(1, name, value, reason, heat if name == "edges" else None) for name, value, reason in cat]
        catalogue.put_scores(item, [*scores, Score(2, "overall", item / 20)])
    return catalogue
