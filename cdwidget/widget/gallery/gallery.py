"""The Gallery: the instances of a catalogue as tiles, the worst first; verdicts by key, and the editor one click away."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Iterable, Iterator, cast

import numpy as np
import traitlets as t

from cdwidget.catalogue import OVERALL, STATUSES, Catalogue, Conflict, InstanceRow, ItemRow
from cdwidget.predictor import Predictor
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget import images as picture
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.base import bundled
from cdwidget.widget.gallery.decisions import EDITED, Step, Verdicts
from cdwidget.widget.gallery.editor import Editor, Repair, Work
from cdwidget.widget.gallery.listing import Listing
from cdwidget.widget.gallery.requests import GONE, SLOW, Requests
from cdwidget.widget.gallery.settings import ASKED, ORDERS, GallerySettings
from cdwidget.widget.transport import Channel

SHEET, SHEET_SIDE = 12, 120  # tiles of the picture that stays in a notebook without a kernel, and the pixels of each
TRIED = 20  # instances whose images cannot be opened, passed over before it is given up
NEXT, MOST_NEXT = 200, 20_000  # rows that are looked at at once in search of the next one
RESUMED = "What you did to this image before, and never decided on, is here again; Ctrl+Z takes it back"


class Gallery(GallerySettings):
    """Review the masks of a catalogue: Y accepts, N rejects, S skips, U takes back, Enter opens the editor. All keys: the ? button.

    >>> w = Gallery(catalogue, order_by="-score", status=["new"])
    >>> w
    >>> w.selected      # ids of instances: catalogue.rows(w.selected, of="instances")
    """

    _esm = bundled("gallery.js")
    _css = bundled("gallery.css")

    def __init__(self, catalogue: Catalogue, predictor: Predictor | None = None, **traits: Any) -> None:
        """Show the instances of a catalogue.

        predictor: what answers the clicks in the editor, by default the embedded model. The next image is encoded ahead where the
        predictor has a `twin()`, as those of `load_predictor` have.
        traits: any public trait, for instance status=["new"], labels=["cat"], order_by="-edges", text="night".
        Raises TypeError for an unknown keyword, ValueError for a name of an order, status or score there is not.
        """
        if not isinstance(catalogue, Catalogue):
            raise TypeError(f"a gallery shows a cdwidget.Catalogue, not {type(catalogue).__name__}: Gallery(Catalogue('labels.db'))")
        self.catalogue = catalogue
        self._listing = Listing(catalogue, self._show_list)
        self._verdicts = Verdicts(catalogue)
        self._repair = Repair(catalogue, predictor)
        self._bench: Editor | None = None  # the editor, which is used again
        self._unwritten: Session | None = None  # what could not be written, which the user knows
        super().__init__(**traits)
        self._requests = Requests(self)
        self._channel = Channel(self, self._requests.ops, SLOW)
        self._listing.ask(**self._asked())
        self._show_list("")
        self.observe(lambda change: self._ask_soon(), names=list(ASKED))

    # ---- for Python ----------------------------------------------------------------------------------------------

    @property
    def ids(self) -> np.ndarray:
        """The ids of the instances that are listed, in their order, int64 (N,); waits where another list is being asked for."""
        self._listing.wait()
        return self._listing.ids

    @property
    def editor(self) -> Annotator | None:
        """The annotator over the tiles; None while no instance is open."""
        return self._editor

    def refresh(self) -> None:
        """Ask for the list anew: what was judged stays where it is until then."""
        with self._working():
            self._listing.ask(**self._asked())
            self._show_list("")

    def set_status(self, ids: int | Iterable[int], status: str) -> int:
        """Give instances, by their ids, a status, as one step that `undo` takes back; return how many. Those that are no more are left out.

        Raises ValueError when there is none of them, OSError when it cannot be written; then nothing is.
        """
        wanted = [int(id) for id in (ids if isinstance(ids, Iterable) else [ids])]
        with self._writing, self._working(), self._changing(wanted):
            return len(self._verdicts.give(wanted, status).ids)

    def undo(self) -> Step | None:
        """Take the newest step of this gallery back; None when there is none. What somebody else has changed since stays as it is.

        Raises Conflict when nothing of that step is left to take back.
        """
        with self._writing, self._working():
            step = self._verdicts.newest
            if step is None:
                return None
            if self._repair.open is not None and self._repair.open.row.item in step.items:
                raise ValueError("its image is open in the editor; close that first, or undo there")
            with self._changing(self._of_step(step)):
                theirs = self._verdicts.undo()
            step = self._found_again(step)
            self._notice = f"{len(theirs)} of {len(step.items)} images were changed by somebody else since, and stay" if theirs else ""
            return step

    def edit(self, id: int) -> None:
        """Open the editor on an instance, by its id; what was done to the one before is written back, its status as it was."""
        with self._writing, self._working():
            self._put_away()
            self._open(id)

    def accept(self, overwrite: bool = False) -> int | None:
        """Write what was done in the editor, accept the instance and what was drawn newly, and open the next one.

        Returns the id of that, None where there is no next one and the editor closes. Raises Conflict when somebody else has changed the
        item meanwhile, OSError when it cannot be written; the editor stays as it is then. overwrite: write yours in the place of theirs.
        """
        return self._decide("accepted", overwrite)

    def reject(self, overwrite: bool = False) -> int | None:
        """As `accept`, with another verdict on the instance; what was drawn newly is for another look."""
        return self._decide("rejected", overwrite)

    def skip(self, overwrite: bool = False) -> int | None:
        """As `reject`, to decide later."""
        return self._decide("skipped", overwrite)

    def step(self, by: int, overwrite: bool = False) -> int | None:
        """Open the instance that is `by` further in the list, the open one where there is none; what was done is written back.

        Raises Conflict and OSError as `accept`; called once more, it leaves what could not be written.
        """
        with self._writing, self._working():
            work = self._opened()
            place = self._listing.place(work.row.id)
            if place is None:
                return work.row.id
            ids = self._listing.ids[place + 1 :] if by > 0 else self._listing.ids[:place][::-1]
            if len(ids) < abs(by):
                return work.row.id
            self._put_away(overwrite)
            return self._open_first(ids[abs(by) - 1 :][:TRIED])

    def back(self, overwrite: bool = False) -> None:
        """Close the editor; what was done is written back, the status as it was. Raises as `step`."""
        with self._writing, self._working():
            if self._repair.open is not None:
                self._put_away(overwrite)
                self._leave()

    def close(self) -> None:
        """Close the gallery in every page; what was done in the editor and not decided on is there when the instance is opened again."""
        if self.comm is not None:
            self._repair.close()
            if self._bench is not None:
                self._bench.close()
        super().close()

    # ---- inside --------------------------------------------------------------------------------------------------

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
            self.set_trait("busy", self._listing.waiting)

    @contextmanager
    def _changing(self, ids: Iterable[int]) -> Iterator[None]:
        """Count and show what becomes of instances inside."""
        before = {row.id: row.status for row in self._rows(ids)}
        yield
        after = {row.id: row.status for row in self._rows(before)}
        self._listing.count({id: (status, after.get(id, str(GONE["status"]))) for id, status in before.items()})
        self._show_progress()
        self._channel.tell(({"changed": self._requests.rows(list(before)), "progress": self._progress}, []))

    def _decide(self, status: str, overwrite: bool) -> int | None:
        with self._writing, self._working():
            row = self._opened().row
            self._write(status, overwrite)
            return self._open_first(self._next_ids(row.id))

    def _write(self, status: str | None, overwrite: bool = False) -> None:
        """Write the open instance back, as one step; what goes wrong is said with what to do."""
        work = self._opened()
        row, item = work.row, work.row.item
        with self._changing(self._of_item(item)):
            version = {one.id: one.version for one in cast(list[ItemRow], self.catalogue.rows([item]))}
            try:
                self._repair.write(status, overwrite)
            except Conflict as error:
                raise Conflict(self._said(item)) from error
            except OSError as error:
                raise OSError(f"{error} What you did is still in the editor.") from error
            self._verdicts.keep([row], status or EDITED, version)

    def _put_away(self, overwrite: bool = False) -> None:
        """Write the open instance back before another one is opened. What cannot be written stays open, and is left the second time."""
        work = self._repair.open
        if work is None or self.view_only or not work.session.can_undo:
            return
        try:
            self._write(None, overwrite)
        except (Conflict, OSError) as error:
            if self._unwritten is work.session:
                return
            self._unwritten = work.session
            raise type(error)(f"{error} Leave once more to leave it without writing.") from error

    def _open_first(self, ids: Iterable[int]) -> int | None:
        """Open the first of these that can be opened, and say which could not; None, and the editor closes, when none can."""
        wrong: list[str] = []
        for id in ids:
            try:
                self._open(int(id))
            except (OSError, ValueError) as error:
                wrong.append(str(error))
                continue
            if wrong:
                self._notice = f"Passed over: {'; '.join(wrong)}"
            return int(id)
        self._leave()
        self._notice = f"Passed over: {'; '.join(wrong)}" if wrong else ""
        return None

    def _open(self, id: int) -> None:
        found = self._rows([id])
        if not found:
            raise ValueError(f"instance {id} is not in the catalogue any more; refresh the list")
        session = self._repair.begin(found[0]).session
        self._unwritten = None
        self._notice = RESUMED if session.can_undo else ""
        if self._bench is None or self._bench.comm is None:
            self._bench = Editor(session, autosave=True, labels=self.catalogue.labels(), opacity=self.opacity)
        self._bench.view_only = self.view_only
        self._bench.show(session)
        self._editor = self._bench
        self._repair.prepare(lambda: next((self._rows([ahead])[0] for ahead in self._next_ids(id)), None))

    def _leave(self) -> None:
        self._editor = None
        self._repair.close()

    def _opened(self) -> Work:
        if self._repair.open is None:
            raise ValueError("no instance is open; edit(id) opens one")
        return self._repair.open

    def _next_ids(self, id: int) -> Iterator[int]:
        """What waits for a verdict behind an instance in the list: the new ones, or where others are listed, those not judged here yet."""
        place = self._listing.place(id)
        waiting = {"new"} if "new" in (self.status or ["new"]) else set(self.status)
        ids, judged = self._listing.ids[0 if place is None else place + 1 :], self._verdicts.judged
        start, length = 0, NEXT
        while start < len(ids):
            rows = self._rows(ids[start : start + length].tolist())
            yield from (row.id for row in rows if row.status in waiting and row.id not in judged)
            start, length = start + length, min(4 * length, MOST_NEXT)

    def _rows(self, ids: Iterable[int]) -> list[InstanceRow]:
        return cast(list[InstanceRow], self.catalogue.rows(ids, of="instances"))

    def _of_item(self, item: int) -> list[int]:
        return [row.id for row in self.catalogue.query(of="instances", where=[("item", "=", item)], limit=None)]

    def _of_step(self, step: Step) -> list[int]:
        return [id for item in step.items for id in self._of_item(item)] if len(step.items) == 1 else list(step.ids)

    def _found_again(self, step: Step) -> Step:
        """An instance that was deleted and is back has another id: show it where it was."""
        known = {row.id for row in self._rows(step.ids)}
        ids: dict[int, int] = {}
        for id, (item, number) in step.numbers.items():
            where = [("item", "=", item), ("number", "=", number)]
            for row in [] if id in known else cast(list[InstanceRow], self.catalogue.query(of="instances", where=where)):
                ids[id] = row.id
                self._listing.replace(id, row.id)
                self._listing.count({row.id: (str(GONE["status"]), row.status)})
        if ids:
            self._show_progress()
            rows = self._requests.rows(list(ids.values()))
            self._channel.tell(({"replaced": dict(zip(ids, rows)), "progress": self._progress}, []))
        return replace(step, ids=tuple(ids.get(id, id) for id in step.ids))

    def _said(self, item: int) -> str:
        past = self.catalogue.history(item)[-1:]
        who = f" ({past[0].what} by {past[0].who})" if past else ""
        return (
            f"Somebody else has changed this image since you opened it{who}, so nothing was written; what you did is still in the editor. "
            "Write yours over theirs, which undo in the gallery brings back, or go back and open it again to see theirs."
        )

    def _ask_soon(self) -> None:
        self.set_trait("busy", True)
        self._listing.ask_soon(**self._asked())

    def _show_list(self, error: str) -> None:
        with self._writing, self.hold_sync():
            self._query = {"key": self._listing.key, "count": len(self._listing.ids), "error": error}
            names = self.catalogue.score_names()
            self._choices = {
                "statuses": list(STATUSES),
                "labels": self.catalogue.labels(),
                "tags": self.catalogue.tags(),
                "scores": [*ORDERS, *(name for name in names if name != OVERALL)],
            }
            self._show_progress()
            self.set_trait("busy", self._listing.waiting)

    def _show_progress(self) -> None:
        counts = self._listing.counts
        done = counts["accepted"] + counts["rejected"]
        self._progress = {"done": done, "total": len(self._listing.ids), "per_hour": self._verdicts.per_hour, "by_status": dict(counts)}

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """What a notebook keeps: the widget, and a small PNG for readers without a kernel, such as GitHub."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0]["image/png"] = picture.contact_sheet(self.catalogue.thumbnails(self.ids[:SHEET], SHEET_SIDE))
        return bundle
