"""A change as plain JSON: what a journal keeps, so that it can be done again, undone and redone without predictor and tools."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any, Mapping, Sequence

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import Patch, decode_rle, encode_rle, pack, unpack
from cdwidget.prompts import Box, Click, Stroke
from cdwidget.session.actions import Action, Alternative, action_from_json, action_to_json
from cdwidget.session.document import Change, Choice, Difference, Document, Entry, State, open_document


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


# MERGED from session.log: The log of a session as plain JSON: what it began with and the actions in force, enough to do it all again.


LOG_VERSION = 3  # version 1 had no alpha, and its instances were in the order of their ids; version 2 had no `selected`
READABLE = (1, 2, 3)
MERGED = (Click, Stroke, Box, Alternative)  # the actions of which the log says how their answer was merged


def write_log(first: Document, applied: Sequence[tuple[Action, bool]], progressive: bool) -> dict[str, Any]:
    """Return the log of a session that began as `first`.

    version, width, height; mask: the run lengths of the new instance that was selected first, null when it had none; instances: the
    others, in painting order, each {id, label, mask, alpha}; selected: the id of the one of them that was selected first, null for the
    new one; actions: as `action_to_json` gives them, prompts and alternatives with `progressive`, how their answer was merged;
    progressive: how the next one would be. Masks are uncompressed COCO run lengths; alpha is null or base64 of `masks.pack`.
    """
    height, width = first.mask.shape
    is_new = first.given is None
    given = [first.instance(entry) for entry in first.state.entries if entry.id != first.state.selected or not is_new]
    return {
        "version": LOG_VERSION,
        "width": width,
        "height": height,
        "progressive": progressive,
        "mask": encode_rle(first.mask) if is_new and first.mask.any() else None,
        "instances": [
            {"id": one.id, "label": one.label, "mask": encode_rle(one.mask), "alpha": _alpha_to_json(one.alpha)} for one in given
        ],
        "selected": first.given,
        "actions": [
            {**action_to_json(action), "progressive": merged} if isinstance(action, MERGED) else action_to_json(action)
            for action, merged in applied
        ],
    }


def read_log(log: Mapping[str, Any]) -> tuple[Document, list[tuple[Action, bool]], bool]:
    """Return what `write_log` was given; ValueError says what is wrong with a log."""
    if not isinstance(log, Mapping) or log.get("version") not in READABLE:
        found = log.get("version") if isinstance(log, Mapping) else type(log).__name__
        raise ValueError(f"this is no log of version {', '.join(map(str, READABLE))} ({found!r}); give what Session.log() returned")
    try:
        height, width, progressive = _size(log["height"]), _size(log["width"]), _flag(log["progressive"])
        mask = None if log["mask"] is None else decode_rle(log["mask"])
        instances = [
            Instance(decode_rle(entry["mask"]), entry["label"], entry["id"], _alpha(entry.get("alpha"), height, width))
            for entry in log["instances"]
        ]
        actions = [_action(entry) for entry in log["actions"]]
        return open_document(height, width, mask, instances, log.get("selected")), actions, progressive
    except KeyError as error:
        raise ValueError(f"the log is not valid: {error} is missing; give what Session.log() returned") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"the log is not valid: {error}") from error


def _alpha_to_json(alpha: np.ndarray | None) -> str | None:
    return None if alpha is None else b64encode(pack(alpha)).decode()


def _alpha(value: Any, height: int, width: int) -> np.ndarray | None:
    if value is None:
        return None
    try:
        return unpack(b64decode(value), height, width)
    except Exception as error:  # binascii.Error, zlib.error, ValueError for another size
        raise ValueError(f"the alpha of an instance cannot be read ({type(error).__name__}: {error})") from error


def _action(entry: Mapping[str, Any]) -> tuple[Action, bool]:
    fields = dict(entry)
    progressive = _flag(fields.pop("progressive", True))
    return action_from_json(fields), progressive


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"the size of the image must be whole numbers from 1, not {value!r}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"progressive must be true or false, not {value!r}")
    return value
