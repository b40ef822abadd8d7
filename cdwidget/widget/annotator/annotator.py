"""The Annotator: label one image or many in a notebook cell; clicks become masks."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Sequence

import numpy as np
from IPython import get_ipython

from cdwidget.default_predictor import DEFAULT_PREDICTOR, named_predictor
from cdwidget.detections import as_instances
from cdwidget.images import WindowLike, list_images
from cdwidget.images.window import to_window
from cdwidget.items import Instance, Item
from cdwidget.predictor import Predictor
from cdwidget.session import Action, Change, Lock, Paste, Relabel, Select, Session
from cdwidget.widget.annotator import export
from cdwidget.widget.annotator.active_image import ActiveImage
from cdwidget.widget.annotator.encoder import preload_tool
from cdwidget.widget.annotator.image_list import Autosave, ImageList, Source
from cdwidget.widget.annotator.offline_page import display_page
from cdwidget.widget.annotator.operations import THREADED_REQUESTS, annotator_operations
from cdwidget.widget.annotator.previous import PreviousObjects
from cdwidget.widget.annotator.semantic import class_map
from cdwidget.widget.annotator.settings import AnnotatorSettings
from cdwidget.widget.annotator.submission import Submission, accept_objects
from cdwidget.widget.colors import object_color
from cdwidget.widget.images import thumbnail
from cdwidget.widget.transport import Channel, Reply

if TYPE_CHECKING:
    import pandas

    from cdwidget.widget.inspector import Inspector

ACTION_OF_TRAIT: dict[str, Callable[[Any], Action]] = {"selected": Select, "label": Relabel, "locked": Lock}  # Mirrors of the session.
Callback = Callable[["Annotator"], Any]


class Annotator(AnnotatorSettings):
    """Click on an object to get its mask; all objects are in `instances`.

    A left click adds to the object, a right click (or Shift and a click) removes from it, Enter finishes it. The ? button
    lists all keys.

    Args:
        image: A path, PIL image or array (as for `read_image`), an Item, a Session or a URL; a list, iterator or column of these; a folder
            or a pattern such as "photos/*.jpg"; a data set of Hugging Face; or a stack of images, (N, H, W) or (N, H, W, 3).
        predictor: The model that predicts masks, or a name for `load_predictor`; None for the embedded CDNet. A Session brings its own.
        mask: Initial mask of the object being edited, (H, W); None for none.
        instances: Initial objects: Instances, masks (N, H, W), a label map, or a detector's result, as for `as_instances`.
        autosave: True to save every edit of an image file to .cdwidget/<file name>.jsonl next to it; the next Annotator of the
            file resumes there, including undo. A folder such as "labels/" to save there instead, also for images that are not files; or
            a file, for one image. False not to save.
        index: Position of the image to show first, from 0; None for the first one without objects.
        window: Intensity window of all images, (low, high) or (low, high, gamma), or "auto", as for `read_image`; None chooses it.
        bands: The bands of all images to show, one or three, from 0; None for the first three. With it, an array of three axes is one
            image, (H, W, bands).
        **traits: Initial values of public traits, such as `labels=["cup", "cat"]`.

    Raises:
        TypeError: If a keyword is unknown.
        ValueError: If an option does not fit the images, or an image cannot be decoded.
        FileNotFoundError: If an image does not exist.

    Example:
        >>> w = Annotator("photo.jpg", labels=["cup", "cat"])
        >>> w
        >>> w.mask          # The object being edited, bool (H, W).
        >>> w.instances     # All objects, with labels.
    """

    _shell: Any = None  # IPython's shell; kept because get_ipython() fails when the interpreter exits.

    def __init__(
        self,
        image: Source | Iterable[Source],
        predictor: Predictor | str | None = None,
        *,
        mask: Any = None,
        instances: Any = (),
        autosave: Autosave = True,
        index: int | None = 0,
        window: WindowLike = None,
        bands: int | Sequence[int] | None = None,
        **traits: Any,
    ) -> None:
        if predictor is not None and isinstance(image, Session):
            raise ValueError("a Session brings its own predictor; leave `predictor` out, or give the image itself")
        if isinstance(predictor, str):
            predictor = named_predictor(predictor)
        sources = list_images(image, (Item, Session), any_bands=bands is not None)
        options: dict[str, Any] = {} if mask is None else {"mask": mask}
        if given := as_instances(instances):
            options["instances"] = given
        reading = {name: value for name, value in (("window", to_window(window)), ("bands", bands)) if value is not None}
        self._inspector: Inspector | None = None
        self._submission = Submission()
        super().__init__(**traits)  # An unknown or wrong trait raises before an image and its journal are opened.
        try:
            if self.mode == "semantic" and not self.labels:
                raise ValueError("mode='semantic' needs the classes of the pixels; give labels=['road', 'sky']")
            images = ImageList(sources, predictor or DEFAULT_PREDICTOR, options, autosave, index, reading)
            self.active_image = ActiveImage(images, self)
        except BaseException:
            super().close()
            raise
        self.active_image.next_label = traits.get("label", self.active_image.next_label)
        self._previous = PreviousObjects(self.active_image, self)
        operations = annotator_operations(self.active_image, self, self._previous, self._finish, self._submission.has)
        self._channel = Channel(self, operations, THREADED_REQUESTS)
        self.observe(self._on_trait, names=list(ACTION_OF_TRAIT))
        self.observe(lambda change: preload_tool(change["new"]), names=["tool"])
        preload_tool(self.tool)
        is_resumed = self.session.journal is not None and (self.session.can_undo or self.session.can_redo)
        if is_resumed:  # It keeps its own selection, label and lock.
            self.active_image.mirror()
        else:
            try:
                for name in ACTION_OF_TRAIT:
                    if name in traits:
                        setattr(self, name, traits[name])
            except BaseException:
                self.close()
                raise
        self._shell = get_ipython()
        if self._shell:
            self._shell.events.register("post_run_cell", self.refresh)

    def __repr__(self) -> str:
        images = self.active_image.images
        name = f" {images.name!r}" if images.name else ""
        return f"<Annotator: image {images.index + 1} of {len(images)}{name}, {self.session!r}>"

    @property
    def session(self) -> Session:
        """The session of the image being shown."""
        return self.active_image.session

    @property
    def mask(self) -> np.ndarray:
        """The mask of the object being edited, bool (H, W), read-only."""
        return self.session.mask

    @property
    def instances(self) -> Sequence[Instance]:
        """The objects of the image being shown: mask bool (H, W), label, id."""
        return self.session.instances

    @property
    def label_map(self) -> np.ndarray:
        """The class in front at each pixel of the image being shown, uint8 (H, W).

        0 is no class, and 1 the first of `labels`. Labels that are not among them follow. More than 255 classes need uint16.
        """
        return class_map(self.session, self.labels)

    @property
    def items(self) -> list[Item]:
        """All given items and all labeled image files, with their confirmed objects.

        Files count that were opened or labeled by this or an earlier Annotator.
        """
        return self.active_image.images.items()

    @property
    def index(self) -> int:
        """Position of the image being shown in the list, from 0; set it to show another one."""
        return self._image["index"]  # The list is one ahead while the drawing of the image before is finished.

    @index.setter
    def index(self, index: int) -> None:
        self.goto(index)

    def goto(self, index: int | None) -> None:
        """Show any image of the list.

        Args:
            index: Its position, from 0; None for the next image without objects, also from the start of the list.

        Raises:
            ValueError: If there is no such image, or it cannot be decoded; then the current one stays.
            OSError: If it cannot be read.

        Example:
            >>> w.goto(236)
        """
        self.active_image.goto(index)

    def next(self) -> None:
        """Show the next image, with followed objects if `following`; ValueError at the end."""
        self.active_image.go(1)
        if self._previous.are_due:
            self.apply(Paste.of(self._previous.follow()[0]))

    def previous(self) -> None:
        """Show the previous image; raises ValueError at the start of the list."""
        self.active_image.go(-1)

    def take_over(self) -> None:
        """Edit the image here, although another notebook or cell has it open.

        Everything that was saved there is kept; later changes there are refused.

        Raises:
            ValueError: If it is not open elsewhere.
            OSError: If its saved edits cannot be taken over.
        """
        self.active_image.take_over()

    def undo(self) -> Change | None:
        """Undo the newest change and return it; None if there is none."""
        return self._notify(*self.active_image.undo())

    def redo(self) -> Change | None:
        """Redo the change undone last and return it; None if there is none."""
        return self._notify(*self.active_image.redo())

    def apply(self, action: Action) -> Change:
        """Apply an action, such as Click, Accept or Select, and show its change.

        Args:
            action: The action.

        Returns:
            Its change.

        Raises:
            ValueError: If the action is not possible, as in `Session.apply`.
            OSError: If the change cannot be saved; then nothing has changed.
        """
        change = self._notify(*self.active_image.apply(action))
        assert change is not None
        return change

    def select(self, instance: int | None = None) -> Change:
        """Edit another object of the image being shown, as `Session.select`.

        Args:
            instance: Its id; None for a new object.

        Returns:
            The change.

        Raises:
            ValueError: If there is no such object.

        Example:
            >>> w.select(w.instances[0].id)
        """
        return self.apply(Select(instance))

    def on_change(self, callback: Callback) -> Callback:
        """Call `callback(widget)` after every change, and when another image is shown.

        This works as a decorator.

        Returns:
            The callback.

        Example:
            >>> @w.on_change
            ... def count(w):
            ...     print(len(w.instances))
        """
        self.active_image.listen(lambda: callback(self))
        return callback

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` after every change and when another image is shown.

        Returns:
            A function that stops this.
        """
        return self.active_image.listen(callback)

    def refresh(self, *_: Any) -> None:
        """Show changes made to `session` directly; called automatically after every cell.

        It also renews the static picture that the notebook saves.
        """
        if not self.active_image.is_sent:
            self._channel.notify(self.active_image.document())
        self._saved_picture.renew()

    def on_submit(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user submits an image; works as a decorator.

        The page then shows a button for it. If the kernel handles messages while a cell runs (JupyterLab 4.4, ipykernel 7), the
        callback may run in another thread at the same time as the cell.
        """
        return self._register("submit", callback)

    def on_skip(self, callback: Callback) -> Callback:
        """Call `callback(widget)` when the user skips an image, as `on_submit` does."""
        return self._register("skip", callback)

    def save(self, path: str | PathLike[str], format: str | None = None) -> Path:
        """Write the objects of `items` to a file or folder, replacing its content.

        Args:
            path: The file or folder. Images that are not files are written next to it.
            format: A name in `cdwidget.formats.FORMATS`. None to choose by the path: .json and folders are COCO, .npz is npz, and
                .png is one mask of the image being shown: 255 in its objects, or in semantic mode `label_map`.

        Returns:
            The path that was written.

        Raises:
            ValueError: If the suffix belongs to no format.
            FileExistsError: If the file holds labels of images that are not among `items`, or another image has a needed name.
        """
        self.active_image.finish_drawing()
        self.refresh()
        colors = self.colors if self.mode == "semantic" else None
        written = export.save(self.active_image.images, self.labels, Path(path).expanduser(), format, colors)
        if written.suffix != ".png" and self.labels:  # A mask has no labels.
            export.warn_of_missing_labels(self.active_image.images)
        return written

    def to_coco(self) -> dict[str, Any]:
        """Return the objects of `items` as the content of a COCO file."""
        return export.to_coco(self.active_image.images, self.labels)

    def to_frame(self) -> pandas.DataFrame:
        """Return the objects of `items` as a pandas frame.

        The columns are path, id, label, area (pixels), bbox, parts and holes.
        """
        return export.to_frame(self.active_image.images)

    def inspect(self) -> Inspector:
        """Return a widget that shows how CDNet propagated the newest click.

        It is the same widget until it is closed.
        """
        from cdwidget.widget.inspector import Inspector  # Imports matplotlib.

        if self._inspector is None or self._inspector.comm is None:
            self._inspector = Inspector(self)
        return self._inspector

    def close(self) -> None:
        """Close the widget in every page; the session stays."""
        if self._shell:
            with suppress(ValueError):
                self._shell.events.unregister("post_run_cell", self.refresh)
        if self.comm is not None:  # Otherwise it was never opened, or is closed.
            self.active_image.images.close()
        super().close()

    def _notify(self, change: Change | None, reply: Reply) -> Change | None:
        if change:
            self._channel.notify(reply)
        return change

    def _on_trait(self, change: Any) -> None:
        if self.active_image.is_mirroring:
            return
        try:
            self.apply(ACTION_OF_TRAIT[change["name"]](change["new"]))
        except Exception:
            self.active_image.mirror()
            raise

    def _finish(self, event: str) -> tuple[list[str], int]:
        """Finish the image as submitted or skipped, then show the next one, as `ListRequests` describes."""
        if event == "submit" and not self.view_only:
            accept_objects(self)
        images = self.active_image.images
        self._submission.finish(event, images.index, self)
        passed = self.active_image.go(1) if images.index + 1 < len(images) else []
        return passed, len(images) - self._submission.count

    def _register(self, event: str, callback: Callback) -> Callback:
        self._submission.register(event, callback)
        self._buttons = self._submission.events
        return callback

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Start encoding the image when the widget is shown, and renew its static picture from now on."""
        self.active_image.encode()
        if self._is_notebook and not self._snapshot:
            self.active_image.listen(self._saved_picture.renew_later)
        display_page(self, self.active_image.images.shown_item)
        return super()._repr_mimebundle_(**kwargs)

    def _draw_snapshot(self) -> np.ndarray:
        with self.lock:  # A thread may edit the session at the same time.
            session = self.session
            colors = {entry.id: object_color(entry.label, entry.id, self.labels, self.colors) for entry in session.state.entries}
            masks = [(session.patch(id), color) for id, color in colors.items()]
        return thumbnail(session.image, masks)
