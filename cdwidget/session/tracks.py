"""Actions on the objects of a sequence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cdwidget.prompts import Action
from cdwidget.session.document import Change, Document


@dataclass(frozen=True)
class SetTrackIds(Action):
    """Change the track_ids of instances in one step.

    Args:
        instances: Their ids.
        track_ids: The new track_id of each.
    """

    instances: tuple[int, ...]
    track_ids: tuple[int, ...]


@dataclass(frozen=True)
class Confirm(Action):
    """Confirm instances that were followed into the image, in one step.

    Args:
        instances: Their ids.
    """

    instances: tuple[int, ...]


def set_track_ids(document: Document, action: SetTrackIds) -> Change:
    """Return the change by `SetTrackIds`; raise ValueError if there are no instances or the counts differ."""
    if not action.instances or len(action.instances) != len(action.track_ids):
        raise ValueError(f"there are {len(action.instances)} instances and {len(action.track_ids)} track_ids; give one for each")
    state = document.state
    for id, track_id in zip(action.instances, action.track_ids):
        state = state.with_entry(replace(state.entry(id), track_id=track_id))
    return document.change(action, action.instances[0], state)


def confirm(document: Document, action: Confirm) -> Change:
    """Return the change by `Confirm`; raise ValueError if there are no instances."""
    if not action.instances:
        raise ValueError("there are no objects to confirm; give at least one id")
    state = document.state
    for id in action.instances:
        state = state.with_entry(replace(state.entry(id), confirmed=True))
    return document.change(action, action.instances[0], state)
