"""The actions that need no predictor: finish, select, delete and relabel instances."""

from __future__ import annotations

from dataclasses import replace
from typing import Union

from cdwidget.masks import EMPTY_PATCH, Patch
from cdwidget.session.actions import Accept, Delete, Relabel, Select
from cdwidget.session.document import Change, Document

Edit = Union[Accept, Select, Delete, Relabel]


def edit(document: Document, action: Edit) -> Change:
    """Return what an action without a predictor changes in a document; ValueError when it names an instance there is not."""
    state = document.state
    if isinstance(action, Relabel):
        entry = state.entry(action.instance)
        return Change(action, entry.id, was=state, now=state.with_entry(replace(entry, label=action.label)))
    if isinstance(action, Delete):
        return _delete(document, action)
    entry = state.entry()
    if isinstance(action, Select) and action.instance is not None:
        now = state.selecting(state.entry(action.instance).id)
        keep = document.mask.any() or now.selected == entry.id
        return Change(action, now.selected, was=state, now=now if keep else now.without(entry.id))
    label = action.label if isinstance(action, Accept) and action.label is not None else entry.label
    if document.mask.any():
        now = state.with_entry(replace(entry, label=label)).with_new(label)
    elif entry.prompts:
        now = state.without(entry.id).with_new(label)
    else:  # it is new already
        now = state.with_entry(replace(entry, label=label))
    return Change(action, entry.id, was=state, now=now)


def _delete(document: Document, action: Delete) -> Change:
    state = document.state
    entry = state.entry(action.instance)
    pixels = document.patch(entry.id)
    if entry.id != state.selected:
        now = state.without(entry.id)
    elif pixels.bits or entry.prompts:
        now = state.without(entry.id).with_new(entry.label)
    else:  # it is new already
        now = state
    blank = Patch(pixels.bbox, bytes(len(pixels.bits))) if pixels.bits else EMPTY_PATCH
    return Change(action, entry.id, was=state, now=now, before=pixels, after=blank)
