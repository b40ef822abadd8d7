"""The static picture of a widget in a notebook, for readers without a kernel, such as GitHub and nbconvert."""

from __future__ import annotations

from contextvars import copy_context
from threading import Lock, Timer
from typing import Callable
from uuid import uuid4

import numpy as np
from IPython.display import publish_display_data

from cdwidget.widget.images import jpeg_base64

RENEWAL_DELAY_S = 1.5  # After the first of several changes.
APPEARANCE_DELAY_S = 2  # The page of a live widget hides the picture earlier than this.
EMPTY_HTML = '<span class="{id}"></span>'  # Hosts ignore updates of an output that was never displayed.
HTML = (
    "<style>@keyframes cdwidget-picture {{ from {{ max-height: 0; opacity: 0 }} }}</style>"
    '<img class="{id}" alt="The saved state of the widget" src="{address}" '
    'style="animation: cdwidget-picture {delay}s step-end">'
)


class SavedPicture:
    """A picture of a widget as an output of its own next to the widget, renewed when the widget changes.

    Hosts create the view of a widget again when its own output changes, so the picture cannot be part of that.

    Args:
        draw: Returns the picture, uint8 (h, w, 3) RGB; None if there is nothing to draw.
        keep: Called with each picture, as a `data:` address.

    Attributes:
        id: The display id of the output, and the class of its image element, which the page of the widget hides.
    """

    def __init__(self, draw: Callable[[], np.ndarray | None], keep: Callable[[str], None]) -> None:
        self.id = f"cdwidget-{uuid4().hex}"
        self._draw = draw
        self._keep = keep
        self._is_displayed = False
        self._timer: Timer | None = None
        self._is_closed = False
        self._lock = Lock()

    def display(self) -> None:
        """Add the picture to the outputs of the running cell."""
        self._publish(is_update=False)
        self._is_displayed = True

    def renew_later(self) -> None:
        """Renew the picture a little later, in a thread; changes until then are drawn at once."""
        with self._lock:
            if not self._is_displayed or self._is_closed or self._timer is not None:
                return
            self._timer = Timer(RENEWAL_DELAY_S, copy_context().run, (self.renew,))
            self._timer.daemon = True
            self._timer.start()

    def renew(self) -> None:
        """Renew the picture now if it is waiting for that."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._publish(is_update=True)

    def close(self) -> None:
        """Renew the picture a last time if it is waiting for that."""
        self.renew()
        with self._lock:
            self._is_closed = True

    def _publish(self, is_update: bool) -> None:
        picture = self._draw()
        address, output = "", {"text/html": EMPTY_HTML.format(id=self.id)}
        if picture is not None:
            jpeg = jpeg_base64(picture)
            address = f"data:image/jpeg;base64,{jpeg}"
            output = {"text/html": HTML.format(id=self.id, address=address, delay=APPEARANCE_DELAY_S), "image/jpeg": jpeg}
        self._keep(address)
        publish_display_data(output, transient={"display_id": self.id}, update=is_update)
