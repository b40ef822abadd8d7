"""The exchange between widgets and pages: shared traits, and requests with their replies.

An exception is also sent as a reply.
"""

from __future__ import annotations

import zlib
from contextvars import copy_context
from threading import RLock, Thread
from typing import Any, Callable, ClassVar, Collection, Iterable, Mapping, Protocol

import anywidget
import numpy as np
import traitlets as t
from IPython import get_ipython

from cdwidget._deprecated import warn_renamed
from cdwidget.masks import Patch, unpack
from cdwidget.registry import lookup, unknown_name
from cdwidget.session import Change, Session, State
from cdwidget.session.actions import action_to_json
from cdwidget.session.document import Entry
from cdwidget.widget.keywords import unknown_keyword
from cdwidget.widget.saved_picture import SavedPicture

Reply = tuple[Any, list[bytes]]  # A result that JSON can hold, and the binary buffers that it refers to.
Operation = Callable[..., Reply]
MIN_DEFLATED_BYTES = 4096  # Compressing fewer bytes saves no packet.
MAX_DEFLATED_SHARE = 0.7  # Of the bytes in the middle. Image files, also as text, do not shrink enough to pay.


class SharedWidget(anywidget.AnyWidget):
    """A widget whose traits may be set from any thread.

    With comms on a subshell, the page and cells set them at the same time.

    Attributes:
        lock: Held while traits change and while an edit is made and sent, so that messages leave in the order of the edits.
    """

    _commands: ClassVar[Mapping[str, list[str]]] = {}  # Command -> its default keys.
    _renamed_traits: ClassVar[Mapping[str, str]] = {}  # Deprecated keyword -> trait.

    opacity = t.Float(0.35, min=0, max=1, help="opacity of the masks, 0 to 1").tag(sync=True)
    view_only = t.Bool(False, help="whether the page only shows masks and cannot edit them").tag(sync=True)
    shortcuts = t.Dict(t.List(t.Unicode()), help="keys of each command; commands that are not given keep their keys").tag(sync=True)
    _snapshot = t.Unicode("", help="static picture for readers without a kernel, a data: address").tag(sync=True)
    _picture_class = t.Unicode(help="class of the same picture in the output of the cell, which the page hides").tag(sync=True)
    revision = t.Int(0, help="set by the page after every change, outside of IPython only; marimo then runs the dependent cells").tag(
        sync=True
    )
    _is_notebook = t.Bool(help="whether IPython runs the code, so that a notebook saves the state of the widget").tag(sync=True)
    _thread_beat = t.Int(0, help="increased by a thread, so that a page learns whether it receives messages of threads").tag(sync=True)
    busy = t.Bool(False, read_only=True, help="whether Python is working and the page may wait for it").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        """Set the traits; raises TypeError for an unknown name."""
        for old, new in self._renamed_traits.items():
            if old in traits:
                warn_renamed(f"{type(self).__name__}({old}=)", f"{new}=", stacklevel=4)
                traits[new] = traits.pop(old)
        allowed = self._settable_traits()
        if unknown := sorted(traits.keys() - allowed):
            raise unknown_keyword(type(self), unknown[0], allowed - {"tabbable", "tooltip"})
        self.lock = RLock()
        self._saved_picture = SavedPicture(self._draw_snapshot, lambda address: self.set_trait("_snapshot", address))
        super().__init__(_picture_class=self._saved_picture.id, **traits)

    def open(self) -> None:
        """Open the comm, and receive messages of the page on the subshell that JupyterLab chose.

        ipykernel 7.4 would deliver them to the shell that wrote to the page last, often the main one, where they wait for the
        running cell.
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None

    def close(self) -> None:
        """Close the widget in every page; its picture in the notebook stays as it is then."""
        if self.comm is not None:
            self._saved_picture.close()
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the widget, and display a picture of it for readers without a kernel, such as GitHub."""
        if self._is_notebook:
            self._saved_picture.display()
        return super()._repr_mimebundle_(**kwargs)

    def _draw_snapshot(self) -> np.ndarray | None:
        """Draw the present content, uint8 (h, w, 3) RGB; None if there is nothing to draw."""
        raise NotImplementedError

    def beat(self) -> None:
        """Increase the number that shows a page that it receives messages of this thread."""
        with self.lock:
            self._thread_beat += 1

    def notify_change(self, change: Any) -> None:
        """Notify the page and the observers of one change at a time."""
        with self.lock:
            super().notify_change(change)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Set the traits that the page has changed; private and read-only ones, which only Python sets, are ignored."""
        settable = self._settable_traits()
        with self.lock:
            super().set_state({name: value for name, value in sync_data.items() if name in settable})

    @classmethod
    def _settable_traits(cls) -> set[str]:
        """Return the names of the shared traits that the user and the page may set."""
        return {name for name, trait in cls.class_traits(sync=True).items() if not (name.startswith("_") or trait.read_only)}

    @t.default("_is_notebook")
    def _has_ipython(self) -> bool:
        return get_ipython() is not None

    @t.validate("shortcuts")
    def _with_defaults(self, proposal: Any) -> dict[str, list[str]]:
        for command in proposal["value"]:
            lookup(self._commands, command, "command")
        return {**proposal["value"], **self._commands, **proposal["value"]}  # The page runs the first command of a key.

    @t.default("shortcuts")
    def _default_shortcuts(self) -> dict[str, list[str]]:
        return {**self._commands}


class Connection(Protocol):
    """The members of a widget that a channel uses."""

    def on_msg(self, callback: Callable[..., None]) -> None:
        """Call `callback(widget, message, buffers)` for every message from the browser."""

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to every page that shows the widget."""

    def beat(self) -> None:
        """Increase a trait."""


