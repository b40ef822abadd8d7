"""What the browser can ask of a Gallery: one method an operation."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Callable, Sequence, cast

from cdwidget.catalogue import InstanceRow, Score
from cdwidget.catalogue.images import file_name
from cdwidget.widget.images import svg_path
from cdwidget.widget.transport import Answer

if TYPE_CHECKING:
    from cdwidget.widget.gallery.gallery import Gallery

SLOW = ("thumbs", "heat")  # answered from threads of their own, so that a verdict need not wait for them
MOST_ROWS = 2_000  # of a page
MOST_THUMBS = 200  # of a request


class Requests:
    """Answers requests by asking the gallery and its catalogue; `ops` is the table of all of them."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self.ops: dict[str, Callable[..., Answer]] = {
            "page": self.page,
            "thumbs": self.thumbs,
            "heat": self.heat,
            "status": self.status,
            "undo": self.undo,
            "refresh": self.refresh,
            "edit": self.edit,
            "accept": lambda overwrite=False: self._judged(gallery.accept, overwrite=overwrite),
            "reject": lambda overwrite=False: self._judged(gallery.reject, overwrite=overwrite),
            "skip": lambda overwrite=False: self._judged(gallery.skip, overwrite=overwrite),
            "step": lambda by, overwrite=False: self._here(gallery.step(by, overwrite)),
            "close": self.close,
        }

    def page(self, key: int, start: int, stop: int) -> Answer:
        """A part of the list: {key, start, rows}; no rows where `key` is of a list that is no more."""
        listing = self._gallery._listing
        if not (0 <= start <= stop <= start + MOST_ROWS):
            raise ValueError(f"a page is up to {MOST_ROWS} rows, 0 <= start <= stop, not {start} to {stop}")
        ids = listing.ids[start:stop].tolist() if key == listing.key else []
        return {"key": listing.key, "start": start, "rows": self.rows(ids)}, []

    def rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """What the page is told of instances, one row for each id."""
        catalogue = self._gallery.catalogue
        found = {row.id: row for row in cast(list[InstanceRow], catalogue.rows(ids, of="instances"))}
        reasons = catalogue.reasons(ids)
        return [_row(found[id], reasons[id]) if id in found else {**GONE, "id": id} for id in ids]

    def thumbs(self, ids: list[int], size: int) -> Answer:
        """Thumbnails of instances, at most `size` pixels a side: {thumbs}, and of each that is there a JPEG and its mask.

        Both as the page needs them: the text of a `data:` address, and of an SVG path.
        """
        if len(ids) > MOST_THUMBS:
            raise ValueError(f"these are {len(ids)} thumbnails; ask for at most {MOST_THUMBS} at a time")
        made = {one.id: one for one in self._gallery.catalogue.thumbnails(ids, size)}
        thumbs: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for id in ids:
            one = made.get(id)
            error = one.error if one else "It is not in the catalogue any more."
            thumbs.append({"id": id, "width": one.width if one else 0, "height": one.height if one else 0, "error": error})
            if one and not error:
                buffers += [b"data:image/jpeg;base64," + b64encode(one.picture), svg_path(one.mask).encode()]
        return {"thumbs": thumbs}, buffers

    def heat(self, instance: int, name: str | None = None, size: int | None = None) -> Answer:
        """Where a score, by default the worst, is from: {id, name, width, height} and a grey PNG; null where nobody knows."""
        found = self._gallery.catalogue.heat(instance, name, size or self._gallery.tile)
        if found is None:
            return None, []
        return {"id": instance, "name": found.name, "width": found.width, "height": found.height}, [found.picture]

    def status(self, ids: list[int], status: str) -> Answer:
        """Give instances a status, as one step: {changed}, how many."""
        self._check_editable()
        return {"changed": self._gallery.set_status(ids, status)}, []

    def undo(self) -> Answer:
        """Take the newest step of this gallery back: {undone}, {ids, status} or null."""
        self._check_editable()
        step = self._gallery.undo()
        return {"undone": step and {"ids": list(step.ids), "status": step.status}}, []

    def refresh(self) -> Answer:
        """Ask for the list anew: {}."""
        self._gallery._ask_soon()
        return {}, []

    def edit(self, instance: int) -> Answer:
        """Open the editor on an instance: {id, index}."""
        self._gallery.edit(instance)
        return self._here(instance)

    def close(self, overwrite: bool = False) -> Answer:
        """Back to the tiles: {id: null}."""
        self._gallery.back(overwrite)
        return self._here(None)

    def _judged(self, decide: Callable[..., int | None], **options: Any) -> Answer:
        self._check_editable()
        return self._here(decide(**options))

    def _here(self, id: int | None) -> Answer:
        """Which instance is in the editor now, and where it is in the list."""
        return {"id": id, "index": None if id is None else self._gallery._listing.place(id)}, []

    def _check_editable(self) -> None:
        if self._gallery.view_only:
            raise ValueError("this gallery is for viewing only; set view_only = False to review")


GONE = {"item": 0, "number": 0, "label": "", "status": "rejected", "score": None, "name": "no longer there", "chips": []}


def _row(row: InstanceRow, reasons: Sequence[Score]) -> dict[str, Any]:
    return {
        "id": row.id,
        "item": row.item,
        "number": row.number,
        "label": row.label,
        "status": row.status,
        "score": row.score,
        "name": file_name(row.path),
        "chips": [{"name": one.name, "value": one.value, "reason": one.reason} for one in reasons],
    }
