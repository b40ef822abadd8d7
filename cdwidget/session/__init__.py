"""The document that is edited: `Session`, the actions it takes and the changes it answers with."""

from cdwidget.session.actions import Accept, Action, Delete, Relabel, Select, action_from_json, action_to_json
from cdwidget.session.asked import Asked
from cdwidget.session.document import Change, Entry, State
from cdwidget.session.session import Session

__all__ = [
    "Accept",
    "Action",
    "Asked",
    "Change",
    "Delete",
    "Entry",
    "Relabel",
    "Select",
    "Session",
    "State",
    "action_from_json",
    "action_to_json",
]
