"""Changes in a row that are one undo step for the user of a widget, though a session makes them one after another.

They are recognized by the changes themselves, so also after a restart.
"""

from __future__ import annotations

from dataclasses import replace

from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session import AddToClass, Alternative, Change, Relabel, SeparateClasses, Session, SetTrackIds
from cdwidget.session.actions import PREDICTOR_ACTIONS
from cdwidget.tools import TOOL_OF_ACTION


def label_of_new(label: str, instance: int) -> Relabel:
    """Return the action that gives a new instance its label; it belongs to the step before it."""
    return Relabel(label, (instance,))


def erase_drawing(label: str) -> AddToClass:
    """Return the action that takes the pixels just drawn from every class; it belongs to the step before it.

    Args:
        label: Label of the next drawing.
    """
    return AddToClass("", label)


def undo_step(session: Session) -> list[Change]:
    """Undo the newest step and return its changes, the newest first."""
    changes = [session.undo()]
    while (newest := changes[-1]) and (older := session.newest_change) and _belongs_to(newest, older):
        changes.append(session.undo())
    return [change for change in changes if change]


def redo_step(session: Session) -> list[Change]:
    """Redo the step undone last and return its changes, the oldest first."""
    changes = [session.redo()]
    while (older := changes[-1]) and (newer := session.newest_undone) and _belongs_to(newer, older):
        changes.append(session.redo())
    return [change for change in changes if change]


def joined(first: Change, last: Change) -> Change:
    """Join two successive changes into one; only the first may change pixels."""
    return replace(first, new_state=last.new_state)


def whole_step(changes: list[Change], undone: bool) -> Change | None:
    """Return one change for those of a step, oldest first; one of the last state if their pixels need all of the document."""
    if not changes:
        return None
    first, last = changes[0], changes[-1]
    if not any(change.differences for change in changes[1:]):
        return joined(first, last)
    return first if undone else last


def _belongs_to(newer: Change, older: Change) -> bool:
    """Return whether a change continues the step of the change before it."""
    action = newer.action
    if isinstance(action, SetTrackIds):  # The next image has numbered the objects; nothing else shows it.
        return True
    if isinstance(action, Alternative):
        return isinstance(older.action, Alternative)
    if isinstance(action, Relabel):
        is_of_new = action.instance == (older.instance,) and not newer.old_state.entry(older.instance).label
        return is_of_new and isinstance(older.action, (*PREDICTOR_ACTIONS, *TOOL_OF_ACTION))
    if isinstance(action, SeparateClasses):
        return isinstance(older.action, (Click, Stroke, Box, Relabel))
    return isinstance(action, AddToClass) and action.label == "" and action.next is not None
