"""What the browser is told about a document: its instances, and the pixels that changed."""

from __future__ import annotations

from typing import Any

from cdwidget.masks import Patch, unpack
from cdwidget.session import Change, Session, State
from cdwidget.session.actions import action_to_json


def whole(session: Session) -> tuple[dict[str, Any], list[bytes]]:
    """Return the description of everything a session holds, and its buffers: one patch for each instance."""
    state = session.state
    return _update(state, {entry.id: session.packed(entry.id) for entry in state.entries}, is_whole=True)


def difference(change: Change, undone: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a change (or taking it back) did, and its buffers: of each instance that is left, the box of pixels that changed."""
    state = change.was if undone else change.now
    patches = {one.instance: one.before if undone else one.after for one in change.differences if state.has(one.instance)}
    return _update(state, patches, is_whole=False)


def _update(state: State, patches: dict[int, Patch], is_whole: bool) -> tuple[dict[str, Any], list[bytes]]:
    entry = state.entry()
    update = {
        "whole": is_whole,
        "selected": state.selected,
        "locked": state.locked,
        "instances": [{"id": entry.id, "label": entry.label} for entry in state.entries],
        "prompts": [action_to_json(prompt) for prompt in entry.prompts],
        "alternatives": {"count": entry.choice.count, "chosen": entry.choice.chosen} if entry.choice else {"count": 0, "chosen": 0},
        "patches": [{"id": instance, "box": patch.bbox, "soft": patch.alpha is not None} for instance, patch in patches.items()],
    }
    alphas = [unpack(patch.alpha, *patch.pixels().shape).tobytes() for patch in patches.values() if patch.alpha is not None]
    return update, [*(patch.bits for patch in patches.values()), *alphas]