class Channel:
    """Reply to the requests that pages send to a widget.

    A request is `{id, op, inline, ...}`. Its reply is `{id, ok: true, result, deflated}` with buffers, or `{id, ok: false, error, kind}`,
    where `kind` is the name of the exception. A notification is a reply with the id None. `deflated` holds the positions of the
    buffers that are compressed; the page decompresses them before it uses the reply.

    Some hosts, such as Shiny, drop messages that a thread sends. A page requests `inline` replies, without a thread, until it has
    received a beat of a thread.

    Args:
        connection: The widget.
        operations: Function for each `op`; receives the other fields of the request as keywords.
        threaded: Operations that run in their own thread, so that other requests need not wait for them.
    """

    def __init__(self, connection: Connection, operations: Mapping[str, Operation], threaded: Collection[str] = ()) -> None:
        self._connection = connection
        self._operations = operations
        self._threaded = threaded
        connection.on_msg(self._on_message)

    def notify(self, reply: Reply) -> None:
        """Send a result that no page requested, because Python changed something."""
        self._send(None, reply)

    def _on_message(self, _connection: Connection, message: dict[str, Any], _buffers: Any) -> None:
        message, is_inline = dict(message), message.get("inline", False)
        message.pop("inline", None)
        if is_inline:
            _start_thread(self._connection.beat)
        if message.get("op") in self._threaded and not is_inline:
            _start_thread(lambda: self._run(message))
        else:
            self._run(message)

    def _run(self, message: dict[str, Any]) -> None:
        fields = dict(message)
        request = fields.pop("id", None)
        name = fields.pop("op", "")
        try:
            if name not in self._operations:
                raise unknown_name(self._operations, name, "operation")
            self._send(request, self._operations[name](**fields))
        except BaseException as error:  # The page shows it. An interrupted kernel must also reply.
            text = str(error) if _is_written_for_users(error) else f"{type(error).__name__}: {error}"
            self._connection.send({"id": request, "ok": False, "error": text, "kind": type(error).__name__})
            if not isinstance(error, Exception):
                raise

    def _send(self, request: str | None, reply: Reply) -> None:
        result, buffers = reply
        sent = [_deflate(buffer) for buffer in buffers]
        deflated = [position for position, buffer in enumerate(buffers) if sent[position] is not buffer]
        self._connection.send({"id": request, "ok": True, "result": result, "deflated": deflated}, buffers=sent)


def _start_thread(function: Callable[[], None]) -> None:
    """Run a function in a thread; the copied context tells ipykernel which request its messages belong to."""
    Thread(target=copy_context().run, args=(function,), daemon=True).start()


def _deflate(buffer: bytes) -> bytes:
    """Compress a buffer with the strategy that is best for the bytes in its middle; return it as it is if that does not pay."""
    sample = buffer[len(buffer) // 2 :][:MIN_DEFLATED_BYTES]
    size, strategy = min((len(_compress(sample, strategy)), strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE))
    pays = len(buffer) >= MIN_DEFLATED_BYTES and size <= MAX_DEFLATED_SHARE * len(sample)
    return _compress(buffer, strategy) if pays else buffer


def _compress(buffer: bytes, strategy: int) -> bytes:
    compressor = zlib.compressobj(1, strategy=strategy)  # Masks shrink more as runs (Z_RLE), and as fast.
    return compressor.compress(buffer) + compressor.flush()


def _is_written_for_users(error: BaseException) -> bool:
    """Return whether the message of an exception is clear without the name of its class."""
    return isinstance(error, (ValueError, OSError)) or type(error).__module__.startswith("cdwidget.")


def document_reply(session: Session) -> tuple[dict[str, Any], list[bytes]]:
    """Describe all instances of a session, with one patch each."""
    state = session.state
    return _describe(state, state.entries, {entry.id: session.patch(entry.id) for entry in state.entries}, whole=True)


def change_reply(change: Change, undone: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Describe a change or its undo: the instances that it changed, with a patch for each whose pixels it changed."""
    old, new = (change.new_state, change.old_state) if undone else (change.old_state, change.new_state)
    patches = {one.instance: one.before if undone else one.after for one in change.differences if new.has(one.instance)}
    start, ids, removed = new.by_id.differing_ids(old.by_id)
    order = {"order": {"start": start, "removed": len(removed), "ids": ids}} if ids or removed else {}
    return _describe(new, new.by_id.changed_since(old.by_id), patches, whole=False, **order)


def _describe(state: State, entries: Iterable[Entry], patches: dict[int, Patch], **fields: Any) -> tuple[dict[str, Any], list[bytes]]:
    selected = state.entry()
    document = {
        **fields,
        "selected": state.selected,
        "locked": state.locked,
        "instances": [
            {
                "id": entry.id,
                "label": entry.label,
                **({"attributes": dict(entry.attributes)} if entry.attributes else {}),
                **({} if entry.score is None else {"score": entry.score}),
                **({} if entry.confirmed else {"confirmed": False}),
            }
            for entry in entries
        ],
        "prompts": [action_to_json(prompt) for prompt in selected.prompts],
        "alternatives": {"count": selected.choice.count, "chosen": selected.choice.chosen}
        if selected.choice
        else {"count": 0, "chosen": 0},
        "patches": [{"id": instance, "box": patch.bbox, "soft": patch.alpha is not None} for instance, patch in patches.items()],
    }
    alphas = [unpack(patch.alpha, *patch.pixels().shape).tobytes() for patch in patches.values() if patch.alpha is not None]
    return document, [*(patch.bits for patch in patches.values()), *alphas]
