"""The Annotator: one image or many in a notebook cell; clicks become masks."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import copy_context
from os import PathLike
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Callable, Iterator, Sequence, get_args

import numpy as np
from IPython import get_ipython

from cdwidget.formats import to_frame
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.prompts import Prompt
from cdwidget.session import Action, Alternative, Change, Lock, Relabel, Select, Session
from cdwidget.widget import export
from cdwidget.widget import images as picture
from cdwidget.widget import transport as update
from cdwidget.widget.base import bundled
from cdwidget.widget.encoder import EMBEDDED, Encoder, prepare
from cdwidget.widget.image_list import Album, Autosave, Source
from cdwidget.widget.requests import SLOW, Requests
from cdwidget.widget.settings import Settings
from cdwidget.widget.transport import Answer, Channel

if TYPE_CHECKING:
    import pandas

    from cdwidget.widget.inspector import Inspector

MIRRORS: dict[str, Callable[[Any], Action]] = {"selected": Select, "label": Relabel, "locked": Lock}  # traits that are the session's
ASKING = (*get_args(Prompt), Alternative)  # the actions that the model answers
Callback = Callable[["Annotator"], Any]


class Annotator(Settings):
    """Click on an object, see its mask; the masks are in `w.mask` and `w.instances`.

    A left click adds, a right click (or Shift) takes away; Enter finishes the object. All keys: the ? button.

    >>> w = Annotator("photo.jpg", labels=["cup", "cat"])
    >>> w
    >>> w.mask          # bool (H, W): the object being edited
    >>> w.instances     # all of them, with labels
    """

    _esm = bundled("annotator.js")
    _css = bundled("annotator.css")

    _shell: Any = None  # IPython's, kept because it cannot be asked for any more when the interpreter ends

    def __init__(
        self,
        image: Source | Sequence[Source],
        predictor: Predictor | None = None,
        *,
        mask: Any = None,
        instances: Sequence[Instance] = (),
        autosave: Autosave = True,
        **traits: Any,
    ) -> None:
        """Show an image.

        image: a path, a PIL image, an array (as `read_image` takes them), an Item, a Session, or a list of these.
        predictor: what answers the clicks, by default the embedded model; a Session brings its own.
        mask, instances: what to begin with, as for a Session.
        autosave: True keeps what is done to an image file in .cdwidget/<file name>.jsonl beside it, where the next Annotator of this
        file goes on, undo included; a path keeps it there, also for an array; False does not.
        traits: any public trait, for instance labels=["cup", "cat"].
        Raises TypeError for an unknown keyword, what `read_image` raises for an image that cannot be read.
        """
        if predictor is not None and isinstance(image, Session):
            raise ValueError("a Session brings its own predictor; leave `predictor` out, or give the image itself")
        sources: Any = image if isinstance(image, (list, tuple)) else [image]
        given: dict[str, Any] = {} if mask is None else {"mask": mask}
        if instances:
            given["instances"] = instances
        self._album = Album(sources, predictor or EMBEDDED, given, autosave, self._show_notice_soon)
        self._encoder: Encoder | None = None
        self._adopting = False
        self._inspector: Inspector | None = None
        self._shown = self.session.state  # what the browser knows of
        self._revision = 0
        self._listeners: dict[str, list[Callback]] = {"submit": [], "skip": []}
        super().__init__(**{name: value for name, value in traits.items() if name not in MIRRORS})
        self._channel = Channel(self, Requests(self).ops, SLOW)
        self._show_image()
        self.observe(self._on_trait, names=list(MIRRORS))
        self.observe(lambda change: prepare(change["new"]), names=["tool"])
        prepare(self.tool)
        goes_on = self.session.can_undo or self.session.can_redo
        if self.session.journal is None or not goes_on:  # what goes on from a journal is as it was left
            for name in MIRRORS:
                if name in traits:
                    setattr(self, name, traits[name])
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
        """All items and all files that were opened or labelled, here or by an earlier Annotator, with their objects."""
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
        change = self._told(*self._write(self._doing(action)))
        assert change is not None
        return change

    def refresh(self, *_: Any) -> None:
        """Show what was done to `session` directly; called by itself after every cell."""
        if self.session.state is not self._shown:
            self._channel.tell(self._whole())

    def on_submit(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user submits an image; the widget gets a button for it. Works as a decorator.

        Where the widget answers while a cell runs (JupyterLab 4.4, ipykernel 7), it is called meanwhile too, in another thread.
        """
        return self._listen("submit", callback)

    def on_skip(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user skips an image, as `on_submit` does."""
        return self._listen("skip", callback)

    def save(self, path: str | PathLike[str], format: str | None = None) -> Path:
        """Write the objects of `items` to a file or folder, in the place of what it held; return what was written.

        format: a name in `cdwidget.formats.FORMATS`. By default the path says it: .json is COCO, .npz npz, .png one mask, 255 where any
        object of the image that is shown is; a folder gets COCO. Images that are no files are written beside it.
        Raises FileExistsError where a COCO file holds labels of images that are not among `items`, or another image has a name.
        """
        return export.save(self._album, self.labels, Path(path).expanduser(), format)

    def to_coco(self) -> dict[str, Any]:
        """Return the objects of `items` as what a COCO file holds."""
        return export.to_coco(self._album, self.labels)

    def to_frame(self) -> pandas.DataFrame:
        """Return the objects of `items` as a pandas frame: path, id, label, area, bbox, parts, holes."""
        return to_frame(self._album.items(named=True))

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
        if self.comm is not None:  # else it was not opened, or is closed
            self._album.close()
        super().close()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _doing(self, action: Action) -> Callable[[], Change]:
        self._make_ready(action)
        return lambda: self.session.apply(action)

    def _make_ready(self, action: Action) -> None:
        """Wait for the model, if the action asks it."""
        if isinstance(action, ASKING):
            self._encode().wait()

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
                self.locked = self.session.locked
                self.set_trait("can_undo", self.session.can_undo)
                self.set_trait("can_redo", self.session.can_redo)
        finally:
            self._adopting = False

    def _on_trait(self, change: Any) -> None:
        if self._adopting:
            return
        try:
            self.apply(MIRRORS[change["name"]](change["new"]))
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
        self._show_notice()

    def _show_notice(self) -> None:
        self._notice = self._album.notice

    def _show_notice_soon(self) -> None:
        """Show the notice without waiting: the widget that has brought it may hold its own lock, and somebody here may wait for that."""
        Thread(target=copy_context().run, args=(self._show_notice,), daemon=True).start()

    def _encode(self) -> Encoder:
        """Begin to get model and image ready, if that has not begun; a failure is tried again."""
        if self._encoder is None or self._encoder.session is not self.session or self._encoder.error:
            session = self.session
            self._encoder = Encoder(session, self._album.predictor, lambda name, error: self._on_phase(session, name, error))
        return self._encoder

    def _on_phase(self, session: Session, name: str, error: str) -> None:
        if session is self.session:
            with self._writing:
                self._phase = {"name": name, "error": error}

    def _listen(self, name: str, callback: Callback) -> Callback:
        self._listeners[name].append(callback)
        self._buttons = [name for name, callbacks in self._listeners.items() if callbacks]
        return callback

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
