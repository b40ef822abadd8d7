"""Requests from the browser answered by id; a Python error becomes a reply, never silence."""

from __future__ import annotations

from contextvars import copy_context
from threading import Thread
from typing import Any, Callable, Collection, Mapping, Protocol

from cdwidget.masks import Patch, unpack
from cdwidget.registry import lookup
from cdwidget.session import Change, Session, State
from cdwidget.session.actions import action_to_json

Answer = tuple[Any, list[bytes]]  # a JSON-able result, and the binary buffers it points to


class Host(Protocol):
    """What a channel needs of a widget."""

    def on_msg(self, callback: Callable[..., None]) -> None:
        """Register the function that is called with every message from the browser."""

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to every page that shows the widget."""


class Channel:
    """Up: `{id, op, ...}`. Down: `{id, ok, result}` with buffers, or `{id, ok, error, kind}`; what Python tells unasked has the id None.

    kind: the exception's name.
    """

    def __init__(self, host: Host, ops: Mapping[str, Callable[..., Answer]], slow: Collection[str] = ()) -> None:
        """Answer the messages of `host` with `ops`, called with the message's other fields as keywords.

        slow: those that run in a thread of their own, so that other messages need not wait for them.
        """
        self._host = host
        self._ops = ops
        self._slow = slow
        host.on_msg(self._on_message)

    def tell(self, answer: Answer) -> None:
        """Send a result that nobody asked for: something changed from Python."""
        self._send(None, answer)

    def _on_message(self, _host: Host, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("op") in self._slow:
            # In a copy of the context, so that ipykernel knows which message the answer belongs to.
            Thread(target=copy_context().run, args=(self._answer, message), daemon=True).start()
        else:
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        fields = dict(message)
        request = fields.pop("id", None)
        try:
            self._send(request, lookup(self._ops, fields.pop("op", ""), "operation")(**fields))
        except BaseException as error:  # the browser shows it; an interrupted kernel must answer too
            told = isinstance(error, ValueError)  # it is written for the user
            text = str(error) if told else f"{type(error).__name__}: {error}"
            self._host.send({"id": request, "ok": False, "error": text, "kind": type(error).__name__})
            if not isinstance(error, Exception):
                raise

    def _send(self, request: str | None, answer: Answer) -> None:
        result, buffers = answer
        self._host.send({"id": request, "ok": True, "result": result}, buffers=buffers)


# MERGED from widget.update: What the browser is told about a document: its instances, and the pixels that changed.


def whole(session: Session) -> tuple[dict[str, Any], list[bytes]]:
    """Return the description of everything a session holds, and its buffers: one patch for each instance."""
    state = session.state
    return _update(state, {entry.id: session.packed(entry.id) for entry in state.entries}, is_whole=True)


def difference(change: Change, undone: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a change (or taking it back) did, and its buffers: of each instance that is left, the box of pixels that changed."""
    state = change.was if undone else change.now
    patches = {one.instance: one.before if undone else one.after for one in change.differences if state.has(one.instance)}
    return _update(state, patches, is_whole=False)


def _update(state: State, patches: dict[int, Patch], is_whole: bool) -> tuple[dict[str, Any], list[bytes]]:
    entry = state.entry()
    update = {
        "whole": is_whole,
        "selected": state.selected,
        "locked": state.locked,
        "instances": [{"id": entry.id, "label": entry.label} for entry in state.entries],
        "prompts": [action_to_json(prompt) for prompt in entry.prompts],
        "alternatives": {"count": entry.choice.count, "chosen": entry.choice.chosen} if entry.choice else {"count": 0, "chosen": 0},
        "patches": [{"id": instance, "box": patch.bbox, "soft": patch.alpha is not None} for instance, patch in patches.items()],
    }
    alphas = [unpack(patch.alpha, *patch.pixels().shape).tobytes() for patch in patches.values() if patch.alpha is not None]
    return update, [*(patch.bits for patch in patches.values()), *alphas]
