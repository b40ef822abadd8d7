"""The JSON of journals: changes, and whole documents.

A change holds only what it changed: the new prompt, not all prompts of an instance, and no entry that stayed as it was.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from cdwidget.limits import DEFAULT_LIMITS
from cdwidget.masks import Bbox, Patch, check_packed, inflate
from cdwidget.prompts import Box, Click, Prompt, Stroke
from cdwidget.session.actions import action_from_json, action_to_json
from cdwidget.session.block_map import BlockMap
from cdwidget.session.document import Change, Choice, Difference, Document, Entry, Pixels, State
from cdwidget.session.serialization import details_from_json, details_to_json

OF_ACTION = "action"  # Stands for the prompt that is the action itself.
OF_CHANGE = "change"  # Stands for the patch before the change, which an entry's choice holds too.


def change_to_json(change: Change) -> dict[str, Any]:
    """Return a change as JSON, without the state before it and what did not change."""
    old, new = change.old_state, change.new_state
    start, removed, added = old.by_id.differing_ids(new.by_id)
    return {
        "action": action_to_json(change.action),
        "instance": change.instance,
        "progressive": change.progressive,
        "state": {
            "entries": [_entry_change_to_json(old, entry, change) for entry in new.by_id.changed_since(old.by_id)],
            **({"ids": [start, len(removed), added]} if removed or added else {}),
            "selected": new.selected,
            "next_id": new.next_id,
            "locked": new.locked,
        },
        "differences": [
            {"instance": one.instance, "before": _patch_to_json(one.before), "after": _patch_to_json(one.after)}
            for one in change.differences
        ],
    }


def change_from_json(data: Mapping[str, Any], old_state: State, box: Bbox | None = None) -> Change:
    """Return the change that `change_to_json` wrote, in this version or in version 1.

    Args:
        data: The JSON.
        old_state: The state before the change.
        box: The whole image, in which all pixels lie; None if it is unknown.

    Raises:
        ValueError: If the change is damaged, or `old_state` is another one.
    """
    return decode_change(data, old_state, state_from_json(data, old_state, box), box)


def decode_change(data: Mapping[str, Any], old_state: State, new_state: State, box: Bbox | None) -> Change:
    """Return a change between two known states; raises ValueError if it is damaged."""
    try:
        differences = tuple(
            Difference(_whole(one["instance"]), _patch_from_json(one["before"], box), _patch_from_json(one["after"], box))
            for one in data["differences"]
        )
        if any(one.before.bbox != one.after.bbox for one in differences):
            raise ValueError("the boxes before and after a change differ")
        return Change(action_from_json(data["action"]), data["instance"], old_state, new_state, differences, data["progressive"])
    except Exception as error:
        raise _damaged(error) from error


def patches_from_json(data: Mapping[str, Any], side: str, box: Bbox) -> dict[int, Patch]:
    """Return the pixels "before" or "after" a change, by instance; raises ValueError if they are damaged."""
    try:
        return {_whole(one["instance"]): _patch_from_json(one[side], box) for one in data["differences"]}
    except Exception as error:
        raise _damaged(error) from error


def state_from_json(data: Mapping[str, Any], old_state: State, box: Bbox | None = None) -> State:
    """Return the state after a change; raises ValueError if the change does not fit the state before it."""
    try:
        state = data["state"]
        changed = {one.id: one for one in (_entry_change_from_json(old_state, entry, data, box) for entry in state["entries"])}
        if "order" in state:  # Version 1 lists all ids.
            by_id = _spliced(old_state.by_id, (0, len(old_state.by_id), state["order"]), changed)
        else:
            by_id = _spliced(old_state.by_id, state["ids"], changed) if "ids" in state else old_state.by_id
        for entry in changed.values():
            by_id = by_id.set(entry.id, entry)
        new_state = State(by_id, _whole(state["selected"]), _whole(state["next_id"]), bool(state["locked"]))
        new_state.entry()
        return new_state
    except Exception as error:
        raise _damaged(error) from error


def _spliced(old: BlockMap[Entry], splice: Any, changed: Mapping[int, Entry]) -> BlockMap[Entry]:
    """Replace a range of ids; `splice` is [start, number of ids to remove, ids to insert]."""
    start, removed, ids = splice
    if not 0 <= _whole(start) <= start + _whole(removed) <= len(old):
        raise ValueError("ids are replaced that do not exist")
    kept = old.splice(start, removed)
    if len(set(map(_whole, ids))) < len(ids) or any(id in kept for id in ids):
        raise ValueError("two instances have one id")
    return kept.splice(start, 0, [(id, changed[id] if id in changed else old[id]) for id in ids])


def document_to_json(document: Document) -> dict[str, Any]:
    """Return a whole document as JSON."""
    state = document.state
    return {
        "entries": [{**_entry_to_json(entry), "pixels": _patch_to_json(document.patch(entry.id))} for entry in state.entries],
        "selected": state.selected,
        "next_id": state.next_id,
        "locked": state.locked,
        "initial_selected": document.initial_selected,
    }


def document_from_json(data: Mapping[str, Any], box: Bbox) -> Document:
    """Return the document that `document_to_json` wrote; raises ValueError if it is damaged."""
    try:
        entries = tuple(_entry_from_json(entry, box) for entry in data["entries"])
        state = State.of(entries, _whole(data["selected"]), _whole(data["next_id"]), bool(data["locked"]))
        if len(state.by_id) < len(entries):
            raise ValueError("two instances have one id")
        packed = {entry.id: _patch_from_json(one["pixels"], box) for entry, one in zip(entries, data["entries"])}
        return Document(state, Pixels.of(packed.pop(state.entry().id)), BlockMap(packed.items()), box, data["initial_selected"])
    except Exception as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> ValueError:
    return ValueError(f"the change does not fit the session ({type(error).__name__}: {error})")


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    choice = entry.choice and {**vars(entry.choice), "before": _patch_to_json(entry.choice.before)}
    prompts = [action_to_json(prompt) for prompt in entry.prompts]
    return {"id": entry.id, "label": entry.label, "prompts": prompts, "choice": choice, **details_to_json(entry)}


def _entry_from_json(data: Mapping[str, Any], box: Bbox | None) -> Entry:
    choice = data["choice"] and Choice(**{**data["choice"], "before": _patch_from_json(data["choice"]["before"], box)})
    prompts = tuple(_prompt_from_json(prompt) for prompt in data["prompts"])
    return Entry(_whole(data["id"]), _text(data["label"]), prompts, choice, **details_from_json(data))


def _entry_change_to_json(old: State, entry: Entry, change: Change) -> dict[str, Any]:
    """Return a new entry, or a changed one with only its new prompts: {"kept": number of prompts kept, "prompts": the new ones}."""
    known = old.entry(entry.id) if old.has(entry.id) else Entry(entry.id)
    kept = len(known.prompts) if entry.prompts[: len(known.prompts)] == known.prompts else _common_start(known.prompts, entry.prompts)
    new = [OF_ACTION if prompt is change.action else action_to_json(prompt) for prompt in entry.prompts[kept:]]
    choice = entry.choice and {**vars(entry.choice)}
    if choice:
        is_of_change = choice["before"] == change.before and entry.id == change.instance
        choice["before"] = OF_CHANGE if is_of_change else _patch_to_json(choice["before"])
    details = details_to_json(entry)
    changed = {} if details == details_to_json(known) else {"details": details}
    return {"id": entry.id, "label": entry.label, "kept": kept, "prompts": new, "choice": choice, **changed}


def _common_start(a: tuple[Prompt, ...], b: tuple[Prompt, ...]) -> int:
    """Return the number of equal prompts at the start of two tuples."""
    return next((index for index, (mine, other) in enumerate(zip(a, b)) if mine != other), min(len(a), len(b)))


def _entry_change_from_json(old: State, data: Mapping[str, Any], change: Mapping[str, Any], box: Bbox | None) -> Entry:
    if "kept" not in data:  # Version 1 repeats all prompts.
        return _entry_from_json(data, box)
    id, kept, choice = _whole(data["id"]), _whole(data["kept"]), data["choice"]
    known = old.entry(id) if old.has(id) else Entry(id)
    if len(known.prompts) < kept:
        raise ValueError(f"instance {id} has only {len(known.prompts)} prompts")
    new = (_prompt_from_json(change["action"] if prompt == OF_ACTION else prompt) for prompt in data["prompts"])
    if choice:
        patch = choice["before"]
        if patch == OF_CHANGE:
            patch = next((one["before"] for one in change["differences"] if one["instance"] == id), EMPTY_PATCH_JSON)
        choice = Choice(**{**choice, "before": _patch_from_json(patch, box)})
    details = data["details"] if "details" in data else details_to_json(known)
    return Entry(id, _text(data["label"]), (*known.prompts[:kept], *new), choice, **details_from_json(details))


def _prompt_from_json(data: Mapping[str, Any]) -> Prompt:
    prompt = action_from_json(data)
    if not isinstance(prompt, (Click, Stroke, Box)):
        raise ValueError(f"{type(prompt).__name__} is not a prompt")
    return prompt


def _patch_to_json(patch: Patch) -> dict[str, Any]:
    return {
        "bbox": list(patch.bbox),
        "bits": b64encode(zlib.compress(patch.bits, 1)).decode(),
        "sources": b64encode(patch.sources).decode(),  # Sources and alpha are compressed already.
        "alpha": None if patch.alpha is None else b64encode(patch.alpha).decode(),
    }


EMPTY_PATCH_JSON: Mapping[str, Any] = {"bbox": [0, 0, 0, 0], "bits": b64encode(zlib.compress(b"")).decode(), "sources": "", "alpha": None}


def _patch_from_json(data: Mapping[str, Any], box: Bbox | None) -> Patch:
    """Return a patch whose compressed pixels have the size of its bbox; raises an error if they do not."""
    x0, y0, x1, y1 = map(_whole, data["bbox"])
    if x0 > x1 or y0 > y1 or (box is not None and (x1 > box[2] or y1 > box[3])):
        raise ValueError(f"the box {data['bbox']} lies outside the image")
    width, height = x1 - x0, y1 - y0
    DEFAULT_LIMITS.check("max_pixels", width * height, "a saved change")
    size = (width * height + 7) // 8
    bits = inflate(b64decode(data["bits"]), size)
    if len(bits) != size:
        raise ValueError(f"{len(bits)} bytes do not fill {width}x{height} pixels")
    sources, alpha = b64decode(data["sources"]), None if data["alpha"] is None else b64decode(data["alpha"])
    for packed in (sources, alpha):
        if packed:
            check_packed(packed, height, width)
    return Patch((x0, y0, x1, y1), bits, sources, alpha)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number from 0")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value
