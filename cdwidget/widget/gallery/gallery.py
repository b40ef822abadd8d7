"""The Gallery: the instances of a catalogue as tiles, worst first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Callable, Iterable, Iterator, cast

import numpy as np
import traitlets as t

from cdwidget.catalogue import Conflict, ItemRow
from cdwidget.default_predictor import DEFAULT_PREDICTOR, named_predictor
from cdwidget.predictor import Predictor
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.gallery.decisions import EDITED_STATUS, Decisions, Step
from cdwidget.widget.gallery.editor import Editor, EditorState, OpenInstance
from cdwidget.widget.gallery.listing import Listing
from cdwidget.widget.gallery.opening import Reviewable, open_catalogue
from cdwidget.widget.gallery.requests import MISSING_ROW, THREADED_REQUESTS, Requests
from cdwidget.widget.gallery.settings import ORDERS, QUERY_TRAITS, GallerySettings, read_choices
from cdwidget.widget.gallery.tiles import Tiles
from cdwidget.widget.images import contact_sheet
from cdwidget.widget.static_files import bundled
from cdwidget.widget.transport import Channel

SHEET_TILES = 12  # Number of tiles in the contact sheet that a saved notebook shows.
SHEET_TILE_SIDE_PX = 120
MAX_STEP_ATTEMPTS = 20  # Instances whose images cannot be opened, before `step` gives up.
RESUMED_NOTICE = "Restored your unsaved edits. Press Ctrl+Z to undo them."


class Gallery(GallerySettings):
    """Review the masks of a catalogue.

    Y accepts, N rejects, S skips, U undoes, Enter opens the editor; the ? button lists all keys.

    Args:
        catalogue: The catalogue to review, or its file; a COCO file, whose catalogue is written next to it; or items.
        predictor: The model that predicts masks in the editor, or its name; None for the embedded CDNet. If it has a `twin()`, as
            predictors of `load_predictor` have, the next image is encoded in advance.
        **traits: Initial values of public traits, such as `status=["new"]`, `filter_labels=["cat"]`, `order_by="-edges"`.

    Attributes:
        catalogue: The catalogue.
        tiles: The rows and pictures of tiles.
        listing: The list being shown.
        decisions: The undo steps of this gallery.
        editor_state: The instance in the editor, and the next one.
        requests: The operations of the page.

    Raises:
        TypeError: If a keyword is unknown, or `catalogue` is something else.
        ValueError: If there is no such order, status or score.

    Example:
        >>> w = Gallery("labels.json", order_by="-score", status=["new"])
        >>> w
        >>> w.catalogue.rows(w.selected, of="instances")
    """

    _esm = bundled("gallery.js")
    _css = bundled("gallery.css")

    def __init__(self, catalogue: Reviewable, predictor: Predictor | str | None = None, **traits: Any) -> None:
        self.catalogue = catalogue = open_catalogue(catalogue)
        if isinstance(predictor, str):
            predictor = named_predictor(predictor)
        self.tiles = Tiles(catalogue)
        self.listing = Listing(self.tiles, self._show_list)
        self.decisions = Decisions(catalogue)
        self.editor_state = EditorState(catalogue, predictor)
        self._editor_widget: Editor | None = None  # Kept while the editor is closed, to be used again.
        self._reported_session: Session | None = None  # The session whose failed save was already reported.
        super().__init__(**traits)
        if not self._is_notebook:  # marimo cannot create a widget while it handles a message.
            self._editor_widget = self._create_editor(Session(np.zeros((1, 1, 3), np.uint8), DEFAULT_PREDICTOR))
        self.requests = Requests(self)
        self._channel = Channel(self, self.requests.operations, THREADED_REQUESTS)
        self.listing.query(**self._query_filters())
        self._show_list("")
        self.observe(lambda change: self.refresh(wait=False), names=list(QUERY_TRAITS))

    def __repr__(self) -> str:
        return f"<Gallery: {len(self.listing.ids):,} {'images' if self.without_objects else 'instances'} of {self.catalogue!r}>"

    # ---- the list ------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> np.ndarray:
        """The ids of the listed tiles in their order, int64 (N,); waits for a running query."""
        self.listing.wait()
        return self.listing.ids

    def refresh(self, wait: bool = True) -> None:
        """Query the list again; until then, decided instances keep their place.

        Args:
            wait: Whether to return when the list is there; False queries in the background.
        """
        if not wait:
            with self.lock:  # A query that finishes now must not report that the gallery is idle.
                self.set_trait("busy", True)
                self.listing.query_in_background(**self._query_filters())
            return
        with self._working():
            self.listing.query(**self._query_filters())
            self._show_list("")

    def set_status(self, ids: int | Iterable[int], status: str) -> int:
        """Set the status of instances as one undo step, skipping instances that no longer exist.

        Args:
            ids: Ids of instances.
            status: "new", "accepted", "rejected" or "skipped".

        Returns:
            How many instances were set.

        Raises:
            ValueError: If none of them exists.
            OSError: If the catalogue cannot be written; then nothing is.
        """
        return self._apply(ids, lambda wanted: self.decisions.set_status(wanted, status))

    def set_label(self, ids: int | Iterable[int], label: str) -> int:
        """Set the label of instances as `set_status` does; return how many changed."""
        return self._apply(ids, lambda wanted: self.decisions.set_label(wanted, label), adds_choice=True)

    def set_attribute(self, ids: int | Iterable[int], name: str, value: str | float | bool | None) -> int:
        """Set an attribute of instances, None to remove it; return how many changed."""
        return self._apply(ids, lambda wanted: self.decisions.set_attribute(wanted, name, value))

    def add_tag(self, ids: int | Iterable[int], tag: str) -> int:
        """Add a tag to the images of instances; return and raise as `set_status` does."""
        return self._apply(ids, lambda wanted: self.decisions.add_tag(wanted, tag), adds_choice=True)

    def undo(self) -> Step | None:
        """Undo the newest step of this gallery, except on items that others have changed since.

        Returns:
            The step; None if there is none.

        Raises:
            Conflict: If others have changed all of its items.
            ValueError: If one of its images is open in the editor.
        """
        with self.lock, self._working():
            step = self.decisions.newest
            if step is None:
                return None
            if self.editor_state.current is not None and self.editor_state.current.row.item in step.items:
                raise ValueError("The image of this step is open in the editor. Close the editor first, or undo there.")
            with self._showing_changes(self.decisions.instances_of(step)):
                changed = self.decisions.undo()
            step = self._restore_ids(step)
            self._notice = f"{len(changed)} of {len(step.items)} images have been changed by others and were not undone" if changed else ""
            return step

    # ---- the editor ----------------------------------------------------------------------------------------------

    @property
    def editor(self) -> Annotator | None:
        """The annotator over the grid; None while no instance is open."""
        return self._editor

    def edit(self, id: int) -> None:
        """Open the editor on an instance, by its id, after writing the edits of the open one."""
        with self.lock, self._working():
            self._write_edits()
            self._open(id)

    def accept(self, overwrite: bool = False) -> int | None:
        """Write the edits, accept the open instance and newly drawn ones, and open the next.

        Args:
            overwrite: Replace changes that others have made since the item was opened.

        Returns:
            The id of the next instance; None if the list ends and the editor closes.

        Raises:
            Conflict: If others have changed the item since it was opened; the editor stays.
            OSError: If the catalogue cannot be written; the editor stays.
        """
        return self._decide("accepted", overwrite)

    def reject(self, overwrite: bool = False) -> int | None:
        """Write the edits, reject the open instance, and open the next one, as `accept` does."""
        return self._decide("rejected", overwrite)

    def skip(self, overwrite: bool = False) -> int | None:
        """Write the edits, skip the open instance, and open the next one, as `accept` does."""
        return self._decide("skipped", overwrite)

    def step(self, by: int, overwrite: bool = False) -> int | None:
        """Write the edits and open another instance of the list, without a decision.

        Args:
            by: Positive for later, negative for earlier in the list.
            overwrite: Replace changes that others have made since the item was opened.

        Returns:
            The id of the open instance; the same as before at the end of the list.

        Raises:
            Conflict, OSError: As `accept`. A second call discards the edits that cannot be written.
        """
        with self.lock, self._working():
            current = self._current()
            index = self.listing.index(current.row.id)
            if index is None:
                return current.row.id
            ids = self.listing.ids[index + 1 :] if by > 0 else self.listing.ids[:index][::-1]
            if len(ids) < abs(by):
                return current.row.id
            self._write_edits(overwrite)
            return self._open_first(ids[abs(by) - 1 :][:MAX_STEP_ATTEMPTS])

    def back(self, overwrite: bool = False) -> None:
        """Write the edits and close the editor, without a decision; raises as `step` does."""
        with self.lock, self._working():
            if self.editor_state.current is not None:
                self._write_edits(overwrite)
                self._close_editor()

    def close(self) -> None:
        """Close the gallery in every page.

        Unwritten edits are restored when the instance is opened again.
        """
        if self.comm is not None:
            self.editor_state.close()
            if self._editor_widget is not None:
                self._editor_widget.close()
        super().close()

    # ---- showing -------------------------------------------------------------------------------------------------

    @t.validate("order_by")
    def _known_order(self, proposal: Any) -> str:
        lookup(dict.fromkeys((*ORDERS, *self.catalogue.score_names())), proposal["value"].removeprefix("-"), "order")
        return str(proposal["value"])

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.set_trait("busy", True)
        try:
            yield
        finally:
            with self.lock:
                self.set_trait("busy", self.listing.is_waiting)

    def _apply(self, ids: int | Iterable[int], change: Callable[[list[int]], Step], adds_choice: bool = False) -> int:
        """Make a step on instances and show it; return the number of its instances."""
        wanted = [int(id) for id in (ids if isinstance(ids, Iterable) else [ids])]
        with self.lock, self._working(), self._showing_changes(wanted):
            count = len(change(wanted).ids)
            self._choices = read_choices(self.catalogue) if adds_choice else self._choices
            return count

    @contextmanager
    def _showing_changes(self, ids: Iterable[int]) -> Iterator[None]:
        """Count and show how the code inside changes instances."""
        before = {row.id: row.status for row in self.tiles.rows(ids)}
        yield
        after = {row.id: row.status for row in self.tiles.rows(before)}
        self.listing.count({id: (status, after.get(id, str(MISSING_ROW["status"]))) for id, status in before.items()})
        self._show_progress()
        self._saved_picture.renew_later()
        self._channel.notify(({"changed": self.requests.rows(list(before)), "progress": self._progress}, []))

    def _show_list(self, error: str) -> None:
        with self.lock, self.hold_sync():
            is_waiting = self.listing.is_waiting  # Before the list is read: a query may finish at any moment.
            self._query = {"key": self.listing.key, "count": len(self.listing.ids), "error": error}
            self._choices = read_choices(self.catalogue)
            self._show_progress()
            self._saved_picture.renew_later()
            self.set_trait("busy", is_waiting)

    def _show_progress(self) -> None:
        counts = self.listing.counts
        done = counts["accepted"] + counts["rejected"]
        self._progress = {"done": done, "total": len(self.listing.ids), "per_hour": self.decisions.per_hour, "by_status": dict(counts)}

    # ---- writing and opening -------------------------------------------------------------------------------------

    def _decide(self, status: str, overwrite: bool) -> int | None:
        with self.lock, self._working():
            row = self._current().row
            self._write(status, overwrite)
            return self._open_first(self._next_ids(row.id))

    def _write(self, status: str | None, overwrite: bool = False) -> None:
        """Write the open instance as one undo step; errors include advice for the user."""
        row = self._current().row
        with self._showing_changes(self.tiles.of_item(row.item)):
            version = {one.id: one.version for one in cast(list[ItemRow], self.catalogue.rows([row.item]))}
            try:
                self.editor_state.write(status, overwrite)
            except Conflict as error:
                raise self.editor_state.conflict(row.item) from error
            except OSError as error:
                raise OSError(f"{error} Your edits are still in the editor.") from error
            self.decisions.record([row], status or EDITED_STATUS, version)

    def _write_edits(self, overwrite: bool = False) -> None:
        """Write the open instance before another is opened.

        The first failure keeps it open, the second discards its edits.
        """
        current = self.editor_state.current
        if current is None or self.view_only or not current.session.can_undo:
            return
        try:
            self._write(None, overwrite)
        except (Conflict, OSError) as error:
            if self._reported_session is current.session:
                current.discard()
                return
            self._reported_session = current.session
            raise type(error)(f"{error} Leave again to discard your edits.") from error

    def _open_first(self, ids: Iterable[int]) -> int | None:
        """Open the first instance that can be opened, else close the editor.

        The notice lists the instances that cannot be opened.
        """
        problems: list[str] = []
        for id in ids:
            try:
                self._open(int(id))
            except (OSError, ValueError) as error:
                problems.append(str(error))
                continue
            if problems:
                self._notice = f"Skipped: {'; '.join(problems)}"
            return int(id)
        self._close_editor()
        self._notice = f"Skipped: {'; '.join(problems)}" if problems else ""
        return None

    def _open(self, id: int) -> None:
        rows = self.tiles.rows([id])
        if not rows:
            raise ValueError(f"Instance {id} is not in the catalogue any more. Refresh the list.")
        session = self.editor_state.open(rows[0]).session
        self._reported_session = None
        self._notice = RESUMED_NOTICE if session.can_undo else ""
        if self._editor_widget is None or self._editor_widget.comm is None:
            self._editor_widget = self._create_editor(session)
        self._editor_widget.view_only = self.view_only
        self._editor_widget.show(session)
        self._editor = self._editor_widget
        self.editor_state.prefetch(lambda: next((self.tiles.rows([following])[0] for following in self._next_ids(id)), None))

    def _create_editor(self, session: Session) -> Editor:
        return Editor(session, autosave=True, labels=[label for label in self.catalogue.labels() if label], opacity=self.opacity)

    def _close_editor(self) -> None:
        self._editor = None
        self.editor_state.close()

    def _current(self) -> OpenInstance:
        if self.editor_state.current is None:
            raise ValueError("no instance is open; edit(id) opens one")
        return self.editor_state.current

    def _next_ids(self, id: int) -> Iterator[int]:
        """Yield undecided instances after one in the list.

        These are the new instances or, if only other statuses are listed, the instances not decided in this gallery.
        """
        waiting = {"new"} if "new" in (self.status or ["new"]) else set(self.status)
        decided = self.decisions.decided
        return self.listing.rows_after(id, lambda row: row.status in waiting and row.id not in decided)

    def _restore_ids(self, step: Step) -> Step:
        """Return an undone step with the new ids of restored instances.

        They take their old places in the list.
        """
        known = {row.id for row in self.tiles.rows(step.ids)}
        new_ids: dict[int, int] = {}
        for id, (item, number) in step.numbers.items():
            for row in [] if id in known else self.tiles.find(item, number):
                new_ids[id] = row.id
                self.listing.replace(id, row.id)
                self.listing.count({row.id: (str(MISSING_ROW["status"]), row.status)})
        if new_ids:
            self._show_progress()
            rows = self.requests.rows(list(new_ids.values()))
            self._channel.notify(({"replaced": dict(zip(new_ids, rows)), "progress": self._progress}, []))
        return replace(step, ids=tuple(new_ids.get(id, id) for id in step.ids))

    def _draw_snapshot(self) -> np.ndarray:
        return contact_sheet(self.tiles.thumbnails(self.ids[:SHEET_TILES], SHEET_TILE_SIDE_PX))
