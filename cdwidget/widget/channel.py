"""Requests from the browser answered by id; a Python error becomes a reply, never silence."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Protocol

from cdwidget.lookup import lookup

Answer = tuple[Any, list[bytes]]  # a JSON-able result, and the binary buffers it points to


class Host(Protocol):
    """What a channel needs of a widget."""

    def on_msg(self, callback: Callable[..., None]) -> None:
        """Register the function that is called with every message from the browser."""

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to every page that shows the widget."""


class Channel:
    """Up: `{id, op, ...}`. Down: `{id, ok, result | error}` with buffers; what Python tells unasked has the id None."""

    def __init__(self, host: Host, ops: Mapping[str, Callable[..., Answer]]) -> None:
        """Answer the messages of `host` with `ops`, called with the message's other fields as keywords."""
        self._host = host
        self._ops = ops
        host.on_msg(self._on_message)

    def tell(self, answer: Answer) -> None:
        """Send a result that nobody asked for: something changed from Python."""
        self._send(None, answer)

    def _on_message(self, _host: Host, message: dict[str, Any], _buffers: Any) -> None:
        fields = dict(message)
        request = fields.pop("id", None)
        try:
            self._send(request, lookup(self._ops, fields.pop("op", ""), "operation")(**fields))
        except BaseException as error:  # the browser shows it; an interrupted kernel must answer too
            self._host.send({"id": request, "ok": False, "error": f"{type(error).__name__}: {error}"})
            if not isinstance(error, Exception):
                raise

    def _send(self, request: str | None, answer: Answer) -> None:
        result, buffers = answer
        self._host.send({"id": request, "ok": True, "result": result}, buffers=buffers)
