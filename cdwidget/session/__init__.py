"""Sessions: an image, its instances, and the actions that change them."""

from cdwidget._deprecated import renamed_names
from cdwidget.prompts import Action
from cdwidget.session.actions import action_from_json, action_to_json
from cdwidget.session.alternatives import Alternative
from cdwidget.session.document import SOURCES, Change, Choice, Difference, Entry, State
from cdwidget.session.editor import Journal, Kind
from cdwidget.session.instances import Accept, Delete, Duplicate, Lock, Merge, Relabel, Reorder, Select, SetAttributes, Snap, Split
from cdwidget.session.paste import Paste
from cdwidget.session.prediction import PromptResult
from cdwidget.session.semantic import AddToClass, SeparateClasses
from cdwidget.session.session import Session
from cdwidget.session.tracks import Confirm, SetTrackIds

__all__ = [
    "SOURCES",
    "Accept",
    "Action",
    "AddToClass",
    "Alternative",
    "Change",
    "Choice",
    "Confirm",
    "Delete",
    "Difference",
    "Duplicate",
    "Entry",
    "Journal",
    "Kind",
    "Lock",
    "Merge",
    "Paste",
    "PromptResult",
    "Relabel",
    "Reorder",
    "Select",
    "SeparateClasses",
    "Session",
    "SetAttributes",
    "SetTrackIds",
    "Snap",
    "Split",
    "State",
    "action_from_json",
    "action_to_json",
]

__getattr__ = renamed_names(__name__, {"Asked": "PromptResult"})
