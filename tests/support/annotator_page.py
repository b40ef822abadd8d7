"""What a browser would know of a widget, without one: its messages are given and taken by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from cdwidget.widget import Annotator
from support.scripted_predictor import IMAGE, Scripted


class Page:
    """What a browser does: it sends requests, keeps the answers, and pastes patches into the masks it knows."""

    def __init__(self, widget: Annotator) -> None:
        self.widget = widget
        self.messages: list[tuple[dict[str, Any], list[bytes]]] = []
        self.masks: dict[int, np.ndarray] = {}
        self.revision = 0
        widget.send = lambda content, buffers=None: self.hear(content, buffers or [])  # type: ignore[method-assign]

    def hear(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((content, buffers))
        document = (content.get("result") or {}).get("document")
        if not document:
            return
        assert document["whole"] or document["revision"] == self.revision + 1
        self.revision = document["revision"]
        known = {} if document["whole"] else self.masks
        empty = np.zeros((self.widget.session.height, self.widget.session.width), bool)
        self.masks = {entry["id"]: known.get(entry["id"], empty).copy() for entry in document["instances"]}
        patches, soft = document["patches"], [patch for patch in document["patches"] if patch["soft"]]
        for patch, bits in zip(patches, buffers[: len(patches)], strict=True):
            x0, y0, x1, y1 = patch["box"]
            size = (y1 - y0) * (x1 - x0)
            self.masks[patch["id"]][y0:y1, x0:x1] = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).reshape(y1 - y0, x1 - x0)
        self.alphas = [(patch["box"], np.frombuffer(alpha, np.uint8)) for patch, alpha in zip(soft, buffers[len(patches) :], strict=True)]

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self.widget._handle_custom_msg({"id": f"test-{len(self.messages)}", "op": op, **fields}, [])
        return self.messages[-1][0]

    def apply(self, kind: str, **fields: Any) -> dict[str, Any]:
        return self.ask("apply", action={"type": kind, **fields})

    def agrees(self) -> bool:
        session = self.widget.session
        seen = {instance.id: instance.mask for instance in session.instances}
        return (
            set(self.masks) == {entry.id for entry in session.state.entries}
            and all((mask == seen.get(number, np.zeros_like(mask))).all() for number, mask in self.masks.items())
            and [self.widget.selected, self.widget.label] == [session.selected, session.label]
            and [self.widget.can_undo, self.widget.can_redo] == [session.can_undo, session.can_redo]
        )


def open_page(*answers: np.ndarray, **traits: Any) -> Page:
    page = Page(Annotator(IMAGE, Scripted(*answers), **traits))
    assert page.ask("document")["ok"]
    return page
