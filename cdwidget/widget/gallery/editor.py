"""The editor of a gallery: the open instance, and the prefetched image of the next one."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Thread
from typing import Callable

from cdwidget.catalogue import Catalogue, Conflict, InstanceRow
from cdwidget.default_predictor import DEFAULT_PREDICTOR
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.annotator.image_list import ImageList
from cdwidget.widget.gallery.tiles import Tiles


class Editor(Annotator):
    """An annotator that shows one session after another, so that the page builds it only once."""

    def show(self, session: Session) -> None:
        """Show another session."""
        images = ImageList([session], DEFAULT_PREDICTOR, {}, True)
        if isinstance(session.journal, FileJournal):
            session.journal.on_notice = lambda: images.on_notice()
        self.active_image.show(images)


@dataclass
class OpenInstance:
    """An instance that is in the editor, or prefetched.

    Args:
        row: Its row when its item was opened.
        session: The session of its item.
        predictor: The predictor of the session.
        numbers: Numbers of all instances that the item had when it was opened.
    """

    row: InstanceRow
    session: Session
    predictor: Predictor
    numbers: frozenset[int]

    def close(self) -> None:
        """Close the journal, so that others may edit the item."""
        if isinstance(self.session.journal, FileJournal):
            self.session.journal.close()

    def discard(self) -> None:
        """Delete the unsaved edits, so that they are not restored when the item is opened again."""
        if isinstance(self.session.journal, FileJournal):
            self.session.journal.discard()


class EditorState:
    """Open instances of a catalogue one after another, and prefetch the next one.

    At most two sessions are in memory: the open and the prefetched one.

    A predictor holds one image. If it has a `twin()` (a second predictor that shares the model), the twin encodes the next image
    while the first is edited; otherwise the next image is only read.

    Args:
        catalogue: The catalogue.
        predictor: The predictor of the sessions; None for the embedded CDNet.

    Attributes:
        current: The open instance; None if the editor is closed.
        prefetched: The instance that is expected next; None if there is none or it is not read yet.
    """

    def __init__(self, catalogue: Catalogue, predictor: Predictor | None) -> None:
        self.current: OpenInstance | None = None
        self.prefetched: OpenInstance | None = None
        self._catalogue = catalogue
        first = predictor or DEFAULT_PREDICTOR
        twin: Callable[[], Predictor] | None = getattr(first, "twin", None)
        self._predictors: list[Predictor] = [first, twin()] if twin else [first]
        self._prefetch_read = Event()  # Set when no more reading of the next image is pending.
        self._prefetch_read.set()

    def open(self, row: InstanceRow) -> OpenInstance:
        """Open another instance.

        Raises the errors of `Catalogue.session`; then the current one stays open.
        """
        self._prefetch_read.wait()
        prefetched, self.prefetched = self.prefetched, None
        if prefetched is not None and (prefetched.row.id, prefetched.row.version) != (row.id, row.version):
            prefetched.close()
            prefetched = None
        if self.current is not None and self.current.row.item == row.item:
            self.current.close()  # Only one session of an item may save.
        opened = prefetched or self._open_item(row, self._predictor_for(row))
        if opened.session.selected != row.number and opened.session.state.has(row.number):  # A resumed session has its own selection.
            with suppress(OSError):  # Another process edits it; the next edit reports that.
                opened.session.select(row.number)
        if self.current is not None:
            self.current.close()
        self.current = opened
        return opened

    def prefetch(self, find: Callable[[], InstanceRow | None]) -> None:
        """Open and encode the instance that `find` returns in a thread, unless its item is open."""
        self._prefetch_read.wait()
        self._prefetch_read.clear()
        Thread(target=copy_context().run, args=(self._prefetch, find), daemon=True).start()

    def write(self, status: str | None, overwrite: bool = False) -> int:
        """Write the edits of the open item to the catalogue.

        Args:
            status: New status of the open instance, and if "accepted" of newly drawn ones; None to keep it.
            overwrite: Replace changes that others have made since the item was opened.

        Returns:
            The new version of the item.

        Raises:
            Conflict: If others have changed the item since it was opened; then nothing is written.
            OSError: If the catalogue cannot be written; then nothing is.
        """
        assert self.current is not None
        row, session = self.current.row, self.current.session
        drawn = {entry.id for entry in session.state.entries} - self.current.numbers
        numbers = {row.number, *(drawn if status == "accepted" else ())}
        if session.can_undo:
            return self._catalogue.update(row.item, session, status=status, instance=numbers if status else None, overwrite=overwrite)
        with self._catalogue.transaction():
            if self._catalogue.item(row.item).version != row.version and not overwrite:
                raise Conflict(f"item {row.item} was changed since you opened it.")
            if status:
                Tiles(self._catalogue).set_status([row.id], status)
            return self._catalogue.item(row.item).version

    def close(self) -> None:
        """Close the open and the prefetched instance."""
        self._prefetch_read.wait()
        for instance in (self.current, self.prefetched):
            if instance is not None:
                instance.close()
        self.current = self.prefetched = None

    def conflict(self, item: int) -> Conflict:
        """Return the error that explains why an edited item was not written."""
        change = "".join(f" ({newest.action} by {newest.user})" for newest in self._catalogue.history(item)[-1:])
        return Conflict(
            f"Another user changed this image after you opened it{change}, so your edits were not saved but are still in the editor. "
            "Overwrite with your version (undo in the gallery restores theirs), or go back and open it again."
        )

    def _predictor_for(self, row: InstanceRow) -> Predictor:
        """Return the predictor that has encoded the image of an instance, else an unused one."""
        if self.current is None or self.current.row.path == row.path:
            return self.current.predictor if self.current else self._predictors[0]
        return next((one for one in self._predictors if one is not self.current.predictor), self._predictors[0])

    def _open_item(self, row: InstanceRow, predictor: Predictor) -> OpenInstance:
        numbers = frozenset(record.number for record in self._catalogue.item(row.item).records)
        return OpenInstance(row, self._catalogue.session(row.item, predictor, selected=row.number or None), predictor, numbers)

    def _prefetch(self, find: Callable[[], InstanceRow | None]) -> None:
        prefetched, predictor_in_use = None, self.current and self.current.predictor
        with suppress(Exception):  # Opening it reports the problem.
            row = find()
            if row is not None and self.current is not None and row.item != self.current.row.item:
                prefetched = self.prefetched = self._open_item(row, self._predictor_for(row))
        self._prefetch_read.set()
        if prefetched is not None and prefetched.predictor is not predictor_in_use:
            with suppress(Exception):
                prefetched.session.encode()
