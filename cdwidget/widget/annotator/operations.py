"""All operations that the page of an Annotator may request."""

from __future__ import annotations

from typing import Callable

from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.annotator.list_requests import ListRequests
from cdwidget.widget.annotator.previous import PreviousObjects
from cdwidget.widget.annotator.requests import Host, Requests
from cdwidget.widget.annotator.similar import SimilarRequests
from cdwidget.widget.annotator.window_requests import WindowRequests
from cdwidget.widget.transport import Operation

# These take long, and a click must not wait for them.
THREADED_REQUESTS = ("superpixels", "tile", "pictures", "similar", "reject_similar", "window", "preview_window")


def annotator_operations(
    active_image: ActiveImage,
    host: Host,
    previous: PreviousObjects,
    finish: Callable[[str], tuple[list[str], int]],
    is_finished: Callable[[int], bool],
) -> dict[str, Operation]:
    """Return the function for each name.

    Args:
        active_image: The image being shown.
        host: The widget.
        previous: Takes over the objects of the previous image.
        finish: Submits or skips the image, as `ListRequests` describes.
        is_finished: Whether the image at a position was submitted or skipped.
    """
    requests = (
        Requests(active_image, host),
        ListRequests(active_image, previous, finish, is_finished),
        SimilarRequests(active_image),
        WindowRequests(active_image),
    )
    return {name: operation for one in requests for name, operation in one.operations.items()}
