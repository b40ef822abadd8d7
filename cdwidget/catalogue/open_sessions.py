"""Sessions opened from items of a catalogue.

The catalogue remembers the item and version of each session, and autosaves its changes until they are written back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from cdwidget.catalogue.images import file_name
from cdwidget.catalogue.rows import CatalogueItem
from cdwidget.catalogue.storage import Transaction
from cdwidget.images import read_image
from cdwidget.images.remote import image_source
from cdwidget.predictor import Predictor
from cdwidget.session import Session
from cdwidget.session.autosave import FileJournal
from cdwidget.session.files import FOLDER, can_write
from cdwidget.session.journal_match import Fingerprint

MAX_NAME_BYTES = 200  # File systems allow 255 bytes a name.
PRIVATE_FOLDER_MODE = 0o700
VERSION_FOLDER = re.compile(r"\d+-\d+")  # Of earlier versions of cdwidget: the id of an item and its version.


@dataclass(frozen=True)
class SessionOrigin:
    """The item from which a session was opened.

    Attributes:
        item: The item's id.
        version: The item's version; None if unknown.
        opened_at: Seconds of the monotonic clock.
        saved_actions: Number of actions of the session's log that the history has already.
        transaction: The transaction that stored this version; None if it was stored without one.
        before: The origin before that transaction, which holds if it is rolled back.
    """

    item: int
    version: int | None
    opened_at: float
    saved_actions: int = 0
    transaction: Transaction | None = None
    before: SessionOrigin | None = None

    def detail(self, session: Session) -> dict[str, Any]:
        """Return an edit's detail for the history: unsaved actions, seconds since opening."""
        return {"seconds": round(monotonic() - self.opened_at, 3), "actions": session.actions[self.saved_actions :]}


class OpenSessions:
    """Opens sessions for the items of one catalogue and keeps their origins."""

    def __init__(self, path: Path, private: bool = False, autosave: bool = True) -> None:
        """Start without sessions.

        Args:
            path: Path of the catalogue's file.
            private: Make the folder of unsaved changes unreadable for other users.
            autosave: Whether the catalogue can be written, so that unsaved changes are worth keeping.
        """
        self._folder = path.parent / FOLDER / path.name
        self._private, self._autosave = private, autosave
        self._origins: WeakKeyDictionary[Session, SessionOrigin] = WeakKeyDictionary()

    def open(self, item: CatalogueItem, predictor: Predictor | None, selected: int | None, autosave: bool) -> Session:
        """Open a session and restore the unsaved changes of an earlier one.

        Args:
            item: The item to edit.
            predictor: Predicts masks from prompts; None if there will be none.
            selected: Number of the instance to edit first; None for a new one.
            autosave: Write every change to a file next to the catalogue.

        Returns:
            The session.

        Raises:
            FileNotFoundError: If the image does not exist.
            ValueError: If the image cannot be read.
        """
        try:
            source = image_source(str(item.path))
            session = Session(read_image(source, item.window), predictor, instances=item.instances, selected=selected)
            shown_by_default = Fingerprint.of(read_image(source)) if item.window else None  # The window may change.
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"item {item.id}: {error}; if the images were moved, call relocate(old, new). check() lists all missing images"
            ) from error
        except ValueError as error:
            raise ValueError(f"item {item.id}, {item.path}: {error}; check() lists all images with problems") from error
        self._origins[session] = SessionOrigin(item.id, item.version, monotonic())
        journal = self._journal(item)
        if autosave and self._autosave and can_write(journal):
            if self._private:
                self._folder.mkdir(PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
                self._folder.chmod(PRIVATE_FOLDER_MODE)
            FileJournal(journal, shown_by_default).resume(session)
        return session

    def _journal(self, item: CatalogueItem) -> Path:
        """Return the path of an item's journal.

        It does not depend on decisions, so unsaved edits outlive them. If other masks were stored since, the journal keeps the earlier
        edits under another name and its notice names that file.
        """
        name = file_name(str(item.path)).encode(errors="replace")[:MAX_NAME_BYTES].decode(errors="ignore") or "image"
        journal = self._folder / str(item.id) / f"{name}.jsonl"
        if journal.exists():
            return journal
        folders = [path for path in self._folder.glob(f"{item.id}-*") if VERSION_FOLDER.fullmatch(path.name)]
        newest_first = sorted(folders, key=lambda path: -int(path.name.rpartition("-")[2]))
        return next((path / journal.name for path in newest_first if (path / journal.name).is_file()), journal)

    def origin(self, session: Session, item: int, transaction: Transaction | None) -> SessionOrigin:
        """Return the origin of a session.

        Args:
            session: The session.
            item: The id of the item that it is to be stored in.
            transaction: The transaction that this thread has open; None outside of one.

        Raises:
            ValueError: If the session belongs to another item.
        """
        found = self._origins.get(session) or SessionOrigin(item, None, monotonic())
        if found.transaction not in (None, transaction) and not found.transaction.is_committed and found.before is not None:
            found = self._origins[session] = found.before
        if found.item != item:
            raise ValueError(f"this session was opened from item {found.item}, not from item {item}: update({found.item}, session)")
        return found

    def mark_saved(self, session: Session, version: int, transaction: Transaction | None) -> None:
        """Record that a session is stored as this version of its item.

        Args:
            session: The session.
            version: The version.
            transaction: The open transaction that stored it, which may still be rolled back; None if it is on the disk. Only then the
                autosave of the session is deleted.
        """
        found = self._origins.get(session)
        if found is None:
            return
        before = None if transaction is None else found.before if found.transaction is transaction else found
        self._origins[session] = SessionOrigin(found.item, version, monotonic(), len(session.actions), transaction, before)
        journal = session.journal
        if transaction is None and isinstance(journal, FileJournal) and self._folder.resolve() in journal.path.parents:
            journal.discard()
            session.journal = None
