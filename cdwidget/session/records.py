"""A change as plain JSON: what a journal keeps, so that it can be done again, undone and redone without predictor and tools."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any, Mapping

from cdwidget.masks import Patch
from cdwidget.session.actions import action_from_json, action_to_json
from cdwidget.session.document import Change, Choice, Difference, Entry, State


def change_to_json(change: Change) -> dict[str, Any]:
    """Return a change as plain JSON, without the state before it and the entries that are as they were."""
    was, now = change.was, change.now
    same = set(was.entries)
    return {
        "action": action_to_json(change.action),
        "instance": change.instance,
        "progressive": change.progressive,
        "state": {
            "order": [entry.id for entry in now.entries],
            "entries": [_entry_to_json(entry) for entry in now.entries if entry not in same],
            "selected": now.selected,
            "next_id": now.next_id,
            "locked": now.locked,
        },
        "differences": [
            {"instance": one.instance, "before": _patch_to_json(one.before), "after": _patch_to_json(one.after)}
            for one in change.differences
        ],
    }


def change_from_json(data: Mapping[str, Any], was: State) -> Change:
    """Return the change of `change_to_json`'s answer, made in the state `was`; ValueError when it is none or cannot be made there."""
    try:
        state = data["state"]
        entries = {entry.id: entry for entry in (*was.entries, *map(_entry, state["entries"]))}
        now = State(tuple(entries[id] for id in state["order"]), state["selected"], state["next_id"], state["locked"])
        now.entry()
        differences = [Difference(one["instance"], _patch(one["before"]), _patch(one["after"])) for one in data["differences"]]
        return Change(action_from_json(data["action"]), data["instance"], was, now, tuple(differences), data["progressive"])
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"this is no change that fits here ({type(error).__name__}: {error})") from error


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    choice = entry.choice and {**vars(entry.choice), "before": _patch_to_json(entry.choice.before)}
    return {"id": entry.id, "label": entry.label, "prompts": [action_to_json(prompt) for prompt in entry.prompts], "choice": choice}


def _entry(data: Mapping[str, Any]) -> Entry:
    choice = data["choice"] and Choice(**{**data["choice"], "before": _patch(data["choice"]["before"])})
    prompts: Any = tuple(action_from_json(prompt) for prompt in data["prompts"])
    return Entry(data["id"], data["label"], prompts, choice)


def _patch_to_json(patch: Patch) -> dict[str, Any]:
    packed = {**asdict(patch), "bits": zlib.compress(patch.bits, 1)}  # sources and alpha are deflated already
    return {name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in packed.items()}


def _patch(data: Mapping[str, Any]) -> Patch:
    x0, y0, x1, y1 = data["bbox"]
    alpha = data["alpha"]
    bits = zlib.decompress(b64decode(data["bits"]))
    return Patch((x0, y0, x1, y1), bits, b64decode(data["sources"]), None if alpha is None else b64decode(alpha))
