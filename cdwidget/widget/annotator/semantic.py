"""Semantic mode of an Annotator: each drawing is added to its class and removed from all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cdwidget.masks import crop
from cdwidget.session import Accept, Action, AddToClass, Paste, Relabel, Select, Session
from cdwidget.tools import Brush, Lasso, Polygon, Superpixel, Wand

ERASERS = (Brush, Lasso, Polygon, Superpixel, Wand)  # The tools that can also remove pixels.


def semantic_action(session: Session, action: Action, is_drawing: bool) -> Action:
    """Return the action that an action of a user means in semantic mode.

    Finishing adds the drawing to its class. Choosing a class finishes it too, and the next drawing is of the chosen class. Pasted objects
    are added to their classes.

    Args:
        session: The session.
        action: The action.
        is_drawing: Whether the selected object is confirmed and has a class, or was drawn as "No class". Another one, such as a given mask
            without a label, stays when it is left, and gets the class that is chosen.
    """
    if isinstance(action, Select) and action.instance is not None and not session.state.has(action.instance):
        action = Select()  # The drawing before has taken all pixels of this object.
    if isinstance(action, Paste):
        return replace(action, by_class=True)
    if isinstance(action, Accept) and (is_drawing or session.label or action.label is not None):
        return AddToClass(action.label)
    if isinstance(action, Select) and action.instance is None and is_drawing:
        return AddToClass()
    if isinstance(action, Relabel) and action.instance in (None, session.selected) and session.has_pixels():
        if is_drawing:
            return AddToClass(next=action.label)
        if action.label:
            return AddToClass(action.label)
    return action


def class_map(session: Session, labels: list[str]) -> np.ndarray:
    """Return the class of the confirmed object in front at each pixel, uint8 (H, W), or uint16 for more than 255 classes.

    Args:
        session: The session.
        labels: The classes 1, 2, ...; other labels of instances follow in their order, and 0 is no class.
    """
    entries = [entry for entry in session.state.entries if entry.confirmed and session.has_pixels(entry.id)]
    names = dict.fromkeys([*labels, *(entry.label for entry in entries if entry.label)])
    numbers = {"": 0, **{name: number for number, name in enumerate(names, 1)}}
    found = np.zeros((session.height, session.width), np.uint8 if len(names) < 256 else np.uint16)
    for entry in entries:
        patch = session.mask_patch(entry.id)
        crop(found, patch.bbox)[patch.pixels()] = numbers[entry.label]
    return found
