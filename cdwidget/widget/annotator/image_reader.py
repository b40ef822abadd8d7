"""Reads the images of a list, each through its intensity window.

A window that the user chooses for one image is saved next to its journal, so that the image looks the same when it is opened again.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, Mapping, Sequence

import numpy as np

from cdwidget.images import ImageSource, Window, read_image
from cdwidget.images.raster import Raster
from cdwidget.images.reading import read_raster
from cdwidget.images.remote import image_source
from cdwidget.items import Item
from cdwidget.session import Session
from cdwidget.session.files import read_regular, replace_file
from cdwidget.session.journal_match import Fingerprint
from cdwidget.widget.annotator.journal_paths import JournalPaths

WINDOW_SUFFIX = ".window.json"


class ImageReader:
    """The pixels of the images of a list. Thread-safe.

    Args:
        sources: The images, items or sessions.
        journals: Where their edits are saved.
        options: `window=` and `bands=` of `read_image`; images with a window of their own have that one.

    Raises:
        ValueError: If options are given with a session.
    """

    def __init__(self, sources: Sequence[Any], journals: JournalPaths, options: Mapping[str, Any]) -> None:
        if options and any(isinstance(source, Session) for source in sources):
            raise ValueError(f"{' and '.join(f'{name}=' for name in options)} cannot be given with a Session, which brings its own image")
        self._sources, self._journals, self._options = sources, journals, dict(options)
        self._windows: dict[int, Window | None] = {}
        self._decoding = Lock()  # Two threads cannot decode one open file or PIL image at the same time.

    def options(self, index: int) -> dict[str, Any]:
        """Return the `window=` and `bands=` with which an image is read; none if it is read as it is."""
        window = self.window(index)
        return self._options if window is None else {**self._options, "window": window}

    def window(self, index: int) -> Window | None:
        """Return the window of its own that an image has."""
        if index not in self._windows:
            self.load_window(index)
        return self._windows[index]

    def load_window(self, index: int) -> None:
        """Find the window of its own that an image has, which another notebook may have changed since."""
        if index not in self._windows or self._window_path(index) is not None:
            source = self._sources[index]
            self._windows[index] = self._saved_window(index) or (source.window if isinstance(source, Item) else None)

    def set_window(self, index: int, window: Window | None) -> None:
        """Give an image a window of its own, None for none, and save it next to the journal.

        Raises:
            OSError: If it cannot be saved; then it is not set.
            ValueError: If its file is a link.
        """
        path = self._window_path(index)
        if path is not None and window is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(asdict(window)).encode())
        elif path is not None and read_regular(path) is not None:
            path.unlink()
        self._windows[index] = window

    def read(self, index: int) -> np.ndarray:
        """Return an image, uint8 (H, W, 3); raise OSError or ValueError if it cannot be read."""
        with self._decoding:
            return read_image(self._source(index), **self.options(index))

    def raster(self, index: int) -> Raster | None:
        """Return the pixels of an image as stored; None for a session, which brings its own."""
        if isinstance(self._sources[index], Session):
            return None
        with self._decoding:
            return read_raster(self._source(index), "bands" in self._options)[0]

    def fingerprint(self, index: int) -> Fingerprint | None:
        """Return the identity of an image under any window; None if it is read without one, so that its pixels identify it."""
        if self.options(index).get("window") is None:
            return None
        with self._decoding:
            return Fingerprint.of(read_image(self._source(index), bands=self._options.get("bands")))

    def _source(self, index: int) -> ImageSource:
        """Return an image as `read_image` takes it."""
        source = self._sources[index]
        image = source.path if isinstance(source, Item) else source
        return image_source(image) if isinstance(image, str) else image

    def _window_path(self, index: int) -> Path | None:
        journal = self._journals[index]
        return journal and journal.with_suffix(WINDOW_SUFFIX)

    def _saved_window(self, index: int) -> Window | None:
        """Return the window that was saved next to the journal; None if there is none that can be used."""
        path = self._window_path(index)
        with suppress(OSError, ValueError, TypeError):
            if content := path and read_regular(path):
                return Window(**json.loads(content))
        return None
