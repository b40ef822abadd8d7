"""The operations that the page of a Gallery may request: one method each."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from typing import Any, Callable, Protocol, Sequence

from cdwidget.catalogue import Catalogue, InstanceRow, ScoreValue
from cdwidget.catalogue.images import file_name
from cdwidget.formats.dataset import ReadProblem
from cdwidget.widget.gallery.decisions import Step
from cdwidget.widget.gallery.listing import Listing
from cdwidget.widget.gallery.settings import WITHOUT_OBJECTS, read_choices
from cdwidget.widget.gallery.tiles import Tiles
from cdwidget.widget.images import svg_path
from cdwidget.widget.transport import Operation, Reply

THREADED_REQUESTS = ("thumbs", "heat", "more_choices")  # They take long, and a decision must not wait for them.
MAX_PAGE_ROWS = 2_000
MAX_THUMBNAILS = 200  # Maximum per request.
MISSING_ROW = {
    "item": 0,
    "drawn": 0,
    "number": 0,
    "label": "",
    "status": "rejected",
    "score": None,
    "confidence": None,
    "objects": None,
    "name": "no longer there",
    "chips": [],
}


class Host(Protocol):
    """The members of a gallery that its requests use."""

    catalogue: Catalogue
    tiles: Tiles
    listing: Listing
    view_only: bool
    tile: int

    def set_trait(self, name: str, value: Any) -> None:
        """Set a trait."""

    def refresh(self, wait: bool = True) -> None:
        """Query the list again."""

    def set_status(self, ids: list[int], status: str) -> int:
        """Set the status of instances."""

    def set_label(self, ids: list[int], label: str) -> int:
        """Set the label of instances."""

    def set_attribute(self, ids: list[int], name: str, value: Any) -> int:
        """Set an attribute of instances."""

    def add_tag(self, ids: list[int], tag: str) -> int:
        """Add a tag to the images of instances."""

    def undo(self) -> Step | None:
        """Undo the newest step."""

    def edit(self, id: int) -> None:
        """Open the editor on an instance."""

    def accept(self, overwrite: bool = False) -> int | None:
        """Accept the open instance."""

    def reject(self, overwrite: bool = False) -> int | None:
        """Reject the open instance."""

    def skip(self, overwrite: bool = False) -> int | None:
        """Skip the open instance."""

    def step(self, by: int, overwrite: bool = False) -> int | None:
        """Open another instance of the list."""

    def back(self, overwrite: bool = False) -> None:
        """Close the editor."""


class Requests:
    """Operations on a gallery.

    Args:
        gallery: The gallery.

    Attributes:
        operations: The function for each name.
    """

    def __init__(self, gallery: Host) -> None:
        self._gallery = gallery
        self.operations: dict[str, Operation] = {
            "page": self.page,
            "thumbs": self.thumbs,
            "heat": self.heat,
            "status": self.status,
            "label": self.label,
            "attribute": self.attribute,
            "add_tag": self.add_tag,
            "more_choices": self.more_choices,
            "problems": self.problems,
            "dismiss_problems": self.dismiss_problems,
            "undo": self.undo,
            "refresh": self.refresh,
            "edit": self.edit,
            "accept": lambda overwrite=False: self._decide(gallery.accept, overwrite),
            "reject": lambda overwrite=False: self._decide(gallery.reject, overwrite),
            "skip": lambda overwrite=False: self._decide(gallery.skip, overwrite),
            "step": lambda by, overwrite=False: self._open_instance(gallery.step(by, overwrite)),
            "close": self.close,
        }

    def page(self, key: int, start: int, stop: int) -> Reply:
        """Return a part of the list: {key, start, rows}; no rows if `key` is of an older list."""
        listing = self._gallery.listing
        if not (0 <= start <= stop <= start + MAX_PAGE_ROWS):
            raise ValueError(f"a page is up to {MAX_PAGE_ROWS} rows, 0 <= start <= stop, not {start} to {stop}")
        ids = listing.ids[start:stop].tolist() if key == listing.key else []
        return {"key": listing.key, "start": start, "rows": self.rows(ids)}, []

    def rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return one row for each instance, as the page shows it."""
        tiles = self._gallery.tiles
        rows = {row.id: row for row in tiles.rows(ids)}
        reasons, counts = tiles.reasons(ids), tiles.object_counts(ids)
        return [_row_to_json(rows[id], reasons[id], counts.get(id)) if id in rows else {**MISSING_ROW, "id": id} for id in ids]

    def thumbs(self, ids: list[int], size: int) -> Reply:
        """Return thumbnails of at most `size` pixels per side, with `drawn` of their rows: {thumbs}, and two buffers for each.

        The buffers are text as the page needs it: the `data:` address of a JPEG, and the SVG path of its mask.
        """
        if len(ids) > MAX_THUMBNAILS:
            raise ValueError(f"{len(ids)} thumbnails were requested; request at most {MAX_THUMBNAILS} at a time")
        tiles = self._gallery.tiles
        # Read before the pictures: a number that is too small loads a picture again, one that is too large keeps an old picture.
        drawn = {row.id: row.drawn for row in tiles.rows(ids)}
        by_id = {one.id: one for one in tiles.thumbnails(ids, size)}
        thumbs: list[dict[str, Any]] = []
        buffers: list[bytes] = []
        for id in ids:
            one = by_id.get(id)
            error = one.error if one else "It is not in the catalogue any more."
            shape = {"width": one.width if one else 0, "height": one.height if one else 0}
            thumbs.append({"id": id, "drawn": drawn.get(id, 0), **shape, "error": error})
            if one and not error:
                buffers += [b"data:image/jpeg;base64," + b64encode(one.picture), svg_path(one.mask).encode()]
        return {"thumbs": thumbs}, buffers

    def heat(self, instance: int, name: str | None = None, size: int | None = None) -> Reply:
        """Return the heat map of a score: {id, name, width, height} and a gray PNG.

        The default is the worst score; null if there is no heat map.
        """
        heat = self._gallery.catalogue.heat(instance, name, size or self._gallery.tile)
        if heat is None:
            return None, []
        return {"id": instance, "name": heat.name, "width": heat.width, "height": heat.height}, [heat.picture]

    def status(self, ids: list[int], status: str) -> Reply:
        """Set the status of instances as one undo step: {changed}, how many."""
        self._check_editable()
        return {"changed": self._gallery.set_status(ids, status)}, []

    def label(self, ids: list[int], label: str) -> Reply:
        """Set the label of instances as one undo step: {changed}, how many."""
        self._check_editable()
        return {"changed": self._gallery.set_label(ids, label)}, []

    def attribute(self, ids: list[int], name: str, value: Any) -> Reply:
        """Set an attribute of instances as one undo step; null removes it: {changed}, how many."""
        self._check_editable()
        return {"changed": self._gallery.set_attribute(ids, name, value)}, []

    def add_tag(self, ids: list[int], tag: str) -> Reply:
        """Add a tag to the images of instances as one undo step: {changed}, how many instances."""
        self._check_editable()
        return {"changed": self._gallery.add_tag(ids, tag)}, []

    def more_choices(self) -> Reply:
        """Return the values of each attribute, and the number of images without objects: {attributes, without_objects}."""
        catalogue = self._gallery.catalogue
        return {"attributes": catalogue.attributes(), "without_objects": catalogue.count(where=[WITHOUT_OBJECTS])}, []

    def problems(self, start: int, stop: int) -> Reply:
        """Return a part of the entries of imported data sets that could not be read: {problems}, as `ReadProblem` has them."""
        if not (0 <= start <= stop <= start + MAX_PAGE_ROWS):
            raise ValueError(f"a page is up to {MAX_PAGE_ROWS} problems, 0 <= start <= stop, not {start} to {stop}")
        return {"problems": [asdict(problem) for problem in self._gallery.catalogue.problems(start, stop)]}, []

    def dismiss_problems(self, problems: list[dict[str, str]] | None = None) -> Reply:
        """Delete problems from the list, all of them for null: {dismissed}, how many."""
        self._check_editable()
        listed = None if problems is None else [ReadProblem(**problem) for problem in problems]
        dismissed = self._gallery.catalogue.dismiss_problems(listed)
        self._gallery.set_trait("_choices", read_choices(self._gallery.catalogue))  # The list stays, with the decided instances.
        return {"dismissed": dismissed}, []

    def undo(self) -> Reply:
        """Undo the newest step of this gallery: {undone}, {ids, status} or null."""
        self._check_editable()
        step = self._gallery.undo()
        return {"undone": step and {"ids": list(step.ids), "status": step.status}}, []

    def refresh(self) -> Reply:
        """Query the list again in the background: {}."""
        self._gallery.refresh(wait=False)
        return {}, []

    def edit(self, instance: int) -> Reply:
        """Open the editor on an instance: {id, index}."""
        self._gallery.edit(instance)
        return self._open_instance(instance)

    def close(self, overwrite: bool = False) -> Reply:
        """Close the editor: {id: null, index: null}."""
        self._gallery.back(overwrite)
        return self._open_instance(None)

    def _decide(self, decide: Callable[[bool], int | None], overwrite: bool) -> Reply:
        self._check_editable()
        return self._open_instance(decide(overwrite))

    def _open_instance(self, id: int | None) -> Reply:
        """Return the instance in the editor and its position in the list."""
        return {"id": id, "index": None if id is None else self._gallery.listing.index(id)}, []

    def _check_editable(self) -> None:
        if self._gallery.view_only:
            raise ValueError("This gallery is for viewing only. Set view_only = False to review.")


def _row_to_json(row: InstanceRow, reasons: Sequence[ScoreValue], object_count: int | None) -> dict[str, Any]:
    """Return a row as the page shows it; `object_count` is None for an instance."""
    return {
        "id": row.id,
        "item": row.item,
        "drawn": row.drawn,
        "number": row.number,
        "label": row.label,
        "status": row.status,
        "score": row.score,
        "confidence": row.confidence,
        "objects": object_count,
        "name": file_name(row.path),
        "chips": [{"name": one.name, "value": one.value, "reason": one.reason} for one in reasons],
    }
