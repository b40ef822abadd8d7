"""The page of an Annotator without a browser, which rebuilds the masks from the patches that it receives."""

from __future__ import annotations

from typing import Any

import numpy as np

from cdwidget.widget import Annotator
from support.scripted_predictor import IMAGE, ScriptedPredictor
from support.widget_page import WidgetPage


class AnnotatorPage(WidgetPage):
    """A page with the state that a browser would have: the objects, their masks and alpha."""

    def __init__(self, widget: Annotator) -> None:
        super().__init__(widget)
        self.masks: dict[int, np.ndarray] = {}
        self.rows: dict[int, dict[str, Any]] = {}  # The other properties of each object, in painting order.
        self.revision: int | None = None  # None until the page has the whole document.

    def receive(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Keep a message, and paste its patches into the masks."""
        super().receive(content, buffers)
        document = (content.get("result") or {}).get("document")
        if not document or (self.revision is None and not document["whole"]):
            return
        assert document["whole"] or document["revision"] == self.revision + 1
        self.revision = document["revision"]
        known, rows = ({}, {}) if document["whole"] else (self.masks, self.rows)
        changed = {entry["id"]: entry for entry in document["instances"]}
        ids = list(changed if document["whole"] else rows)
        if order := document.get("order"):
            ids[order["start"] : order["start"] + order["removed"]] = order["ids"]
        self.rows = {id: changed[id] if id in changed else rows[id] for id in ids}
        empty = np.zeros((self.widget.session.height, self.widget.session.width), bool)
        self.masks = {id: known.get(id, empty).copy() for id in ids}
        patches, soft = document["patches"], [patch for patch in document["patches"] if patch["soft"]]
        for patch, bits in zip(patches, buffers[: len(patches)], strict=True):
            x0, y0, x1, y1 = patch["box"]
            size = (y1 - y0) * (x1 - x0)
            self.masks[patch["id"]][y0:y1, x0:x1] = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).reshape(y1 - y0, x1 - x0)
        self.alphas = [(patch["box"], np.frombuffer(alpha, np.uint8)) for patch, alpha in zip(soft, buffers[len(patches) :], strict=True)]

    @property
    def notice(self) -> str:
        """The save status of the image."""
        return self.trait("_notice")

    def apply(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Request an action, and return the reply."""
        return self.request("apply", action={"type": kind, **fields})

    def matches_session(self) -> bool:
        """Return whether the page has the same masks, selection and label as the session."""
        session = self.widget.session
        masks = {instance.id: instance.mask for instance in session.instances}
        return (
            [(id, row["label"], row.get("attributes", {})) for id, row in self.rows.items()]
            == [(entry.id, entry.label, entry.attributes) for entry in session.state.entries]
            and all((mask == masks.get(number, np.zeros_like(mask))).all() for number, mask in self.masks.items())
            and [self.widget.selected, self.widget.label] == [session.selected, self.widget.active_image.label]
            and [self.widget.can_undo, self.widget.can_redo] == [session.can_undo, session.can_redo]
        )


def open_page(*predictions: np.ndarray, **traits: Any) -> AnnotatorPage:
    """Open the page of an annotator whose predictor returns these masks one after another."""
    page = AnnotatorPage(Annotator(IMAGE, ScriptedPredictor(*predictions), **traits))
    assert page.request("document")["ok"]
    return page
