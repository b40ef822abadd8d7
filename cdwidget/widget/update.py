"""What the browser is told about a document: its instances, and the pixels that changed."""

from __future__ import annotations

from typing import Any

from cdwidget.masks import Patch
from cdwidget.prompts import Click
from cdwidget.session import Change, Session, State


def whole(session: Session) -> tuple[dict[str, Any], list[bytes]]:
    """Return the description of everything a session holds, and its buffers: one patch for each instance."""
    state = session.state
    return _update(state, {entry.id: session.patch(entry.id) for entry in state.entries}, is_whole=True)


def difference(change: Change, undone: bool) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a change (or taking it back) did, and its buffers: the pixels in its bbox only."""
    state = change.was if undone else change.now
    patch = change.before if undone else change.after
    patches = {change.instance: patch} if patch.bits and state.has(change.instance) else {}
    return _update(state, patches, is_whole=False)


def _update(state: State, patches: dict[int, Patch], is_whole: bool) -> tuple[dict[str, Any], list[bytes]]:
    clicks = [prompt for prompt in state.entry().prompts if isinstance(prompt, Click)]
    update = {
        "whole": is_whole,
        "selected": state.selected,
        "instances": [{"id": entry.id, "label": entry.label} for entry in state.entries],
        "clicks": [{"x": click.x, "y": click.y, "positive": click.positive} for click in clicks],
        "patches": [{"id": instance, "box": patch.bbox} for instance, patch in patches.items()],
    }
    return update, [patch.bits for patch in patches.values()]
