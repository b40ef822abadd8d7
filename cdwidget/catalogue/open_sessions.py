"""Sessions of a catalogue's items: each knows what it was opened from, and keeps a file of its changes until they are written back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from cdwidget.catalogue.images import file_name, source
from cdwidget.catalogue.rows import CatalogueItem
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.autosave import FOLDER, FileJournal, can_write

NAME_BYTES = 200  # file systems allow 255 bytes a name


@dataclass(frozen=True)
class Opened:
    """What a session was opened from: an item, its version (None: not known), and when (monotonic seconds)."""

    item: int
    version: int | None
    at: float
    actions: int = 0  # of the session's log that are in the history

    def detail(self, session: Session) -> dict[str, Any]:
        """Return what the history keeps of a session: its actions, and the seconds since it was opened."""
        return {"seconds": round(monotonic() - self.at, 3), "actions": session.log()["actions"][self.actions :]}


class Opener:
    """Opens sessions for the catalogue at `path`."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent / FOLDER / path.name
        self._opened: WeakKeyDictionary[Session, Opened] = WeakKeyDictionary()

    def session(self, item: CatalogueItem, predictor: Predictor | None, selected: int | None, autosave: bool) -> Session:
        """Open an item, and take up what was done to it before and never written back."""
        try:
            session = Session(source(str(item.path)), predictor, instances=list(item.instances), selected=selected)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"item {item.id}: {error}; where the images were moved, say so: relocate(old, new). check() lists all that are missing"
            ) from error
        except ValueError as error:
            raise ValueError(f"item {item.id}, {item.path}: {error}; check() lists all images with problems") from error
        self._opened[session] = Opened(item.id, item.version, monotonic())
        name = file_name(str(item.path)).encode()[:NAME_BYTES].decode(errors="ignore") or "image"
        journal = self._folder / f"{item.id}-{item.version}" / f"{name}.jsonl"  # of this version only
        if autosave and can_write(journal):
            FileJournal(journal).resume(session)
        return session

    def opened(self, session: Session, item: int) -> Opened:
        """Return what a session was opened from. ValueError when it was another item."""
        found = self._opened.get(session) or Opened(item, None, monotonic())
        if found.item != item:
            raise ValueError(f"this session was opened from item {found.item}, not from item {item}: update({found.item}, session)")
        return found

    def written(self, session: Session, version: int) -> None:
        """The session is in the catalogue now: its file is no longer needed, and what it does next begins with that version."""
        found = self._opened.get(session)
        if found is None:
            return
        self._opened[session] = replace(found, version=version, at=monotonic(), actions=len(session.log()["actions"]))
        journal = session.journal
        if isinstance(journal, FileJournal) and self._folder in journal.path.parents:
            journal.close()
            session.journal = None
            shutil.rmtree(journal.path.parent, ignore_errors=True)
