"""The Annotator: one image or many in a notebook cell; clicks become masks."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence

import anywidget
import numpy as np
import traitlets as t
from IPython import get_ipython
from PIL import ImageColor

from cdwidget.items import Instance, Item
from cdwidget.lookup import lookup
from cdwidget.predictor import Predictor
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import Accept, Action, Change, Relabel, Select, Session, action_from_json
from cdwidget.widget import picture, update
from cdwidget.widget.album import Album, Source
from cdwidget.widget.channel import Answer, Channel
from cdwidget.widget.encoder import EMBEDDED, Encoder

if TYPE_CHECKING:
    from cdwidget.widget.inspector import Inspector

STATIC = Path(__file__).parents[1] / "static"
TOOLS = ("click",)
COLORS = ["#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6", "#84cc16", "#ec4899"]
SHORTCUTS = {
    "undo": ["Ctrl+Z"],
    "redo": ["Ctrl+Shift+Z", "Ctrl+Y"],
    "finish": ["Enter", "N"],
    "cancel": ["Escape"],
    "delete_last": ["Backspace"],
    "delete": ["Delete"],
    "pan": ["Space"],
    "fit": ["0"],
    "zoom_in": ["+", "="],
    "zoom_out": ["-"],
    "peek": ["V"],
    "preview": ["Q"],
    "next": ["D"],
    "previous": ["A"],
    "fullscreen": ["F"],
    "help": ["?"],
}
Callback = Callable[["Annotator"], Any]


class Annotator(anywidget.AnyWidget):
    """Click on an object, see its mask; the masks are in `w.mask` and `w.instances`.

    A left click adds, a right click (or Shift) takes away; Enter finishes the object. All keys: the ? button.

    >>> w = Annotator("photo.jpg", labels=["cup", "cat"])
    >>> w
    >>> w.mask          # bool (H, W): the object being edited
    >>> w.instances     # all of them, with labels
    """

    _esm = STATIC / "annotator.js"
    _css = STATIC / "annotator.css"

    tool = t.Enum(TOOLS, "click", help="the active tool").tag(sync=True)
    label = t.Unicode("", help="the label of the object being edited").tag(sync=True)
    labels = t.List(t.Unicode(), help="the labels to choose from; keys 1-9").tag(sync=True)
    colors = t.List(t.Unicode(), COLORS, minlen=1, help="of the labels, or of the objects that have none of them").tag(sync=True)
    selected = t.Int(1, help="the id of the object being edited").tag(sync=True)
    opacity = t.Float(0.35, min=0, max=1, help="of the masks").tag(sync=True)
    view_only = t.Bool(False, help="look, but change nothing").tag(sync=True)
    capture_scroll = t.Bool(True, help="the wheel zooms while the widget has the focus; False: only with Ctrl").tag(sync=True)
    shortcuts = t.Dict(t.List(t.Unicode()), help="keys of each command; what is not given keeps its keys").tag(sync=True)
    height = t.Int(None, min=120, allow_none=True, help="CSS pixels of the image area; None: by the image's shape").tag(sync=True)
    busy = t.Bool(False, read_only=True, help="the model is working").tag(sync=True)
    can_undo = t.Bool(False, read_only=True).tag(sync=True)
    can_redo = t.Bool(False, read_only=True).tag(sync=True)

    _image = t.Dict(help="which image is shown: key, name, width, height, index, count").tag(sync=True)
    _phase = t.Dict({"name": "idle", "error": ""}, help="how far the model is with this image").tag(sync=True)
    _buttons = t.List(t.Unicode(), help="which of submit and skip somebody listens to").tag(sync=True)

    _shell: Any = None  # IPython's, kept because it cannot be asked for any more when the interpreter ends

    def __init__(self, image: Source | Sequence[Source], predictor: Predictor | None = None, **traits: Any) -> None:
        """Show an image.

        image: a path, a PIL image, an array (as `read_image` takes them), an Item, a Session, or a list of these.
        predictor: what answers the clicks, by default the embedded model; a Session brings its own.
        traits: any public trait, for instance labels=["cup", "cat"].
        Raises TypeError for an unknown keyword, what `read_image` raises for an image that cannot be read.
        """
        allowed = [name for name in self.class_trait_names(sync=True) if not name.startswith("_")]
        if unknown := sorted(traits.keys() - set(allowed)):
            raise TypeError(f"Annotator has no keyword {', '.join(unknown)}; there are: {', '.join(sorted(allowed))}")
        if predictor is not None and isinstance(image, Session):
            raise ValueError("a Session brings its own predictor; leave `predictor` out, or give the image itself")
        sources: Any = image if isinstance(image, (list, tuple)) else [image]
        self._album = Album(sources, predictor or EMBEDDED)
        self._encoder: Encoder | None = None
        self._writing = RLock()  # what a session did and the message about it go out in one order
        self._adopting = False
        self._inspector: Inspector | None = None
        self._shown = self.session.state  # what the browser knows of
        self._revision = 0
        self._listeners: dict[str, list[Callback]] = {"submit": [], "skip": []}
        label = traits.pop("label", None)
        super().__init__(**traits)
        self._channel = Channel(self, self._ops())
        self._show_image()
        self.observe(self._on_trait, names=["label", "selected"])
        if label is not None:
            self.label = label
        self._shell = get_ipython()
        if self._shell:
            self._shell.events.register("post_run_cell", self.refresh)

    # ---- for Python ----------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The session of the image that is shown."""
        return self._album.session

    @property
    def mask(self) -> np.ndarray:
        """The mask of the object being edited, bool (H, W), read-only."""
        return self.session.mask

    @property
    def instances(self) -> list[Instance]:
        """The objects of the image that is shown: mask bool (H, W), label, id."""
        return self.session.instances

    @property
    def items(self) -> list[Item]:
        """The files opened so far with their objects; read it when a list of paths is done."""
        return self._album.items()

    @property
    def index(self) -> int:
        """Which image of the list is shown, from 0."""
        return self._album.index

    def next(self) -> None:
        """Show the next image of the list; ValueError at its end."""
        self._go(1)

    def previous(self) -> None:
        """Show the image before; ValueError at the first one."""
        self._go(-1)

    def undo(self) -> Change | None:
        """Take the newest change back; None when there is none."""
        return self._told(*self._write(self.session.undo, undone=True))

    def redo(self) -> Change | None:
        """Bring back the change undone last; None when there is none."""
        return self._told(*self._write(self.session.redo))

    def apply(self, action: Action) -> Change:
        """Do an action (Click, Accept, Select ...) and show what it changed; raises what `Session.apply` raises."""
        change = self._told(*self._write(self._action(action)))
        assert change is not None
        return change

    def refresh(self, *_: Any) -> None:
        """Show what was done to `session` directly; called by itself after every cell."""
        if self.session.state is not self._shown:
            self._channel.tell(self._whole())

    def on_submit(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user submits an image; the widget gets a button for it. Works as a decorator."""
        return self._listen("submit", callback)

    def on_skip(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user skips an image; the widget gets a button for it. Works as a decorator."""
        return self._listen("skip", callback)

    def inspect(self) -> Inspector:
        """Return a widget that shows how the diffusion spread the newest click; the same one until it is closed."""
        from cdwidget.widget.inspector import Inspector  # matplotlib and ipycanvas are loaded when they are needed

        if self._inspector is None or self._inspector.comm is None:
            self._inspector = Inspector(self)
        return self._inspector

    def close(self) -> None:
        """Close the widget in every page; the session stays."""
        if self._shell:
            with suppress(ValueError):
                self._shell.events.unregister("post_run_cell", self.refresh)
        super().close()

    # ---- for the browser -----------------------------------------------------------------------------------------

    def _ops(self) -> dict[str, Callable[..., Answer]]:
        return {
            "image": self._send_image,
            "document": self._send_document,
            "apply": self._on_apply,
            "peek": self._on_peek,
            "undo": lambda: self._on_edit(self.session.undo, undone=True),
            "redo": lambda: self._on_edit(self.session.redo),
            "go": self._on_go,
            "submit": lambda: self._on_decision("submit"),
            "skip": lambda: self._on_decision("skip"),
        }

    def _send_image(self) -> Answer:
        file, mime = picture.encode_image(self.session.image)
        return {"key": self._image["key"], "mime": mime}, [file]

    def _send_document(self) -> Answer:
        self._encode()
        return self._whole()

    def _on_apply(self, action: dict[str, Any]) -> Answer:
        return self._on_edit(self._action(action_from_json(action)))

    def _on_edit(self, do: Callable[[], Change | None], undone: bool = False) -> Answer:
        if self.view_only:
            raise ValueError("this widget is for viewing only; set view_only = False to edit")
        return self._write(do, undone)[1]

    def _on_peek(self, action: dict[str, Any]) -> Answer:
        self._encode().wait()
        change = self.session.peek(action_from_json(action))
        return {"box": change.bbox}, [change.after.bits]

    def _on_go(self, step: int) -> Answer:
        return {"passed": self._go(step)}, []

    def _on_decision(self, name: str) -> Answer:
        if name == "submit" and not self.view_only and self.session.patch().bits:
            self.apply(Accept())
        for callback in self._listeners[name]:
            callback(self)
        return {"passed": self._go(1) if self.index + 1 < len(self._album) else []}, []

    # ---- inside --------------------------------------------------------------------------------------------------

    def _action(self, action: Action) -> Callable[[], Change]:
        if isinstance(action, (Click, Stroke, Box)):
            self._encode().wait()
        return lambda: self.session.apply(action)

    def _write(self, do: Callable[[], Change | None], undone: bool = False) -> tuple[Change | None, Answer]:
        """Change the session by `do`; return the change and what to tell the browser."""
        with self._writing, self._working():
            change = do()
            if change is None:
                return None, ({}, [])
            if self._shown is not (change.now if undone else change.was):  # somebody changed the session past this widget
                return change, self._whole()
            return change, self._update(*update.difference(change, undone))

    def _whole(self) -> Answer:
        with self._writing:
            return self._update(*update.whole(self.session))

    def _update(self, document: dict[str, Any], buffers: list[bytes]) -> Answer:
        self._shown = self.session.state
        self._revision += 1
        self._adopt()
        return {"document": {**document, "key": self._image["key"], "revision": self._revision}}, buffers

    def _told(self, change: Change | None, answer: Answer) -> Change | None:
        if change:
            self._channel.tell(answer)
        return change

    def _adopt(self) -> None:
        """Copy what is the session's into the traits."""
        self._adopting = True
        try:
            with self.hold_sync():
                self.label = self.session.label
                self.selected = self.session.selected
                self.set_trait("can_undo", self.session.can_undo)
                self.set_trait("can_redo", self.session.can_redo)
        finally:
            self._adopting = False

    def _on_trait(self, change: Any) -> None:
        if self._adopting:
            return
        try:
            self.apply(Relabel(change["new"]) if change["name"] == "label" else Select(change["new"]))
        except Exception:
            self._adopt()
            raise

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.set_trait("busy", True)
        try:
            yield
        finally:
            self.set_trait("busy", False)

    def _go(self, step: int) -> list[str]:
        with self._writing:
            passed = self._album.go(step)
            self._show_image()
        return passed

    def _show_image(self) -> None:
        session = self.session
        self._shown = session.state
        self._image = {
            "key": self._image.get("key", 0) + 1,
            "name": self._album.name,
            "width": session.width,
            "height": session.height,
            "index": self.index,
            "count": len(self._album),
        }
        self._adopt()

    def _encode(self) -> Encoder:
        """Begin to get model and image ready, if that has not begun; a failure is tried again."""
        if self._encoder is None or self._encoder.session is not self.session or self._encoder.error:
            session = self.session
            self._encoder = Encoder(session, self._album.predictor, lambda name, error: self._on_phase(session, name, error))
        return self._encoder

    def _on_phase(self, session: Session, name: str, error: str) -> None:
        if session is self.session:
            self._phase = {"name": name, "error": error}

    def _listen(self, name: str, callback: Callback) -> Callback:
        self._listeners[name].append(callback)
        self._buttons = [name for name, callbacks in self._listeners.items() if callbacks]
        return callback

    @t.validate("colors")
    def _known_colors(self, proposal: Any) -> list[str]:
        for color in proposal["value"]:
            try:
                ImageColor.getrgb(color)
            except ValueError:
                raise t.TraitError(
                    f"{color!r} is no colour; allowed are '#rrggbb', 'rgb(r, g, b)' and CSS names such as 'tomato'"
                ) from None
        return proposal["value"]

    @t.validate("shortcuts")
    def _with_defaults(self, proposal: Any) -> dict[str, list[str]]:
        for command in proposal["value"]:
            lookup(SHORTCUTS, command, "command")
        return {**SHORTCUTS, **proposal["value"]}

    @t.default("shortcuts")
    def _default_shortcuts(self) -> dict[str, list[str]]:
        return {**SHORTCUTS}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What a notebook keeps: the widget, and a small PNG for readers without a kernel, such as GitHub."""
        self._encode()
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["image/png"] = picture.thumbnail(self.session.image, [(i.mask, self._color(i)) for i in self.instances])
        return bundle

    def _color(self, instance: Instance) -> str:
        number = self.labels.index(instance.label) if instance.label in self.labels else (instance.id or 1) - 1
        return self.colors[number % len(self.colors)]
