"""The JSON of logs and journals.

A log holds the initial document and all actions; a journal holds the changes that they made.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cdwidget.items import Instance
from cdwidget.masks import Patch, pack, unpack
from cdwidget.prompts import Action
from cdwidget.rle import decode_uncompressed, encode_uncompressed
from cdwidget.session.actions import PREDICTOR_ACTIONS, action_from_json, action_to_json
from cdwidget.session.document import Change, Choice, Difference, Document, Entry, State
from cdwidget.session.opening import open_document

LOG_VERSION = 3  # Version 1 had no alpha and ordered instances by id; version 2 had no `selected`.
READABLE_VERSIONS = (1, 2, 3)


def change_to_json(change: Change) -> dict[str, Any]:
    """Return a change as JSON, without the state before it and entries that did not change."""
    unchanged, new_state = set(change.old_state.entries), change.new_state
    return {
        "action": action_to_json(change.action),
        "instance": change.instance,
        "progressive": change.progressive,
        "state": {
            "order": [entry.id for entry in new_state.entries],
            "entries": [_entry_to_json(entry) for entry in new_state.entries if entry not in unchanged],
            "selected": new_state.selected,
            "next_id": new_state.next_id,
            "locked": new_state.locked,
        },
        "differences": [
            {"instance": one.instance, "before": _patch_to_json(one.before), "after": _patch_to_json(one.after)}
            for one in change.differences
        ],
    }


def change_from_json(data: Mapping[str, Any], old_state: State) -> Change:
    """Return the change that `change_to_json` wrote; raise ValueError if `old_state` is another."""
    try:
        state = data["state"]
        entries = {entry.id: entry for entry in (*old_state.entries, *map(_entry_from_json, state["entries"]))}
        new_state = State(tuple(entries[id] for id in state["order"]), state["selected"], state["next_id"], state["locked"])
        new_state.entry()
        differences = tuple(
            Difference(one["instance"], _patch_from_json(one["before"]), _patch_from_json(one["after"])) for one in data["differences"]
        )
        return Change(action_from_json(data["action"]), data["instance"], old_state, new_state, differences, data["progressive"])
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ValueError(f"the change does not fit the session ({type(error).__name__}: {error})") from error


def write_log(initial: Document, applied: Sequence[tuple[Action, bool]], progressive: bool) -> dict[str, Any]:
    """Return the log of a session.

    Args:
        initial: The document that the session started with.
        applied: The actions, oldest first, and whether the prediction for each was merged progressively.
        progressive: Whether the next prediction would be.

    Returns:
        version, width, height, progressive; mask: the initial mask of the new instance as uncompressed COCO run lengths, null if
        it was empty; instances: the others, in painting order, each {id, label, mask, alpha}, alpha null or base64 of `masks.pack`;
        selected: id of the instance that was selected first, null for the new one; actions: as JSON, and for prompts and
        alternatives `progressive`.
    """
    height, width = initial.mask.shape
    is_new = initial.initial_selected is None
    instances = [initial.instance(entry) for entry in initial.state.entries if entry.id != initial.state.selected or not is_new]
    return {
        "version": LOG_VERSION,
        "width": width,
        "height": height,
        "progressive": progressive,
        "mask": encode_uncompressed(initial.mask) if is_new and initial.mask.any() else None,
        "instances": [
            {"id": one.id, "label": one.label, "mask": encode_uncompressed(one.mask), "alpha": _alpha_to_json(one.alpha)}
            for one in instances
        ],
        "selected": initial.initial_selected,
        "actions": [
            {**action_to_json(action), "progressive": merged} if isinstance(action, PREDICTOR_ACTIONS) else action_to_json(action)
            for action, merged in applied
        ],
    }


def read_log(log: Mapping[str, Any]) -> tuple[Document, list[tuple[Action, bool]], bool]:
    """Return the arguments that `write_log` received; raise ValueError if the log is not valid."""
    if not isinstance(log, Mapping) or log.get("version") not in READABLE_VERSIONS:
        found = log.get("version") if isinstance(log, Mapping) else type(log).__name__
        versions = ", ".join(map(str, READABLE_VERSIONS))
        raise ValueError(f"this is not a log of version {versions} ({found!r}); give the result of Session.log()")
    try:
        height, width, progressive = _size(log["height"]), _size(log["width"]), _flag(log["progressive"])
        mask = None if log["mask"] is None else decode_uncompressed(log["mask"])
        instances = [
            Instance(decode_uncompressed(entry["mask"]), entry["label"], entry["id"], _alpha_from_json(entry.get("alpha"), height, width))
            for entry in log["instances"]
        ]
        actions = [_logged_action(entry) for entry in log["actions"]]
        return open_document(height, width, mask, instances, log.get("selected")), actions, progressive
    except KeyError as error:
        raise ValueError(f"the log is not valid: {error} is missing; give the result of Session.log()") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"the log is not valid: {error}") from error


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    choice = entry.choice and {**vars(entry.choice), "before": _patch_to_json(entry.choice.before)}
    return {"id": entry.id, "label": entry.label, "prompts": [action_to_json(prompt) for prompt in entry.prompts], "choice": choice}


def _entry_from_json(data: Mapping[str, Any]) -> Entry:
    choice = data["choice"] and Choice(**{**data["choice"], "before": _patch_from_json(data["choice"]["before"])})
    prompts: Any = tuple(action_from_json(prompt) for prompt in data["prompts"])
    return Entry(data["id"], data["label"], prompts, choice)


def _patch_to_json(patch: Patch) -> dict[str, Any]:
    packed = {**asdict(patch), "bits": zlib.compress(patch.bits, 1)}  # Sources and alpha are compressed already.
    return {name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in packed.items()}


def _patch_from_json(data: Mapping[str, Any]) -> Patch:
    x0, y0, x1, y1 = data["bbox"]
    alpha = data["alpha"]
    bits = zlib.decompress(b64decode(data["bits"]))
    return Patch((x0, y0, x1, y1), bits, b64decode(data["sources"]), None if alpha is None else b64decode(alpha))


def _alpha_to_json(alpha: np.ndarray | None) -> str | None:
    return None if alpha is None else b64encode(pack(alpha)).decode()


def _alpha_from_json(value: Any, height: int, width: int) -> np.ndarray | None:
    if value is None:
        return None
    try:
        return unpack(b64decode(value), height, width)
    except Exception as error:  # binascii.Error, zlib.error, or ValueError for another size.
        raise ValueError(f"the alpha of an instance cannot be read ({type(error).__name__}: {error})") from error


def _logged_action(entry: Mapping[str, Any]) -> tuple[Action, bool]:
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
