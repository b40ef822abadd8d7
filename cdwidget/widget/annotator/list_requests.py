"""The operations on the list of images that the page of an Annotator may request: one method each."""

from __future__ import annotations

from typing import Callable

from cdwidget.items import Instance
from cdwidget.session import Paste
from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.annotator.previous import PreviousObjects
from cdwidget.widget.images import small_picture
from cdwidget.widget.transport import Operation, Reply

MAX_PICTURE_SIDE_PX = 512
MAX_PICTURES = 50  # Of one request.


class ListRequests:
    """Operations on the list of images.

    Args:
        active_image: The image being shown.
        previous: Takes over the objects of the previous image.
        finish: Submits or skips the image, given "submit" or "skip", and shows the next one. Returns the problems of images that
            were passed over, and the number of images that are neither submitted nor skipped.
        is_finished: Whether the image at a position was submitted or skipped.

    Attributes:
        operations: The function for each name.
    """

    def __init__(
        self,
        active_image: ActiveImage,
        previous: PreviousObjects,
        finish: Callable[[str], tuple[list[str], int]],
        is_finished: Callable[[int], bool],
    ) -> None:
        self._active = active_image
        self._previous = previous
        self._finish_image = finish
        self._is_finished = is_finished
        self.operations: dict[str, Operation] = {
            "copy_previous": lambda key=None: self._paste(previous.copy, key),
            "follow_previous": lambda key=None: self._paste(previous.follow, key),
            "go": self.go,
            "goto": self.goto,
            "marks": self.marks,
            "pictures": self.pictures,
            "take_over": self.take_over,
            "submit": lambda key=None: self._finish("submit", key),
            "skip": lambda key=None: self._finish("skip", key),
        }

    def go(self, step: int) -> Reply:
        """Show the next (1) or previous (-1) image.

        Returns:
            {passed, key, follows}: the problems of skipped images, the key of the new one, and whether the page should request
            `follow_previous` for it. That takes longer, so the page shows the image first.
        """
        passed = self._active.go(step)
        return {"passed": passed, "key": self._active.key, "follows": step > 0 and self._previous.are_due}, []

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

    def _paste(self, find: Callable[[], tuple[list[Instance], str]], key: int | None) -> Reply:
        """Add objects of the previous image in one step: {document, message}."""
        self._active.check_editable(key)  # Before copies give numbers to the objects of the previous image.
        with self._active.busy():
            instances, message = find()
        result, buffers = self._active.edit(lambda key: self._active.apply(Paste.of(instances), key), key)
        return {**result, "message": message}, buffers

    def _finish(self, event: str, key: int | None) -> Reply:
        """Submit or skip the image: {passed, key, follows, left}, as for `go`, and the number of images that are not finished."""
        self._active.check_key(key)
        before = self._active.key
        passed, left = self._finish_image(event)
        is_last = before == self._active.key
        follows = not is_last and self._previous.are_due
        return {"passed": passed, "key": self._active.key, "follows": follows, "left": left, "is_last": is_last}, []
