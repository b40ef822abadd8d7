"""A page without a browser: sends requests to a widget, and keeps all messages that the widget sends."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

TIMEOUT_S = 60.0
POLL_INTERVAL_S = 0.005

Message = tuple[dict[str, Any], list[bytes]]  # Content and buffers.


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when a condition holds that another thread brings about."""
    end = monotonic() + TIMEOUT_S
    while not condition():
        assert monotonic() < end, "timed out"
        sleep(POLL_INTERVAL_S)


class WidgetPage:
    """The page of a widget; `messages` holds everything that the widget has sent, oldest first."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.messages: list[Message] = []
        widget.send = lambda content, buffers=None: self.receive(content, _inflated(content, buffers or []))

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Results that the page did not request, oldest first."""
        return [content["result"] for content, _ in self.messages if content["id"] is None]

    def trait(self, name: str) -> Any:
        """Return a trait that is synchronized with the page; a private one has no other reader than the page."""
        return self.widget.get_state(name)[name]

    def receive(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Keep a message."""
        json.dumps(content)
        self.messages.append((content, buffers))

    def send(self, message: dict[str, Any]) -> None:
        """Send any message to the widget."""
        self.widget._handle_custom_msg(message, [])

    def exchange(self, op: str, **fields: Any) -> Message:
        """Send a request, and return its reply with buffers, also if another thread sends it."""
        first, request = len(self.messages), f"test-{len(self.messages)}"
        self.send({"id": request, "op": op, **fields})

        def replies() -> list[Message]:
            return [message for message in self.messages[first:] if message[0]["id"] == request]

        wait_until(lambda: bool(replies()))
        return replies()[0]

    def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and return its reply without buffers."""
        return self.exchange(op, **fields)[0]


def _inflated(content: dict[str, Any], buffers: list[bytes]) -> list[bytes]:
    """Decompress the buffers that a message names, as the browser does."""
    deflated = content.get("deflated", [])
    return [zlib.decompress(buffer) if position in deflated else buffer for position, buffer in enumerate(buffers)]
