"""The operations that the page of an Annotator may request: one method each."""

from __future__ import annotations

from itertools import count
from typing import Any, Callable, Protocol

from cdwidget.items import Instance
from cdwidget.masks import Bbox, bbox, crop
from cdwidget.session import Change, Paste, Session, action_from_json
from cdwidget.tools import Scissors
from cdwidget.widget.active_image import ActiveImage, ImageChanged
from cdwidget.widget.image_list import ImageList
from cdwidget.widget.images import encode_image, encode_tile, small_picture
from cdwidget.widget.previous import copied_objects, followed_objects
from cdwidget.widget.similar import SimilarObjects
from cdwidget.widget.transport import Operation, Reply

THREADED_REQUESTS = ("superpixels", "tile", "pictures", "similar", "reject_similar")  # They take long, and a click must not wait for them.
MAX_PICTURE_SIDE_PX = 512
MAX_PICTURES = 50  # Of one request.


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
        finish: Submits or skips the image, given "submit" or "skip", and shows the next one. Returns the problems of images that
            were passed over, and the number of images that are neither submitted nor skipped.
        is_finished: Whether the image at a position was submitted or skipped.

    Attributes:
        operations: The function for each name.
    """

    def __init__(
        self, active_image: ActiveImage, host: Host, finish: Callable[[str], tuple[list[str], int]], is_finished: Callable[[int], bool]
    ) -> None:
        self._active = active_image
        self._host = host
        self._similar: SimilarObjects | None = None  # The newest search.
        self._searches = 0
        self._numbers = count()  # Of the proposals of all searches.
        self._scissors: tuple[Session, Scissors] | None = None  # For the image on which they were used last.
        self.operations: dict[str, Operation] = {
            "image": self.image,
            "tile": self.tile,
            "document": self.document,
            "encoded": self.encoded,
            "apply": self.apply,
            "peek": self.peek,
            "superpixels": self.superpixels,
            "scissors": self.scissors,
            "sources": self.sources,
            "similar": self.similar,
            "reject_similar": self.reject_similar,
            "take_similar": self.take_similar,
            "undo": lambda key=None: self._edit(self._active.undo, key),
            "redo": lambda key=None: self._edit(self._active.redo, key),
            "copy_previous": lambda key=None: self._paste(copied_objects, key),
            "follow_previous": lambda key=None: self._paste(followed_objects, key),
            "go": self.go,
            "goto": self.goto,
            "marks": self.marks,
            "pictures": self.pictures,
            "take_over": self.take_over,
            "submit": lambda key=None: self._finish("submit", key),
            "skip": lambda key=None: self._finish("skip", key),
        }
        self._finish_image = finish
        self._is_finished = is_finished

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

    def apply(self, action: dict[str, Any], key: int | None = None) -> Reply:
        """Apply an action, given as JSON, to the image with a key: {document} with its changes."""
        return self._edit(lambda key: self._active.apply(action_from_json(action), key), key)

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

    def scissors(self, points: list[list[float]], window: float) -> Reply:
        """Return the path along edges between two points: {path}.

        It is searched in a window of `window` pixels around the first point.
        """
        session = self._active.session
        if self._scissors is None or self._scissors[0] is not session:
            self._scissors = session, Scissors(session.image)
        (x0, y0), (x1, y1) = points
        return {"path": self._scissors[1].path((x0, y0), (x1, y1), window)}, []

    def similar(self, instances: list[int]) -> Reply:
        """Return the objects like some instances, as `SimilarObjects.find`; they stay proposals until the page takes them."""
        self._searches += 1
        search = self._searches
        with self._active.busy():
            self._active.wait_for_encoder()
            similar = SimilarObjects(self._active.session, instances, self._numbers)
            if search == self._searches:  # A search may end after a later one.
                self._similar = similar
            return similar.find()

    def reject_similar(self, number: int) -> Reply:
        """Reject a proposal and return the remaining ones, as `SimilarObjects.reject`."""
        return self._shown_similar().reject(number)

    def take_similar(self, numbers: list[int], key: int | None = None) -> Reply:
        """Add proposals to the document in one step: {document} with its changes."""
        return self._edit(lambda key: self._active.apply(self._shown_similar().taken(numbers), key), key)

    def _shown_similar(self) -> SimilarObjects:
        if self._similar is None or self._similar.session is not self._active.session:
            raise ImageChanged("The proposals were of another image. Search again.")
        return self._similar

    def sources(self) -> Reply:
        """Return the source of each pixel of the selected instance: {box} and uint8.

        The values are indices of SOURCES, row by row.
        """
        sources = self._active.session.sources
        box = bbox(sources > 0)
        return {"box": box}, [crop(sources, box).tobytes()]

    def go(self, step: int) -> Reply:
        """Show the next (1) or previous (-1) image: {passed, key}, the problems of skipped ones and the key of the new one."""
        return {"passed": self._active.go(step), "key": self._active.key}, []

    def goto(self, index: int | None) -> Reply:
        """Show the image at a position from 0, None for the next one without objects: {passed, key}, as for `go`."""
        return {"passed": self._active.goto(index), "key": self._active.key}, []

    def marks(self, start: int, stop: int) -> Reply:
        """Return the images of a range: {images: [{name, done}]}; done if it has objects or was submitted or skipped."""
        images = self._active.images
        found = range(len(images))[max(start, 0) : max(stop, 0)]
        done = [self._is_finished(index) or images.is_labeled(index) for index in found]
        return {"images": [{"name": images.name_of(index), "done": is_done} for index, is_done in zip(found, done)]}, []

    def pictures(self, indices: list[int], side: int) -> Reply:
        """Return small pictures of images: {pictures}, their `data:` URLs; "" for one that cannot be read."""
        if not 0 < side <= MAX_PICTURE_SIDE_PX:
            raise ValueError(f"a picture of {side} pixels was requested; allowed are 1 to {MAX_PICTURE_SIDE_PX}")
        return {"pictures": [self._picture(index, side) for index in indices[:MAX_PICTURES]]}, []

    def _picture(self, index: int, side: int) -> str:
        try:
            return small_picture(self._active.images.read(index, side), side)
        except Exception:  # The image is reported when it is opened.
            return ""

    def take_over(self) -> Reply:
        """Edit the image here although it is being edited elsewhere: {key}, as for `go`."""
        self._active.take_over()
        return {"key": self._active.key}, []

    def _paste(self, find: Callable[[ImageList], tuple[list[Instance], str]], key: int | None) -> Reply:
        """Add objects of the previous image in one step: {document, message}."""
        self._active.check_key(key)
        with self._active.busy():
            instances, message = find(self._active.images)
        result, buffers = self._edit(lambda key: self._active.apply(Paste.of(instances), key), key)
        return {**result, "message": message}, buffers

    def _finish(self, event: str, key: int | None) -> Reply:
        """Submit or skip the image: {passed, key, left}, as for `go`, and the number of images that are not finished."""
        self._active.check_key(key)
        before = self._active.key
        passed, left = self._finish_image(event)
        return {"passed": passed, "key": self._active.key, "left": left, "is_last": before == self._active.key}, []

    def _edit(self, edit: Callable[[int | None], tuple[Change | None, Reply]], key: int | None) -> Reply:
        if self._host.view_only:
            raise ValueError("This widget is for viewing only. Set view_only = False to edit.")
        self._active.check_key(key)
        return edit(key)[1]
