"""The images a widget walks through: each is opened when it is shown first, and what was done to it is kept."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence, Union

import numpy as np

from cdwidget.items import ImageSource, Instance, Item
from cdwidget.masks import Patch
from cdwidget.predictor import Predictor
from cdwidget.session import Session

Source = Union[ImageSource, Item, Session]
OPEN_SESSIONS = 8  # with their pixels and undo history; of the others only the instances are kept, packed


@dataclass(frozen=True)
class _Closed:
    """What is left of a session that was put away: (id, label, pixels) of its instances, and the image's size."""

    height: int
    width: int
    entries: list[tuple[int, str, Patch]]

    @property
    def instances(self) -> list[Instance]:
        """The instances that have pixels, unpacked."""
        return [Instance(self._mask(patch), label, number) for number, label, patch in self.entries if patch.bits]

    def _mask(self, patch: Patch) -> np.ndarray:
        mask = np.zeros((self.height, self.width), dtype=bool)
        patch.paste(mask)
        return mask


class Album:
    """A list of images, one of them open.

    sources: paths, PIL images, arrays, items or sessions. predictor: for the sessions that are opened here.
    """

    def __init__(self, sources: Sequence[Source], predictor: Predictor) -> None:
        if not sources:
            raise ValueError("the list of images is empty; give at least one path, array, PIL image, Item or Session")
        self._sources = list(sources)
        self._open: OrderedDict[int, Session] = OrderedDict()
        self._closed: dict[int, _Closed] = {}
        self._predictor = predictor
        self.index = 0
        self.session = self._session(0)

    def __len__(self) -> int:
        return len(self._sources)

    @property
    def predictor(self) -> Predictor | None:
        """What answers the clicks on the open image; None where a Session was given, which brings its own."""
        return None if isinstance(self._sources[self.index], Session) else self._predictor

    @property
    def name(self) -> str:
        """What the open image is called: its file's name, or "" for an image that is no file."""
        path = self._path(self.index)
        return path.name if path else ""

    def go(self, step: int) -> list[str]:
        """Open the next (1) or previous (-1) image that can be read; return what was wrong with those passed over.

        Raises ValueError when there is none in that direction; then the open image stays.
        """
        wrong: list[str] = []
        index = self.index + step
        while 0 <= index < len(self):
            try:
                self.session = self._session(index)
            except (OSError, ValueError) as error:
                wrong.append(str(error))
                index += step
                continue
            self.index = index
            return wrong
        raise ValueError("; ".join([*wrong, f"this is the {'last' if step > 0 else 'first'} image that can be opened"]))

    def items(self) -> list[Item]:
        """Return the files opened so far, in the order of the list, with their instances; images that are no files have no Item."""
        found = []
        for index in sorted({*self._open, *self._closed}):
            if path := self._path(index):
                found.append(Item(path, (self._open.get(index) or self._closed[index]).instances))
        return found

    def _path(self, index: int) -> Path | None:
        source = self._sources[index]
        if isinstance(source, Item):
            return Path(source.path)
        return Path(source) if isinstance(source, (str, os.PathLike)) else None

    def _session(self, index: int) -> Session:
        if index not in self._open:
            self._open[index] = self._opened(index)
            self._closed.pop(index, None)
        self._open.move_to_end(index)
        if len(self._open) > OPEN_SESSIONS:
            oldest, session = self._open.popitem(last=False)
            entries = [(entry.id, entry.label, session.patch(entry.id)) for entry in session.state.entries]
            self._closed[oldest] = _Closed(session.height, session.width, entries)
        return self._open[index]

    def _opened(self, index: int) -> Session:
        source: Any = self._sources[index]
        if isinstance(source, Session):
            return source
        instances: Sequence[Instance] = ()
        if isinstance(source, Item):
            source, instances = source.path, source.instances
        if index in self._closed:
            instances = self._closed[index].instances
        return Session(source, self._predictor, instances=instances)
