"""The operations on the intensity window of the image being shown that the page of an Annotator may request: one method each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cdwidget.images import Window
from cdwidget.images.raster import Raster
from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.images import MAX_OVERVIEW_PIXELS, encode_image
from cdwidget.widget.transport import Operation, Reply


class WindowRequests:
    """Operations on the window of the active image.

    Args:
        active_image: The image being shown.

    Attributes:
        operations: The function for each name.
    """

    def __init__(self, active_image: ActiveImage) -> None:
        self._active = active_image
        self._reduced: tuple[int, Raster] | None = None  # The key of an image, and its pixels for previews.
        self.operations: dict[str, Operation] = {
            "window": self.window,
            "preview_window": self.preview,
            "set_window": self.set_window,
        }

    def window(self) -> Reply:
        """Return the window of the image: {window, range, is_whole}; the window is null if the image has 8 bits or cannot be read again.

        `range` is the lowest and the highest value, and `is_whole` tells whether values are whole numbers.
        """
        key, images = self._active.key, self._active.images
        index = images.index  # After the key: another image may be shown while this one is read.
        found = images.reader.raster(index)
        if found is None or not found.is_deep:
            return {"window": None}, []
        options = images.reader.options(index)
        window = found.window(options.get("window"), options.get("bands"), images.name_of(index))
        low, high = found.value_range()
        self._reduced = key, found.reduced(MAX_OVERVIEW_PIXELS)
        return {"window": window and asdict(window), "range": [low, high], "is_whole": found.pixels.dtype.kind != "f"}, []

    def preview(self, **window: float) -> Reply:
        """Return the image through another window as a file, without changing it: {key, mime}."""
        key, images = self._active.key, self._active.images
        index = images.index
        if self._reduced is None or self._reduced[0] != key:
            self.window()
        if self._reduced is None or self._reduced[0] != key:
            raise ValueError("this image has 8 bits, so it has no window to preview")
        pixels = self._reduced[1].rgb(Window(**window), images.reader.options(index).get("bands"), images.name_of(index))
        file, mime = encode_image(pixels)
        return {"key": key, "mime": mime}, [file]

    def set_window(self, window: dict[str, Any] | None, key: int | None = None) -> Reply:
        """Show the image, and predict on it, through a window, null for the one that was given or is chosen: {key}, as for `go`."""
        self._active.set_window(None if window is None else Window(**window), key)
        return {"key": self._active.key}, []
