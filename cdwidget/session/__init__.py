"""The document that is edited: `Session`, the actions it takes and the changes it answers with."""

from cdwidget.session.actions import (
    Accept,
    Action,
    Alternative,
    Delete,
    Duplicate,
    Lock,
    Merge,
    Relabel,
    Reorder,
    Select,
    Snap,
    Split,
    action_from_json,
    action_to_json,
)
from cdwidget.session.document import Change, Choice, Difference, Entry, State
from cdwidget.session.pixels import SOURCES
from cdwidget.session.prediction import Asked
from cdwidget.session.session import Journal, Kind, Session

__all__ = [
    "SOURCES",
    "Accept",
    "Action",
    "Alternative",
    "Asked",
    "Change",
    "Choice",
    "Delete",
    "Difference",
    "Duplicate",
    "Entry",
    "Journal",
    "Kind",
    "Lock",
    "Merge",
    "Relabel",
    "Reorder",
    "Select",
    "Session",
    "Snap",
    "Split",
    "State",
    "action_from_json",
    "action_to_json",
]
