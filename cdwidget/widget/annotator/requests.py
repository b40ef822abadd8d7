"""The operations on the image being shown that the page of an Annotator may request: one method each."""

from __future__ import annotations

from typing import Any, Protocol

from cdwidget.masks import Bbox, bbox, crop
from cdwidget.session import Session, action_from_json
from cdwidget.tools import Scissors
from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.images import encode_image, encode_tile
from cdwidget.widget.transport import Operation, Reply


class Host(Protocol):
    """The members of a widget that its requests use."""

    view_only: bool

    def send_state(self, key: str) -> None:
        """Send a trait again."""


class Requests:
    """Operations on the active image.

    Args:
        active_image: The image being shown.
        host: The widget.

    Attributes:
        operations: The function for each name.
    """

    def __init__(self, active_image: ActiveImage, host: Host) -> None:
        self._active = active_image
        self._host = host
        self._scissors: tuple[Session, Scissors] | None = None  # For the image on which they were used last.
        self.operations: dict[str, Operation] = {
            "image": self.image,
            "tile": self.tile,
            "document": self.document,
            "encoded": self.encoded,
            "apply": active_image.apply_json,
            "peek": self.peek,
            "superpixels": self.superpixels,
            "scissors": self.scissors,
            "sources": self.sources,
            "undo": lambda key=None: active_image.edit(active_image.undo, key),
            "redo": lambda key=None: active_image.edit(active_image.redo, key),
        }

    def image(self) -> Reply:
        """Return the image as a file, reduced if it is very large: {key, mime}."""
        file, mime = encode_image(self._active.session.image)
        return {"key": self._active.key, "mime": mime}, [file]

    def encoded(self) -> Reply:
        """Reply once the image is encoded, for a page that does not receive the progress that a thread sends."""
        self._active.encode().done.wait()
        self._host.send_state("_phase")
        return {}, []

    def tile(self, box: Bbox, width: int, height: int, lossless: bool = False) -> Reply:
        """Return the image inside `box` as a file of `width` x `height` pixels: {key, mime}."""
        key, image = self._active.key, self._active.session.image
        file, mime = encode_tile(image, box, width, height, lossless)
        return {"key": key, "mime": mime}, [file]

    def document(self) -> Reply:
        """Return all instances with their pixels: {document}; also starts encoding the image."""
        self._active.encode()
        return self._active.document()

    def peek(self, action: dict[str, Any]) -> Reply:
        """Return the change that a prompt would make: {box} and the packed pixels in it."""
        prompt = action_from_json(action)
        self._active.wait_for_predictor(prompt)
        change = self._active.session.peek(prompt)
        return {"box": change.bbox}, [change.after.bits]

    def superpixels(self, count: int) -> Reply:
        """Return about `count` superpixels: {width, height, count} and int32 labels, little-endian."""
        labels = self._active.session.superpixels(count)
        height, width = labels.shape
        return {"width": width, "height": height, "count": count}, [labels.astype("<i4").tobytes()]

    def scissors(self, points: list[list[float]], window: float, snap: float = 0.0) -> Reply:
        """Return the path along edges between two points: {path}.

        It is searched in a window of `window` pixels around the first point, and ends at an edge up to `snap` pixels from the second.
        """
        session = self._active.session
        if self._scissors is None or self._scissors[0] is not session:
            self._scissors = session, Scissors(session.image)
        (x0, y0), (x1, y1) = points
        return {"path": self._scissors[1].path((x0, y0), (x1, y1), window, snap)}, []

    def sources(self) -> Reply:
        """Return the source of each pixel of the selected instance: {box} and uint8.

        The values are indices of SOURCES, row by row.
        """
        sources = self._active.session.sources
        box = bbox(sources > 0)
        return {"box": box}, [crop(sources, box).tobytes()]
