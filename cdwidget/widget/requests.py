"""What the browser can ask of an Annotator: one method an operation."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from cdwidget.masks import Bbox, bbox
from cdwidget.session import Accept, Change, Session, action_from_json
from cdwidget.tools import Scissors
from cdwidget.tools.canvas import crop
from cdwidget.widget import images as picture
from cdwidget.widget.transport import Answer

if TYPE_CHECKING:
    from cdwidget.widget.annotator import Annotator

SLOW = ("superpixels", "tile")  # answered from a thread of their own, so that a click need not wait for them


class Requests:
    """Answers requests by asking the widget and its session; `ops` is the table of all of them."""

    def __init__(self, widget: Annotator) -> None:
        self._widget = widget
        self._scissors: tuple[Session, Scissors] | None = None  # of the image they were used on last
        self.ops: dict[str, Callable[..., Answer]] = {
            "image": self.image,
            "tile": self.tile,
            "document": self.document,
            "apply": self.apply,
            "peek": self.peek,
            "superpixels": self.superpixels,
            "scissors": self.scissors,
            "sources": self.sources,
            "undo": lambda: self._edit(lambda: widget.session.undo(), undone=True),
            "redo": lambda: self._edit(lambda: widget.session.redo()),
            "go": self.go,
            "submit": lambda: self._decide("submit"),
            "skip": lambda: self._decide("skip"),
        }

    def image(self) -> Answer:
        """The image as a file, reduced where it is very large: {key, mime}."""
        file, mime = picture.encode_image(self._widget.session.image)
        return {"key": self._widget._image["key"], "mime": mime}, [file]

    def tile(self, box: Bbox, width: int, height: int) -> Answer:
        """The part of the image inside `box`, as a file of `width` x `height` pixels: {key, mime}."""
        key, image = self._widget._image["key"], self._widget.session.image
        file, mime = picture.encode_tile(image, box, width, height)
        return {"key": key, "mime": mime}, [file]

    def document(self) -> Answer:
        """Everything the session holds: {document}."""
        self._widget._encode()
        return self._widget._whole()

    def apply(self, action: dict[str, Any]) -> Answer:
        """Do an action, given as JSON: {document}, what it changed."""
        return self._edit(self._widget._doing(action_from_json(action)))

    def peek(self, action: dict[str, Any]) -> Answer:
        """What a prompt would change: {box} and the packed pixels in it."""
        prompt = action_from_json(action)
        self._widget._make_ready(prompt)
        change = self._widget.session.peek(prompt)
        return {"box": change.bbox}, [change.after.bits]

    def superpixels(self, count: int) -> Answer:
        """The map of about `count` superpixels: {width, height, count}, and int32 numbers, row by row, deflated."""
        labels = self._widget.session.superpixels(count)
        height, width = labels.shape
        return {"width": width, "height": height, "count": count}, [deflated(labels)]

    def scissors(self, points: list[list[float]], window: float) -> Answer:
        """The way along edges from the first of two points to the other, looked for in a window round the first: {path}."""
        session = self._widget.session
        if self._scissors is None or self._scissors[0] is not session:
            self._scissors = session, Scissors(session.image)
        (x0, y0), (x1, y1) = points
        return {"path": self._scissors[1].path((x0, y0), (x1, y1), window)}, []

    def sources(self) -> Answer:
        """Who decided the pixels of the selected instance: {box}, and uint8 numbers of SOURCES in it, row by row, deflated."""
        return _boxed(self._widget.session.sources)

    def go(self, step: int) -> Answer:
        """Show the next (1) or previous (-1) image: {passed}, what was wrong with those passed over."""
        return {"passed": self._widget._go(step)}, []

    def _edit(self, do: Callable[[], Change | None], undone: bool = False) -> Answer:
        if self._widget.view_only:
            raise ValueError("this widget is for viewing only; set view_only = False to edit")
        return self._widget._write(do, undone)[1]

    def _decide(self, name: str) -> Answer:
        widget = self._widget
        if name == "submit" and not widget.view_only and widget.session.patch().bits:
            widget.apply(Accept())
        for callback in widget._listeners[name]:
            callback(widget)
        return {"passed": widget._go(1) if widget.index + 1 < len(widget._album) else []}, []


def _boxed(values: np.ndarray) -> Answer:
    box = bbox(values > 0)
    return {"box": box}, [deflated(crop(values, box))]


def deflated(array: np.ndarray) -> bytes:
    """Return the bytes of an array, little-endian, as the browser's DecompressionStream("deflate") reads them."""
    return zlib.compress(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes(), 1)
