"""The editor of a gallery: which instance is open, and the image of the next one, opened and encoded ahead in a thread."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Thread
from typing import Callable

from cdwidget.catalogue import Catalogue, Conflict, InstanceRow
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.encoder import EMBEDDED
from cdwidget.widget.image_list import Album


class Editor(Annotator):
    """An annotator that shows one session after the other, so that the page need not build another one for each instance."""

    def show(self, session: Session) -> None:
        """Show another session in the place of the one before."""
        with self._writing:
            self._album = Album([session], EMBEDDED, {}, True, self._show_notice_soon)
            if isinstance(session.journal, FileJournal):
                session.journal.on_notice = self._show_notice_soon
            self._show_image()


@dataclass
class Work:
    """An instance in the editor, or about to be. row: as it was when its item was opened; numbers: of all instances the item had then."""

    row: InstanceRow
    session: Session
    predictor: Predictor
    numbers: frozenset[int]

    def close(self) -> None:
        """Let others edit the item."""
        if isinstance(self.session.journal, FileJournal):
            self.session.journal.close()


class Repair:
    """Opens instances of a catalogue one after the other. Two sessions at most are in memory: the one that is open, and the next one.

    A predictor holds one image. Where it has a `twin()`, another one of the same model, the twin encodes the next image meanwhile; where
    it has none, the next image is only read.
    """

    def __init__(self, catalogue: Catalogue, predictor: Predictor | None) -> None:
        self.open: Work | None = None
        self._catalogue = catalogue
        given = predictor or EMBEDDED
        twin: Callable[[], Predictor] | None = getattr(given, "twin", None)
        self._predictors: list[Predictor] = [given, twin()] if twin else [given]
        self._ahead: Work | None = None
        self._read = Event()  # the next image is, or will not be
        self._read.set()

    def begin(self, row: InstanceRow) -> Work:
        """Open an instance in the place of the one before; raises what `Catalogue.session` does, and the one before stays open."""
        self._read.wait()
        ahead, self._ahead = self._ahead, None
        fits = ahead is not None and (ahead.row.id, ahead.row.version) == (row.id, row.version)
        if ahead is not None and not fits:
            ahead.close()
        if self.open is not None and self.open.row.item == row.item:
            self.open.close()  # of the same item there is one session that saves
        work = ahead if ahead is not None and fits else self._work(row, self._free(row))
        if work.session.selected != row.number and work.session.state.has(row.number):  # it goes on where it was left, at another one
            with suppress(OSError):  # somebody else edits it: it is said when this is edited
                work.session.select(row.number)
        if self.open is not None:
            self.open.close()
        self.open = work
        return work

    def prepare(self, find: Callable[[], InstanceRow | None]) -> None:
        """Open and encode the instance that `find` returns ahead, in a thread; not where it is of the item that is open."""
        self._read.wait()
        self._read.clear()
        Thread(target=copy_context().run, args=(self._prepare, find), daemon=True).start()

    def write(self, status: str | None, overwrite: bool = False) -> int:
        """Write what was done to the open item into the catalogue, with a status for its instance or none; return the version from then on.

        What was drawn newly is accepted with it. Raises Conflict, or OSError where it cannot be written; then nothing is.
        """
        assert self.open is not None
        row, session = self.open.row, self.open.session
        drawn = {entry.id for entry in session.state.entries} - self.open.numbers
        meant = {row.number, *(drawn if status == "accepted" else ())}
        if session.can_undo:
            return self._catalogue.update(row.item, session, status=status, instance=meant if status else None, overwrite=overwrite)
        with self._catalogue.transaction():
            if self._catalogue.item(row.item).version != row.version and not overwrite:
                raise Conflict(f"item {row.item} changed since you opened it.")
            if status:
                self._catalogue.set_status(row.id, status, of="instances")
            return self._catalogue.item(row.item).version

    def close(self) -> None:
        """Close the open instance and the one ahead."""
        self._read.wait()
        for work in (self.open, self._ahead):
            if work is not None:
                work.close()
        self.open = self._ahead = None

    def _free(self, row: InstanceRow) -> Predictor:
        """The predictor for an instance: the one that has encoded its image, else the one that is not in use."""
        if self.open is None or self.open.row.path == row.path:
            return self.open.predictor if self.open else self._predictors[0]
        return next((one for one in self._predictors if one is not self.open.predictor), self._predictors[0])

    def _work(self, row: InstanceRow, predictor: Predictor) -> Work:
        numbers = frozenset(record.number for record in self._catalogue.item(row.item).records)
        return Work(row, self._catalogue.session(row.item, predictor, selected=row.number), predictor, numbers)

    def _prepare(self, find: Callable[[], InstanceRow | None]) -> None:
        ahead, busy = None, self.open and self.open.predictor
        with suppress(Exception):  # it is said when it is opened
            row = find()
            if row is not None and self.open is not None and row.item != self.open.row.item:
                ahead = self._ahead = self._work(row, self._free(row))
        self._read.set()
        if ahead is not None and ahead.predictor is not busy:
            with suppress(Exception):
                ahead.session.encode()
